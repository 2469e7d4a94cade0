"""When a passage sensor is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.sensor import RELEASES_WITHOUT_PASSAGE, STUCK_AFTER, SensorTrust


def missed(times: int) -> SensorTrust:
    """A sensor after some releases without a passage."""
    sensor = SensorTrust()
    for _ in range(times):
        sensor.missed()
    return sensor


def test_a_sensor_is_believed_until_it_proves_broken() -> None:
    """A guest or two who turned round prove nothing."""
    assert missed(RELEASES_WITHOUT_PASSAGE - 1).trusted


def test_three_releases_in_a_row_without_passage_make_it_suspect() -> None:
    """And it says why."""
    sensor = missed(RELEASES_WITHOUT_PASSAGE)
    assert not sensor.trusted
    assert sensor.why == "3 releases in a row without a passage"


def test_a_passage_in_between_starts_the_count_anew() -> None:
    """In a row means in a row."""
    sensor = missed(2)
    sensor.passed()
    sensor.missed()
    sensor.missed()
    assert sensor.trusted


@pytest.mark.parametrize("how", ["passed", "clear"])
def test_a_passage_or_the_supervisor_restores_trust(how: str) -> None:
    """Fully: three more misses are needed again."""
    sensor = missed(5)
    getattr(sensor, how)()
    assert sensor.trusted
    assert sensor.why == ""
    sensor.missed()
    assert sensor.trusted


@pytest.mark.parametrize(("seconds", "stuck"), [(STUCK_AFTER, False), (STUCK_AFTER + 0.01, True)])
def test_a_sensor_active_for_more_than_ten_seconds_is_suspect(seconds: float, stuck: bool) -> None:
    """Nobody stands in a turnstile that long."""
    sensor = SensorTrust()
    sensor.level(True, 100.0)
    sensor.tick(100.0 + seconds)
    assert sensor.suspect is stuck


def test_being_told_twice_that_it_is_active_does_not_restart_the_ten_seconds() -> None:
    """Contacts bounce."""
    sensor = SensorTrust()
    sensor.level(True, 100.0)
    sensor.level(True, 109.0)
    sensor.tick(111.0)
    assert sensor.suspect


def test_a_sensor_that_became_inactive_is_not_stuck() -> None:
    """However much later somebody looks."""
    sensor = SensorTrust()
    sensor.level(True, 100.0)
    sensor.level(False, 101.0)
    sensor.tick(1000.0)
    assert sensor.trusted
    assert sensor.wake_at() is None


def test_clearing_a_sensor_that_is_still_stuck_does_not_help() -> None:
    """It is suspect again at the next look."""
    sensor = SensorTrust()
    sensor.level(True, 100.0)
    sensor.tick(111.0)
    sensor.clear()
    sensor.tick(111.1)
    assert sensor.suspect


def test_the_moment_asked_for_is_the_moment_it_is_stuck() -> None:
    """A lane woken then has something to do, and is not woken for it again."""
    sensor = SensorTrust()
    sensor.level(True, 100.0)
    wake = sensor.wake_at()
    assert wake is not None
    sensor.tick(wake)
    assert sensor.suspect
    assert sensor.wake_at() is None


def test_a_lane_without_a_sensor_has_none_to_doubt() -> None:
    """Its entries count on release, and nobody is told to clean what is not there."""
    sensor = SensorTrust(fitted=False)
    for _ in range(10):
        sensor.missed()
    assert not sensor.trusted
    assert (sensor.suspect, sensor.why) == (False, "")


@given(st.lists(st.sampled_from(["passed", "missed", "clear"])))
def test_a_suspect_sensor_always_says_why(events: list[str]) -> None:
    """And a trusted one has nothing to say."""
    sensor = SensorTrust()
    for event in events:
        getattr(sensor, event)()
        assert sensor.suspect is bool(sensor.why)
