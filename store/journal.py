"""The journal: append-only, hash-chained, on disk before anything is released.

One process owns the file (design, I6). Writers share one connection under a lock; the upload
reads through a connection of its own, so it never holds up a lane.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from admission.direction import Direction
from admission.errors import GateError
from admission.history import Standing, Use
from store.failpoints import failpoint
from store.files import sync_directory
from store.records import FIELDS, GENESIS, OUTCOMES, Entry, Kind, Record, chain_hash

COUNTS = "counts"
"""How the detail of an outcome begins that leaves its entry standing although nobody was seen."""
ANNUL = "annul"
"""How the detail of an operator's record begins that annuls the presentation it names."""

_COLUMNS = ", ".join(FIELDS)
_INSERT = (
    f"INSERT INTO records(seq, prev, hash, {_COLUMNS}) "
    f"VALUES (?, ?, ?, {', '.join('?' * len(FIELDS))})"
)
_BYTES = frozenset({"presentation", "boot", "ticket_key"})


class JournalUnavailable(GateError):
    """The journal cannot be written: no admission until it can (I1)."""


class JournalDamaged(JournalUnavailable):
    """The journal is not what was written; the file is kept as it is."""


class Journal:
    """One journal file, opened by its one owner."""

    def __init__(self, path: Path, event: str) -> None:
        """Open the journal of ``event``, or make it.

        Raises:
            JournalUnavailable: disk full, read-only, no right, or another event's journal.
            JournalDamaged: no SQLite file, or its last record does not hold.
        """
        self.path = path
        self._lock = threading.RLock()
        with _named(path):
            self._make(event)
            self._db = _connect(path)
            self._reader = _connect(path, "?mode=ro")
            self._read_lock = threading.Lock()
            self.epoch = bytes(self._meta("epoch"))
            self._check_event(event)
            last = self._last()
        self.seq = last.seq if last else 0
        self.head = last.hash if last else GENESIS
        self.last_at = last.record.at if last else 0.0
        if last and chain_hash(last.seq, last.prev, last.record) != last.hash:
            raise _damaged(path, f"record {last.seq} does not match its hash")

    # -- writing -----------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE ... COMMIT with synchronous=FULL: on disk when it returns.

        Raises:
            JournalUnavailable: it could not be written; nothing of it was.
        """
        with self._lock:
            before = self.seq, self.head, self.last_at
            try:
                with _named(self.path):
                    self._db.execute("BEGIN IMMEDIATE")
                    yield
                    failpoint("before-commit")
                    self._db.execute("COMMIT")
            except BaseException:
                self.seq, self.head, self.last_at = before
                self._roll_back()
                raise

    def append(self, record: Record) -> Entry:
        """Add a record within `transaction`; its seq and hash follow the head."""
        seq = self.seq + 1
        digest = chain_hash(seq, self.head, record)
        values = [getattr(record, name) for name in FIELDS]
        self._db.execute(_INSERT, [seq, self.head, digest, *values])
        entry = Entry(seq, record, self.head, digest)
        self.seq, self.head, self.last_at = seq, digest, record.at
        return entry

    def record(self, record: Record) -> Entry:
        """Append one record in a transaction of its own."""
        with self.transaction():
            return self.append(record)

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with _named(self.path):
                self._db.execute("ROLLBACK")

    # -- reading, by the lanes ---------------------------------------------------------------

    def uses(self, ticket_key: bytes) -> list[Use]:
        """What this gate recorded of a ticket, in order; read within or outside a transaction."""
        with self._lock, _named(self.path):
            rows = self._db.execute(
                "SELECT kind, presentation, at, lane, list, direction, detail FROM records "
                "WHERE ticket_key = ? AND verdict IS NOT 'refused' AND verdict IS NOT 'checked' "
                "ORDER BY seq",
                [ticket_key],
            ).fetchall()
        return _fold(rows)

    def interrupted(self) -> list[Entry]:
        """Admissions without an outcome: the gate died in the middle of them."""
        outcomes = ", ".join(f"'{kind}'" for kind in sorted(OUTCOMES))
        return self._select(
            "WHERE kind = 'scan' AND verdict = 'admitted' AND presentation NOT IN "
            f"(SELECT presentation FROM records WHERE kind IN ({outcomes}) "
            "AND presentation IS NOT NULL)"
        )

    def passages(self) -> list[tuple[str, str, str | None, int]]:
        """(lane, direction, list, number) of the passages recorded so far."""
        with self._lock, _named(self.path):
            return self._db.execute(
                "SELECT lane, direction, list, count(*) FROM records WHERE kind = 'passage' "
                "GROUP BY lane, direction, list"
            ).fetchall()

    # -- reading, by the upload --------------------------------------------------------------

    def after(self, seq: int, limit: int) -> list[Entry]:
        """At most ``limit`` records after ``seq``, through the second connection."""
        with self._read_lock, _named(self.path):
            rows = self._reader.execute(
                f"SELECT seq, prev, hash, {_COLUMNS} FROM records WHERE seq > ? "
                "ORDER BY seq LIMIT ?",
                [seq, limit],
            ).fetchall()
        return [_entry(row) for row in rows]

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file; called while the lanes are idle.

        Through a connection of its own: PASSIVE waits for nobody and holds up nobody.
        """
        with _named(self.path), closing(_connect(self.path)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close both connections; only tests and tools do, a gate is killed."""
        self._reader.close()
        self._db.close()

    # -- opening -----------------------------------------------------------------------------

    def _make(self, event: str) -> None:
        """Create the file under another name first, so that a power cut leaves none or all.

        SQLite deletes its rollback journal without an fsync of the directory; a cut then brings
        it back and rolls the new file to zero bytes. Hence the order: make, WAL, fsync, rename.
        """
        if self.path.exists():
            return
        aside = self.path.with_name(f".{self.path.name}.new")
        for leftover in self.path.parent.glob(f"{aside.name}*"):
            leftover.unlink()
        db = sqlite3.connect(aside, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(files("store").joinpath("journal.sql").read_text("utf-8"))
            meta = {"event": event, "epoch": os.urandom(8), "format": 1}
            db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        finally:
            db.close()  # checkpoints: the one file now holds everything
        handle = os.open(aside, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        aside.chmod(0o600)
        for suffix in ("-wal", "-shm"):  # of a journal moved away: SQLite would replay it here
            orphan = self.path.with_name(self.path.name + suffix)
            if orphan.exists():
                orphan.rename(orphan.with_name(f"{orphan.name}.orphan-{time.time_ns()}"))
        aside.rename(self.path)
        sync_directory(self.path.parent)

    def _meta(self, name: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        if row is None:
            raise _damaged(self.path, f"it does not say its {name}")
        return row[0]

    def _check_event(self, event: str) -> None:
        if (found := self._meta("event")) != event:
            raise JournalUnavailable(
                f"the journal {self.path.name} belongs to event {found!s}, not to {event}",
                "Upload or export it ('admit journal export'), then move it away",
            )

    def _last(self) -> Entry | None:
        rows = self._select("ORDER BY seq DESC LIMIT 1")
        return rows[0] if rows else None

    def _select(self, where: str) -> list[Entry]:
        with self._lock, _named(self.path):
            rows = self._db.execute(f"SELECT seq, prev, hash, {_COLUMNS} FROM records {where}")
            return [_entry(row) for row in rows]


def verify_chain(entries: Iterator[Entry], after: bytes = GENESIS) -> tuple[int, str]:
    """Walk ``entries`` from the hash ``after``: (records that hold, what is wrong or "")."""
    expected, count = after, 0
    for entry in entries:
        if entry.prev != expected:
            return count, f"record {entry.seq} does not follow the one before it"
        if chain_hash(entry.seq, entry.prev, entry.record) != entry.hash:
            return count, f"record {entry.seq} was changed"
        expected, count = entry.hash, count + 1
    return count, ""


def read_journal(path: Path) -> Iterator[Entry]:
    """The records of a journal file that no scanner has open, e.g. of a copied card.

    Raises:
        JournalDamaged, JournalUnavailable: as `Journal`.
    """
    with _named(path):
        if not path.is_file():
            raise JournalUnavailable(f"there is no journal {path}", "Check the path")
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            query = f"SELECT seq, prev, hash, {_COLUMNS} FROM records ORDER BY seq"
            for row in db.execute(query):
                yield _entry(row)
        finally:
            db.close()


def _connect(path: Path, query: str = "?mode=rw") -> sqlite3.Connection:
    db = sqlite3.connect(
        f"file:{path}{query}", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA journal_size_limit=8388608")
    db.execute("PRAGMA cache_size=-2000")
    return db


def _entry(row: tuple[object, ...]) -> Entry:
    seq, prev, digest, *values = row
    record = Record(**dict(zip(FIELDS, values, strict=True)))  # type: ignore[arg-type]
    return Entry(int(seq), replace(record, kind=Kind(record.kind)), prev, digest)  # type: ignore[call-overload,arg-type]


_ENDS: dict[Kind, Standing] = {
    Kind.PASSAGE: Standing.PASSED,
    Kind.INTERRUPTED: Standing.INTERRUPTED,
    Kind.NO_PASSAGE: Standing.ANNULLED,
    Kind.ABORTED: Standing.ANNULLED,
    Kind.RESUMED: Standing.RESUMED,
}


def _fold(rows: list[tuple[str, bytes, float, str, str, str, str]]) -> list[Use]:
    """Turn scans and what became of them into uses."""
    uses: dict[bytes, Use] = {}
    for kind_name, presentation, at, lane, check_in_list, direction, detail in rows:
        kind, use = Kind(kind_name), uses.get(presentation)
        if kind is Kind.SCAN:
            uses[presentation] = Use(presentation, Direction(direction), check_in_list, at, lane)
        elif use is not None:
            uses[presentation] = _ended(use, kind, detail)
    return list(uses.values())


def _ended(use: Use, kind: Kind, detail: str) -> Use:
    if kind is Kind.OPERATOR:
        annulled = detail.startswith(ANNUL)
        return replace(use, standing=Standing.ANNULLED) if annulled else use
    if kind in {Kind.NO_PASSAGE, Kind.ABORTED} and detail.startswith(COUNTS):
        return replace(use, standing=Standing.PASSED, turned_back=kind is Kind.NO_PASSAGE)
    by_itself = kind is Kind.NO_PASSAGE and not detail.startswith("group")
    return replace(use, standing=_ENDS.get(kind, use.standing), turned_back=by_itself)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """SQLite's errors, named for the screen."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorname", None) or ""
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA")) or (
            isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)
        ):
            raise _damaged(path, str(error)) from error
        raise JournalUnavailable(
            f"the journal {path.name} cannot be written: {error}", _REMEDIES.get(code, _CARD)
        ) from error
    except OSError as error:
        raise JournalUnavailable(
            f"the journal {path.name} cannot be opened: {error.strerror}",
            "Check the rights and the free space of the state directory",
        ) from error


_CARD = "Check the card; replace it if this comes back. Recorded scans stay on it"
_REMEDIES = {
    "SQLITE_FULL": "Free space on the card: delete nothing of Admit, look for logs and updates",
    "SQLITE_READONLY": "The card went read-only: it is worn out or was pulled. Replace it",
    "SQLITE_CANTOPEN": "Check the rights and the free space of the state directory",
}


def _damaged(path: Path, what: str) -> JournalDamaged:
    return JournalDamaged(
        f"the journal {path.name} is damaged: {what}",
        "Copy the file to a USB stick for the organiser, then move it away; a new one is begun",
    )
