"""The journal's file: making it, opening it, reading it without a gate, and what can be wrong.

SQLite's errors leave this module as `JournalUnavailable` or `JournalDamaged`.
"""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from admission.errors import GateError
from store.files import sync_directory
from store.records import FIELDS, GENESIS, Entry, Kind, Record, chain_hash

COLUMNS = ", ".join(FIELDS)
BUSY_FOR = 1.0
"""Seconds to wait for a lock that nobody else should hold (I6): a lane waits behind it."""


LEAST_SPACE = 512 << 10
"""Bytes that must be free to open a journal: its log, the log's index, and room to say why not."""
INDEX_SPACE = 128 << 10
"""Bytes of an index for 16,000 pages of log, twice `MOST_LOG`."""
MOST_LOG = 8000
"""Pages of log from which a commit moves them into the file itself. A gate does it while its lanes
are idle; SQLite's own 1000 pages would have a guest wait for it in the middle of a rush."""


class JournalUnavailable(GateError):
    """The journal cannot be written: no admission until it can (I1)."""


class JournalDamaged(JournalUnavailable):
    """The journal is not what was written; the file is kept as it is."""


def make(path: Path, event: str) -> None:
    """Create an empty journal under another name first: a power cut leaves none or all of it.

    SQLite deletes its rollback journal without an fsync of the directory; a cut then brings it
    back and rolls the new file to zero bytes. Hence the order: make, WAL, fsync, rename.

    Raises:
        sqlite3.DatabaseError, OSError: there is no journal; what was begun is cleared next time.
    """
    aside = path.with_name(f".{path.name}.new")
    for leftover in path.parent.glob(f"{aside.name}*"):
        leftover.unlink()
    handle = os.open(aside, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with closing(connect(aside)) as db:
            _fill(db, event)
        os.fsync(handle)
    finally:
        os.close(handle)
    _set_orphans_aside(path)
    aside.rename(path)
    sync_directory(path.parent)


def _set_orphans_aside(path: Path) -> None:
    """Keep the log of a journal that was moved away without it: SQLite would replay it here."""
    for suffix in ("-wal", "-shm"):
        orphan = path.with_name(path.name + suffix)
        if orphan.exists():
            orphan.rename(orphan.with_name(f"{orphan.name}.orphan-{time.time_ns()}"))


def _fill(db: sqlite3.Connection, event: str) -> None:
    db.execute("PRAGMA locking_mode=EXCLUSIVE")  # no index file: see `hold_index`
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(files("store").joinpath("journal.sql").read_text("utf-8"))
    meta = {"event": event, "epoch": os.urandom(8), "format": 1}
    db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    # Closing checkpoints too, but keeps silent when the disk is full; the log stays behind then,
    # under a name that the renamed file does not look for.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def connect(path: Path, query: str = "mode=rw") -> sqlite3.Connection:
    """Open an existing file. `query`: see https://sqlite.org/uri.html. Raises sqlite3 errors."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_FOR,
    )
    try:
        db.execute("PRAGMA synchronous=FULL")
        # See store.outbox_secret; nothing else is ever deleted.
        db.execute("PRAGMA secure_delete=ON")
        db.execute(f"PRAGMA wal_autocheckpoint={MOST_LOG}")
        db.execute("PRAGMA journal_size_limit=8388608")
        db.execute("PRAGMA cache_size=-2000")
    except BaseException:  # no database: it is tried again every 2 s, and the files would run out
        db.close()
        raise
    return db


def check_space(directory: Path) -> None:
    """See that a gate can start to write here.

    Raises:
        JournalUnavailable: less than `LEAST_SPACE` is free.
    """
    disk = os.statvfs(directory)
    if (free := disk.f_bavail * disk.f_frsize) < LEAST_SPACE:
        raise JournalUnavailable(
            f"the card is full: {free >> 10} kB are free, a journal needs {LEAST_SPACE >> 10} kB",
            _REMEDIES["SQLITE_FULL"],
        )


def hold_index(path: Path) -> int:
    """Take the disk space of the log's index file, once it is there; returns its descriptor.

    SQLite maps that file into memory, and takes one byte of each 4 KiB for granted space. Where
    blocks are smaller (ext4 below 512 MB) the rest is holes, and writing to one on a full disk
    is no error: it kills the process (SIGBUS).

    The descriptor must stay open as long as the journal: closing it would drop SQLite's locks on
    the file. Source: https://sqlite.org/howtocorrupt.html, 2.2; fcntl(2), "record locks".
    """
    index = os.open(path.with_name(f"{path.name}-shm"), os.O_RDWR)
    try:
        os.posix_fallocate(index, 0, INDEX_SPACE)
    except OSError:
        os.close(index)  # the journal is given up with it
        raise
    return index


def entry_of(path: Path, row: tuple[object, ...]) -> Entry:
    """An entry from `seq, prev, hash, {COLUMNS}`. Raises JournalDamaged."""
    seq, prev, digest, *values = row
    record = Record(**dict(zip(FIELDS, values, strict=True)))  # type: ignore[arg-type]
    try:
        return Entry(int(seq), replace(record, kind=Kind(record.kind)), prev, digest)  # type: ignore[call-overload,arg-type]
    except ValueError as error:
        raise damaged(path, f"record {seq}: {error}") from error


def read_journal(path: Path) -> Iterator[Entry]:
    """The records of a journal file that no scanner has open, e.g. of a copied card.

    The file may lie on a read-only medium; it is not changed.

    Raises:
        JournalDamaged, JournalUnavailable: as `store.journal.Journal`.
    """
    with named(path):
        if not path.is_file():
            raise JournalUnavailable(f"there is no journal {path}", "Check the path")
        with _reading(path) as db:
            query = f"SELECT seq, prev, hash, {COLUMNS} FROM records ORDER BY seq"
            for row in db.execute(query):
                yield entry_of(path, row)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees what a killed gate left in the log, also where nothing is writable."""
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or not log.stat().st_size:
        with closing(connect(path, "mode=ro&immutable=1")) as db:
            yield db
        return
    # Reading a log needs an index file beside it: made in a copy, so that evidence stays as it is.
    with tempfile.TemporaryDirectory(prefix="admit-journal-") as copies:
        copy = Path(copies, path.name)
        shutil.copyfile(path, copy)
        shutil.copyfile(log, Path(copies, log.name))
        with closing(connect(copy)) as db:
            yield db


def verify_chain(entries: Iterable[Entry], after: bytes = GENESIS) -> tuple[int, str]:
    """Walk ``entries`` from the hash ``after``: (records that hold, what is wrong or "").

    Records missing at the end leave no gap: that shows only against the head a server knows.
    """
    expected, count = after, 0
    for entry in entries:
        if entry.prev != expected:
            return count, f"record {entry.seq} does not follow the one before it"
        if chain_hash(entry.seq, entry.prev, entry.record) != entry.hash:
            return count, f"record {entry.seq} was changed"
        expected, count = entry.hash, count + 1
    return count, ""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ones for the screen."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if _says_damage(error):
            raise damaged(path, str(error)) from error
        code = getattr(error, "sqlite_errorname", None) or ""
        raise JournalUnavailable(
            f"the journal {path.name} cannot be written: {error}", _remedy(code)
        ) from error
    except OSError as error:
        raise JournalUnavailable(
            f"the journal {path.name} cannot be opened: {error.strerror}",
            "Check the rights and the free space of the state directory",
        ) from error


def damaged(path: Path, what: str) -> JournalDamaged:
    """The error for a journal that is not what was written."""
    return JournalDamaged(
        f"the journal {path.name} is damaged: {what}",
        "Copy the file to a USB stick for the organiser, then move it away; a new one is begun",
    )


def _says_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorname", None) or ""
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA")):
        return True
    # Neither has a code of its own: a file without our tables, and text that is no UTF-8.
    words = ("no such table", "no such column", "Could not decode")
    return isinstance(error, sqlite3.OperationalError) and any(w in str(error) for w in words)


def _remedy(code: str) -> str:
    found = [text for name, text in _REMEDIES.items() if code.startswith(name)]
    return found[0] if found else _CARD


_CARD = "Check the card; replace it if this comes back. Recorded scans stay on it"
_REMEDIES = {
    "SQLITE_FULL": "Free space on the card: delete nothing of Admit, look for logs and updates",
    "SQLITE_READONLY": "The card went read-only: it is worn out or was pulled. Replace it",
    "SQLITE_CANTOPEN": "Check that the card is not read-only, and who may write to the directory",
    "SQLITE_BUSY": "Another program has the journal open: end it. Ask with 'admit journal' instead",
}
