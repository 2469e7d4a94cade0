"""The gate's clock: how sure it is, and whom it believes."""

import pytest

from admission.clock import ClockState
from scanner.clock import SystemClock, boot_id, kernel_error

NOW = 1_795_000_000.0


class Bench:
    """A SystemClock whose kernel, wall and monotonic clocks are set by hand."""

    def __init__(self, error: float | None = None) -> None:
        self.error, self.wall, self.at = error, NOW, 100.0
        self.clock = SystemClock(
            kernel=lambda: self.error, wall=lambda: self.wall, monotonic=lambda: self.at
        )

    def wait(self, seconds: float) -> None:
        """Both clocks run on."""
        self.wall += seconds
        self.at += seconds


def test_ntp_is_taken_at_its_word() -> None:
    """The kernel says synchronised, with this error."""
    reading = Bench(error=0.02).clock.reading()
    assert (reading.at, reading.uncertainty) == (NOW, 0.02)
    assert reading.state is ClockState.SYNCHRONISED


def test_a_clock_never_synchronised_is_unknown() -> None:
    """Nothing bounds its error."""
    reading = Bench().clock.reading()
    assert reading.state is ClockState.UNKNOWN
    assert reading.uncertainty == float("inf")


def test_after_ntp_is_lost_the_error_grows() -> None:
    """100 ppm and half a second: held."""
    bench = Bench(error=0.02)
    bench.clock.reading()
    bench.error = None
    bench.wait(3600)
    reading = bench.clock.reading()
    assert reading.state is ClockState.HELD
    assert reading.uncertainty == pytest.approx(0.5 + 0.36)


def test_the_journal_is_a_floor_for_an_unknown_clock() -> None:
    """A board that booted in the past is at least where its journal ends."""
    bench = Bench()
    bench.wall = 0.0
    bench.clock.floor(NOW)
    assert bench.clock.reading().at == NOW


def test_the_journal_is_no_floor_for_a_synchronised_clock() -> None:
    """It may go back: the last run's clock was wrong, not this one."""
    bench = Bench(error=0.02)
    bench.clock.floor(NOW + 5000)
    assert bench.clock.reading().at == NOW


def test_the_servers_signed_time_synchronises() -> None:
    """Half the round trip is its error; it runs on with the monotonic clock."""
    bench = Bench()
    bench.wall = 0.0
    bench.clock.pin(NOW, sent=100.0, received=100.4)
    bench.at = 110.4
    reading = bench.clock.reading()
    assert reading.at == pytest.approx(NOW + 0.2 + 10.0)
    assert reading.uncertainty == pytest.approx(0.25 + 0.001)
    assert reading.state is ClockState.SYNCHRONISED


def test_the_servers_time_is_held_after_a_minute() -> None:
    """Without news it drifts."""
    bench = Bench()
    bench.clock.pin(NOW, sent=100.0, received=100.0)
    bench.wait(61)
    assert bench.clock.reading().state is ClockState.HELD


def test_where_ntp_and_the_server_differ_the_server_wins_and_it_shows() -> None:
    """More than five seconds apart: somebody's time server lies."""
    bench = Bench(error=0.02)
    bench.clock.pin(NOW + 60, sent=100.0, received=100.0)
    assert bench.clock.reading().at == pytest.approx(NOW + 60)
    assert bench.clock.disagreement == pytest.approx(60)


def test_small_differences_are_no_fault() -> None:
    """NTP is the better clock within its word."""
    bench = Bench(error=0.02)
    bench.clock.pin(NOW + 2, sent=100.0, received=100.0)
    assert bench.clock.reading().at == NOW
    assert bench.clock.disagreement is None


def test_a_desk_may_trust_its_system() -> None:
    """Asked for in the provisioning file, never by default."""
    clock = SystemClock(trust_system=True, kernel=lambda: None)
    assert clock.reading().state is ClockState.SYNCHRONISED


def test_the_real_kernel_and_boot_can_be_asked() -> None:
    """On this very machine: an error in seconds, or not synchronised."""
    error = kernel_error()
    assert error is None or 0 < error < 3600
    assert len(boot_id()) == 16
