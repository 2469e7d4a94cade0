"""A flood of invalid codes becomes a few counted records."""

from hypothesis import given
from hypothesis import strategies as st

from admission.folding import FOLD_EVERY, PER_MINUTE, InvalidCodes


def flooded(at: float = 100.0) -> InvalidCodes:
    """Twenty records are written in this minute."""
    codes = InvalidCodes()
    assert all(codes.recorded(at) for _ in range(PER_MINUTE))
    return codes


def test_twenty_invalid_codes_a_minute_get_a_record_each() -> None:
    """The next ones are counted."""
    codes = flooded()
    assert not codes.flooding
    assert not codes.recorded(100.0)
    assert codes.flooding


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
    assert codes.wake_at() is None
    assert not codes.flooding


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
