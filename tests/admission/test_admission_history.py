"""What a ticket has done: merged from here and elsewhere, and counted."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.direction import Direction
from admission.history import (
    COUNTING,
    Standing,
    Use,
    entries_spent,
    inside,
    merge,
    on_list,
    resumable,
    turned_back,
    without,
)
from tests.admission.admission_cases import ENTRY, EXIT, use

USES = st.lists(
    st.builds(
        use,
        st.sampled_from(Direction),
        st.sampled_from(Standing),
        at=st.floats(0, 1e9),
        here=st.booleans(),
        turned_back=st.booleans(),
        check_in_list=st.sampled_from(["main", "vip"]),
    ),
    max_size=12,
)


def test_uses_here_and_elsewhere_are_one_history_in_order_of_time() -> None:
    """An exit at another gate between two entries here stands between them."""
    first, last = use(at=10), use(at=30)
    away = use(EXIT, at=20, here=False)
    assert merge([first, last], [away]) == (first, away, last)


def test_what_this_gate_recorded_wins_over_the_server_s_copy() -> None:
    """A copy may be older than an annulment here."""
    mine = use(standing=Standing.ANNULLED)
    copy = replace(mine, standing=Standing.PASSED, here=False, where="north")
    assert merge([mine], [copy]) == (mine,)


def test_a_clock_set_back_does_not_reorder_what_happened_here() -> None:
    """The journal's order holds: entered, then left, whatever the times say."""
    entered, left = use(at=100), use(EXIT, at=40)
    back = use(at=50)
    assert merge([entered, left, back], []) == (entered, left, back)
    assert entries_spent(merge([entered, left], []), reentry_after_exit=True) == 0


@given(USES, USES)
def test_a_history_loses_and_doubles_nothing(own: list[Use], away: list[Use]) -> None:
    """Each presentation once, and this gate's own in the order of its journal."""
    merged = merge(own, away)
    ids = [u.presentation for u in merged]
    assert sorted(ids) == sorted({u.presentation for u in [*own, *away]})
    mine = {u.presentation for u in own}
    assert [u for u in merged if u.presentation in mine] == own


@given(USES)
def test_elsewhere_comes_in_any_order(away: list[Use]) -> None:
    """Only the times order what other gates report."""
    assert [u.at for u in merge([], away)] == sorted(u.at for u in away)


@pytest.mark.parametrize(
    ("standing", "counts"),
    [
        (Standing.OPEN, True),
        (Standing.PASSED, True),
        (Standing.INTERRUPTED, True),
        (Standing.ANNULLED, False),
        (Standing.RESUMED, False),
    ],
)
def test_an_entry_counts_unless_nobody_went_through(standing: Standing, counts: bool) -> None:
    """Open and interrupted ones count: nobody enters behind them."""
    assert use(standing=standing).counts is counts
    assert (standing in COUNTING) is counts
    assert len(on_list([use(standing=standing)], "main")) == counts


def test_a_use_counts_on_its_own_list_only() -> None:
    """Backstage is another right."""
    assert on_list([use(check_in_list="vip")], "main") == ()


@pytest.mark.parametrize(
    ("case", "ways", "spent", "with_reentry"),
    [
        ("nothing", [], 0, 0),
        ("in", [ENTRY], 1, 1),
        ("in, out", [ENTRY, EXIT], 1, 0),
        ("in, out, in", [ENTRY, EXIT, ENTRY], 2, 1),
        ("out first", [EXIT, ENTRY], 1, 1),
        ("in, out, out, in", [ENTRY, EXIT, EXIT, ENTRY], 2, 1),
        ("two in, one out", [ENTRY, ENTRY, EXIT], 2, 1),
    ],
)
def test_an_exit_gives_an_entry_back_only_where_the_list_says_so(
    case: str, ways: list[Direction], spent: int, with_reentry: int
) -> None:
    """And never more than were used."""
    uses = [use(way) for way in ways]
    assert entries_spent(uses, reentry_after_exit=False) == spent, case
    assert entries_spent(uses, reentry_after_exit=True) == with_reentry, case
    assert inside(uses) == with_reentry, case


def test_who_is_still_in_the_exit_is_still_inside() -> None:
    """They may turn round, and then a copy of the ticket would be inside too."""
    entered = use()
    assert inside([entered, use(EXIT, Standing.OPEN)]) == 1
    assert inside([entered, use(EXIT, Standing.PASSED)]) == 0


def test_turn_backs_are_counted_by_list() -> None:
    """Only those that the gate annulled by itself: the steward's word is no turn-back."""
    own = use(standing=Standing.ANNULLED, turned_back=True)
    uses = [own, use(standing=Standing.ANNULLED), replace(own, check_in_list="vip")]
    assert turned_back(uses, "main") == 1


@given(USES)
def test_what_is_resumable_is_an_interrupted_entry_here(uses: list[Use]) -> None:
    """And once it is resumed, it counts no longer and none other is."""
    found = resumable(uses, "main")
    if found is None:
        return
    assert found.here
    assert (found.standing, found.direction) == (Standing.INTERRUPTED, ENTRY)
    after = without(uses, found.presentation)
    assert sum(u.counts for u in uses) - sum(u.counts for u in after) == 1
    assert resumable(after, "main") is None


def test_the_latest_interrupted_entry_is_resumed() -> None:
    """Of a group, the one whose guest still stands there."""
    first = use(standing=Standing.INTERRUPTED, at=1)
    second = use(standing=Standing.INTERRUPTED, at=2)
    assert resumable([first, second, use(at=3)], "main") == second


def test_only_the_resumed_one_changes() -> None:
    """All else stays as it was."""
    broken, other = use(standing=Standing.INTERRUPTED), use()
    assert without([broken, other], broken.presentation) == (
        replace(broken, standing=Standing.RESUMED),
        other,
    )
