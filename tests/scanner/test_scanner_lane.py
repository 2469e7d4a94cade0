"""One lane from sighting to outcome: what is recorded, and what moves, in which order."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admission.decide import Claim, ClaimState
from admission.direction import Direction
from admission.errors import GateError
from admission.lane_table import State
from admission.rules import AntiPassback, CheckInList, Fallback, GatePolicy, GroupRule, Product
from drivers.protocols import Lamp, Signal
from scanner.admissions import NotReady
from scanner.books import Books
from scanner.lane import LaneSettings
from scanner.messages import DeviceFault
from store.journal import Journal, JournalUnavailable
from store.records import Kind
from tests.rigs.gate_rig import GateRig, code, key_of, row
from tickets.rows import Ticket

ADMITTED = ("admitted", None)
USED = ("refused", "already_redeemed")
ENTRY = Direction.ENTRY


def test_a_valid_ticket_opens_the_lane_and_counts_on_passage(tmp_path: Path) -> None:
    """One showing, one scan, one release, one passage."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED]
    assert gate.outcomes() == [Kind.PASSAGE]
    assert gate.releases() == 1
    assert gate.lane.state is State.LOCKED
    assert gate.lane.tally.entered == 1


def test_the_record_is_on_disk_before_the_turnstile_moves(tmp_path: Path) -> None:
    """I1: at the moment of the release another connection already reads the committed scan."""
    import sqlite3

    gate = GateRig(tmp_path, [row("anna")])
    seen: list[int] = []
    release = gate.turnstile.release

    def watched(direction: Direction) -> None:
        other = sqlite3.connect(f"file:{tmp_path}/journal.db?mode=ro", uri=True)
        seen.append(other.execute("SELECT count(*) FROM records WHERE kind='scan'").fetchone()[0])
        other.close()
        release(direction)

    gate.turnstile.release = watched  # type: ignore[method-assign]
    gate.show(code("anna"))
    assert seen == [1]


def test_green_is_shown_only_after_the_release(tmp_path: Path) -> None:
    """Metal before light: a green lamp over a locked arm is a lie."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.sight(code("anna"))
    assert not gate.turnstile.locked
    assert gate.lights["entry-1"].lamp is Lamp.GREEN


def test_a_ticket_is_one_presentation_until_it_is_gone(tmp_path: Path) -> None:
    """Ten seconds in view after an admission make one scan."""
    gate = GateRig(tmp_path, [row("anna", entries=5)])
    gate.show(code("anna"), seconds=10)
    assert gate.scans() == [ADMITTED]


def test_a_used_ticket_is_refused(tmp_path: Path) -> None:
    """The second showing of a single ticket names the first entry."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.show(code("anna"))
    gate.advance(2)
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED, USED]
    assert "entered entry-1" in gate.records(Kind.SCAN)[1].detail
    assert gate.releases() == 1


def test_a_refused_code_is_looked_at_again_after_three_seconds_in_view(tmp_path: Path) -> None:
    """A guest who keeps holding up a used ticket gets an answer every three seconds."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.show(code("anna"))
    gate.advance(2)
    gate.show(code("anna"), seconds=7)
    assert gate.scans() == [ADMITTED, USED, USED, USED]


@pytest.mark.parametrize(
    ("case", "payload", "reason"),
    [
        ("forged", code("anna")[:-6] + b"AAAAAA", "forged"),
        ("not on the list", code("mallory"), "unknown"),
        ("a poster's code", b"https://example.org/menu", "unknown"),
        ("noise", bytes(range(256)), "unreadable"),
    ],
)
def test_what_is_no_ticket_is_refused_by_name(
    tmp_path: Path, case: str, payload: bytes, reason: str
) -> None:
    """Refusals are recorded and nothing moves."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.show(payload)
    assert gate.scans() == [("refused", reason)], case
    assert gate.releases() == 0
    assert gate.lights["entry-1"].lamp is Lamp.RED


def test_of_a_ticket_and_a_poster_in_view_the_ticket_counts(tmp_path: Path) -> None:
    """A stray code, even a larger one, neither opens nor refuses while a ticket is in view."""
    gate = GateRig(tmp_path, [row("anna")])
    for _ in range(10):
        gate.sight(b"https://example.org/menu", size=500)
        gate.sight(code("anna"), size=100)
        gate.advance(0.1)
    assert gate.scans() == [ADMITTED]


def test_of_two_tickets_in_view_the_larger_goes_first(tmp_path: Path) -> None:
    """The other is remembered while in view, and decided when the lane is free again."""
    gate = GateRig(tmp_path, [row("anna"), row("bert")])
    for _ in range(20):
        gate.sight(code("anna"), size=300)
        gate.sight(code("bert"), size=100)
        gate.advance(0.1)
    assert [r.ticket_key for r in gate.records(Kind.SCAN)] == [key_of("anna"), key_of("bert")]
    assert gate.outcomes() == [Kind.PASSAGE, Kind.PASSAGE]


def test_nobody_went_through_and_the_ticket_works_again(tmp_path: Path) -> None:
    """I3: the entry is annulled; the second showing is admitted and counts."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.show(code("anna"))
    gate.advance(8)
    assert gate.outcomes() == [Kind.NO_PASSAGE]
    gate.person("0.4")
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED, ADMITTED]
    assert gate.outcomes() == [Kind.NO_PASSAGE, Kind.PASSAGE]
    gate.advance(2)
    gate.show(code("anna"))
    assert gate.scans()[-1] == USED


def test_who_turned_back_and_comes_at_once_is_not_in_their_own_way(tmp_path: Path) -> None:
    """The next claim names the presentation that was annulled; sync may not have read of it yet."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit", person="never")
    gate.show(code("anna"))
    gate.advance(8)
    gate.person("0.4")
    gate.show(code("anna"))
    first, second = gate.central.asked
    assert "instead_of" not in first
    assert second["instead_of"] == first["presentation"]


def test_an_entry_that_stands_is_never_given_back_by_the_next_claim(tmp_path: Path) -> None:
    """Each of a group has a claim of their own."""
    gate = GateRig(tmp_path, [row("four", entries=4)], authority="admit")
    for _ in range(2):
        gate.show(code("four", entries=4))
        gate.advance(4)
    assert len(gate.central.asked) == 2
    assert not any("instead_of" in claim for claim in gate.central.asked)


def test_someone_already_in_the_arm_when_it_locks_still_counts(tmp_path: Path) -> None:
    """A passage within the settle time is the admission's passage, not a forced entry."""
    gate = GateRig(tmp_path, [row("anna")], person="late")
    gate.show(code("anna"))
    gate.advance(8)
    assert gate.outcomes() == [Kind.PASSAGE]
    assert gate.records(Kind.FORCED) == []


def test_the_second_missing_passage_of_a_ticket_asks_the_steward(tmp_path: Path) -> None:
    """One automatic annulment per ticket and list; after it the entry stands until annulled."""
    gate = GateRig(tmp_path, [row("anna"), row("bert")], person="never")
    for _ in range(2):
        gate.show(code("anna"))
        gate.advance(8)
        gate.lane.sensors[ENTRY].clear()
    assert gate.lane.questions.newest is not None
    gate.show(code("anna"))
    assert gate.scans()[-1] == USED
    presentation = gate.lane.questions.newest.presentation
    gate.lane.annul_question(presentation, "steward")
    gate.advance(2)
    gate.show(code("anna"))
    assert gate.scans()[-1] == ADMITTED


def test_three_releases_without_passage_make_the_sensor_suspect(tmp_path: Path) -> None:
    """While suspect, entries count on release; a passage restores trust."""
    guests = ["anna", "bert", "carl", "dora", "emil"]
    gate = GateRig(tmp_path, [row(name) for name in guests], person="never")
    for name in guests[:4]:
        gate.show(code(name))
        gate.advance(8)
    assert gate.outcomes() == [Kind.NO_PASSAGE, Kind.NO_PASSAGE, Kind.PASSAGE, Kind.PASSAGE]
    assert "sensor entry" in gate.lane.faults.now
    gate.person("0.4")
    gate.show(code("emil"))
    gate.advance(1)
    assert "sensor entry" not in gate.lane.faults.now


def test_a_sensor_active_for_ten_seconds_is_suspect(tmp_path: Path) -> None:
    """Somebody leans on it, or it broke: nothing is annulled on its word."""
    gate = GateRig(tmp_path, [row("anna"), row("bert")], person="stuck")
    gate.show(code("anna"))
    gate.advance(12)
    assert gate.lane.sensors[ENTRY].suspect
    gate.turnstile._person = gate.turnstile.person.__class__.parse("never")
    gate.show(code("bert"))
    gate.advance(8)
    assert gate.outcomes()[-1] is Kind.PASSAGE


def test_a_forced_passage_is_recorded_and_alerts(tmp_path: Path) -> None:
    """Somebody pushed through a locked arm."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.turnstile.force()
    gate.advance(1)
    assert len(gate.records(Kind.FORCED)) == 1
    assert any(event["kind"] == "alert" for event in gate.events)


def test_an_opposite_passage_of_a_two_way_lane_is_forced(tmp_path: Path) -> None:
    """The first presentation holds the lane; who comes the other way did not wait."""
    lanes = [LaneSettings("both-1", "main", direction="both")]
    gate = GateRig(tmp_path, [row("anna")], lanes=lanes, person="never")
    gate.sight(code("anna"))
    gate.sensor(Signal.PASSAGE_OUT)
    gate.sensor(Signal.PASSAGE_OUT, False)
    assert len(gate.records(Kind.FORCED)) == 1
    assert gate.lane.state is State.RELEASED
    gate.sensor(Signal.PASSAGE_IN)
    assert gate.outcomes() == [Kind.PASSAGE]


def test_an_exit_is_never_refused(tmp_path: Path) -> None:
    """I11: whatever is shown at an exit opens it; the steward is told."""
    lanes = [LaneSettings("exit-1", "main", direction="exit")]
    gate = GateRig(tmp_path, [row("anna")], lanes=lanes)
    gate.show(code("mallory"), direction=Direction.EXIT)
    assert gate.scans() == [ADMITTED]
    assert gate.records(Kind.SCAN)[0].detail == "exit with warning: unknown"
    assert gate.releases() == 1


def test_a_group_shown_once_passes_one_by_one(tmp_path: Path) -> None:
    """`one_shows_all`: a record and an entry for each, and the rest is annulled if it stays."""
    four = Product(4, "group of four", GroupRule.ONE_SHOWS_ALL, people=4)
    gate = GateRig(tmp_path, [row("band", product=4, entries=4)], products=[four])
    gate.show(code("band"), seconds=0.5)
    gate.advance(0.5)
    gate.person("never")
    gate.advance(12)
    passed = gate.outcomes().count(Kind.PASSAGE)
    assert passed in {2, 3}
    assert gate.outcomes()[-1] is Kind.NO_PASSAGE
    assert gate.lane.questions.newest is None
    gate.person("0.4")
    gate.show(code("band"), seconds=0.5)
    gate.advance(6)
    assert gate.outcomes().count(Kind.PASSAGE) == 4
    assert len(gate.scans()) == 5
    gate.show(code("band"), seconds=0.5)
    assert gate.scans()[-1] == USED


# -- claims --------------------------------------------------------------------------------------


def test_an_entry_is_claimed_before_it_is_recorded(tmp_path: Path) -> None:
    """Granted: released, and the record says so."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.central.delay = 0.1
    gate.sight(code("anna"))
    assert gate.lane.state is State.CHECKING
    assert gate.releases() == 0
    gate.advance(0.2)
    assert gate.releases() == 1
    assert gate.records(Kind.SCAN)[0].claim == "granted"


def test_a_ticket_taken_at_another_gate_is_refused(tmp_path: Path) -> None:
    """The authority's no is a refusal that says where."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.central.result = Claim(ClaimState.TAKEN, "south", 1_795_000_000.0)
    gate.show(code("anna"))
    assert gate.scans() == [("refused", "taken_elsewhere")]
    assert "south" in gate.records(Kind.SCAN)[0].detail


@pytest.mark.parametrize(
    ("policy", "verdict"), [(Fallback.ADMIT, "admitted"), (Fallback.REFUSE, "refused")]
)
def test_a_hung_authority_costs_one_guest_the_budget(
    tmp_path: Path, policy: Fallback, verdict: str
) -> None:
    """I4: 400 ms, then the policy decides; the next guest waits for nobody."""
    rules = GatePolicy("north", on_unclaimed=policy)
    gate = GateRig(tmp_path, [row("anna"), row("bert")], authority="admit", policy=rules)
    gate.central.answers = False
    gate.sight(code("anna"))
    gate.advance(0.35)
    assert gate.scans() == []
    gate.advance(0.1)
    assert [r.verdict for r in gate.records(Kind.SCAN)] == [verdict]
    assert gate.records(Kind.SCAN)[0].claim == "unclaimed"
    gate.advance(8)
    gate.sight(code("bert"))
    assert [r.verdict for r in gate.records(Kind.SCAN)] == [verdict, verdict]
    assert len(gate.central.asked) == 1


def test_an_authority_comes_back_after_three_quick_probes(tmp_path: Path) -> None:
    """Hysteresis: one good answer is not enough."""
    gate = GateRig(tmp_path, [row("anna"), row("bert")], authority="admit")
    gate.central.answers = False
    gate.show(code("anna"))
    assert gate.desk.state[0] == "out"
    gate.central.answers = True
    gate.advance(2.0)
    assert gate.desk.state[0] == "out"
    gate.advance(2.0)
    assert gate.desk.state[0] == "in"


def test_a_late_answer_changes_nothing(tmp_path: Path) -> None:
    """What the lane acted on stands; the upload settles the late claim."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.central.delay = 1.0
    gate.central.result = Claim(ClaimState.TAKEN, "south")
    gate.show(code("anna"), seconds=3)
    assert gate.scans() == [ADMITTED]
    assert gate.outcomes() == [Kind.PASSAGE]


# -- modes, faults, crashes ----------------------------------------------------------------------


def test_check_mode_says_the_verdict_and_redeems_nothing(tmp_path: Path) -> None:
    """The same ticket is good as often as it is shown, and nothing moves."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.lane.set_mode("check", "test")
    for _ in range(2):
        gate.show(code("anna"))
        gate.advance(2)
    assert gate.scans() == [("checked", None), ("checked", None)]
    assert gate.releases() == 0


TEST_TICKET = Product(9, "training", test=True)


def test_training_mode_records_nothing_that_is_uploaded(tmp_path: Path) -> None:
    """Test tickets work like real ones, on a journal of their own."""
    tickets = [row("test", product=9)]
    gate = GateRig(tmp_path, tickets, products=[TEST_TICKET], authority="admit")
    gate.lane.set_mode("training", "test")
    gate.show(code("test"))
    assert gate.scans() == []
    assert gate.releases() == 1
    assert gate.central.asked == []
    assert [e.record.kind for e in gate.training_journal.after(0, 99)][-2:] == [
        Kind.SCAN,
        Kind.PASSAGE,
    ]
    assert gate.records(Kind.MODE)[-1].detail == "training, by test"


def test_a_real_ticket_opens_nothing_in_training(tmp_path: Path) -> None:
    """Or every ticket would get in once more, and the journal would not know."""
    gate = GateRig(tmp_path, [row("anna")], products=[TEST_TICKET])
    gate.lane.set_mode("training", "test")
    gate.show(code("anna"))
    assert gate.releases() == 0


def test_a_test_ticket_opens_nothing_in_service(tmp_path: Path) -> None:
    """They lie around in the staff room."""
    gate = GateRig(tmp_path, [row("test", product=9)], products=[TEST_TICKET])
    gate.show(code("test"))
    assert gate.scans() == [("refused", "wrong_list")]


@pytest.mark.parametrize("mode", ["training", "check", "locked", "free_flow", "evacuation"])
def test_a_change_of_mode_aborts_what_was_released(tmp_path: Path, mode: str) -> None:
    """In the journal that holds its scan, whichever the new mode writes to."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    gate.lane.set_mode(mode, "test")
    assert gate.outcomes() == [Kind.ABORTED]
    gate.lane.set_mode("normal", "test")
    gate.person("0.4")
    gate.advance(4)
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED, ADMITTED]


def test_the_mode_it_has_already_aborts_nothing(tmp_path: Path) -> None:
    """A supervisor who says normal twice does no harm."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.sight(code("anna"))
    gate.lane.set_mode("normal", "test")
    gate.advance(1)
    assert gate.outcomes() == [Kind.PASSAGE]


def test_a_grant_after_a_change_to_training_opens_nothing(tmp_path: Path) -> None:
    """The check was cut short: one refused scan in the real journal, none in the other."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.central.delay = 0.2
    gate.sight(code("anna"))
    gate.lane.set_mode("training", "test")
    gate.advance(1)
    assert gate.scans() == [("refused", "out_of_service")]
    assert gate.releases() == 0


def test_free_flow_redeems_without_waiting_and_counts_passages(tmp_path: Path) -> None:
    """Everything is open; tickets shown are redeemed all the same."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.lane.set_mode("free_flow", "test")
    assert not gate.turnstile.locked
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED]
    assert gate.central.asked == []
    gate.turnstile.walk(ENTRY)
    assert gate.turnstile.log[-1][1] == "passage_in"
    gate.lane.set_mode("normal", "test")
    assert gate.turnstile.locked
    gate.advance(2)
    gate.show(code("anna"))
    assert gate.scans()[-1] == USED


def test_an_evacuation_aborts_and_annuls_what_was_released(tmp_path: Path) -> None:
    """The ticket of somebody who was just going through works again afterwards."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    gate.lane.set_mode("evacuation", "test")
    assert gate.outcomes() == [Kind.ABORTED]
    assert not gate.turnstile.locked
    gate.lane.set_mode("normal", "test")
    assert gate.turnstile.locked
    gate.advance(2)
    gate.person("0.4")
    gate.show(code("anna"))
    assert gate.scans()[-1] == ADMITTED


def test_an_evacuation_while_checking_refuses_and_a_later_answer_is_dropped(
    tmp_path: Path,
) -> None:
    """There is one scan, refused; a grant that arrives afterwards opens nothing."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.central.delay = 0.2
    gate.sight(code("anna"))
    gate.lane.set_mode("locked", "test")
    gate.advance(1)
    assert gate.scans() == [("refused", "out_of_service")]
    assert gate.releases() == 0


def test_a_locked_lane_looks_at_nothing(tmp_path: Path) -> None:
    """A presentation that is gone before the lane is open again leaves no record."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.lane.set_mode("locked", "test")
    gate.show(code("anna"))
    gate.advance(2)
    gate.lane.set_mode("normal", "test")
    assert gate.scans() == []


def test_a_crash_between_record_and_outcome_lets_the_guest_in_once_more(tmp_path: Path) -> None:
    """Within 120 s at the same gate: resumed, once; the entry is counted once."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    assert gate.scans() == [ADMITTED]
    again = gate.crash()
    assert again.outcomes() == [Kind.INTERRUPTED]
    again.show(code("anna"))
    assert again.scans() == [ADMITTED, ADMITTED]
    assert len(again.records(Kind.RESUMED)) == 1
    again.advance(2)
    again.show(code("anna"))
    assert again.scans()[-1] == USED
    standing = [use for use in again.journal.uses(key_of("anna")) if use.counts]
    assert len(standing) == 1


def test_an_interrupted_entry_is_not_resumed_later(tmp_path: Path) -> None:
    """After 120 s the steward is asked, and sees when it happened."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    again = gate.crash()
    again.advance(121)
    again.show(code("anna"))
    assert again.scans()[-1] == USED
    assert "interrupted: ask the guest" in again.records(Kind.SCAN)[-1].detail


def test_a_flood_of_invalid_codes_folds_and_a_valid_ticket_still_gets_in(tmp_path: Path) -> None:
    """I9, I10: 20 records a minute, then one counted record each 10 s; no lane is stopped."""
    gate = GateRig(tmp_path, [row("anna")])
    for number in range(600):
        gate.sight(bytes([200, number % 256, number // 256]) + b"\xff" * 20)
        gate.advance(0.05)
    scans = gate.records(Kind.SCAN)
    folded = gate.records(Kind.FOLDED)
    assert len(scans) <= 40
    assert len(folded) >= 2
    gate.show(code("anna"))
    assert gate.scans()[-1] == ADMITTED


def test_a_wrong_list_named_by_the_lane_takes_it_out_of_service(tmp_path: Path) -> None:
    """A lane without rules admits nobody, and says what to correct."""
    gate = GateRig(tmp_path, [row("anna")], lists=[CheckInList("other")])
    gate.show(code("anna"))
    assert gate.lane.state is State.OUT
    assert "check-in list 'main'" in gate.lane.faults.now["not_ready"].error.cause


def test_a_group_that_ended_unseen_is_not_presented_by_a_stranger(tmp_path: Path) -> None:
    """Only the passage of one of the group lets the next one follow."""
    four = Product(4, "group of four", GroupRule.ONE_SHOWS_ALL, people=4)
    lanes = [LaneSettings("entry-1", "main", sensor_fitted=False)]
    tickets = [row("band", product=4, entries=4), row("anna")]
    gate = GateRig(tmp_path, tickets, products=[four], lanes=lanes, person="never")
    gate.show(code("band"), seconds=0.3)
    gate.advance(10)
    assert gate.outcomes() == [Kind.PASSAGE]
    gate.person("0.4")
    gate.show(code("anna"), seconds=0.3)
    gate.advance(10)
    assert gate.releases() == 2


def test_exits_are_never_folded_away(tmp_path: Path) -> None:
    """I11: the thirtieth strange code in a minute opens the exit like the first."""
    lanes = [LaneSettings("exit-1", "main", direction="exit", release_for=0.5)]
    gate = GateRig(tmp_path, lanes=lanes, person="0")
    for number in range(30):
        gate.show(b"https://example.org/%d" % number, 0.3, direction=Direction.EXIT)
        gate.advance(1.0)
    assert gate.scans() == [ADMITTED] * 30
    assert gate.releases() == 30


def test_an_exit_says_nothing_of_the_sensor_inwards(tmp_path: Path) -> None:
    """A dead sensor of one direction is found although people leave by the other."""
    lanes = [LaneSettings("both-1", "main", direction="both")]
    guests = ["anna", "bert", "carl", "dora"]
    gate = GateRig(tmp_path, [row(name) for name in guests], lanes=lanes, person="never")
    for name in guests:
        gate.show(code(name), 0.3)
        gate.advance(8)
        gate.show(code("leaver"), 0.3, direction=Direction.EXIT)
        gate.sensor(Signal.PASSAGE_OUT)
        gate.sensor(Signal.PASSAGE_OUT, False)
        gate.advance(3)
    entries = [
        r.kind for r in gate.records(Kind.PASSAGE, Kind.NO_PASSAGE) if r.direction == "entry"
    ]
    assert entries == [Kind.NO_PASSAGE, Kind.NO_PASSAGE, Kind.PASSAGE, Kind.PASSAGE]


def test_every_open_question_can_be_answered_even_after_a_restart(tmp_path: Path) -> None:
    """I3: two guests in question are two questions."""
    gate = GateRig(tmp_path, [row("anna"), row("bert")], person="never")
    for name in ("anna", "anna", "bert", "bert"):
        gate.show(code(name), 0.3)
        gate.advance(9)
        gate.lane.sensors[ENTRY].clear()
    asked = [r.presentation for r in gate.records(Kind.NO_PASSAGE) if r.detail]
    assert len(asked) == 2
    again = gate.crash()
    for presentation in asked:
        assert presentation
        again.lane.annul_question(presentation, "steward")
    assert [use.counts for use in again.journal.uses(key_of("anna"))] == [False, False]
    assert again.lane.questions.newest is None


def test_a_record_that_took_too_long_releases_nobody(tmp_path: Path) -> None:
    """sync may have given the claim back meanwhile: aborted, and to be shown again."""
    gate = GateRig(tmp_path, [row("anna")], authority="admit")
    gate.central.delay = 0.2
    gate.sight(code("anna"))
    conclude = gate.admissions.conclude

    def slow(*showing_and_claim: Any) -> Any:
        decision = conclude(*showing_and_claim)
        gate.clock.advance(11)
        return decision

    gate.admissions.conclude = slow  # type: ignore[method-assign]
    gate.advance(0.3)
    assert gate.releases() == 0
    assert gate.outcomes() == [Kind.ABORTED]


def test_a_list_that_cannot_be_read_takes_the_lane_out_of_service(tmp_path: Path) -> None:
    """A bad sector under one row must not end the gate."""
    gate = GateRig(tmp_path, [row("anna")])
    rows = dict(gate.rows)

    def damaged(key: bytes) -> Ticket | None:
        raise GateError("the list is damaged", "It is fetched again")

    gate.current_books = replace(gate.current_books, listed=damaged)
    gate.sight(code("anna"))
    assert gate.lane.state is State.OUT
    gate.current_books = replace(gate.current_books, listed=rows.get)
    gate.advance(3)
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED]


def test_a_ticket_still_held_up_when_the_lane_recovers_is_looked_at(tmp_path: Path) -> None:
    """The guest need not take it away first."""
    gate = GateRig(tmp_path, [row("anna")])
    missing = [True]

    def books() -> Books:
        if missing[0]:
            raise NotReady("no list yet", "Wait")
        return gate.current_books

    gate.admissions._books = books
    gate.show(code("anna"), 2)
    assert gate.lane.state is State.OUT
    missing[0] = False
    gate.show(code("anna"), 8)
    assert gate.scans() == [ADMITTED]


def test_a_lane_without_its_rules_is_out_of_service_from_the_start(tmp_path: Path) -> None:
    """Not only when the first guest comes."""
    gate = GateRig(tmp_path, lists=[CheckInList("other")])
    assert gate.lane.state is State.OUT


def test_a_device_that_comes_back_late_still_resumes(tmp_path: Path) -> None:
    """The 120 s run from when the lane can admit again, not from the start of the process."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    again = gate.crash(DeviceFault("turnstile_fault", GateError("no answer", "Look"), blocks=True))
    again.advance(130)
    again.lane.handle(DeviceFault("turnstile_fault", None))
    again.show(code("anna"))
    assert len(again.records(Kind.RESUMED)) == 1


def test_soft_anti_passback_alerts_the_steward(tmp_path: Path) -> None:
    """Admitted, marked and said aloud."""
    soft = CheckInList("main", anti_passback=AntiPassback.SOFT)
    gate = GateRig(tmp_path, [row("anna", entries=3)], lists=[soft])
    for _ in range(2):
        gate.show(code("anna"))
        gate.advance(3)
    assert gate.scans() == [ADMITTED, ADMITTED]
    alerts = [event["cause"] for event in gate.events if event["kind"] == "alert"]
    assert alerts == ["A ticket that is already inside has entered again"]


def test_people_in_free_flow_count_as_inside_once(tmp_path: Path) -> None:
    """The sensor counts them; a scan shown meanwhile does not count again, nor after a restart."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.lane.set_mode("free_flow", "test")
    gate.show(code("anna"))
    gate.turnstile.walk(ENTRY)
    gate.advance(1)
    assert gate.admissions.inside["main"] == gate.lane.tally.entered == 1
    assert gate.crash().admissions.inside["main"] == 1


def test_a_journal_that_opens_late_is_recovered_before_it_decides(tmp_path: Path) -> None:
    """A full card at the start burns nobody's ticket."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    gate.journal.close()
    late: list[Journal] = []

    def journal() -> Journal:
        if not late:
            raise JournalUnavailable("the card is full", "Free space")
        return late[0]

    again = GateRig(tmp_path, [row("anna")], journal=journal)
    assert again.lane.state is State.OUT
    late.append(again.journal)
    again.advance(3)
    again.show(code("anna"))
    assert again.outcomes()[0] is Kind.INTERRUPTED
    assert len(again.records(Kind.RESUMED)) == 1


def test_a_turnstile_that_failed_once_is_tried_again(tmp_path: Path) -> None:
    """The lane is back by itself when the device takes commands again."""
    gate = GateRig(tmp_path, [row("anna")])
    release = gate.turnstile.release

    def broken(direction: Direction) -> None:
        raise GateError("the line is gone", "Check the cable")

    gate.turnstile.release = broken  # type: ignore[method-assign]
    gate.show(code("anna"))
    assert gate.lane.state is State.OUT
    assert gate.outcomes() == [Kind.ABORTED]
    gate.turnstile.release = release  # type: ignore[method-assign]
    gate.advance(3)
    gate.show(code("anna"))
    assert gate.outcomes() == [Kind.ABORTED, Kind.PASSAGE]
