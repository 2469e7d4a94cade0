"""A flood of invalid codes becomes a few counted records."""

from hypothesis import given
from hypothesis import strategies as st

from admission.folding import FOLD_EVERY, OVER_AFTER, PER_MINUTE, Flood, InvalidCodes


def flooded(at: float = 100.0) -> InvalidCodes:
    """Twenty records are written in this minute."""
    codes = InvalidCodes()
    assert all(codes.recorded(at) for _ in range(PER_MINUTE))
    return codes


def test_twenty_invalid_codes_a_minute_get_a_record_each() -> None:
    """The next ones are counted."""
    codes = flooded()
    assert codes.flood is None
    assert not codes.recorded(100.0)
    assert codes.flood == Flood(100.0, 100.0, 1)


def test_a_minute_later_there_are_records_again() -> None:
    """Any minute, not the calendar's."""
    codes = flooded()
    assert not codes.recorded(159.9)
    assert codes.recorded(160.0)


def test_what_was_counted_is_due_ten_seconds_after_its_first() -> None:
    """One record for all of them, then none."""
    codes = flooded()
    for at in (101.0, 104.0, 110.9):
        codes.recorded(at)
    assert codes.due(110.9) == 0
    assert codes.wake_at() == 101.0 + FOLD_EVERY
    assert codes.due(111.0) == 3
    assert codes.due(111.0) == 0
    assert codes.wake_at() == 110.9 + OVER_AFTER


def test_a_flood_is_over_a_minute_after_its_last_code() -> None:
    """Told once, with all it held, and after its last codes are recorded."""
    codes = flooded()
    codes.recorded(101.0)
    codes.recorded(103.0)
    assert codes.over(162.9) is None
    assert codes.over(163.0) is None, "its codes are not recorded yet"
    assert codes.due(163.0) == 2
    assert codes.over(163.0) == Flood(101.0, 103.0, 2)
    assert codes.over(163.0) is None
    assert codes.wake_at() is None


def test_a_pause_is_no_end_of_a_flood() -> None:
    """Who holds up 25 codes, waits and goes on is one flood: the steward hears of it once."""
    codes = flooded()
    codes.recorded(101.0)
    at = 101.0
    for _ in range(5):
        at += OVER_AFTER - 1
        assert codes.due(at) == 1
        assert codes.over(at) is None
        while codes.recorded(at):
            pass
    assert codes.flood == Flood(101.0, at, 6)


@given(st.lists(st.floats(0, 100), max_size=300))
def test_floods_begin_and_end_in_turn_and_hold_every_folded_code(gaps: list[float]) -> None:
    """However the codes come: no end without a beginning, none is forgotten."""
    codes, at, told, folded, ended = InvalidCodes(), 0.0, False, 0, 0
    for gap in gaps:
        at += gap
        codes.due(at)
        if flood := codes.over(at):
            assert told
            assert at - flood.last >= OVER_AFTER
            told, ended = False, ended + flood.codes
        if not codes.recorded(at):
            folded += 1
            told = True
        assert told is (codes.flood is not None)
    assert folded == ended + (codes.flood.codes if codes.flood else 0)


@given(st.lists(st.floats(0, 5), max_size=300))
def test_every_code_is_recorded_or_counted_once(gaps: list[float]) -> None:
    """I9: nothing is lost; and the card sees at most 20 records in any minute, and the folded."""
    codes, at, recorded, folded = InvalidCodes(), 0.0, list[float](), 0
    for gap in gaps:
        at += gap
        if codes.recorded(at):
            recorded.append(at)
        folded += codes.due(at)
    wake = codes.wake_at()
    folded += codes.due(wake) if wake is not None else 0
    assert len(recorded) + folded == len(gaps)
    for first, later in zip(recorded, recorded[PER_MINUTE:], strict=False):
        assert later - first >= 60.0
