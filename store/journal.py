"""The journal: append-only, hash-chained, on disk before anything is released.

One process owns the file (design, I6). Writers share one connection under a lock; the upload
reads through a connection of its own, so it never holds up a lane.
"""

import os
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from admission.history import Use
from store import outbox_secret
from store.failpoints import failpoint
from store.files import sync_directory
from store.journal_file import (
    COLUMNS,
    JournalDamaged,
    JournalUnavailable,
    check_space,
    connect,
    damaged,
    entry_of,
    hold_index,
    make,
    named,
    read_journal,
    verify_chain,
)
from store.records import FIELDS, GENESIS, OUTCOMES, Entry, Kind, Record, chain_hash, in_order
from store.uses import ANNUL, COUNTS, UsesRow, fold

__all__ = [
    "ANNUL",
    "COUNTS",
    "Journal",
    "JournalDamaged",
    "JournalUnavailable",
    "read_journal",
    "verify_chain",
]

COUNTERS = """CREATE INDEX IF NOT EXISTS counters ON records(ticket_key, counter)
    WHERE ticket_key IS NOT NULL AND counter IS NOT NULL"""
"""A journal of an older version gets it at its first opening; a new one has it: see journal.sql."""
_INSERT = (
    f"INSERT INTO records(seq, prev, hash, {COLUMNS}) "
    f"VALUES (?, ?, ?, {', '.join('?' * len(FIELDS))})"
)

LOOKED_BACK = 20_000
"""Records in which an admission that is still open, or in question, can be."""


class Journal:
    """One journal file, opened by its one owner."""

    def __init__(self, path: Path, event: str, older: "Sequence[Journal]" = ()) -> None:
        """Open the journal of ``event``, or make it.

        Args:
            older: This gate's journals before it, oldest first: what they say of a ticket counts.
        Raises:
            JournalUnavailable: disk full, read-only, no right, or another event's journal.
            JournalDamaged: no SQLite file, or its last record does not hold.
        """
        self.path, self.older = path, tuple(older)
        self._lock, self._read_lock = threading.RLock(), threading.Lock()
        with named(path), ExitStack() as opened:
            check_space(path.parent)
            if not path.exists():
                make(path, event)
            self._db = opened.enter_context(closing(connect(path)))
            self._reader = opened.enter_context(closing(connect(path, "mode=ro")))
            self.epoch = bytes(self._meta("epoch"))
            self._check_event(event)
            self._db.execute(COUNTERS)
            self._db.execute(outbox_secret.TABLE)
            last = self._last()
            self._index = hold_index(path)
            opened.pop_all()
        self.seq = last.seq if last else 0
        self.head = last.hash if last else GENESIS
        self.last_at = last.record.at if last else 0.0
        self.tip = self.seq, self.head
        """Number and hash of the last record, always of the same one: for other threads."""
        self._tip = self.seq, self.head, self.last_at
        """Where the transaction that is open stands."""

    # -- writing -----------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE ... COMMIT with synchronous=FULL: on disk when it returns.

        Raises:
            JournalUnavailable: it could not be written; nothing of it was.
        """
        with self._lock:
            self._tip = self.seq, self.head, self.last_at
            try:
                with named(self.path):
                    self._db.execute("BEGIN IMMEDIATE")
                    yield
                    failpoint("before-commit")
                    self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            # Only now: the upload is told the head, and must be able to read up to it.
            self.seq, self.head, self.last_at = self._tip
            self.tip = self._tip[:2]

    def append(self, record: Record, sealed: bytes | None = None) -> Entry:
        """Add a record within `transaction`; its seq and hash follow the head.

        Args:
            sealed: The ticket's code for a server that needs it, sealed for its reader alone.
        """
        last, head, _ = self._tip
        seq, digest = last + 1, chain_hash(last + 1, head, record)
        self._db.execute(_INSERT, (seq, head, digest, *in_order(record)))
        if sealed is not None:
            outbox_secret.keep(self._db, seq, sealed)
        self._tip = seq, digest, record.at
        return Entry(seq, record, head, digest)

    def record(self, record: Record) -> Entry:
        """Append one record in a transaction of its own."""
        with self.transaction():
            return self.append(record)

    def _roll_back(self) -> None:
        with named(self.path):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    # -- reading, by the lanes ---------------------------------------------------------------

    def uses(self, ticket_key: bytes) -> list[Use]:
        """What this gate recorded of a ticket, in order; read within or outside a transaction."""
        rows = [row for journal in (*self.older, self) for row in journal.use_rows(ticket_key)]
        try:
            return fold(rows)
        except ValueError as error:
            raise damaged(self.path, str(error)) from error

    def use_rows(self, ticket_key: bytes) -> list[UsesRow]:
        """What this one journal has of a ticket, in order."""
        with self._lock, named(self.path):
            return self._db.execute(
                "SELECT kind, presentation, at, lane, list, direction, detail, counter "
                "FROM records WHERE ticket_key = ? AND verdict IS NOT 'refused' "
                "AND verdict IS NOT 'checked' ORDER BY seq",
                [ticket_key],
            ).fetchall()

    def highest_counter(self, ticket_key: bytes) -> int | None:
        """Of a card's messages shown here, refused ones too; None: there was none."""
        before = [journal.highest_counter(ticket_key) for journal in self.older]
        known = [counter for counter in before if counter is not None]
        with self._lock, named(self.path):
            row = self._db.execute(
                "SELECT max(counter) FROM records WHERE ticket_key = ? AND counter IS NOT NULL",
                [ticket_key],
            ).fetchone()
        return max([*known, *(int(found) for found in row if found is not None)], default=None)

    def interrupted(self) -> list[Entry]:
        """Admissions without an outcome: the gate died in the middle of them.

        Looked for among the last records only: an outcome follows within seconds, and each start
        closes what the run before left open.
        """
        outcomes = ", ".join(f"'{kind}'" for kind in sorted(OUTCOMES))
        first = self.seq - LOOKED_BACK
        return self._still_open([e for j in self.older for e in j.interrupted()]) + self._select(
            f"WHERE seq > {first} AND kind = 'scan' AND verdict = 'admitted' "
            f"AND presentation NOT IN (SELECT presentation FROM records WHERE seq > {first} "
            f"AND kind IN ({outcomes}) AND presentation IS NOT NULL) ORDER BY seq"
        )

    def questions(self) -> list[Entry]:
        """Entries that nobody was seen to use, and that no steward has answered for yet."""
        first = self.seq - LOOKED_BACK
        return self._still_open([e for j in self.older for e in j.questions()]) + self._select(
            f"WHERE seq > {first} AND kind = 'no_passage' AND detail GLOB '{COUNTS}*' "
            f"AND presentation NOT IN (SELECT presentation FROM records WHERE seq > {first} "
            "AND kind = 'operator' AND presentation IS NOT NULL) ORDER BY seq"
        )

    def passages(self) -> list[tuple[str, str, str | None, int]]:
        """(lane, direction, list, number) of the people who went through so far.

        A scan in free flow is no passage: the sensor counts people then.
        """
        before = [row for journal in self.older for row in journal.passages()]
        with self._lock, named(self.path):
            return (
                before
                + self._db.execute(
                    "SELECT lane, direction, list, count(*) FROM records WHERE kind = 'passage' "
                    "AND detail != 'free flow' GROUP BY lane, direction, list"
                ).fetchall()
            )

    def _still_open(self, entries: list[Entry]) -> list[Entry]:
        """Those of an older journal whose presentation no outcome or steward has closed since."""
        if not entries:
            return []
        kinds = ", ".join(f"'{kind}'" for kind in sorted({*OUTCOMES, Kind.OPERATOR}))
        closed = Counter(
            entry.record.presentation
            for journal in (*self.older, self)
            for entry in journal.closing(kinds)
        )
        return [e for e in entries if closed[e.record.presentation] <= _closed_by_itself(e)]

    def closing(self, kinds: str) -> list[Entry]:
        """The last records of these kinds, quoted for SQL."""
        return self._select(f"WHERE seq > {self.seq - LOOKED_BACK} AND kind IN ({kinds})")

    def hash_of(self, seq: int) -> bytes | None:
        """Hash of a record; None: it is not there."""
        return next((entry.hash for entry in self.after(seq - 1, 1) if entry.seq == seq), None)

    # -- reading, by the upload --------------------------------------------------------------

    def after(self, seq: int, limit: int) -> list[Entry]:
        """At most ``limit`` records after ``seq``, through the second connection."""
        with self._read_lock, named(self.path):
            rows = self._reader.execute(
                f"SELECT seq, prev, hash, {COLUMNS} FROM records WHERE seq > ? "
                "ORDER BY seq LIMIT ?",
                [seq, limit],
            ).fetchall()
        return [entry_of(self.path, row) for row in rows]

    def sealed(self, seqs: Sequence[int]) -> dict[int, bytes]:
        """Sealed codes of those of ``seqs`` that still have one."""
        with self._read_lock, named(self.path):
            return outbox_secret.of(self._reader, seqs)

    def forget(self, up_to: int, seqs: Collection[int]) -> int:
        """Delete the sealed codes of records that were answered for; returns how many.

        Raises:
            JournalUnavailable: none was deleted.
        """
        with self._lock, named(self.path):
            if outbox_secret.count(self._db) == 0:  # most gates have none: no write for them
                return 0
            with self.transaction():
                return outbox_secret.forget(self._db, up_to, seqs)

    def scrub(self) -> bool:
        """Empty the log, which still holds what was deleted; call it while the lanes rest.

        Returns:
            False: somebody reads or writes; try again.
        """
        with named(self.path), closing(connect(self.path)) as db:
            db.execute("PRAGMA busy_timeout=20")  # a lane that begins meanwhile waits no longer
            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file; called while the lanes are idle.

        Through a connection of its own: PASSIVE waits for nobody and holds up nobody.
        """
        with named(self.path), closing(connect(self.path)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def retire(self) -> None:
        """Move all of the log into the file, which somebody has moved away, and let go of it.

        Whoever still holds this journal meets `JournalUnavailable` and asks for the next one.

        Raises:
            JournalUnavailable: its last records stay in the log, beside which the file was.
        """
        with self._lock, self._read_lock:
            try:
                with named(self.path):
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self.close()

    def end(self, target: Path) -> None:
        """Write no more into this journal: give its file, whole, another name.

        Whoever still holds it meets `JournalUnavailable` and asks for the next one.

        Raises:
            JournalUnavailable: it has its name still, and is to be opened anew.
        """
        with self._lock, self._read_lock, named(self.path):
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._close()
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise JournalUnavailable(
                    f"the last records of {self.path.name} are in its log still",
                    "Nothing is lost; it is tried again in a moment",
                )
            self.path.rename(target)
            sync_directory(target.parent)

    def close(self) -> None:
        """Close both connections; only tests and tools do, a gate is killed."""
        for journal in self.older:
            journal.close()
        self._close()

    def _close(self) -> None:
        self._reader.close()
        self._db.close()
        os.close(self._index)

    # -- opening -----------------------------------------------------------------------------

    def _meta(self, name: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        if row is None:
            raise damaged(self.path, f"it does not say its {name}")
        return row[0]

    def _check_event(self, event: str) -> None:
        if (found := self._meta("event")) != event:
            raise JournalUnavailable(
                f"the journal {self.path.name} belongs to event {found!s}, not to {event}",
                "Upload or export it ('admit journal export'), then move it away",
            )

    def _last(self) -> Entry | None:
        last = next(iter(self._select("ORDER BY seq DESC LIMIT 1")), None)
        if last and chain_hash(last.seq, last.prev, last.record) != last.hash:
            raise damaged(self.path, f"record {last.seq} does not match its hash")
        return last

    def _select(self, where: str) -> list[Entry]:
        with self._lock, named(self.path):
            rows = self._db.execute(f"SELECT seq, prev, hash, {COLUMNS} FROM records {where}")
            return [entry_of(self.path, row) for row in rows]


def _closed_by_itself(entry: Entry) -> int:
    """How many closing records an open entry is itself: a question is an outcome too."""
    return int(entry.record.kind in OUTCOMES)
