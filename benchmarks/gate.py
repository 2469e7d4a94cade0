"""A gate to be timed: the product's own lane, journal, list file and mirror on real storage.

Only the metal is drawn: a turnstile that notes when it is released.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from nacl.signing import VerifyKey

from admission.direction import Direction
from admission.errors import GateError
from admission.lane_table import State
from admission.rules import CheckInList, EventPolicy, GatePolicy
from benchmarks.tickets import EVENT, EVENT_KEY, ISSUER, KID, key, write_rows
from drivers.protocols import OnSignal, Signal
from scanner.admissions import Admissions
from scanner.books import Books
from scanner.claims import ClaimDesk
from scanner.clock import SystemClock, boot_id
from scanner.elsewhere import MirrorElsewhere
from scanner.events import EventLog
from scanner.lane import Lane, LaneSettings
from scanner.messages import Sensor, Sighting
from scanner.showing import Stamp
from store.journal import Journal
from store.listfile import ListFile, build_list, list_path
from store.mirror import Mirror
from store.records import FIELDS
from tickets import base45, cose
from tickets.trust import trust_of

GUEST_EVERY = 2.0
"""Seconds between guests on the gate's own clock: they do not pile up before the camera."""


class Spent(NamedTuple):
    """What something took. CPU seconds say more than others where the computer is shared."""

    seconds: float
    cpu: float


class TimedTurnstile:
    """A turnstile that notes when it was released: monotonic seconds, CPU seconds of its thread."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        """`then` is called after the note, in the lane's thread."""
        self.released_at = self.released_cpu = 0.0
        self.releases = 0
        self._then = then

    def release(self, direction: Direction) -> None:
        """Note the time first."""
        self.released_at = time.monotonic()
        self.released_cpu = time.thread_time()
        self.releases += 1
        self._then()

    def watch(self, on_signal: OnSignal) -> None:
        """Its sensors are worked by hand."""

    def hold_open(self) -> None:
        """Nothing moves."""

    def lock(self) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Nothing moves."""


class TimedGate:
    """One gate with one lane over the list file in `directory`, wired as `scanner.__main__` does.

    Args:
        directory: Gets journal and mirror; on the storage that is to be measured.
        listed: The opened list.
        then: Called at each release, in the lane's thread.
    """

    def __init__(
        self, directory: Path, listed: ListFile, then: Callable[[], None] = lambda: None
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.mirror = Mirror(directory / "mirror.db")
        self.journal = Journal(directory / "journal.db", EVENT)
        self.shift = 0.0
        """Seconds that the gate's clock is ahead of the machine's."""
        self.clock = SystemClock(monotonic=lambda: time.monotonic() + self.shift)
        self.turnstile = TimedTurnstile(then)
        self.events = EventLog(self.clock, "b007", lambda: None)
        self.faults: list[str] = []
        """What the gate would have shown as faults meanwhile."""
        self.books = _books(listed)
        core = Admissions(
            journal=lambda: self.journal,
            books=lambda: self.books,
            elsewhere=MirrorElsewhere(
                directory / "mirror.db", lambda: ("", self.journal.epoch), self._report
            ),
            clock=self.clock,
            stamp=Stamp(self.clock, EVENT, boot_id()),
            policy=GatePolicy("north"),
        )
        self.lane = Lane(
            LaneSettings("entry", "main"),
            turnstile=self.turnstile,
            lights=None,
            admissions=core,
            training=core,
            claims=ClaimDesk(self.clock, lambda _: False, 0.4, "none"),
            clock=self.clock,
            publish=self.events.publish,
        )

    def _report(self, name: str, error: GateError | None) -> None:
        if error is not None:  # e.g. a card that stalls a read beyond its 20 ms
            self.faults.append(f"{name}: {error.cause}")

    def next_guest(self) -> None:
        """Two seconds pass, on the gate's clock alone."""
        self.shift += GUEST_EVERY
        self.lane.tick()

    def admit(self, payload: bytes) -> Spent:
        """Show a ticket; what passed from its sighting to the release, which is checked."""
        self.next_guest()
        before = self.turnstile.releases
        began, cpu = time.monotonic(), time.thread_time()
        self.lane.handle(Sighting(payload, "qr", 200.0, self.clock.monotonic(), Direction.ENTRY))
        if self.turnstile.releases != before + 1:
            raise AssertionError("a valid ticket was not admitted")
        return Spent(self.turnstile.released_at - began, self.turnstile.released_cpu - cpu)

    def walk(self) -> float:
        """The person goes through; seconds until the lane is locked with the passage on disk."""
        began = time.monotonic()
        self.lane.handle(Sensor(Signal.PASSAGE_IN, True))
        took = time.monotonic() - began
        self.lane.handle(Sensor(Signal.PASSAGE_IN, False))
        self.lane.tick()
        if self.lane.state is not State.LOCKED:
            raise AssertionError(f"the lane is {self.lane.state} after a passage")
        return took

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()


class Bare:
    """What no gate can do without, and nothing else: verify, look up, commit.

    PyNaCl's verification of the same bytes, a look-up by key in the same list file, and a row of
    the same size in a table like the journal's (its index too, its triggers not), committed with
    synchronous=FULL in WAL mode. No parsing, rules, hash chain, lane, light or word.
    """

    def __init__(self, directory: Path, serial: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._key = VerifyKey(bytes(ISSUER.verify_key))
        uri = f"{list_path(directory, serial).absolute().as_uri()}?mode=ro&immutable=1"
        self._list = sqlite3.connect(uri, uri=True)
        self._journal = sqlite3.connect(directory / "bare.db", isolation_level=None)
        self._journal.execute("PRAGMA journal_mode=WAL")
        self._journal.execute("PRAGMA synchronous=FULL")
        self._journal.execute("PRAGMA cache_size=-2000")
        with closing(sqlite3.connect(":memory:")) as schema:
            schema.executescript(files("store").joinpath("journal.sql").read_text("utf-8"))
            for (statement,) in schema.execute(
                "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql NOT NULL"
            ):
                self._journal.execute(statement)
        self._seq = 0

    def prepare(self, number: int, payload: bytes) -> Callable[[], Spent]:
        """Return what admits ticket `number` barely and tells what it took."""
        envelope = cose.split(base45.decode(payload[len(b"AD1:") :]))
        signature, message = envelope.signed[:64], envelope.signed[64:]
        ticket = key(number)
        self._seq += 1
        row = _row(self._seq, ticket)

        def admit() -> Spent:
            began, cpu = time.monotonic(), time.thread_time()
            self._key.verify(message, signature)
            found = self._list.execute(
                "SELECT product, entries, flags, valid_from, valid_until FROM ticket WHERE key = ?",
                (ticket,),
            ).fetchone()
            self._journal.execute("BEGIN IMMEDIATE")
            self._journal.execute(_INSERT, row)
            self._journal.execute("COMMIT")
            spent = Spent(time.monotonic() - began, time.thread_time() - cpu)
            if found is None:
                raise AssertionError("the ticket is not on the list")
            return spent

        return admit

    def close(self) -> None:
        """Close both files."""
        self._journal.close()
        self._list.close()


def make_list(directory: Path, serial: int, count: int, presented: range) -> ListFile:
    """Build and open a list of `count` tickets, the `presented` ones among them."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = directory / "rows"
    write_rows(rows, count, presented)
    with rows.open("rb") as file:
        path = build_list(directory, serial, file)
    rows.unlink()
    return ListFile(path)


def _books(listed: ListFile) -> Books:
    return Books(
        event_key=EVENT_KEY,
        trust=trust_of(EVENT, {KID: bytes(ISSUER.verify_key)}),
        policy=EventPolicy({"main": CheckInList("main")}, {}),
        serial=listed.serial,
        listed=listed.get,
        rows=listed.rows,
    )


def _row(seq: int, ticket: bytes) -> list[object]:
    """A journal row with every value as long as an admission's."""
    facts = {
        "seq": seq,
        "kind": "scan",
        "presentation": bytes(16),
        "at": time.time(),
        "uncertainty": 0.05,
        "clock_state": "synchronised",
        "boot": bytes(16),
        "monotonic": time.monotonic(),
        "lane": "entry",
        "event": EVENT,
        "list": "main",
        "medium": "qr",
        "format": "ad1",
        "ticket_key": ticket,
        "direction": "entry",
        "verdict": "admitted",
        "claim": "none",
        "list_serial": 1,
        "detail": "",
        "prev": bytes(32),
        "hash": bytes(32),
    }
    return [facts.get(name) for name in _COLUMNS]


_COLUMNS = ("seq", *FIELDS, "prev", "hash")
_INSERT = f"INSERT INTO records({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
