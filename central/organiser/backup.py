"""Copies of the database while it is served, and putting one back. SQLite; PostgreSQL has its own
tools, and what this module says about them is what its faults say.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, count
from pathlib import Path
from shlex import quote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from central.database import sync_directory
from central.organiser.errors import BackupFault
from central.schema import GROWN_FROM, VERSION

_PARTS = ("-wal", "-shm", "")
"""Endings of the files of a database."""


def backup(url: str | URL, target: Path) -> int:
    """Copy the database to ``target``, as of one moment; return the copy's bytes.

    Gates are served meanwhile: a reader stops no writer (SQLite, WAL). The copy is looked through
    before it takes its name, and nobody else may read it.

    Raises:
        BackupFault: the database is PostgreSQL, or the copy cannot be made.
    """
    source = _file_of(url, f"pg_dump --format=custom --file={quote(str(target))}")
    if not target.name:
        raise BackupFault(f"{target} is a directory", "Name a file in it")
    if target.exists() and target.samefile(source):
        raise BackupFault(f"{target} is the database itself", "Name another file")
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(source, aside)
            _check(aside)
            _rename(aside, target)
        finally:
            aside.unlink(missing_ok=True)
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise BackupFault(
            f"the copy {target} cannot be made: {error}", "Check the path, its rights and the disk"
        ) from error


def put_back(
    url: str | URL,
    copy: Path,
    now: float | None = None,
    prepare: Callable[[str], None] | None = None,
) -> Path | None:
    """Make a copy the database; the one before is kept beside it, and its path returned.

    Args:
        prepare: Makes the copy at an address fit for the gates (`central.restored.go_on`) and
            closes it, before it takes its place; what it raises leaves all as it was.
    Raises:
        BackupFault: the database is PostgreSQL or is being served, or ``copy`` is no good copy.
    """
    restore = f"pg_restore --clean --if-exists {quote(str(copy))}"
    then = "; then: admit central restored"
    place = _file_of(url, restore, then, must_exist=False)
    try:
        with serving(place, alone=True):
            _check(copy)
            fresh = place.with_name(f".{place.name}.restored")
            for ending in _PARTS:
                fresh.with_name(fresh.name + ending).unlink(missing_ok=True)
            os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            _copy(copy, fresh)
            if prepare is not None:
                prepare(URL.create("sqlite", database=str(fresh)).render_as_string())
                _in_one_file(fresh)
            before = _put_aside(place, time.time() if now is None else now)
            _rename(fresh, place)
            return before
    except (OSError, sqlite3.Error) as error:
        raise BackupFault(
            f"{copy} cannot be put back: {error}", "Check the paths, their rights and the disk"
        ) from error


@contextmanager
def serving(place: Path | None, alone: bool = False) -> Iterator[None]:
    """Hold the mark that the database at ``place`` is served; ``alone``: that nobody serves it.

    A lock beside the database, that ends with the process: SQLite's own tell of a transaction only.

    Raises:
        BackupFault: it is served, or just being put back.
    """
    if place is None:
        yield
        return
    handle = os.open(place.with_name(f"{place.name}-serving"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "is being served" if alone else "is just being put back"
            raise BackupFault(f"the database {place} {what}", "Stop the server first") from error
        yield
    finally:
        os.close(handle)


def file_of(url: str | URL) -> Path | None:
    """The file of an SQLite database; None for another."""
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    return Path(parsed.database) if sqlite and parsed.database else None


def _file_of(url: str | URL, instead: str, then: str = "", must_exist: bool = True) -> Path:
    """The file, or the fault that says which commands do it ``instead``, and what ``then``."""
    try:
        whole = make_url(url)
        path, backend = file_of(whole), whole.get_backend_name()
    except ArgumentError as error:
        raise _no_file(str(error)) from error
    if path is None:
        if backend != "postgresql":
            raise _no_file(f"it is {backend[:40]!r} without a file")
        plain = URL.create(
            "postgresql", whole.username, None, whole.host, whole.port, whole.database, whole.query
        )
        raise BackupFault(
            "PostgreSQL is copied by its own tools",
            f"Run: {instead} --dbname={plain.render_as_string()}{then}",
        )
    if must_exist and not path.is_file():
        raise BackupFault(f"there is no database {path}", "Name it with --db")
    return path


def _no_file(cause: str) -> BackupFault:
    return BackupFault(
        f"the database address cannot be used: {cause}",
        "Use sqlite:///central.db or postgresql://USER@HOST/NAME",
    )


def _copy(source: Path, target: Path) -> None:
    with (
        closing(_opened(source)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        reader.backup(writer)  # in one step, so from one snapshot
    _in_one_file(target)


def _in_one_file(path: Path) -> None:
    """A database in WAL would need its second file, else."""
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode=DELETE")


def _opened(path: Path) -> sqlite3.Connection:
    """For reading. As an address: in a plain one ``#``, ``?`` and ``%`` would end the name."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _check(copy: Path) -> None:
    """Look the whole copy through.

    Raises:
        BackupFault: it is no database of this server, or is damaged.
    """
    remedy = "Take another copy"
    if not copy.is_file():
        raise BackupFault(
            f"there is no file {copy}",
            "Name a copy; a ticket's cancellation is taken back by: admit central reinstate ID",
        )
    try:
        with closing(_opened(copy)) as base:
            found = base.execute("PRAGMA quick_check(1)").fetchone()[0]
            version = base.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    except sqlite3.DatabaseError as error:
        raise BackupFault(f"{copy} is no copy of a central database: {error}", remedy) from error
    if found != "ok":
        raise BackupFault(f"{copy} is damaged: {found}", remedy)
    if version is None or version[0] not in GROWN_FROM | {VERSION}:
        raise BackupFault(
            f"{copy} is of version {version[0] if version else 'none'}, this server of {VERSION}",
            "Use the server that made it",
        )


def _put_aside(place: Path, now: float) -> Path | None:
    """Rename a database with its journal; they stay together."""
    if not place.exists():
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    name = f"{place.name}.before-{stamp}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    kept = next(path for path in map(place.with_name, names) if not path.exists())
    for ending in _PARTS:
        part = place.with_name(place.name + ending)
        if part.exists():
            part.rename(kept.with_name(kept.name + ending))
    return kept


def _rename(aside: Path, target: Path) -> None:
    """Give a whole file its name, so that a power cut leaves the old or the new one."""
    handle = os.open(aside, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    aside.rename(target)
    sync_directory(target.parent)
