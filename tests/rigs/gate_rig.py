"""A gate on a bench: real journal, real decisions, simulated turnstile, time moved by hand.

One FakeClock and one FakeScheduler advance together in steps, so that a lane's deadlines and the
simulated person's happen in the order in which they would.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from admission.clock import FakeClock
from admission.decide import Claim, ClaimState
from admission.direction import Direction
from admission.history import Use
from admission.rules import CheckInList, EventPolicy, GatePolicy, Product
from drivers.person import Person
from drivers.protocols import Signal
from drivers.scheduler import FakeScheduler
from drivers.sim import SimulatedLights, SimulatedTurnstile
from scanner.admissions import Admissions
from scanner.books import Books
from scanner.claims import ClaimDesk
from scanner.lane import Lane, LaneSettings
from scanner.messages import ClaimAnswer, Message, Sensor, Sighting
from scanner.showing import Stamp
from store.journal import Journal, JournalUnavailable
from store.records import Kind, Record
from tickets.ad1 import sign, to_qr_text
from tickets.cose import key_id
from tickets.credential import Credential, Format
from tickets.keys import cti_of, event_key_of, ticket_key
from tickets.rows import Status, Ticket
from tickets.trust import trust_of

EVENT = "FEST2026"
EVENT_SECRET = bytes(range(32))
EVENT_KEY = event_key_of(EVENT_SECRET)
ISSUER = SigningKey(b"\x07" * 32)
KID = key_id(bytes(ISSUER.verify_key))
BOOT = b"boot-of-the-rig!"
STEP = 0.05
POLICY = GatePolicy("north")


def code(name: str, **changes: Any) -> bytes:
    """The QR text of the signed ticket `name`."""
    cti = cti_of(EVENT_SECRET, name)
    return to_qr_text(sign(bytes(ISSUER), KID, EVENT, cti, **changes)).encode()


def key_of(name: str) -> bytes:
    """The ticket key of the signed ticket `name`."""
    return ticket_key(EVENT_KEY, Credential(Format.AD1, cti_of(EVENT_SECRET, name)))


def row(name: str, **changes: Any) -> Ticket:
    """The list row of the signed ticket `name`."""
    return Ticket(key_of(name), **changes)


@dataclass
class Central:
    """An authority on a bench: answers claims at once, later, or never."""

    answers: bool = True
    delay: float = 0.0
    result: Claim = field(default_factory=lambda: Claim(ClaimState.GRANTED))
    asked: list[dict[str, Any]] = field(default_factory=list)


class GateRig:
    """One gate with as many lanes as asked for, in `directory`."""

    def __init__(
        self,
        directory: Path,
        tickets: Iterable[Ticket] = (),
        *,
        lanes: Iterable[LaneSettings] = (LaneSettings("entry-1", "main"),),
        lists: Iterable[CheckInList] = (CheckInList("main"),),
        products: Iterable[Product] = (),
        policy: GatePolicy = POLICY,
        authority: str = "none",
        person: str = "0.4",
        journal: Callable[[], Journal] | None = None,
    ) -> None:
        self.clock, self.scheduler = FakeClock(), FakeScheduler()
        self.directory = directory
        self.rows = {ticket.key: ticket for ticket in tickets}
        self.elsewhere: dict[bytes, tuple[Use, ...]] = {}
        self.journal = Journal(directory / "journal.db", EVENT)
        self.clock.at = max(self.clock.at, self.journal.last_at + 1.0)
        self.list_age: float | None = 0.0
        self.policy = EventPolicy(
            {entry.name: entry for entry in lists}, {p.number: p for p in products}
        )
        self.current_books = Books(
            event_key=EVENT_KEY,
            trust=trust_of(EVENT, {KID: bytes(ISSUER.verify_key)}),
            policy=self.policy,
            serial=7,
            listed=self.rows.get,
            age=lambda: self.list_age,
        )
        stamp = Stamp(self.clock, EVENT, BOOT)
        core = {
            "books": lambda: self.current_books,
            "elsewhere": self,
            "clock": self.clock,
            "stamp": stamp,
            "policy": policy,
        }
        self.admissions = Admissions(journal=journal or (lambda: self.journal), **core)
        self.training_journal = Journal(directory / "training.db", EVENT)
        training = Admissions(journal=lambda: self.training_journal, **core, training=True)
        self.central = Central()
        self.desk = ClaimDesk(self.clock, self._to_sync, 0.4, authority)
        self.events: list[dict[str, Any]] = []
        self.turnstiles: dict[str, SimulatedTurnstile] = {}
        self.lights: dict[str, SimulatedLights] = {}
        self.lanes: dict[str, Lane] = {}
        with suppress(JournalUnavailable):  # then it is recovered when it is there
            self.admissions.recover()
        self.interrupted = self.admissions.interrupted
        """What an earlier life in this directory left without an outcome."""
        for settings in lanes:
            self._add_lane(settings, person, training)
        if authority != "none":
            self.authority_comes_in()

    def _add_lane(self, settings: LaneSettings, person: str, training: Admissions) -> None:
        turnstile = SimulatedTurnstile(self.scheduler, Person.parse(person))
        lights = SimulatedLights()
        lane = Lane(
            settings,
            turnstile=turnstile,
            lights=lights,
            admissions=self.admissions,
            training=training,
            claims=self.desk,
            clock=self.clock,
            publish=self._publish,
        )
        turnstile.watch(lambda signal, active: lane.handle(Sensor(signal, active)))
        self.turnstiles[settings.name], self.lights[settings.name] = turnstile, lights
        self.lanes[settings.name] = lane
        lane.start()

    # -- what the outside does -----------------------------------------------------------------

    @property
    def lane(self) -> Lane:
        """The first lane."""
        return next(iter(self.lanes.values()))

    @property
    def turnstile(self) -> SimulatedTurnstile:
        """The first lane's turnstile."""
        return next(iter(self.turnstiles.values()))

    def advance(self, seconds: float) -> None:
        """Let time pass, a twentieth of a second at a time."""
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            self.scheduler.advance(STEP)
            self.desk.tick()
            for lane in self.lanes.values():
                lane.tick()

    def sight(
        self,
        payload: bytes,
        lane: str | None = None,
        direction: Direction = Direction.ENTRY,
        size: float = 200.0,
    ) -> None:
        """One frame in which a reader sees `payload`."""
        target = self.lanes[lane] if lane else self.lane
        target.handle(Sighting(payload, "qr", size, self.clock.monotonic(), direction))

    def show(self, payload: bytes, seconds: float = 1.0, **where: Any) -> None:
        """Hold a code in view for some seconds, ten frames a second."""
        for _ in range(max(1, round(seconds * 10))):
            self.sight(payload, **where)
            self.advance(0.1)

    def sensor(self, signal: Signal, active: bool = True) -> None:
        """A sensor of the first lane changes."""
        self.lane.handle(Sensor(signal, active))

    def person(self, habit: str) -> None:
        """Another kind of person stands at the first lane."""
        self.turnstile.person = Person.parse(habit)

    def crash(self, *faults: Message) -> "GateRig":
        """Kill the gate; a new one over the same files, whose lanes first hear of `faults`."""
        again = GateRig.__new__(GateRig)
        again.__dict__ = dict(self.__dict__)
        self.journal.close()
        again.journal = Journal(self.directory / "journal.db", EVENT)
        again.events, again.turnstiles, again.lights, again.lanes = [], {}, {}, {}
        core = self.admissions
        again.admissions = Admissions(
            journal=lambda: again.journal,
            books=lambda: again.current_books,
            elsewhere=again,
            clock=again.clock,
            stamp=core._stamp,
            policy=core._policy,
        )
        again.admissions.recover()
        for lane in self.lanes.values():
            again._add_lane(lane.settings, "0.4", lane._training)
        for fault in faults:
            again.lane.handle(fault)
        return again

    # -- the authority -------------------------------------------------------------------------

    def authority_comes_in(self) -> None:
        """Three quick probes, as after every start."""
        self.advance(4.0)
        assert self.desk.state[0] == "in"

    def _to_sync(self, message: dict[str, Any]) -> bool:
        if "probe" in message and self.central.answers:
            number = int(message["probe"])
            self.scheduler.call_later(0.01, lambda: self.desk.probed(number, True))
        if "claim" in message:
            self.central.asked.append(message["claim"])
            if self.central.answers:
                self.answer(message["claim"]["presentation"], self.central.delay)
        return True

    def answer(self, presentation: str, delay: float = 0.0) -> None:
        """The authority answers a claim after `delay` seconds."""
        message: Message = ClaimAnswer(bytes.fromhex(presentation), self.central.result)

        def deliver() -> None:
            for lane in self.lanes.values():
                lane.handle(message)

        self.scheduler.call_later(delay, deliver)

    def uses(self, ticket_key: bytes) -> tuple[Use, ...]:
        """What other gates reported (`scanner.books.Elsewhere`)."""
        return self.elsewhere.get(ticket_key, ())

    # -- what it did ---------------------------------------------------------------------------

    def _publish(self, kind: str, **facts: object) -> None:
        self.events.append({"kind": kind, **facts})

    def records(self, *kinds: Kind) -> list[Record]:
        """The journal's records of some kinds, in order."""
        return [e.record for e in self.journal.after(0, 100_000) if e.record.kind in kinds]

    def scans(self) -> list[tuple[str | None, str | None]]:
        """(verdict, reason) of each scan."""
        return [(r.verdict, r.reason) for r in self.records(Kind.SCAN)]

    def outcomes(self) -> list[Kind]:
        """What became of each admission, in order."""
        kinds = (Kind.PASSAGE, Kind.NO_PASSAGE, Kind.ABORTED, Kind.INTERRUPTED)
        return [r.kind for r in self.records(*kinds) if r.presentation]

    def releases(self, lane: str | None = None) -> int:
        """How often a turnstile was released."""
        turnstile = self.turnstiles[lane] if lane else self.turnstile
        return sum(action.startswith("release") for _, action in turnstile.log)

    def cancel(self, name: str) -> None:
        """The organiser cancels a ticket."""
        self.rows[key_of(name)] = replace(self.rows[key_of(name)], flags=Status.CANCELLED)
