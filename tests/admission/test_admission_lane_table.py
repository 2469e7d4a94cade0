"""The lane table: whole, safe in any order of events, and drawn from itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.lane_table import (
    IGNORED,
    LOOKS_AT_TICKETS,
    TRANSITIONS,
    Action,
    Event,
    State,
    diagram,
    step,
)

A, E, S = Action, Event, State
OPEN = frozenset({S.RELEASED, S.FREE, S.EVACUATION})
EVENTS = st.lists(st.sampled_from(Event), max_size=60)
ALL = {(state, event) for state in State for event in Event}


def run(events: list[Event]) -> list[tuple[State, Event, State, tuple[Action, ...]]]:
    """(state, event, next state, actions) of each event, from LOCKED."""
    state, steps = S.LOCKED, []
    for event in events:
        target, actions = step(state, event)
        steps.append((state, event, target, actions))
        state = target
    return steps


def test_both_tables_together_cover_every_pair_once() -> None:
    """Nothing is forgotten, and nothing is both done and ignored."""
    assert set(TRANSITIONS) | IGNORED == ALL
    assert set(TRANSITIONS) & IGNORED == set()


@pytest.mark.parametrize(("state", "event"), sorted(IGNORED))
def test_an_ignored_pair_changes_nothing(state: State, event: Event) -> None:
    """A timer that fired late, an order for where the lane already is."""
    assert step(state, event) == (state, ())


@given(EVENTS)
def test_release_and_lock_alternate(events: list[Event]) -> None:
    """In any order of events: locked twice or released twice is never commanded."""
    locked = True
    for _, _, state, actions in run(events):
        for action in actions:
            if action is A.RELEASE:
                assert locked
                locked = False
            elif action is A.LOCK:
                assert not locked
                locked = True
            elif action is A.HOLD_OPEN:
                locked = False
        assert locked is (state not in OPEN)


@given(EVENTS)
def test_nothing_is_released_but_by_an_admission(events: list[Event]) -> None:
    """And held open only by a supervisor or a fire."""
    for _, event, _, actions in run(events):
        if A.RELEASE in actions:
            assert event is E.ADMIT
        if A.HOLD_OPEN in actions:
            assert event in {E.FREE_FLOW, E.FIRE}


@given(EVENTS)
def test_every_release_gets_one_outcome(events: list[Event]) -> None:
    """Passage, no passage or aborted: when the release is over, and never two."""
    for state, _, target, actions in run(events):
        ended = sum(a in {A.RECORD_PASSAGE, A.RECORD_NO_PASSAGE, A.ABORT} for a in actions)
        if state in {S.RELEASED, S.SETTLING}:
            assert ended == (target not in {S.RELEASED, S.SETTLING})
        elif state in {S.LOCKED, S.SHUT, S.OUT, S.EVACUATION}:
            assert ended == 0


@given(EVENTS)
def test_what_is_open_or_asked_when_a_lane_is_left_is_aborted(events: list[Event]) -> None:
    """A claim or a release does not outlive the lane's service."""
    for state, event, target, actions in run(events):
        left = target not in {S.LOCKED, S.CHECKING, S.RELEASED, S.SETTLING}
        if left and state in {S.CHECKING, S.RELEASED, S.SETTLING}:
            assert A.ABORT in actions, (state, event)


@pytest.mark.parametrize("state", [state for state in State if state is not S.EVACUATION])
def test_an_evacuation_opens_every_lane_before_all_else(state: State) -> None:
    """I5: not even a record goes before it."""
    target, actions = step(state, E.FIRE)
    assert target is S.EVACUATION
    assert actions[0] is A.HOLD_OPEN
    assert A.LOCK not in actions


@given(EVENTS.map(lambda events: [event for event in events if event is not E.RESET]))
def test_an_evacuation_lasts_until_its_reset(events: list[Event]) -> None:
    """No mode, fault, timer or ticket ends it."""
    for _, _, state, actions in run([E.FIRE, *events]):
        assert state is S.EVACUATION
        assert A.LOCK not in actions


@pytest.mark.parametrize("state", sorted(OPEN))
def test_a_lane_that_is_open_is_never_left_open_by_mistake(state: State) -> None:
    """Every way out of an open state locks, or opens wider."""
    for event in Event:
        target, actions = step(state, event)
        if target not in OPEN:
            assert A.LOCK in actions, event


@given(EVENTS)
def test_green_is_never_shown_over_a_locked_arm(events: list[Event]) -> None:
    """And the light follows the metal."""
    for _, _, state, actions in run(events):
        if A.SHOW_GREEN in actions:
            assert state in OPEN
            assert not {A.RELEASE, A.HOLD_OPEN, A.LOCK} & set(
                actions[actions.index(A.SHOW_GREEN) :]
            )


@given(EVENTS)
def test_metal_moves_before_records_of_what_is_over(events: list[Event]) -> None:
    """A slow card does not keep an arm open, nor a door closed in a fire."""
    for _, _, _, actions in run(events):
        metal = [i for i, a in enumerate(actions) if a in {A.LOCK, A.RELEASE, A.HOLD_OPEN}]
        assert metal in ([], [0])


@pytest.mark.parametrize("state", State)
def test_a_passage_is_recorded_wherever_it_happens(state: State) -> None:
    """I9: a person through the arm is a passage of the admission, of free flow, or forced."""
    for event in (E.PASSAGE, E.OPPOSITE):
        _, actions = step(state, event)
        recorded = {A.RECORD_PASSAGE, A.RECORD_FREE_PASSAGE, A.RECORD_FORCED} & set(actions)
        assert len(recorded) == 1, event


@pytest.mark.parametrize("state", [state for state in State if state is not S.EVACUATION])
def test_a_supervisor_opens_and_closes_a_lane_from_every_state(state: State) -> None:
    """But for an evacuation, which a reset ends first."""
    assert step(state, E.FREE_FLOW)[0] is S.FREE
    assert step(state, E.SHUT_DOWN)[0] is S.SHUT


@pytest.mark.parametrize("state", [S.CHECKING, S.RELEASED, S.SETTLING])
def test_another_mode_of_service_aborts_the_admission_under_way(state: State) -> None:
    """Its journal and its rules may be others: nothing of it outlives the change."""
    target, actions = step(state, E.OPEN_UP)
    assert target is S.LOCKED
    assert A.ABORT in actions


def test_tickets_are_looked_at_where_they_can_be_decided() -> None:
    """Every other state would drop the decision."""
    deciding = {
        state for state in State if {(state, E.ADMIT), (state, E.REFUSE)} <= set(TRANSITIONS)
    }
    assert deciding - {S.CHECKING} == LOOKS_AT_TICKETS


def test_the_diagram_in_the_documentation_is_this_table() -> None:
    """`docs/lane.md` holds it word for word."""
    text = Path(__file__).parents[2].joinpath("docs/lane.md").read_text("utf-8")
    assert f"```mermaid\n{diagram()}```" in text
