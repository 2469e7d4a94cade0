"""A database with pretix' schema for one server: a copied file, or a template in a cluster."""

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.rigs.postgres_rig import Cluster, cluster
from tests.rigs.pretix_install import interpreter, migrated_sqlite, modelled_postgres


def prepare() -> None:
    """Install pretix and make both kinds of empty database, where that is still to do."""
    interpreter()
    with ThreadPoolExecutor() as pool, cluster() as postgres:
        beside = pool.submit(migrated_sqlite)
        loaded(postgres)
        beside.result()


def copied(directory: Path) -> dict[str, str]:
    """An SQLite file in ``directory``; pretix' section ``[database]`` for it."""
    file = directory / "pretix.sqlite3"
    shutil.copy(migrated_sqlite(), file)
    return {"backend": "sqlite3", "name": str(file)}


def loaded(postgres: Cluster) -> dict[str, str]:
    """A new database with pretix' schema; the first in a cluster is a template for the others."""
    template = "pretix_empty"
    with postgres.connect("postgres") as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'pretix_empty'")
        if not found.fetchone():
            connection.execute(f"CREATE DATABASE {template}")
            settings = _settings(postgres, template)
            dump = modelled_postgres(settings, lambda file: _dump(postgres, template, file))
            _psql(postgres, template, dump)
        name = f"pretix{time.monotonic_ns()}"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return _settings(postgres, name)


def _settings(postgres: Cluster, name: str) -> dict[str, str]:
    place = str(postgres.directory)
    return {"backend": "postgresql", "name": name, "user": "admit", "host": place}


def _dump(postgres: Cluster, name: str, file: Path) -> None:
    command = ["pg_dump", "--no-owner", "--clean", "--if-exists", postgres.url(name)]
    with file.open("wb") as output:
        subprocess.run(command, check=True, stdout=output)


def _psql(postgres: Cluster, name: str, file: Path) -> None:
    """Load a dump. It clears the database first: the one it was just made from has it all."""
    command = ["psql", "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
    subprocess.run([*command, postgres.url(name)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    prepare()
