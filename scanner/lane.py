"""One lane: it turns sightings, sensor signals and time into steps of the lane table.

`handle` and `tick` are called by one thread; nothing here sleeps or waits. The order is always:
record, then metal, then light, then word.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from admission.clock import Clock
from admission.decide import Claim, ClaimState, Decision
from admission.direction import Direction
from admission.errors import GateError
from admission.folding import InvalidCodes
from admission.lane_table import LOOKS_AT_TICKETS, Action, Event, State, step
from admission.presentation import Views
from admission.rules import GroupRule
from admission.sensor import SensorTrust
from admission.verdict import NEXT_STEP, Reason, Verdict
from drivers.protocols import Lamp, Lights, Signal, Turnstile
from scanner.admissions import RESUME_WITHIN, Admissions, NotReady
from scanner.claims import ClaimDesk
from scanner.messages import ClaimAnswer, Command, DeviceFault, Message, Sensor, Sighting
from scanner.showing import Showing
from store.failpoints import failpoint
from store.journal import COUNTS, JournalUnavailable
from store.records import Kind
from tickets.credential import Credential, Rejection

Publish = Callable[..., None]
"""publish(kind, lane=..., **facts): one live event."""

LAMP_FOR = 2.0
"""Seconds a red light, or a verdict that moves nothing, stays."""
RETRY_EVERY = 2.0
"""Seconds between attempts to bring a lane without a journal or list back."""
CACHED = 32
"""Payloads whose parsing is remembered: a code is sighted many times."""

PASSED_BY = {Signal.PASSAGE_IN: Direction.ENTRY, Signal.PASSAGE_OUT: Direction.EXIT}
MODE_EVENTS = {
    "normal": Event.OPEN_UP,
    "check": Event.OPEN_UP,
    "training": Event.OPEN_UP,
    "free_flow": Event.FREE_FLOW,
    "locked": Event.SHUT_DOWN,
    "evacuation": Event.FIRE,
}


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What the provisioning file says of a lane. Durations in seconds."""

    name: str
    check_in_list: str
    release_for: float = 5.0
    settle: float = 2.0
    sensor_fitted: bool = True
    mode: str = "normal"
    direction: str = "entry"
    """`entry`, `exit` or `both`."""

    @property
    def first_direction(self) -> Direction:
        """The way of the lane; of a two-way lane, in."""
        return Direction.EXIT if self.direction == "exit" else Direction.ENTRY


@dataclass(frozen=True, slots=True)
class Seen:
    """A parsed code in view."""

    credential: Credential | Rejection
    key: bytes | None
    medium: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is broken now. `since` in Unix seconds."""

    error: GateError
    since: float
    blocks: bool


class Lane:
    """Readers in, turnstile out; see `admission.lane_table` for what it does when."""

    def __init__(
        self,
        settings: LaneSettings,
        *,
        turnstile: Turnstile,
        lights: Lights | None,
        admissions: Admissions,
        training: Admissions,
        claims: ClaimDesk,
        clock: Clock,
        publish: Publish,
    ) -> None:
        """`training` keeps a journal of its own, which is never uploaded."""
        self.settings = settings
        self.state = State.LOCKED
        self.mode = settings.mode
        self.sensor = SensorTrust(settings.sensor_fitted)
        self.faults: dict[str, Fault] = {}
        self.entered = self.left = self.refused = 0
        self._passages: deque[float] = deque(maxlen=1000)
        self.question: tuple[Showing, float] | None = None
        """An entry nobody was seen to use, that the steward is asked about, and since when."""
        self._turnstile, self._lights = turnstile, lights
        self._real, self._training, self._claims = admissions, training, claims
        self._clock, self._publish = clock, publish
        self._views, self._invalid = Views(), InvalidCodes()
        self._seen: dict[bytes, Seen] = {}
        self._parsed: dict[bytes, tuple[bytes, bool, Seen]] = {}
        self._parsed_for: object = None
        self._showing: Showing | None = None
        self._timer: tuple[float, Event] | None = None
        self._claim_by: float | None = None
        self._lamp_until: float | None = None
        self._retry_at: float | None = None
        self._ready_at = clock.monotonic()
        self._actions = self._action_table()

    def start(self) -> None:
        """Enter the provisioned mode; the lane is ready from here on."""
        self._ready_at = self._clock.monotonic()
        self._show(Lamp.READY)
        if self.mode != "normal":
            self.set_mode(self.mode, "provisioning")
        self._say_state()
        self._check_ready()

    # -- in ------------------------------------------------------------------------------------

    def handle(self, message: Message) -> None:
        """Deal with one message, and with whatever it made possible."""
        if isinstance(message, Sighting):
            self._sighted(message)
        elif isinstance(message, Sensor):
            self._sensed(message)
        elif isinstance(message, ClaimAnswer):
            self._answered(message)
        elif isinstance(message, DeviceFault):
            self._device(message)
        else:
            self._obey(message)

    def tick(self) -> None:
        """Do what time alone makes due."""
        now = self._clock.monotonic()
        if self._timer and now >= self._timer[0]:
            event, self._timer = self._timer[1], None
            self._step(event)
        if self._claim_by is not None and now >= self._claim_by:
            self._claims.failed()
            self._claimed(Claim(ClaimState.UNCLAIMED))
        if self._lamp_until is not None and now >= self._lamp_until:
            self._lamp_over()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry(now)
        self._fold(now)
        self._watch_sensor(now)
        self._look(now)

    def wake_at(self) -> float | None:
        """When `tick` has something to do next, monotonic seconds."""
        waits = [
            self._timer[0] if self._timer else None,
            self._claim_by,
            self._lamp_until,
            self._retry_at,
            self._invalid.wake_at(),
            self.sensor.wake_at(),
            self._views.wake_at() if self.state in LOOKS_AT_TICKETS else None,
        ]
        return min((at for at in waits if at is not None), default=None)

    # -- sightings to decisions ----------------------------------------------------------------

    @property
    def _core(self) -> Admissions:
        return self._training if self.mode == "training" else self._real

    def _sighted(self, sighting: Sighting) -> None:
        try:
            identity, counts, seen = self._parse(sighting)
        except NotReady as error:
            self._fault("not_ready", error, blocks=True)
            return
        self._seen[identity] = seen
        while len(self._seen) > CACHED:
            self._seen.pop(next(iter(self._seen)))
        self._views.sighted(identity, sighting.at, counts, sighting.size)
        self._look(self._clock.monotonic())

    def _parse(self, sighting: Sighting) -> tuple[bytes, bool, Seen]:
        """Who this is; the same bytes are parsed once while the books stay the same."""
        books = self._core.books
        if self._parsed_for is not books or len(self._parsed) >= CACHED:
            self._parsed, self._parsed_for = {}, books
        known = self._parsed.get(sighting.payload)
        if known and known[2].direction is sighting.direction:
            return known
        credential, key = books.read(sighting.payload)
        seen = Seen(credential, key, sighting.medium, sighting.direction)
        parsed = (key or sighting.payload, books.counts(credential, key), seen)
        self._parsed[sighting.payload] = parsed
        return parsed

    def _look(self, now: float) -> None:
        if self.state not in LOOKS_AT_TICKETS or self._showing is not None:
            return
        identity = self._views.present(now)
        if identity is None or (seen := self._seen.get(identity)) is None:
            return
        if seen.key is None and not self._invalid.recorded(now):
            self._step(Event.REFUSE)
            self._views.looked_at(identity, now, again=True)
            return
        failpoint("presented")
        self._present(
            Showing(
                lane=self.settings.name,
                direction=seen.direction,
                check_in_list=self.settings.check_in_list,
                medium=seen.medium,
                credential=seen.credential,
                ticket_key=seen.key,
                resume_open=now - self._ready_at <= RESUME_WITHIN,
            )
        )

    def _present(self, showing: Showing) -> None:
        self._showing = showing
        claimed = self._claims.due and self.mode == "normal" and self.state is State.LOCKED
        try:
            if self.mode == "check":
                self._checked(showing, self._real.look(showing))
                return
            decision = self._core.begin(showing, claims=claimed)
        except (JournalUnavailable, NotReady) as error:
            self._showing = None
            self._broken(error)
            return
        if decision is not None:
            self._decided(showing, decision, Claim())
        elif self._claims.ask(showing, self._clock.reading().at):
            failpoint("claim-intended")
            self._claim_by = self._clock.monotonic() + self._claims.budget
            self._step(Event.CLAIM)
        else:
            self._conclude(showing, Claim(ClaimState.UNCLAIMED))

    def _answered(self, answer: ClaimAnswer) -> None:
        """A late answer, or one to a closed admission, is dropped: the upload annuls its claim."""
        waiting = self._claim_by is not None and self._showing is not None
        if waiting and self._showing and answer.presentation == self._showing.presentation:
            failpoint("claim-answered")
            if answer.claim.state is ClaimState.UNCLAIMED:
                self._claims.failed()
            self._claimed(answer.claim)

    def _claimed(self, claim: Claim) -> None:
        self._claim_by = None
        if self._showing is not None:
            self._conclude(self._showing, claim)

    def _conclude(self, showing: Showing, claim: Claim) -> None:
        try:
            decision = self._core.conclude(showing, claim)
        except (JournalUnavailable, NotReady) as error:
            self._showing = None
            self._broken(error)
            return
        self._decided(showing, decision, claim)

    def _decided(self, showing: Showing, decision: Decision, claim: Claim) -> None:
        """Recorded: now metal, light and word, in this order."""
        verdict = decision.verdict
        if verdict.admitted:
            showing.left = decision.left
            self._step(Event.ADMIT)
        else:
            self._showing = None
            self.refused += 1
            self._step(Event.REFUSE)
            self._view_ended(showing, again=True)
        self._say_verdict(showing, verdict, claim.state.value)

    def _checked(self, showing: Showing, decision: Decision) -> None:
        self._showing = None
        self._show(Lamp.GREEN if decision.verdict.admitted else Lamp.RED, LAMP_FOR)
        self._view_ended(showing, again=True)
        self._say_verdict(showing, decision.verdict, "none")

    def _view_ended(self, showing: Showing, again: bool) -> None:
        for identity, seen in self._seen.items():
            if (showing.ticket_key and identity == showing.ticket_key) or (
                seen.credential is showing.credential
            ):
                self._views.looked_at(identity, self._clock.monotonic(), again)

    # -- steps and actions ---------------------------------------------------------------------

    def _step(self, event: Event) -> None:
        before = self.state
        self.state, actions = step(before, event)
        for action in actions:
            self._actions[action]()
        if self.state is not before:
            self._timer = self._next_timer()
            self._say_state()

    def _next_timer(self) -> tuple[float, Event] | None:
        now = self._clock.monotonic()
        if self.state is State.RELEASED:
            return now + self.settings.release_for, Event.TIMEOUT
        if self.state is State.SETTLING:
            return now + self.settings.settle, Event.SETTLED
        return None

    def _action_table(self) -> dict[Action, Callable[[], None]]:
        return {
            Action.RELEASE: self._release,
            Action.LOCK: lambda: self._move(self._turnstile.lock),
            Action.HOLD_OPEN: lambda: self._move(self._turnstile.hold_open),
            Action.RECORD_PASSAGE: self._passed,
            Action.RECORD_NO_PASSAGE: self._nobody_passed,
            Action.RECORD_FREE_PASSAGE: self._walked_through,
            Action.RECORD_FORCED: self._forced,
            Action.ABORT: self._abort,
            Action.SHOW_READY: lambda: self._show(Lamp.READY),
            Action.SHOW_WAIT: lambda: self._show(Lamp.CHECKING),
            Action.SHOW_GREEN: lambda: self._show(Lamp.GREEN),
            Action.SHOW_RED: lambda: self._show(Lamp.RED, LAMP_FOR),
            Action.SHOW_OUT: lambda: self._show(Lamp.FAULT),
        }

    def _release(self) -> None:
        direction = self._showing.direction if self._showing else Direction.ENTRY
        self._move(lambda: self._turnstile.release(direction))
        failpoint("released")

    def _move(self, move: Callable[[], None]) -> None:
        try:
            move()
        except GateError as error:
            self._fault("turnstile", error, blocks=True)

    def _show(self, lamp: Lamp, seconds: float | None = None) -> None:
        self._lamp_until = None if seconds is None else self._clock.monotonic() + seconds
        if self._lights is None:
            return
        try:
            self._lights.show(lamp)
        except GateError as error:
            self._fault("lights", error, blocks=False)

    def _lamp_over(self) -> None:
        self._lamp_until = None
        if self.state is State.LOCKED:
            self._show(Lamp.READY)
        self._say_state()

    def _passed(self) -> None:
        """The admitted person went through (in free flow: is taken to have)."""
        failpoint("passage-seen")
        detail = "free flow" if self.state is State.FREE else ""
        self._close(Kind.PASSAGE, detail)

    def _nobody_passed(self) -> None:
        """The release ran out: what that means depends on whether the sensor can be believed."""
        showing = self._showing
        if showing is None:
            return
        self.sensor.missed()
        if not self.sensor.trusted:
            why = self.sensor.why or "no passage sensor"
            self._close(Kind.PASSAGE, f"assumed: {why}")
        elif showing.continuation:
            self._close(Kind.NO_PASSAGE, "group: the rest did not come")
        elif showing.direction is Direction.ENTRY and self._turned_back_before(showing):
            self._ask_steward(showing)
        else:
            self._close(Kind.NO_PASSAGE, "")

    def _turned_back_before(self, showing: Showing) -> bool:
        try:
            return self._core.turned_back(showing) > 0
        except JournalUnavailable:
            return True  # nothing is annulled unasked on a guess

    def _ask_steward(self, showing: Showing) -> None:
        self.question = (showing, self._clock.reading().at)
        self._close(Kind.NO_PASSAGE, f"{COUNTS}: second time without passage, steward asked")
        self._publish(
            "alert",
            lane=self.settings.name,
            presentation=showing.presentation.hex(),
            cause="Released twice for this ticket, and nobody was seen going through",
            remedy="Did the guest go in? If not, have the supervisor annul the entry",
        )

    def _close(self, kind: Kind, detail: str) -> None:
        showing, self._showing = self._showing, None
        if showing is None:
            return
        counted = kind is Kind.PASSAGE or detail.startswith(COUNTS)
        if not self._core.close(showing, kind, detail):
            self._fault("journal", _owed_fault(), blocks=True)
        self._count(showing.direction, kind is Kind.PASSAGE)
        self._view_ended(showing, again=not counted)
        self._publish(
            "outcome",
            lane=self.settings.name,
            state=self.state.value,
            presentation=showing.presentation.hex(),
            outcome=kind.value,
            direction=showing.direction.value,
            detail=detail,
        )
        if kind is Kind.PASSAGE and self.state is not State.FREE:
            self._next_of_group(showing)

    def _next_of_group(self, showing: Showing) -> None:
        """`one_shows_all`: the next person of the group may come without showing again."""
        books = self._core.books
        ticket = books.ticket(showing.ticket_key) if showing.ticket_key else None
        product = books.product(showing.credential, ticket)
        shown_once = product.group is GroupRule.ONE_SHOWS_ALL
        self._group = showing if shown_once and showing.left else None

    def passed_before(self, direction: str, number: int) -> None:
        """Passages that the journal holds from before this start."""
        if direction == Direction.ENTRY:
            self.entered += number
        else:
            self.left += number

    def rate(self) -> int:
        """Passages in the last ten minutes."""
        since = self._clock.monotonic() - 600
        return sum(at >= since for at in list(self._passages))

    def _count(self, direction: Direction, passed: bool) -> None:
        if passed:
            self._passages.append(self._clock.monotonic())
        if passed and direction is Direction.ENTRY:
            self.entered += 1
        elif passed:
            self.left += 1

    def _walked_through(self) -> None:
        direction = self._last_way
        self._count(direction, True)
        self._core.note(
            Kind.PASSAGE,
            lane=self.settings.name,
            list=self.settings.check_in_list,
            direction=direction.value,
            detail=self.state.value,
        )

    def _forced(self) -> None:
        self._core.note(
            Kind.FORCED,
            lane=self.settings.name,
            list=self.settings.check_in_list,
            direction=self._last_way.value,
            detail=f"while {self.state.value}",
        )
        self._publish(
            "alert",
            lane=self.settings.name,
            direction=self._last_way.value,
            cause="Someone went through without being released",
            remedy="Look at the lane; stop the person and check the ticket",
        )

    def _abort(self) -> None:
        """Evacuation, a mode or a fault ends an admission: annulled, claim and all."""
        showing = self._showing
        checking, self._claim_by = self._claim_by is not None, None
        if showing is None:
            return
        if not checking:  # was released: there is a scan to close
            self._close(Kind.ABORTED, f"lane became {self.state.value}")
            return
        self._showing = None
        try:
            self._core.refuse(showing, Reason.OUT_OF_SERVICE, f"lane became {self.state.value}")
        except (JournalUnavailable, NotReady) as error:
            self._fault("journal", error, blocks=True)

    # -- sensors, devices, faults --------------------------------------------------------------

    _last_way = Direction.ENTRY
    _group: Showing | None = None

    def _sensed(self, sensor: Sensor) -> None:
        now = self._clock.monotonic()
        way = PASSED_BY.get(sensor.signal)
        if way is not None:
            self.sensor.level(sensor.active, now)
            if sensor.active:
                self._passage(way)
        elif sensor.signal is Signal.HOME and sensor.active:
            if self.state is State.SETTLING:
                self._step(Event.SETTLED)
        elif sensor.signal is Signal.FAULT:
            error = _turnstile_fault() if sensor.active else None
            self._device(DeviceFault("turnstile_fault", error, blocks=True))
        self._look(now)

    def _passage(self, way: Direction) -> None:
        self._last_way = way
        self.sensor.passed()
        self._clear("sensor")
        expected = self._showing.direction if self._showing else way
        self._step(Event.PASSAGE if way is expected else Event.OPPOSITE)
        group, self._group = self._group, None
        if group is not None and self.state is State.LOCKED:
            self._present(
                Showing(
                    lane=group.lane,
                    direction=group.direction,
                    check_in_list=group.check_in_list,
                    medium=group.medium,
                    credential=group.credential,
                    ticket_key=group.ticket_key,
                    continuation=True,
                )
            )

    def _watch_sensor(self, now: float) -> None:
        self.sensor.tick(now)
        if self.sensor.suspect and "sensor" not in self.faults:
            self._fault("sensor", _sensor_fault(self.sensor.why), blocks=False)

    def _device(self, message: DeviceFault) -> None:
        if message.error is None:
            self._clear(message.name)
        else:
            self._fault(message.name, message.error, message.blocks)

    def _broken(self, error: GateError) -> None:
        name = "not_ready" if isinstance(error, NotReady) else "journal"
        self._claim_by = None
        self._fault(name, error, blocks=True)

    def _fault(self, name: str, error: GateError, blocks: bool) -> None:
        known = self.faults.get(name)
        if known and known.error.cause == error.cause:
            return
        self.faults[name] = Fault(error, self._clock.reading().at, blocks)
        if name != "journal":
            self._core.note(Kind.FAULT, lane=self.settings.name, detail=f"{name}: {error.cause}")
        self._publish(
            "fault", lane=self.settings.name, name=name, cause=error.cause, remedy=error.remedy
        )
        if blocks:
            self._step(Event.FAULT)
            self._retry_at = self._clock.monotonic() + RETRY_EVERY

    def _clear(self, name: str) -> None:
        if self.faults.pop(name, None) is None:
            return
        self._core.note(Kind.FAULT, lane=self.settings.name, detail=f"{name}: works again")
        self._publish("recovered", lane=self.settings.name, name=name)
        if not any(fault.blocks for fault in self.faults.values()) and self.state is State.OUT:
            self._step(Event.REPAIRED)
            if self.mode in {"free_flow", "locked"}:
                self._step(MODE_EVENTS[self.mode])

    def _check_ready(self) -> None:
        """Find a missing journal or list before the first guest does."""
        try:
            self._core.prove(Kind.MODE, lane=self.settings.name, detail=f"{self.mode}, at start")
        except (JournalUnavailable, NotReady) as error:
            self._broken(error)

    def _retry(self, now: float) -> None:
        """See whether the journal and the books are back; devices report for themselves."""
        self._retry_at = now + RETRY_EVERY if self.faults else None
        for name in [n for n in ("journal", "not_ready") if n in self.faults]:
            try:
                self._core.settle_debts()
                cause = self.faults[name].error.cause
                self._core.prove(Kind.FAULT, lane=self.settings.name, detail=f"{name} was: {cause}")
            except (JournalUnavailable, NotReady):
                continue
            self._clear(name)

    def _fold(self, now: float) -> None:
        if count := self._invalid.due(now):
            self._core.note(
                Kind.FOLDED,
                lane=self.settings.name,
                counter=count,
                detail="invalid codes, too many for a record each",
            )
            self._publish(
                "alert",
                lane=self.settings.name,
                cause=f"{count} invalid codes in a few seconds",
                remedy="Look who holds them up; valid tickets are still read",
            )

    # -- the supervisor ------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        try:
            command.reply(command.run(self))
        except GateError as error:
            command.reply(error)

    def set_mode(self, mode: str, who: str) -> None:
        """Change the lane's mode. Raises JournalUnavailable when it cannot be recorded, but
        opening (free flow, evacuation) happens all the same.
        """
        leaving_evacuation = self.state is State.EVACUATION and mode != "evacuation"
        self.mode = mode
        kind = Kind.EVACUATION if mode == "evacuation" or leaving_evacuation else Kind.MODE
        recorded = self._core.note(kind, lane=self.settings.name, detail=f"{mode}, by {who}")
        if leaving_evacuation:
            self._step(Event.RESET)
        self._step(MODE_EVENTS[mode])
        self._publish("mode", lane=self.settings.name, mode=mode, state=self.state.value)
        if not recorded:
            self._fault("journal", _owed_fault(), blocks=True)

    def clear_sensor(self) -> None:
        """The supervisor says that the passage sensor works."""
        self.sensor.clear()
        self._clear("sensor")

    def annul_question(self, presentation: bytes, who: str) -> None:
        """The steward says that nobody went through.

        Raises:
            NoSuchQuestion: that admission is not in question at this lane.
            JournalUnavailable: it is not recorded; ask again.
        """
        if self.question is None or self.question[0].presentation != presentation:
            raise NoSuchQuestion(
                f"no entry {presentation.hex()[:8]} is in question at lane {self.settings.name}",
                "Look at the steward page for the question that is open now",
            )
        showing = self.question[0]
        key = showing.ticket_key or b""
        use = next(u for u in self._core.past(key) if u.presentation == presentation)
        self._core.annul(use, key, self.settings.name, who)
        self.question = None

    # -- words ---------------------------------------------------------------------------------

    def _say_state(self) -> None:
        facts = {"presentation": self._showing.presentation.hex()} if self._showing else {}
        self._publish(
            "state", lane=self.settings.name, state=self.state.value, mode=self.mode, **facts
        )

    def _say_verdict(self, showing: Showing, verdict: Verdict, claim: str) -> None:
        key = showing.ticket_key
        self._publish(
            "verdict",
            lane=self.settings.name,
            state=self.state.value,
            mode=self.mode,
            presentation=showing.presentation.hex(),
            verdict="admitted" if verdict.admitted else "refused",
            reason=verdict.reason.value if verdict.reason else None,
            detail=verdict.detail or None,
            attention=verdict.attention or None,
            next_step=NEXT_STEP[verdict.reason] if verdict.reason else None,
            claim=claim,
            direction=showing.direction.value,
            medium=showing.medium,
            ticket=key.hex()[-4:] if key else None,
        )


class NoSuchQuestion(GateError):
    """The steward's answer is to a question that nobody asked."""


def _owed_fault() -> GateError:
    return JournalUnavailable(
        "the journal cannot be written; what happened since is kept in memory",
        "Free space on the card, or replace it; the lane opens again by itself",
    )


def _turnstile_fault() -> GateError:
    return GateError(
        "the turnstile reports a fault", "Look at its display; switch it off and on again"
    )


def _sensor_fault(why: str) -> GateError:
    return GateError(
        f"the passage sensor cannot be believed: {why}",
        "Clean and align it. Until then an entry counts when the lane is released",
    )
