"""mirror.db: what sync knows, and scanner may read: statements, redemptions elsewhere, intents,
acknowledgements, parked records, conflicts, positions.

One writer (sync), WAL with synchronous=FULL: an intent that a power cut forgets is a claim that
nobody settles. There is no close: sync ends only by being killed, so that the -wal file stays where
a reader that may not create one can use it.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from store.copies import Form, connect, set_aside
from store.mirror_reader import (
    Conflict,
    Elsewhere,
    MirrorDamaged,
    MirrorNotWritten,
    MirrorReader,
    MirrorUnreadable,
    Parked,
    RedemptionElsewhere,
)

__all__ = [
    "Claimed",
    "Conflict",
    "Elsewhere",
    "Intent",
    "JournalFact",
    "Mirror",
    "MirrorDamaged",
    "MirrorNotWritten",
    "MirrorReader",
    "MirrorUnreadable",
    "Parked",
    "RedemptionElsewhere",
    "StoredStatement",
]

FORM = Form(
    Path(__file__).with_name("mirror.sql"),
    version=3,
    mode=0o640,
    growth={
        1: "ALTER TABLE redemption ADD COLUMN counter INTEGER;",
        2: "ALTER TABLE intent ADD COLUMN ended REAL; CREATE INDEX intent_at ON intent (at);",
    },
)
"""The database as this version writes it: scanner reads it by its group."""


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A verified statement as it came."""

    type: str
    serial: int
    digest: bytes
    """`tickets.statements.Statement.digest`, 32 bytes."""
    wire: bytes


@dataclass(frozen=True, slots=True)
class Intent:
    """A claim we may hold: what was asked, and what the journal has said of it so far."""

    presentation: bytes
    ticket_key: bytes
    list: str
    direction: str
    at: float
    """Unix seconds, UTC, when scanner asked."""
    authority: str
    epoch: bytes = b""
    """Journal epoch when it was asked; empty: not known then."""
    result: str | None = None
    """`granted`, `taken`, `refused`, `unreachable`; None: no answer yet."""
    verdict: str | None = None
    """Of its scan: `admitted`, `refused`; None: no scan seen."""
    outcome: str | None = None
    counts: bool | None = None
    """The outcome leaves the entry standing."""


@dataclass(frozen=True, slots=True)
class JournalFact:
    """What one journal record says of a presentation; None leaves what is known."""

    presentation: bytes
    verdict: str | None = None
    outcome: str | None = None
    counts: bool | None = None
    ended: float | None = field(default=None, compare=False)
    """Unix seconds of the record, where it says that nobody entered."""


class Claimed(NamedTuple):
    """What is known of a claim, settled or not."""

    list: str
    at: float
    """Unix seconds, as the authority was told."""
    ended: float | None
    """Unix seconds at which it was known that nobody entered; None: not known."""
    result: str | None
    closed: str | None


class Mirror:
    """sync's side of mirror.db; safe to use from its threads, one transaction at a time.

    Whatever writes raises `MirrorNotWritten` when the disk is full or read-only.

    A damaged file is renamed to `.damaged` and a new one begun: all of it comes again from the
    server and the journal; `rebuilt` then says so.

    Raises:
        MirrorUnreadable: the directory is absent, read-only or full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rebuilt: MirrorDamaged | None = None
        self._lock = threading.RLock()
        try:
            self._base = self._open()
        except (OSError, sqlite3.Error) as error:
            raise MirrorUnreadable(path, error) from error

    def _open(self) -> sqlite3.Connection:
        try:
            return connect(self.path, FORM)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            self.rebuilt = MirrorDamaged(self.path, error)
            set_aside(self.path)
            return connect(self.path, FORM)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._base.execute("BEGIN IMMEDIATE")
                yield self._base
                self._base.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise MirrorNotWritten(self.path, error) from error
            finally:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")

    # Positions

    def position(self, name: str) -> int:
        """The last cursor taken, or 0.

        Args:
            name: `statements`, `redemptions`, `conflicts` or `records/<epoch hex>`.
        """
        with self._lock:
            row = self._base.execute(
                "SELECT value FROM position WHERE name = ?", (name,)
            ).fetchone()
        return int(row[0]) if row else 0

    def move(self, name: str, value: int) -> None:
        """Set a position; 0 fetches everything again."""
        with self._transaction() as base:
            _move(base, name, value)

    # Statements

    def statements(self) -> list[StoredStatement]:
        """What is in force, oldest first."""
        query = "SELECT type, serial, digest, wire FROM statement ORDER BY cursor"
        with self._lock:
            return [StoredStatement(*row) for row in self._base.execute(query)]

    def add_statement(self, statement: StoredStatement) -> bool:
        """Keep a verified statement, and drop what it makes superfluous; False: it was there.

        The list before the newest stays, with its deltas: a gate that finds the new file damaged
        goes on with the old one.
        """
        values = (statement.type, statement.serial, statement.digest, statement.wire)
        insert = (
            "INSERT INTO statement (type, serial, digest, wire) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (digest) DO NOTHING"
        )
        with self._transaction() as base:
            added = base.execute(insert, values).rowcount == 1
            if added:
                _drop_superseded(base, statement.type)
        return added

    # Redemptions elsewhere

    def add_redemptions(self, rows: Sequence[RedemptionElsewhere], cursor: int) -> None:
        """Store one page of the feed together with its cursor."""
        with self._transaction() as base:
            base.executemany(
                "INSERT OR REPLACE INTO redemption"
                " (presentation, ticket_key, list, direction, at, gate, device, epoch, stands,"
                " counter) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_redemption_values(row) for row in rows],
            )
            _move(base, "redemptions", cursor)

    def add_conflicts(self, rows: Sequence[tuple[Conflict, bool]], cursor: int) -> None:
        """Store one page of conflicts, each with whether it stands, together with its cursor."""
        keep = [_conflict_values(row) for row, stands in rows if stands]
        gone = [(row.presentation, row.other) for row, stands in rows if not stands]
        with self._transaction() as base:
            base.executemany("INSERT OR REPLACE INTO conflict VALUES (?, ?, ?, ?, ?, ?)", keep)
            base.executemany("DELETE FROM conflict WHERE presentation = ? AND other = ?", gone)
            _move(base, "conflicts", cursor)

    # Intents

    def intend(self, intent: Intent) -> None:
        """Commit that a claim is about to leave; asked again, the first intent stays."""
        with self._transaction() as base:
            base.execute(
                "INSERT OR IGNORE INTO intent"
                " (presentation, ticket_key, list, direction, at, authority, epoch)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(intent.presentation, intent.ticket_key, intent.list, intent.direction),
                    *(float(intent.at), intent.authority, intent.epoch),
                ),
            )

    def answered(self, presentation: bytes, result: str) -> None:
        """Note the authority's answer, or `unreachable`."""
        with self._transaction() as base:
            query = "UPDATE intent SET result = ? WHERE presentation = ?"
            base.execute(query, (result, presentation))

    def note(self, facts: Iterable[JournalFact]) -> None:
        """Note what the journal says of intents; others are passed over.

        A later outcome that does not count opens a settled intent again: a steward may say
        afterwards that nobody went through.
        """
        with self._transaction() as base:
            base.executemany(
                "UPDATE intent SET verdict = coalesce(?1, verdict),"
                " outcome = coalesce(?2, outcome), counts = coalesce(?3, counts),"
                " closed = iif(?3 = 0, NULL, closed), ended = coalesce(?5, ended)"
                " WHERE presentation = ?4 AND (closed IS NULL OR closed = 'stands')",
                [(f.verdict, f.outcome, f.counts, f.presentation, f.ended) for f in facts],
            )

    def close_intent(self, presentation: bytes, how: str) -> None:
        """Close an intent: `stands`, `annulled`, `not_held` or `not_ours` (of another device)."""
        with self._transaction() as base:
            query = "UPDATE intent SET closed = ? WHERE presentation = ?"
            base.execute(query, (how, presentation))

    def forget_intents(self, keep: int) -> None:
        """Delete settled intents but the newest `keep`; one that is open is never forgotten."""
        with self._transaction() as base:
            base.execute(
                "DELETE FROM intent WHERE closed IS NOT NULL AND at < (SELECT at FROM intent"
                " WHERE closed IS NOT NULL ORDER BY at DESC LIMIT 1 OFFSET ?)",
                (keep - 1,),
            )

    def open_intents(self) -> list[Intent]:
        """Claims that are to be settled."""
        query = (
            "SELECT presentation, ticket_key, list, direction, at, authority, epoch, result,"
            " verdict, outcome, counts FROM intent WHERE closed IS NULL"
        )
        with self._lock:
            rows = self._base.execute(query).fetchall()
        return [_intent(*row) for row in rows]

    def how_closed(self, presentation: bytes) -> str | None:
        """How the intent of a presentation ended; empty: still open; None: there never was one."""
        query = "SELECT coalesce(closed, '') FROM intent WHERE presentation = ?"
        with self._lock:
            row = self._base.execute(query, (presentation,)).fetchone()
        return str(row[0]) if row else None

    def claimed(self, presentation: bytes) -> Claimed | None:
        """The claim of a presentation; None: there never was one."""
        query = "SELECT list, at, ended, result, closed FROM intent WHERE presentation = ?"
        with self._lock:
            row = self._base.execute(query, (presentation,)).fetchone()
        return None if row is None else Claimed(*row)

    def claims_at(self, at: float, within: float) -> list[tuple[bytes, str, str, float]]:
        """(presentation, list, direction, at) of claims for a moment, as exact as `within` (s)."""
        query = "SELECT presentation, list, direction, at FROM intent WHERE at BETWEEN ? AND ?"
        with self._lock:
            return self._base.execute(query, (at - within, at + within)).fetchall()

    def given_back(self) -> set[bytes]:
        """Presentations whose claims were annulled."""
        query = "SELECT presentation FROM intent WHERE closed = 'annulled'"
        with self._lock:
            return {presentation for (presentation,) in self._base.execute(query)}

    # Records

    def acknowledged(self, epoch: bytes) -> set[int]:
        """Seqs beyond the position of `epoch` that the server has answered for."""
        query = "SELECT seq FROM acknowledged WHERE epoch = ?"
        with self._lock:
            return {int(seq) for (seq,) in self._base.execute(query, (epoch,))}

    def acknowledge(
        self,
        epoch: bytes,
        seqs: Iterable[int],
        up_to: int,
        parked: Iterable[Parked] = (),
        conflicts: Iterable[Conflict] = (),
    ) -> None:
        """Store a batch's answers in one transaction; every record up to `up_to` is done."""
        with self._transaction() as base:
            base.executemany(
                "INSERT OR IGNORE INTO acknowledged VALUES (?, ?)", [(epoch, seq) for seq in seqs]
            )
            base.execute("DELETE FROM acknowledged WHERE epoch = ? AND seq <= ?", (epoch, up_to))
            base.executemany(
                "INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?)",
                [(row.epoch, row.seq, row.reason, row.entry) for row in parked],
            )
            base.executemany(
                "INSERT OR REPLACE INTO conflict VALUES (?, ?, ?, ?, ?, ?)",
                [_conflict_values(row) for row in conflicts],
            )
            _move(base, f"records/{epoch.hex()}", up_to)

    def acknowledgements(self) -> dict[str, tuple[int, list[int]]]:
        """By epoch in hex: up to where every record is answered for, and which beyond."""
        query = "SELECT substr(name, 9), value FROM position WHERE name LIKE 'records/%'"
        with self._lock:
            rows = self._base.execute(query).fetchall()
        return {e: (int(up_to), sorted(self.acknowledged(bytes.fromhex(e)))) for e, up_to in rows}

    def unacknowledge(self, epoch: bytes) -> None:
        """Take every acknowledgement of `epoch` back: its records are to go up once more."""
        with self._transaction() as base:
            base.execute("DELETE FROM acknowledged WHERE epoch = ?", (epoch,))
            _move(base, f"records/{epoch.hex()}", 0)

    def parked(self) -> list[Parked]:
        """Records the server will not take, by epoch and seq."""
        query = "SELECT epoch, seq, reason, entry FROM parked ORDER BY epoch, seq"
        with self._lock:
            return [Parked(*row) for row in self._base.execute(query)]

    def parked_count(self) -> int:
        """How many records are parked."""
        with self._lock:
            return int(self._base.execute("SELECT count(*) FROM parked").fetchone()[0])


def _move(base: sqlite3.Connection, name: str, value: int) -> None:
    base.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (name, value))


def _drop_superseded(base: sqlite3.Connection, kind: str) -> None:
    if kind == "policy":  # keysets all stay: each says by whose signatures the next one counts
        base.execute(
            "DELETE FROM statement WHERE type = ?1"
            " AND cursor < (SELECT max(cursor) FROM statement WHERE type = ?1)",
            (kind,),
        )
    if kind == "list":
        base.execute(
            "DELETE FROM statement WHERE type IN ('list', 'delta') AND cursor <"
            " (SELECT min(cursor) FROM (SELECT cursor FROM statement WHERE type = 'list'"
            " ORDER BY cursor DESC LIMIT 2))"
        )


def _intent(*row: Any) -> Intent:
    counts = row[10]
    return Intent(*row[:10], None if counts is None else bool(counts))  # type: ignore[call-arg]


def _redemption_values(row: RedemptionElsewhere) -> tuple[object, ...]:
    return (
        *(row.presentation, row.ticket_key, row.list, row.direction, float(row.at)),
        *(row.gate, row.device, row.epoch, int(row.stands), row.counter),
    )


def _conflict_values(row: Conflict) -> tuple[object, ...]:
    return (row.presentation, row.other, row.ticket_key, row.list, row.gate, float(row.at))
