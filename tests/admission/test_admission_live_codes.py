"""A live code of a phone counts once, within half a minute of when it was drawn, and a ticket that
lives on a phone counts by nothing else."""

from dataclasses import replace

import pytest
from admission_cases import DOORS, ENTRY, EXIT, KEY, credential, facts, reading, ticket, use
from hypothesis import given
from hypothesis import strategies as st

from admission.clock import ClockState
from admission.decide import decide
from admission.direction import Direction
from admission.history import Standing, newest_drawing
from admission.rules import CheckInList, Fallback, GatePolicy
from admission.verdict import NEXT_STEP, Reason
from tickets.ad2 import WINDOW
from tickets.credential import Credential, Format
from tickets.rows import Status

NOW = int(DOORS)
BOUND = ticket(flags=Status.BOUND, entries=3)
STAY = (Standing.OPEN, Standing.PASSED, Standing.INTERRUPTED)


def live(drawn_at=NOW, **changes):
    """A live code, drawn now."""
    return credential(format=Format.AD2, holder_key=bytes(32), drawn_at=drawn_at, **changes)


def judged(shown=None, **changes):
    given_facts = facts(credential=shown or live(), ticket=BOUND, **changes)
    return decide(given_facts).verdict


def reason(shown=None, **changes):
    return judged(shown, **changes).reason


def test_a_code_drawn_just_now_is_admitted():
    verdict = judged()
    assert verdict.admitted
    assert verdict.attention == ""


@pytest.mark.parametrize("off", [WINDOW, -WINDOW])
def test_a_code_counts_for_half_a_minute_either_way(off):
    assert judged(live(NOW + int(off))).admitted


@pytest.mark.parametrize(
    ("case", "drawn_at", "detail"),
    [
        ("an old picture", NOW - 31, "drawn 17:59:29 UTC"),
        ("a picture of last week", NOW - 7 * 86_400, "drawn 2026-11-11 18:00 UTC"),
        ("a phone that is fast", NOW + 90, "drawn 90 s ahead of now: the phone's clock"),
    ],
)
def test_a_code_drawn_at_another_time_is_stale(case, drawn_at, detail):
    verdict = judged(live(drawn_at))
    assert (verdict.reason, verdict.detail) == (Reason.STALE_CODE, detail), case


def test_the_gate_s_own_error_is_the_guest_s_gain():
    """A clock that may be 10 s off refuses nobody who may be in time, and says so."""
    held = reading(state=ClockState.HELD, uncertainty=10)
    verdict = judged(live(NOW - 38), reading=held)
    assert verdict.admitted
    assert verdict.attention == "clock not trusted: times not checked"
    assert reason(live(NOW - 41), reading=held) is Reason.STALE_CODE
    assert judged(live(NOW - 5), reading=held).attention == ""  # in time whatever the error


@pytest.mark.parametrize("age", [0, 31, 10**6, -(10**6)])
def test_a_gate_that_does_not_know_the_time_admits_and_marks_or_refuses_as_told(age):
    unknown = reading(state=ClockState.UNKNOWN, uncertainty=float("inf"))
    verdict = judged(live(NOW - age), reading=unknown)
    assert (verdict.admitted, verdict.attention) == (True, "clock not trusted: times not checked")
    strict = GatePolicy("north", on_unknown_clock=Fallback.REFUSE)
    assert reason(live(NOW - age), reading=unknown, policy=strict) is Reason.CLOCK_UNTRUSTED


@pytest.mark.parametrize("standing", STAY)
def test_the_same_code_is_replayed_after_an_entry_that_stands(standing):
    past = (use(standing=standing, counter=NOW),)
    assert reason(uses=past) is Reason.REPLAYED


def test_an_older_drawing_is_replayed_too():
    """Two pictures of one phone: who enters with the second leaves the first worthless."""
    assert reason(live(NOW - 10), uses=(use(counter=NOW - 5),)) is Reason.REPLAYED


def test_the_next_drawing_is_a_new_code():
    """A ticket for several people: the phone shows a new code for each of them."""
    assert judged(live(NOW), uses=(use(counter=NOW - 3),)).admitted


@pytest.mark.parametrize("standing", [Standing.ANNULLED, Standing.RESUMED])
def test_who_turned_back_may_show_the_same_code_again(standing):
    assert judged(uses=(use(standing=standing, counter=NOW),)).admitted


@pytest.mark.parametrize("standing", [*STAY, Standing.ANNULLED])
def test_at_another_gate_any_use_makes_the_same_code_a_replay(standing):
    past = (use(standing=standing, counter=NOW, here=False),)
    assert reason(uses=past) is Reason.REPLAYED


def test_an_entry_on_another_list_uses_the_code_up_too():
    assert reason(uses=(use(counter=NOW, check_in_list="vip"),)) is Reason.REPLAYED


def test_who_comes_back_after_a_crash_of_the_gate_may_show_the_same_code():
    once = ticket(flags=Status.BOUND)
    interrupted = (use(standing=Standing.INTERRUPTED, counter=NOW),)
    decision = decide(facts(credential=live(), ticket=once, uses=interrupted, resume_open=True))
    assert decision.verdict.admitted
    assert decision.resumes == interrupted[0].presentation


def test_who_follows_in_a_group_shows_no_code():
    """Shown once for all: the last of them may walk in a minute later."""
    late = reading(at=DOORS + 60)
    assert judged(uses=(use(counter=NOW),), reading=late, follows=True).admitted


@pytest.mark.parametrize(
    ("case", "shown"),
    [
        ("the ticket out of a live code", credential(holder_key=bytes(32))),
        ("the paper from before it moved", credential()),
        ("the code below that, typed", Credential(Format.AD1, KEY)),
    ],
)
def test_a_ticket_that_lives_on_a_phone_counts_by_its_live_code_alone(case, shown):
    verdict = judged(shown)
    assert verdict.reason is Reason.STALE_CODE, case
    assert "live" in verdict.detail


def test_a_bound_ticket_without_its_phone_is_refused_where_no_list_is_needed():
    off_list = GatePolicy("north", list_required=False)
    plain = facts(credential=credential(holder_key=bytes(32)), ticket=None, policy=off_list)
    assert decide(plain).verdict.reason is Reason.STALE_CODE
    assert decide(replace(plain, credential=live())).verdict.admitted


def test_a_withdrawn_binding_is_revoked_however_fresh_its_code():
    withdrawn = ticket(flags=Status.BOUND | Status.REVOKED)
    assert decide(facts(credential=live(), ticket=withdrawn)).verdict.reason is Reason.REVOKED


def test_an_exit_with_an_old_code_is_a_warning():
    verdict = judged(live(NOW - 3600), direction=EXIT)
    assert (verdict.admitted, verdict.attention) == (True, "exit with warning: stale_code")


def test_the_steward_is_told_to_ask_for_the_live_ticket():
    assert "live ticket" in NEXT_STEP[Reason.STALE_CODE]
    assert "live ticket" in NEXT_STEP[Reason.REPLAYED]


uses_of_a_ticket = st.lists(
    st.builds(
        lambda way, standing, counter, here, name: use(
            way, standing, counter=counter, here=here, check_in_list=name
        ),
        st.sampled_from(Direction),
        st.sampled_from(Standing),
        st.none() | st.integers(NOW - 60, NOW + 60),
        st.booleans(),
        st.sampled_from(["main", "vip"]),
    ),
    max_size=6,
)


@given(uses_of_a_ticket, st.integers(NOW - 60, NOW + 60))
def test_no_code_enters_behind_one_as_new_that_stands(uses, drawn_at):
    """Whatever happened before: the number of an entry is above all that stand."""
    any_number = CheckInList("main", entries=0)
    verdict = judged(live(drawn_at), uses=tuple(uses), check_in_list=any_number)
    standing = [u.counter for u in uses if u.counts and u.counter is not None]
    assert not (verdict.admitted and any(drawn_at <= number for number in standing))
    if verdict.admitted:
        newest = newest_drawing(uses)
        assert newest is None or drawn_at > newest
        assert abs(drawn_at - DOORS) <= WINDOW + 0.05


def test_a_code_of_a_card_is_judged_by_the_card_s_own_rule():
    """Every message of a card counts once, also of an entry that was annulled."""
    card = Credential(Format.NTAG424, KEY, counter=5)
    annulled = (use(standing=Standing.ANNULLED, counter=5),)
    shown = facts(credential=card, uses=annulled, counter=5, direction=ENTRY)
    assert decide(shown).verdict.reason is Reason.REPLAYED
