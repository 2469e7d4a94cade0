"""One lane: it turns sightings, sensor signals and time into steps of the lane table.

`handle` and `tick` are called by one thread; nothing here sleeps or waits. The order is always:
record, then metal, then light, then word.
"""

from collections.abc import Callable
from dataclasses import dataclass

from admission.clock import Clock
from admission.decide import Claim, ClaimState, Decision
from admission.direction import Direction
from admission.errors import GateError
from admission.lane_table import LIGHTS, LOOKS_AT_TICKETS, Action, Event, State, step
from admission.rules import GroupRule
from admission.sensor import SensorTrust
from admission.verdict import Reason, Verdict, refused
from drivers.protocols import Lamp, Lights, Signal, Turnstile
from scanner.admissions import RESUME_WITHIN, Admissions
from scanner.claims import ClaimDesk
from scanner.lane_faults import OWED, TURNSTILE_FAULT, LaneFaults, sensor_suspect
from scanner.messages import ClaimAnswer, Command, DeviceFault, Message, Sensor, Sighting
from scanner.metal import Metal
from scanner.outcomes import FREE_FLOW, Ending, nobody_seen
from scanner.questions import Question, Questions
from scanner.showing import Showing
from scanner.sight import Seen, Sight
from scanner.tally import Tally
from scanner.voice import Publish, Voice
from store.failpoints import failpoint
from store.journal import JournalUnavailable
from store.records import Kind
from tickets.cards import CardWord

Introduce = Callable[[Showing], None]

LAMP_FOR = 2.0
"""Seconds a red light, or a verdict that moves nothing, stays."""
CLAIM_HOLDS = 10.0
"""Seconds from asking within which a record must be on disk: later, sync may already have given
the claim back (after 15 s without a record), and another gate may hold it."""
BUSY = frozenset({State.CHECKING, State.RELEASED, State.SETTLING})
RETRY_EVERY = 2.0
"""Seconds between attempts to bring a lane without a journal or list back."""

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


class Lane:
    """Readers in, turnstile out; `admission.lane_table` says what it does when."""

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
        introduce: Introduce = lambda _: None,
    ) -> None:
        """`training` keeps a journal of its own, which is never uploaded.

        `introduce` is told of every showing with a verdict, last of all; it must not wait.
        """
        self.settings = settings
        self.state = State.LOCKED
        self.mode = settings.mode
        self.sensors = {way: SensorTrust(settings.sensor_fitted) for way in Direction}
        """One a direction: a passage out says nothing of the sensor inwards."""
        self.tally = Tally()
        self.questions = Questions(settings.name)
        self._metal = Metal(turnstile, lights, clock, self._fault)
        self._real, self._training, self._claims = admissions, training, claims
        self._clock = clock
        self._voice, self._sight = Voice(settings.name, publish), Sight()
        self._introduce = introduce
        self.faults = LaneFaults()
        self._showing: Showing | None = None
        self._judge = admissions
        """The core that decides the open showing: a mode change must not swap it midway."""
        self._group: Showing | None = None
        """Set between one person's passage and the next of a group that is shown once."""
        self._last_way = settings.first_direction
        self._timer: tuple[float, Event] | None = None
        self._claim_by: float | None = None
        self._retry_at: float | None = None
        self._ready_at: float | None = None
        """When the lane was first free after the start; None: not yet."""
        self._actions = self._action_table()

    def start(self) -> None:
        """Enter the provisioned mode, and find a missing journal or list before a guest does."""
        self._metal.show(Lamp.READY)
        if self.mode != "normal":
            self.set_mode(self.mode, "provisioning")
        self._say_state()
        try:
            self._prove(Kind.MODE, f"{self.mode}, at start")
            for question in self._real.open_questions(self.settings.name):
                self.questions.ask(question)
        except GateError as error:
            self._broken(error)

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
        if self._metal.lamp_until is not None and now >= self._metal.lamp_until:
            self._lamp_over()
        if self._retry_at is not None and now >= self._retry_at:
            self._retry(now)
        self._fold(now)
        self._watch_sensors(now)
        self._look(now)

    def wake_at(self) -> float | None:
        """When `tick` has something to do next, monotonic seconds."""
        waits = [
            self._timer[0] if self._timer else None,
            self._claim_by,
            self._metal.lamp_until,
            self._retry_at,
            *(sensor.wake_at() for sensor in self.sensors.values()),
            self._sight.wake_at(free=self.state in LOOKS_AT_TICKETS),
        ]
        return min((at for at in waits if at is not None), default=None)

    # -- from a sighting to a decision ---------------------------------------------------------

    @property
    def _core(self) -> Admissions:
        return self._training if self.mode == "training" else self._real

    def _sighted(self, sighting: Sighting) -> None:
        now = self._clock.monotonic()
        try:
            self._sight.sighted(sighting, self._core.books, now)
        except GateError as error:
            self._broken(error)
            return
        self._look(now)

    def _look(self, now: float) -> None:
        """Decide what is in view, if the lane is free to."""
        if self.state not in LOOKS_AT_TICKETS or self._showing is not None:
            return
        if self._ready_at is None:
            self._ready_at = now
        seen = self._sight.present(now)
        if seen is None:
            return
        entry = seen.direction is Direction.ENTRY  # an exit is never refused
        knows_of_flood = self._sight.flood is not None
        if entry and not self._sight.worth_a_record(seen, now):
            self._step(Event.REFUSE)
            self._sight.ended(seen.identity, now, again=True)
            if not knows_of_flood:
                self._voice.flood()
            return
        failpoint("presented")
        self._present(self._showing_of(seen, now))

    def _showing_of(self, seen: Seen, now: float) -> Showing:
        return Showing(
            lane=self.settings.name,
            direction=seen.direction,
            check_in_list=self.settings.check_in_list,
            medium=seen.medium,
            credential=seen.credential,
            ticket_key=seen.key,
            identity=seen.identity,
            resume_open=now - (self._ready_at or now) <= RESUME_WITHIN,
        )

    def _present(self, showing: Showing) -> None:
        self._showing, self._judge, self._group = showing, self._core, None
        claimed = self._claims.due and self.mode == "normal" and self.state is State.LOCKED
        try:
            if self.mode == "check":
                self._checked(showing, self._judge.look(showing))
                return
            decision = self._judge.begin(showing, claims=claimed)
        except GateError as error:
            self._undecided(showing, error)
            return
        if decision is not None:
            self._decided(showing, decision, Claim())
        elif self._claims.ask(showing, self._clock.reading().at):
            failpoint("claim-intended")
            showing.asked_at = self._clock.monotonic()
            self._claim_by = showing.asked_at + self._claims.budget
            self._step(Event.CLAIM)
        else:
            self._conclude(showing, Claim(ClaimState.UNCLAIMED))

    def _undecided(self, showing: Showing, error: GateError) -> None:
        """No journal or no list: nothing was recorded, nothing moves, it is looked at again."""
        self._showing = None
        self._sight.ended(showing.identity, self._clock.monotonic(), again=True)
        self._broken(error)

    def _answered(self, answer: ClaimAnswer) -> None:
        """A late answer, or one to a closed admission, is dropped: the upload annuls its claim."""
        showing = self._showing
        if self._claim_by is None or showing is None:
            return
        if answer.presentation == showing.presentation:
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
            decision = self._judge.conclude(showing, claim)
        except GateError as error:
            self._undecided(showing, error)
            return
        self._decided(showing, decision, claim)

    def _decided(self, showing: Showing, decision: Decision, claim: Claim) -> None:
        """Recorded: now metal, light and word, in this order."""
        verdict = decision.verdict
        if verdict.admitted and self._recorded_too_late(showing):
            self._close(Ending(Kind.ABORTED, "the record took too long"))
            verdict = refused(Reason.OUT_OF_SERVICE, "the card was too slow: show it again")
            self._step(Event.REFUSE)
        elif verdict.admitted:
            showing.left = decision.left
            self._step(Event.ADMIT)
            if decision.alert:
                self._voice.alert(decision.alert, "Look at the guest and the ticket")
        else:
            self._showing = None
            self.tally.refused += 1
            self._step(Event.REFUSE)
            self._sight.ended(showing.identity, self._clock.monotonic(), again=True)
        self._say_verdict(showing, verdict, claim.state.value)

    def _recorded_too_late(self, showing: Showing) -> bool:
        """Whether sync may have given the claim back before the commit returned."""
        asked = showing.asked_at
        return asked is not None and self._clock.monotonic() - asked > CLAIM_HOLDS

    def _checked(self, showing: Showing, decision: Decision) -> None:
        """Lane mode check: the verdict is shown, nothing moves."""
        self._showing = None
        self._metal.show(Lamp.GREEN if decision.verdict.admitted else Lamp.RED, LAMP_FOR)
        self._sight.ended(showing.identity, self._clock.monotonic(), again=True)
        self._say_verdict(showing, decision.verdict, "none")

    # -- steps and actions ---------------------------------------------------------------------

    def _step(self, event: Event) -> None:
        before = self.state
        target, actions = step(before, event)
        self.state = target
        for action in actions:
            if self.state is target or action not in LIGHTS:  # a fault says what the lights show
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
            Action.LOCK: self._metal.lock,
            Action.HOLD_OPEN: self._metal.hold_open,
            Action.RECORD_PASSAGE: self._passed,
            Action.RECORD_NO_PASSAGE: self._nobody_passed,
            Action.RECORD_FREE_PASSAGE: self._walked_through,
            Action.RECORD_FORCED: self._forced,
            Action.ABORT: self._abort,
            Action.SHOW_READY: lambda: self._metal.show(Lamp.READY),
            Action.SHOW_WAIT: lambda: self._metal.show(Lamp.CHECKING),
            Action.SHOW_GREEN: lambda: self._metal.show(Lamp.GREEN),
            Action.SHOW_RED: lambda: self._metal.show(Lamp.RED, LAMP_FOR),
            Action.SHOW_OUT: lambda: self._metal.show(Lamp.FAULT),
        }

    def _release(self) -> None:
        direction = self._showing.direction if self._showing else self._last_way
        self._metal.release(direction)
        failpoint("released")

    def _lamp_over(self) -> None:
        self._metal.lamp_until = None
        if self.state is State.LOCKED:
            self._metal.show(Lamp.READY)
        self._say_state()

    # -- outcomes ------------------------------------------------------------------------------

    def _passed(self) -> None:
        """The admitted person went through."""
        failpoint("passage-seen")
        showing = self._showing
        if self.state is State.FREE:
            fitted = self.sensors[Direction.ENTRY].fitted
            detail = FREE_FLOW if fitted else "assumed: free flow, no passage sensor"
            self._close(Ending(Kind.PASSAGE, detail))
            return
        self._close(Ending(Kind.PASSAGE))
        if showing is not None and self._more_may_follow(showing):
            self._group = showing

    def _nobody_passed(self) -> None:
        showing = self._showing
        if showing is None:
            return
        sensor = self.sensors[showing.direction]
        sensor.missed()
        ending = nobody_seen(showing, sensor, self._turned_back(showing))
        self._close(ending)
        if ending.asks_steward:
            self._ask_steward(showing)

    def _ask_steward(self, showing: Showing) -> None:
        self.questions.ask(
            Question(
                presentation=showing.presentation,
                ticket_key=showing.ticket_key or b"",
                check_in_list=showing.check_in_list,
                direction=showing.direction,
                at=self._clock.reading().at,
            )
        )
        self._voice.alert(
            "Released twice for this ticket, and nobody was seen going through",
            "Did the guest go in? If not, have the supervisor annul the entry",
            presentation=showing.presentation.hex(),
        )

    def _turned_back(self, showing: Showing) -> int:
        try:
            return self._judge.turned_back(showing)
        except JournalUnavailable:
            return 1  # nothing is annulled unasked on a guess

    def _close(self, ending: Ending) -> None:
        showing, self._showing = self._showing, None
        if showing is None:
            return
        seen = ending.kind is Kind.PASSAGE and ending.detail != FREE_FLOW
        if not self._judge.close(showing, ending.kind, ending.detail):
            self._fault("journal", OWED, blocks=True)
        now = self._clock.monotonic()
        if seen:
            self.tally.passed(showing.direction, now)
        if not ending.stands:
            self._claims.turned_back(showing)
        self._sight.ended(showing.identity, now, again=not ending.stands)
        self._voice.outcome(showing, ending.kind, ending.detail, self.state)

    def _more_may_follow(self, showing: Showing) -> bool:
        """`one_shows_all`: the next person of the group need not show again."""
        if not showing.left:
            return False
        try:
            return self._judge.product(showing).group is GroupRule.ONE_SHOWS_ALL
        except GateError:
            return False  # its list cannot be read just now: they show it again

    def _walked_through(self) -> None:
        """Free flow and evacuation: nobody is asked, everybody is counted."""
        self.tally.passed(self._last_way, self._clock.monotonic())
        self._real.walked_through(self.settings.check_in_list, self._last_way)
        self._note(Kind.PASSAGE, self.state.value)

    def _forced(self) -> None:
        self._note(Kind.FORCED, f"while {self.state.value}")
        self._voice.alert(
            "Someone went through without being released",
            "Look at the lane; stop the person and check the ticket",
            direction=self._last_way.value,
        )

    def _note(self, kind: Kind, detail: str) -> None:
        """Record a passage that belongs to no showing."""
        self._real.note(
            kind,
            lane=self.settings.name,
            list=self.settings.check_in_list,
            direction=self._last_way.value,
            detail=detail,
        )

    def _abort(self) -> None:
        """Evacuation, a mode or a fault ends an admission: annulled, claim and all."""
        showing, detail = self._showing, f"lane became {self.state.value}"
        checking, self._claim_by = self._claim_by is not None, None
        if showing is None:
            return
        if not checking:  # was released: there is a scan to close
            self._close(Ending(Kind.ABORTED, detail))
            return
        self._showing = None
        try:
            self._judge.refuse(showing, Reason.OUT_OF_SERVICE, detail)
        except GateError as error:
            self._broken(error)

    # -- sensors -------------------------------------------------------------------------------

    def _sensed(self, sensor: Sensor) -> None:
        now = self._clock.monotonic()
        way = PASSED_BY.get(sensor.signal)
        if way is not None:
            self.sensors[way].level(sensor.active, now)
            if sensor.active:
                self._passage(way)
        elif sensor.signal is Signal.FAULT:
            error = TURNSTILE_FAULT if sensor.active else None
            self._device(DeviceFault("turnstile_fault", error, blocks=True))
        elif sensor.active and self.state is State.SETTLING:
            self._step(Event.SETTLED)  # home again, and nobody came
        self._look(now)

    def _passage(self, way: Direction) -> None:
        self._last_way = way
        self.sensors[way].passed()
        self._clear(f"sensor {way}")
        expected = self._showing.direction if self._showing else way
        self._step(Event.PASSAGE if way is expected else Event.OPPOSITE)
        group, self._group = self._group, None
        if group is not None and self.state is State.LOCKED:
            self._present(group.next_of_group())

    def _watch_sensors(self, now: float) -> None:
        for way, sensor in self.sensors.items():
            sensor.tick(now)
            if sensor.suspect and f"sensor {way}" not in self.faults.now:
                self._fault(f"sensor {way}", sensor_suspect(sensor.why), blocks=False)

    # -- faults --------------------------------------------------------------------------------

    def _device(self, message: DeviceFault) -> None:
        if message.error is None:
            self._clear(message.name)
        else:
            self._fault(message.name, message.error, message.blocks)

    def _broken(self, error: GateError) -> None:
        """Without journal or books nobody is admitted; `_retry` looks for them."""
        self._claim_by = None
        name = "journal" if isinstance(error, JournalUnavailable) else "not_ready"
        self._fault(name, error, blocks=True)

    def _fault(self, name: str, error: GateError, blocks: bool) -> None:
        if not self.faults.begin(name, error, self._clock.reading().at, blocks):
            return
        if name != "journal":
            self._real.note(Kind.FAULT, lane=self.settings.name, detail=f"{name}: {error.cause}")
        self._voice.fault(name, error)
        if blocks:
            self._step(Event.FAULT)
            self._retry_at = self._clock.monotonic() + RETRY_EVERY

    def _clear(self, name: str) -> None:
        if not self.faults.end(name):
            return
        self._real.note(Kind.FAULT, lane=self.settings.name, detail=f"{name}: works again")
        self._voice.recovered(name)
        if not self.faults.blocked and self.state is State.OUT:
            self._step(Event.REPAIRED)
            if self.mode in {"free_flow", "locked"}:
                self._step(MODE_EVENTS[self.mode])

    def _retry(self, now: float) -> None:
        """See whether turnstile, journal and books are back; other devices say so themselves."""
        if "turnstile" in self.faults.now and self._metal.works_again():
            self._clear("turnstile")
        for name in ("journal", "not_ready"):
            if name not in self.faults.now:
                continue
            cause = self.faults.now[name].error.cause
            try:
                self._core.settle_debts()
                self._prove(Kind.FAULT, f"looked again after: {cause}")
            except GateError as error:
                self._broken(error)  # by now it may be something else that is missing
                continue
            self._clear(name)
        self._retry_at = now + RETRY_EVERY if self.faults.now else None

    def _prove(self, kind: Kind, detail: str) -> None:
        """Show that journal and books work, by a record and a look at this lane's rules."""
        self._real.prove(kind, self.settings.check_in_list, lane=self.settings.name, detail=detail)

    def _fold(self, now: float) -> None:
        if count := self._sight.folded(now):
            detail = "invalid codes, too many for a record each"
            self._real.note(Kind.FOLDED, lane=self.settings.name, counter=count, detail=detail)
        if flood := self._sight.flood_over(now):
            self._voice.flood_over(flood)

    # -- the supervisor ------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        try:
            command.reply(command.run(self))
        except GateError as error:
            command.reply(error)

    def set_mode(self, mode: str, who: str) -> None:
        """Change the lane's mode; it happens even when it cannot be recorded now.

        An admission under way is aborted by it, and annulled.
        """
        leaving_evacuation = self.state is State.EVACUATION and mode != "evacuation"
        kind = Kind.EVACUATION if mode == "evacuation" or leaving_evacuation else Kind.MODE
        changed, self.mode = mode != self.mode, mode
        opens = mode in {"free_flow", "evacuation"}
        if opens:  # metal first: nobody waits for a card to be let out
            self._step(MODE_EVENTS[mode])
        detail = f"{mode}, by {who}"
        recorded = self._real.note(kind, lane=self.settings.name, detail=detail)
        if leaving_evacuation:
            self._step(Event.RESET)
        if not opens and (changed or self.state not in BUSY):
            self._step(MODE_EVENTS[mode])
        if self.faults.blocked:  # one that began while the lane was shut or held open
            self._step(Event.FAULT)
        self._voice.mode(mode, self.state)
        if not recorded:
            self._fault("journal", OWED, blocks=True)

    def judge(self, shown: bytes | CardWord) -> dict[str, object]:
        """What this lane would say of a code or card now; changes nothing and is not recorded.

        Raises:
            NotReady, JournalUnavailable: it could not say.
        """
        books = self._core.books
        read = books.read_card(shown) if isinstance(shown, CardWord) else books.read(shown)
        credential, key = read
        showing = Showing(
            lane=self.settings.name,
            direction=self.settings.first_direction,
            check_in_list=self.settings.check_in_list,
            medium="judged",
            credential=credential,
            ticket_key=key,
        )
        verdict = self._core.preview(showing).verdict
        return {
            "format": showing.format,
            "verdict": "admitted" if verdict.admitted else "refused",
            "reason": verdict.reason.value if verdict.reason else None,
            "detail": verdict.detail,
        }

    def clear_sensor(self) -> None:
        """The supervisor says that the passage sensors work."""
        for way, sensor in self.sensors.items():
            sensor.clear()
            self._clear(f"sensor {way}")

    def annul_question(self, presentation: bytes, who: str) -> None:
        """The steward says that nobody went through.

        Raises:
            NoSuchQuestion: that admission is not in question at this lane.
            JournalUnavailable: it is not recorded; ask again.
        """
        question = self.questions.find(presentation)
        self._real.annul(question, self.settings.name, who)
        self.questions.answered(question)

    # -- words ---------------------------------------------------------------------------------

    def _say_state(self) -> None:
        self._voice.state(self.state, self.mode, self._showing)

    def _say_verdict(self, showing: Showing, verdict: Verdict, claim: str) -> None:
        self._voice.verdict(showing, verdict, claim, self.state, self.mode)
        self._introduce(showing)
