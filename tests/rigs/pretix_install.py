"""Installs pretix once, in a venv of its own, and keeps a migrated database of each engine.

pretix is AGPL: it runs as a separate server in tests. Nothing here imports it, nothing ships it.

    interpreter()          the Python that has pretix
    migrated_sqlite()      a file to copy, made by all of pretix' migrations
    modelled_postgres(...) a dump to load, made from pretix' models by the server it is given

The first call takes minutes (download, build of one pure package, 459 migrations), each later one
no time. PostgreSQL would take twice as long over them, to the same tables, columns, constraints and
unique keys (compared by their dumps): its database is made from the models, as for pretix' own
tests. Everything lies in ``$XDG_CACHE_HOME/admit-pretix/<key>``; another lock or another Python
makes another key. A file lock lets several test processes call at the same time.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCK = HERE / "pretix.lock"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "admit-pretix"
SOURCE_ONLY = "django-jquery-js"
"""The one package without a wheel: pure Python, built by the locked setuptools, no compiler."""
WITHOUT_HISTORY = """\
from collections import defaultdict
from pretix.settings import *
class NoHistory(defaultdict):
    def __contains__(self, app):
        return True
MIGRATION_MODULES = NoHistory(lambda: None)
"""
"""Settings by which Django finds no migration of any app, and makes its tables from the models."""


def interpreter() -> Path:
    """The Python of a venv with exactly the packages of pretix.lock."""
    home = _home()
    python = home / "venv/bin/python"
    with _alone(home / "install.lock"):
        if not (home / "installed").exists():
            _timed("installing pretix", lambda: _install(home))
            (home / "installed").touch()
    return python


def migrated_sqlite() -> Path:
    """An SQLite file with pretix' empty schema. Copy it; never write it."""
    python, kept = interpreter(), _home() / "migrated.sqlite3"
    with _alone(_home() / "sqlite.lock"):
        if not kept.exists():
            made = kept.with_suffix(".new")
            made.unlink(missing_ok=True)
            settings = {"backend": "sqlite3", "name": str(made)}
            _timed("migrating SQLite", lambda: _migrate(python, settings))
            made.rename(kept)
    return kept


def modelled_postgres(settings: Mapping[str, str], dump: Callable[[Path], None]) -> Path:
    """An SQL file with pretix' empty schema.

    Args:
        settings: pretix' section ``[database]`` for an empty database; filled if no dump is kept.
        dump: Writes that database to a file.
    """
    python, kept = interpreter(), _home() / "modelled.sql"
    with _alone(_home() / "postgres.lock"):
        if not kept.exists():
            made = kept.with_suffix(".new")
            _timed("making PostgreSQL's tables", lambda: _migrate(python, settings, history=False))
            dump(made)
            made.rename(kept)
    return kept


def environment(directory: Path, database: Mapping[str, str], url: str) -> dict[str, str]:
    """Write pretix' configuration into ``directory``; return the variables that point to it."""
    sections = {
        "pretix": {"datadir": str(directory), "url": url, "ecb_rates": "off"},
        "django": {"secret": "only for tests on this machine", "debug": "off"},
        "database": dict(database),
    }
    lines = [
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key}={value}" for key, value in values.items()))
    ]
    file = directory / "pretix.cfg"
    file.write_text("\n".join(lines))
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return kept | {
        "PRETIX_CONFIG_FILE": str(file),
        "DJANGO_SETTINGS_MODULE": "pretix.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _home() -> Path:
    python = f"{sys.implementation.cache_tag}-{sys.version_info.micro}"
    key = hashlib.sha256(python.encode() + LOCK.read_bytes()).hexdigest()[:16]
    home = CACHE / key
    home.mkdir(parents=True, exist_ok=True)
    return home


def _install(home: Path) -> None:
    venv = home / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    # The build tool comes from the lock as well, so it is there before what needs it.
    whole = LOCK.read_text()
    tool = home / "build.lock"
    start = whole.index("\nsetuptools==") + 1
    end = whole.find("\n    # via", start)
    tool.write_text(whole[start:end])
    python = str(venv / "bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    _quietly([*pip, *locked, "-r", str(tool)])
    built = ["--no-binary", SOURCE_ONLY, "--no-build-isolation"]
    _quietly([*pip, *locked, *built, "-r", str(LOCK)])


def _quietly(command: Sequence[str], **options: Any) -> None:
    """Run it; show what it printed only if it failed."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-3000:]


def _migrate(python: Path, database: Mapping[str, str], history: bool = True) -> None:
    """Make the tables: by all of pretix' migrations, or from its models as they are now."""
    directory = _home() / f"migration-{database['backend']}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    variables = environment(directory, database, "http://127.0.0.1")
    command = [str(python), "-m", "pretix", "migrate", "--verbosity", "0"]
    if not history:
        (directory / "without_history.py").write_text(WITHOUT_HISTORY)
        variables |= {"DJANGO_SETTINGS_MODULE": "without_history", "PYTHONPATH": str(directory)}
        command.append("--run-syncdb")
    _quietly(command, env=variables, cwd=directory)
    shutil.rmtree(directory)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _timed(what: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    print(f"{what} ...", file=sys.stderr, flush=True)
    work()
    print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
