"""From many sightings to one presentation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.presentation import AGAIN_AFTER, DOUBT, GONE_AFTER, MOST, Views

ANNA, BERT, POSTER = b"anna", b"bert", b"https://example.org/menu"


def test_a_ticket_is_looked_at_at_its_first_sighting() -> None:
    """No second frame is waited for."""
    views = Views()
    views.sighted(ANNA, 10.0, counts=True, size=50)
    assert views.present(10.0) == ANNA


def test_a_ticket_is_one_presentation_until_it_is_gone() -> None:
    """A minute in view is one showing."""
    views = Views()
    for tenth in range(600):
        views.sighted(ANNA, tenth / 10, counts=True, size=50)
        assert views.present(tenth / 10) == (ANNA if tenth == 0 else None)


@pytest.mark.parametrize(("away", "again"), [(GONE_AFTER, False), (GONE_AFTER + 0.01, True)])
def test_a_code_is_gone_after_a_second_and_a_half_without_a_sighting(
    away: float, again: bool
) -> None:
    """A few missed frames are no second showing."""
    views = Views()
    views.sighted(ANNA, 10.0, counts=True, size=50)
    views.present(10.0)
    views.sighted(ANNA, 10.0 + away, counts=True, size=50)
    assert (views.present(10.0 + away) == ANNA) is again


@pytest.mark.parametrize(("held", "again"), [(AGAIN_AFTER - 0.01, False), (AGAIN_AFTER, True)])
def test_a_refused_code_is_looked_at_again_after_three_seconds_in_view(
    held: float, again: bool
) -> None:
    """Counted from the end of its presentation; it is sighted all the while."""
    views = Views()
    for at in (10.0, 11.0, 12.0):
        views.sighted(ANNA, at, counts=True, size=50)
        if at == 10.0:
            assert views.present(at) == ANNA
            views.looked_at(ANNA, at, again=True)
        assert views.present(at) is None
    views.sighted(ANNA, 10.0 + held, counts=True, size=50)
    assert (views.present(10.0 + held) == ANNA) is again


def test_an_admitted_code_is_not_looked_at_again_in_view() -> None:
    """The guest walks with the ticket in hand."""
    views = Views()
    for tenth in range(200):
        views.sighted(ANNA, tenth / 10, counts=True, size=50)
        if views.present(tenth / 10):
            views.looked_at(ANNA, tenth / 10, again=False)
            assert tenth == 0


def test_of_two_tickets_in_view_the_larger_goes_first() -> None:
    """The other follows when the lane is free again."""
    views = Views()
    views.sighted(ANNA, 10.0, counts=True, size=50)
    views.sighted(BERT, 10.0, counts=True, size=80)
    assert [views.present(10.0) for _ in range(3)] == [BERT, ANNA, None]


def test_a_ticket_that_grows_is_the_larger_one() -> None:
    """Its last size counts: the phone that comes nearer."""
    views = Views()
    views.sighted(ANNA, 10.0, counts=True, size=50)
    views.sighted(BERT, 10.0, counts=True, size=80)
    views.sighted(ANNA, 10.1, counts=True, size=90)
    assert views.present(10.1) == ANNA


def test_a_ticket_that_waits_while_the_lane_is_busy_is_remembered_as_long_as_in_view() -> None:
    """Gone before the lane is free: dropped, no record."""
    views = Views()
    views.sighted(ANNA, 10.0, counts=True, size=50)
    assert views.present(10.0 + GONE_AFTER) == ANNA
    views.sighted(BERT, 20.0, counts=True, size=50)
    assert views.present(20.0 + GONE_AFTER + 0.01) is None


def test_a_code_that_is_no_ticket_is_refused_after_a_moment_of_doubt() -> None:
    """A ticket beside it may be read one frame later. The lane is woken for it."""
    views = Views()
    views.sighted(POSTER, 10.0, counts=False, size=500)
    assert views.present(10.0) is None
    assert views.wake_at() == pytest.approx(10.0 + DOUBT)
    assert views.present(10.0 + DOUBT) == POSTER
    assert views.wake_at() is None


def test_a_lane_is_not_woken_for_a_stray_code_beside_a_ticket() -> None:
    """It would find nothing to do, and be woken again at once, for as long as both are there."""
    views = Views()
    views.sighted(POSTER, 10.0, counts=False, size=500)
    views.sighted(ANNA, 10.5, counts=True, size=50)
    assert views.present(10.5) == ANNA
    wake = views.wake_at()
    assert wake is not None and wake > 10.5 + GONE_AFTER
    assert views.present(10.5 + GONE_AFTER) is None
    views.sighted(POSTER, 11.0, counts=False, size=500)
    assert views.present(wake) == POSTER


def test_a_stray_code_is_not_looked_at_while_a_ticket_is_in_view() -> None:
    """Not even after the ticket was decided."""
    views = Views()
    for tenth in range(30):
        views.sighted(POSTER, tenth / 10, counts=False, size=500)
        views.sighted(ANNA, tenth / 10, counts=True, size=50)
        assert views.present(tenth / 10) == (ANNA if tenth == 0 else None)


def test_a_ticket_finds_room_among_any_number_of_stray_codes() -> None:
    """I10: a video of random codes neither grows the table nor hides a ticket."""
    views = Views()
    for number in range(1000):
        views.sighted(b"stray %d" % number, 10.0, counts=False, size=500)
    views.sighted(ANNA, 10.0, counts=True, size=1)
    assert len(views._seen) == MOST
    assert views.present(10.0) == ANNA


def test_a_decided_stray_code_is_forgotten_last() -> None:
    """Else it would be refused once more in the same view, with another record."""
    views = Views()
    views.sighted(POSTER, 10.0, counts=False, size=9)
    assert views.present(10.0 + DOUBT) == POSTER
    for number in range(1000):
        views.sighted(b"stray %d" % number, 10.3, counts=False, size=500)
    views.sighted(POSTER, 10.4, counts=False, size=999)
    assert views.present(10.4 + DOUBT) != POSTER


def test_more_tickets_at_once_than_are_remembered_displace_none() -> None:
    """Those in view first are decided first; the rest come when there is room."""
    views = Views()
    for number in range(MOST + 1):
        views.sighted(b"%d" % number, 10.0, counts=True, size=number)
    decided = [views.present(10.0) for _ in range(MOST + 1)]
    assert decided[-1] is None
    assert len(set(decided)) == MOST + 1


def test_what_is_in_view_can_be_asked() -> None:
    """So that nobody else forgets it meanwhile."""
    views = Views()
    views.sighted(ANNA, 10.0, counts=True, size=50)
    assert ANNA in views
    assert BERT not in views


def test_an_end_without_a_view_changes_nothing() -> None:
    """The code was gone before its presentation ended."""
    views = Views()
    views.looked_at(ANNA, 10.0, again=True)
    assert views.present(10.0) is None


CODES = st.sampled_from([b"a", b"b", b"c", b"no ticket", b"nor this"])
LATER = st.integers(0, 128).map(lambda n: n / 64)
"""Seconds that add up without rounding, so that 1.5 s are 1.5 s here as there."""
Sighted = tuple[bytes, float, float, bool, bool]
"""(code, seconds since the last, size, the lane is free, may be tried again)."""
SIGHTINGS = st.lists(
    st.tuples(CODES, LATER, st.floats(0, 500), st.booleans(), st.booleans()), max_size=60
)


@given(SIGHTINGS)
def test_no_order_of_sightings_decides_a_code_twice_in_one_view(made: list[Sighted]) -> None:
    """Unless it was refused or annulled and three seconds have passed since."""
    views = Views()
    at, last_seen, decided = 0.0, dict[bytes, float](), dict[bytes, tuple[float, bool]]()
    for code, later, size, free, again in made:
        at += later
        if at - last_seen.get(code, at) > GONE_AFTER:
            decided.pop(code, None)
        last_seen[code] = at
        views.sighted(code, at, counts=len(code) == 1, size=size)
        if free and (looked := views.present(at)):
            if looked in decided:
                ended, may_again = decided[looked]
                assert may_again and at >= ended + AGAIN_AFTER
            assert at - last_seen[looked] <= GONE_AFTER
            views.looked_at(looked, at, again)
            decided[looked] = (at, again)


@given(SIGHTINGS, st.booleans())
def test_a_woken_lane_has_something_to_do(made: list[Sighted], free: bool) -> None:
    """At the moment asked for there is a code to look at, or the lane sleeps: it never spins."""
    views = Views()
    at = 0.0
    for code, later, size, _, _ in made:
        at += later
        views.sighted(code, at, counts=len(code) == 1, size=size)
        if free:
            views.present(at)
    while views.present(at):
        pass
    wake = views.wake_at()
    assert wake is None or wake > at


@given(st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 500)), min_size=1, max_size=15))
def test_every_ticket_in_view_is_decided_within_as_many_looks_as_there_are_tickets(
    others: list[tuple[float, float]],
) -> None:
    """The smallest of them, kept in view by a free lane, is not starved by larger ones."""
    views = Views()
    at, looks = 0.0, []
    views.sighted(ANNA, at, counts=True, size=0)
    for number, (later, size) in enumerate(others):
        at += later
        views.sighted(ANNA, at, counts=True, size=0)
        views.sighted(b"other %d" % number, at, counts=True, size=size)
        looks.append(views.present(at))
        if looks[-1]:
            views.looked_at(looks[-1], at, again=True)
    looks.append(views.present(at))
    assert ANNA in looks
