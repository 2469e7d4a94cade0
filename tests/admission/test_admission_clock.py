"""Time as a gate reads, tells and tests it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.clock import ClockState, FakeClock, Reading, clock_time
from tests.admission.admission_cases import DAY, DOORS


def test_a_clock_moved_by_hand_moves_both_of_its_times() -> None:
    """Twenty years or a tenth of a second, nothing sleeps."""
    clock = FakeClock(at=DOORS)
    before = clock.monotonic()
    clock.advance(5.0)
    assert clock.monotonic() - before == 5.0
    assert clock.reading() == Reading(DOORS + 5.0, 0.05, ClockState.SYNCHRONISED)


def test_a_reading_is_a_time_with_its_zone() -> None:
    """UTC, always."""
    reading = Reading(DOORS, 0.05, ClockState.HELD)
    assert reading.datetime == datetime(2026, 11, 18, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "now", "told"),
    [
        (DOORS + 127, None, "18:02:07 UTC"),
        (DOORS + 127, DOORS, "18:02:07 UTC"),
        (DOORS - DAY, DOORS, "2026-11-17 18:00 UTC"),
        (DOORS - DAY, None, "18:00:00 UTC"),
    ],
)
def test_a_time_is_told_with_its_date_when_it_is_of_another_day(
    at: float, now: float | None, told: str
) -> None:
    """Stewards read it aloud."""
    assert clock_time(at, now) == told


@pytest.mark.parametrize(
    ("at", "now", "timezone", "told"),
    [
        (DOORS + 127, DOORS, "Europe/Berlin", "19:02:07 CET"),
        (DOORS + 127 - 120 * DAY, None, "Europe/Berlin", "20:02:07 CEST"),
        (DOORS + 127, DOORS, "America/New_York", "13:02:07 EST"),
        (DOORS + 127, DOORS, "Asia/Kolkata", "23:32:07 IST"),
        # 23:30 UTC is tomorrow in Berlin already: the day is the steward's, not London's.
        (DOORS + 5.5 * 3600, DOORS, "UTC", "23:30:00 UTC"),
        (DOORS + 5.5 * 3600, DOORS, "Europe/Berlin", "2026-11-19 00:30 CET"),
    ],
)
def test_a_time_is_told_as_the_stewards_watch_shows_it(
    at: float, now: float | None, timezone: str, told: str
) -> None:
    """With the zone's name, and summer time by the season of the time told."""
    assert clock_time(at, now, timezone) == told


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Kiritimati"]),
)
def test_no_number_ends_a_lane_in_any_zone(at: float, timezone: str) -> None:
    """I10, near the ends of the calendar too."""
    assert clock_time(at, DOORS, timezone)
    assert clock_time(DOORS, at, timezone)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_is_told_as_a_time_or_as_unknown(at: float) -> None:
    """I10: a server's nonsense is a detail on the screen, never the end of a lane."""
    assert clock_time(at, DOORS).endswith(("UTC", "unknown time"))
