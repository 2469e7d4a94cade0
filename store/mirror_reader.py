"""scanner's view of mirror.db: read-only, within a budget, and without trust in who wrote it.

A read never raises and never waits: what cannot be read in time is answered from the last known
answer, marked stale, and `fault` says why.
"""

import errno
import sqlite3
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tickets.errors import GateError
from tickets.statements import MAX_WIRE

BUDGET = 0.020
"""Seconds an admission may spend here. A card that stalls a read stalls the journal as well, so
the limit is on locks and on work, not on the card."""
_BACKGROUND = 1.0
_MOST_ROWS = 1000
_MOST_BYTES = 16 << 10
"""Largest row read, texts of 512 characters among it; of a statement: as large as one may be."""
_MOST_STATEMENT = MAX_WIRE + (4 << 10)
_REMEMBERED = 4096
_T = TypeVar("_T")


class MirrorUnreadable(GateError):
    """mirror.db is absent, locked or too slow just now; the last known answers are used."""

    def __init__(self, path: Path, what: object) -> None:
        super().__init__(
            f"{path.name} cannot be read: {what}",
            "See that sync runs and that user scanner may read its state directory",
        )


class MirrorNotWritten(GateError):
    """sync could not write mirror.db: disk full or read-only. What was there is as it was."""

    def __init__(self, path: Path, what: object) -> None:
        super().__init__(
            f"{path.name} cannot be written: {what}",
            "Free space on the gate's disk, or replace a card that became read-only",
        )


class MirrorDamaged(GateError):
    """mirror.db is corrupt. sync sets it aside and fetches everything from the server again."""

    def __init__(self, path: Path, what: object) -> None:
        super().__init__(
            f"{path.name} is damaged: {what}",
            "Restart sync; it keeps the file and rebuilds. Check the card if it recurs",
        )


@dataclass(frozen=True, slots=True)
class RedemptionElsewhere:
    """One use of an entry right, as the server tells it; may be one of our own coming back."""

    presentation: bytes
    ticket_key: bytes
    list: str
    direction: str
    at: float
    """Unix seconds, UTC, by the clock of that gate."""
    gate: str
    device: str
    epoch: bytes
    stands: bool
    """False: annulled, it no longer counts."""
    counter: int | None = None
    """Of the card's message that was shown, which must not work again; None: something else was."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The redemptions of one ticket that the server knows of."""

    rows: tuple[RedemptionElsewhere, ...] = ()
    stale: bool = False
    """The mirror could not be read in time: this is the last known answer, maybe none."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An entry of ours beyond what the ticket allows, and the entry it conflicts with."""

    presentation: bytes
    other: bytes
    ticket_key: bytes
    list: str
    gate: str
    """Where the other entry was."""
    at: float


@dataclass(frozen=True, slots=True)
class Parked:
    """A record the server will not take: kept, shown, never sent again."""

    epoch: bytes
    seq: int
    reason: str
    entry: str
    """The record as JSON."""


def parked_records(path: Path) -> list[Parked]:
    """The parked records of a mirror, by epoch and seq, for a person to read.

    Raises:
        MirrorUnreadable: there is none, or it is damaged.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            query = "SELECT epoch, seq, reason, entry FROM parked ORDER BY epoch, seq"
            return [Parked(*row) for row in base.execute(query)]
    except sqlite3.Error as error:
        raise MirrorUnreadable(path, error) from error


class MirrorReader:
    """Reads one mirror.db. A second thread opens its own, or it may wait for the first one's read.

    Args:
        path: mirror.db; it may be absent, and may be replaced while this is open.
        budget: Seconds for one `redemptions`.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self, path: Path, budget: float = BUDGET, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.fault: GateError | None = None
        """Why the last read failed; None after one that worked."""
        self._budget = budget
        self._monotonic = monotonic
        self._deadline = 0.0
        self._lock = threading.Lock()
        self._base: sqlite3.Connection | None = None
        self._inode = 0
        self._counted_in = 0
        self._last: OrderedDict[bytes, tuple[RedemptionElsewhere, ...]] = OrderedDict()

    def redemptions(self, ticket_key: bytes) -> Elsewhere:
        """What is known of `ticket_key` (16 bytes), within the budget."""
        rows = self._read(
            "SELECT presentation, ticket_key, list, direction, at, gate, device, epoch, stands,"
            " counter FROM redemption WHERE ticket_key = ? ORDER BY at DESC LIMIT ?",
            (ticket_key, _MOST_ROWS),
            self._budget,
            _redemption,
        )
        if rows is None:
            return Elsewhere(self._last.get(ticket_key, ()), stale=True)
        self._last[ticket_key] = tuple(rows)
        self._last.move_to_end(ticket_key)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return Elsewhere(tuple(rows))

    def statements(self, after_cursor: int, limit: int = 16) -> list[tuple[int, str, bytes]]:
        """(cursor, type, wire) of statements after a cursor, oldest first; ask until it is empty.

        Empty as well when the mirror cannot be read (`fault`). A mirror that sync had to rebuild
        counts from 1 again: the first call that meets it starts over, whatever the cursor.
        """
        query = "SELECT cursor, type, wire FROM statement WHERE cursor > ? ORDER BY cursor LIMIT ?"
        values = after_cursor, limit
        rows = self._read(query, values, _BACKGROUND, _statement, _MOST_STATEMENT) or []
        if self._inode == self._counted_in or self.fault is not None:
            return rows
        rebuilt, self._counted_in = self._counted_in != 0, self._inode
        return self.statements(0, limit) if rebuilt else rows

    def conflicts(self) -> list[Conflict]:
        """Conflicts the server named, newest first; at most 1000. Empty with a `fault` as well."""
        query = (
            "SELECT presentation, other, ticket_key, list, gate, at FROM conflict"
            " ORDER BY at DESC LIMIT ?"
        )
        return self._read(query, (_MOST_ROWS,), _BACKGROUND, _conflict) or []

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        with self._lock:
            self._drop()

    def _read(
        self,
        query: str,
        values: tuple[object, ...],
        budget: float,
        build: Callable[[tuple[Any, ...]], _T],
        most: int = _MOST_BYTES,
    ) -> list[_T] | None:
        """The rows of a query, or None: not in time, not there, damaged; then `fault` is set."""
        if not self._lock.acquire(timeout=budget):
            self.fault = MirrorUnreadable(self.path, "another read takes too long")
            return None
        try:
            self._deadline = self._monotonic() + budget
            base = self._opened()
            # Whoever took over sync may have written anything: a thousand rows of any size would
            # be more memory than the board has.
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
            rows = [build(row) for row in base.execute(query, values)]
            self.fault = None
        except (OSError, sqlite3.OperationalError) as error:
            self._failed(MirrorUnreadable(self.path, error))
            return None
        except (sqlite3.Error, TypeError) as error:
            self._failed(MirrorDamaged(self.path, error))
            return None
        finally:
            self._lock.release()
        return rows

    def _failed(self, fault: GateError) -> None:
        self.fault = fault
        self._drop()  # the next read opens anew: by then sync may have rebuilt the file

    def _opened(self) -> sqlite3.Connection:
        """The connection, opened anew when sync has replaced the file."""
        found = self.path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would hold a lane until somebody writes to it
            raise OSError(errno.EINVAL, "no plain file")
        inode = found.st_ino
        if self._base is None or inode != self._inode:
            self._drop()
            self._base, self._inode = self._open(), inode
        return self._base

    def _open(self) -> sqlite3.Connection:
        base = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUDGET,
            isolation_level=None,
            check_same_thread=False,
        )
        base.execute("PRAGMA trusted_schema=OFF")
        base.set_progress_handler(lambda: self._monotonic() > self._deadline, 1000)
        return base

    def _drop(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None


def _typed(row: tuple[Any, ...], kinds: tuple[type, ...]) -> tuple[Any, ...]:
    for value, kind in zip(row, kinds, strict=True):
        if type(value) is not kind:
            raise TypeError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return row


def _redemption(row: tuple[Any, ...]) -> RedemptionElsewhere:
    counter = row[-1]
    values = _typed(row[:-1], (bytes, bytes, str, str, float, str, str, bytes, int))
    if counter is not None and type(counter) is not int:
        raise TypeError(f"a {type(counter).__name__} where a counter belongs")
    return RedemptionElsewhere(*values[:-1], stands=bool(values[-1]), counter=counter)  # type: ignore[misc]


def _statement(row: tuple[Any, ...]) -> tuple[int, str, bytes]:
    cursor, kind, wire = _typed(row, (int, str, bytes))
    return cursor, kind, wire


def _conflict(row: tuple[Any, ...]) -> Conflict:
    return Conflict(*_typed(row, (bytes, bytes, bytes, str, str, float)))
