"""What must never happen at a gate, in any order of showings, passages, faults and crashes."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from admission.direction import Direction
from admission.history import Standing, entries_spent, inside, on_list, resumable
from admission.lane_table import State
from admission.rules import AntiPassback, CheckInList
from drivers.person import Person
from drivers.protocols import PASSAGE, Signal
from drivers.sim import SimulatedTurnstile
from scanner.admissions import RESUME_WITHIN
from scanner.lane import Lane, LaneSettings
from store.journal import COUNTS
from store.records import Kind, Record, chain_hash
from tests.rigs.gate_rig import GateRig, code, key_of, row

ALLOWED = {"single": 1, "pair": 2, "other": 1}
LANES = ("west", "east")
TICKETS, AT = st.sampled_from(sorted(ALLOWED)), st.sampled_from(LANES)
WAYS = st.sampled_from([Direction.ENTRY, Direction.ENTRY, Direction.EXIT])
HABITS = st.sampled_from(["0.4", "0.4", "never", "late"])
UNSEEN = ("assumed", COUNTS, "free flow")
"""How outcomes begin that count although nobody was seen."""


class Gate(RuleBasedStateMachine):
    """Two two-way lanes, three tickets, one list; the world outside does as it likes.

    `walked` is counted by the arms of the turnstiles, not by the gate: who really went in.
    """

    @initialize(reentry=st.booleans(), passback=st.sampled_from(AntiPassback))
    def open(self, reentry: bool, passback: AntiPassback) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.check_in_list = CheckInList(
            "main", reentry_after_exit=reentry, anti_passback=passback, passback_minutes=1
        )
        self.walked: Counter[bytes] = Counter()
        self.judged = 0
        self.gate = GateRig(
            self.directory,
            [row(name, entries=entries) for name, entries in ALLOWED.items()],
            lanes=[LaneSettings(name, "main", direction="both") for name in LANES],
            lists=[self.check_in_list],
        )
        self._watch()

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self._whole()
            shutil.rmtree(self.directory)

    # -- what the world does -------------------------------------------------------------------

    @rule(name=TICKETS, lane=AT, way=WAYS, habit=HABITS, seconds=st.sampled_from([0.1, 0.6, 4.0]))
    def show(self, name: str, lane: str, way: Direction, habit: str, seconds: float) -> None:
        self.gate.turnstiles[lane].person = Person.parse(habit)
        self.gate.show(code(name), seconds, lane=lane, direction=way)

    @rule(name=TICKETS, habit=HABITS)
    def show_at_both_lanes_at_once(self, name: str, habit: str) -> None:
        for lane in LANES:
            self.gate.turnstiles[lane].person = Person.parse(habit)
            self.gate.sight(code(name), lane)

    @rule(seconds=st.sampled_from([0.3, 2.0, 8.0]))
    def wait(self, seconds: float) -> None:
        self.gate.advance(seconds)

    @rule(lane=AT, way=WAYS)
    def force(self, lane: str, way: Direction) -> None:
        self.gate.turnstiles[lane].force(way)

    @rule(lane=AT, mode=st.sampled_from(["locked", "evacuation", "free_flow", "check"]))
    def change_mode_and_back(self, lane: str, mode: str) -> None:
        self.gate.lanes[lane].set_mode(mode, "supervisor")
        self.gate.advance(0.5)
        self.gate.lanes[lane].set_mode("normal", "supervisor")

    @rule(name=TICKETS, lane=AT)
    def show_in_free_flow(self, name: str, lane: str) -> None:
        self.gate.lanes[lane].set_mode("free_flow", "supervisor")
        self.gate.show(code(name), 0.3, lane=lane)
        self.gate.lanes[lane].set_mode("normal", "supervisor")

    @rule()
    def clear_the_sensors(self) -> None:
        for lane in self.gate.lanes.values():
            lane.clear_sensor()

    @precondition(lambda self: any(lane.questions.newest for lane in self.gate.lanes.values()))
    @rule()
    def the_steward_says_that_nobody_went_through(self) -> None:
        for lane in self.gate.lanes.values():
            if question := lane.questions.newest:
                lane.annul_question(question.presentation, "steward")

    @rule(seconds=st.sampled_from([0.5, 7.0]), name=TICKETS, lane=AT)
    def the_card_is_read_only_for_a_while(self, seconds: float, name: str, lane: str) -> None:
        self.gate.journal._db.execute("PRAGMA query_only=ON")
        before = self._releases()
        self.gate.show(code(name), 0.2, lane=lane)
        self.gate.advance(seconds)
        assert self._releases() == before, "released without a record"
        self.gate.journal._db.execute("PRAGMA query_only=OFF")
        self.gate.advance(3.0)

    @rule(walks=st.booleans(), pause=st.sampled_from([0.0, RESUME_WITHIN + 1]))
    def crash(self, walks: bool, pause: float) -> None:
        """Killed; a guest at a released arm may have gone in unseen just then."""
        for lane, turnstile in self.gate.turnstiles.items():
            showing = self.gate.lanes[lane]._showing
            if walks and showing and self.gate.lanes[lane].state is State.RELEASED:
                self._went(showing.ticket_key or b"", showing.direction)
            turnstile.close()
        self.gate = self.gate.crash()
        self._watch()
        self.gate.advance(pause)

    # -- what is seen from outside -------------------------------------------------------------

    def _watch(self) -> None:
        self.gate.journal._db.execute("PRAGMA synchronous=OFF")  # no power cut here: be quick
        for name, turnstile in self.gate.turnstiles.items():
            lane = self.gate.lanes[name]
            turnstile.release = self._releasing(turnstile)  # type: ignore[assignment,method-assign]
            turnstile._on_signal.insert(0, self._passing(lane))

    def _releasing(self, turnstile: SimulatedTurnstile) -> Callable[[Direction], None]:
        release = turnstile.release

        def watched(direction: Direction) -> None:
            """I1: `records` reads through another connection, so it sees what is committed."""
            scans = [r for r in self.gate.records(Kind.SCAN) if r.verdict == "admitted"]
            showings = [lane._showing for lane in self.gate.lanes.values()]
            committed = {scan.presentation for scan in scans}
            assert any(s and s.presentation in committed for s in showings)
            assert self._releases() < len(scans)
            release(direction)

        return watched

    def _passing(self, lane: Lane) -> Callable[[Signal, bool], None]:
        def watched(signal: Signal, active: bool) -> None:
            showing = lane._showing
            released = lane.state in {State.RELEASED, State.SETTLING}
            if active and showing and released and signal is PASSAGE[showing.direction]:
                self._went(showing.ticket_key or b"", showing.direction)

        return watched

    def _went(self, key: bytes, direction: Direction) -> None:
        self.walked[key] += direction is Direction.ENTRY

    def _releases(self) -> int:
        return sum(self.gate.releases(lane) for lane in LANES)

    # -- what holds after every step -----------------------------------------------------------

    @precondition(lambda self: hasattr(self, "gate"))
    @invariant()
    def no_ticket_has_more_entries_standing_than_it_allows(self) -> None:
        """I2, by the journal: less the exits, where they give an entry back."""
        for name, allowed in ALLOWED.items():
            standing = on_list(self.gate.journal.uses(key_of(name)), "main")
            assert entries_spent(standing, self.check_in_list.reentry_after_exit) <= allowed
            if self.check_in_list.anti_passback is AntiPassback.HARD:
                assert inside(standing) <= 1

    @precondition(lambda self: hasattr(self, "gate") and not self.check_in_list.reentry_after_exit)
    @invariant()
    def nobody_went_in_more_often_than_allowed_but_for_one_resumed(self) -> None:
        """I2, by the arms: the one more after a crash is counted apart."""
        for name, allowed in ALLOWED.items():
            uses = self.gate.journal.uses(key_of(name))
            resumed = sum(use.standing is Standing.RESUMED for use in uses)
            assert resumed <= 1
            assert self.walked[key_of(name)] <= allowed + resumed

    @precondition(lambda self: hasattr(self, "gate"))
    @invariant()
    def every_new_refusal_is_just(self) -> None:
        """I3 and I11: used only if used, and never on the way out."""
        scans = self.gate.records(Kind.SCAN)
        for scan in scans[self.judged :]:
            assert scan.direction == Direction.ENTRY or scan.verdict in {"admitted", "checked"}
            if scan.verdict == "refused" and scan.reason == "already_redeemed":
                self._was_used(scan)
        self.judged = len(scans)

    def _was_used(self, scan: Record) -> None:
        """Somebody went in, or for a reason that is written down it counts unseen."""
        name = next(name for name in ALLOWED if key_of(name) == scan.ticket_key)
        uses = on_list(self.gate.journal.uses(key_of(name)), "main")
        unknown = sum(use.standing in {Standing.OPEN, Standing.INTERRUPTED} for use in uses)
        closing = self.gate.records(Kind.PASSAGE, Kind.NO_PASSAGE)
        unseen = sum(
            r.ticket_key == scan.ticket_key and r.detail.startswith(UNSEEN) for r in closing
        )
        assert self.walked[key_of(name)] + unknown + unseen >= ALLOWED[name]

    @precondition(lambda self: hasattr(self, "gate"))
    @invariant()
    def every_showing_has_one_record(self) -> None:
        """I9: and an admission at most one outcome."""
        scans = Counter(r.presentation for r in self.gate.records(Kind.SCAN))
        ends = (Kind.PASSAGE, Kind.NO_PASSAGE, Kind.ABORTED, Kind.INTERRUPTED)
        outcomes = Counter(r.presentation for r in self.gate.records(*ends) if r.presentation)
        assert max(scans.values(), default=1) == 1
        assert max(outcomes.values(), default=1) == 1
        assert set(outcomes) <= set(scans)

    def _whole(self) -> None:
        """At the end: the chain holds, and nothing is left open at a gate that came to rest."""
        self.gate.advance(12.0)
        for entry in self.gate.journal.after(0, 100_000):
            assert chain_hash(entry.seq, entry.prev, entry.record) == entry.hash
        assert self.gate.journal.interrupted() == []
        for name in ALLOWED:
            uses = self.gate.journal.uses(key_of(name))
            assert all(use.standing is not Standing.OPEN for use in uses)
            assert resumable(uses, "main") is None or not any(
                use.standing is Standing.RESUMED for use in uses
            )


TestGate = Gate.TestCase
TestGate.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
