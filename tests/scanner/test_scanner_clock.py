"""The gate's clock: how sure it is, and whom it believes."""

import pytest

from admission.clock import ClockState
from scanner.clock import StepBack, SystemClock, boot_id, kernel_error

NOW = 1_795_000_000.0


class Bench:
    """A SystemClock whose kernel, wall and monotonic clocks are set by hand."""

    def __init__(self, error: float | None = None) -> None:
        self.error, self.wall, self.at = error, NOW, 100.0
        self.last_record = 0.0
        self.clock = SystemClock(
            kernel=lambda: self.error,
            wall=lambda: self.wall,
            monotonic=lambda: self.at,
            last_record=lambda: self.last_record,
        )

    def lose_ntp(self) -> None:
        """The kernel is not synchronised any more, and is asked again."""
        self.clock.reading()
        self.error = None
        self.wait(2.0)

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
    """From what it was when it was lost: 100 ppm and half a second, held."""
    bench = Bench(error=0.02)
    bench.clock.reading()
    bench.error = None
    bench.wait(3600)
    reading = bench.clock.reading()
    assert reading.state is ClockState.HELD
    assert reading.uncertainty == pytest.approx(0.02 + 0.5 + 0.36)


def test_a_bad_error_is_not_forgotten_when_ntp_is_lost() -> None:
    """A kernel that was 16 s unsure a moment ago is not sure of half a second now."""
    bench = Bench(error=15.9)
    bench.lose_ntp()
    assert bench.clock.reading().uncertainty > 15.9


def test_a_held_clock_does_not_follow_the_wall() -> None:
    """I11: set back by a day, it would refuse every ticket as too early, and be sure of it."""
    bench = Bench(error=0.02)
    bench.lose_ntp()
    bench.wait(60)
    bench.wall -= 86_400
    reading = bench.clock.reading()
    assert reading.at == pytest.approx(NOW + 62)
    assert reading.uncertainty < 1.0


def test_of_two_held_times_the_surer_counts() -> None:
    """The server's from long ago, the kernel's from just now."""
    bench = Bench(error=0.02)
    bench.clock.pin(NOW + 1, sent=100.0, received=100.4)
    bench.wait(7200)
    bench.lose_ntp()
    reading = bench.clock.reading()
    assert reading.state is ClockState.HELD
    assert reading.uncertainty < 0.6


def test_a_kernel_the_server_contradicts_is_no_anchor() -> None:
    """Its time was not used while it was there, so it is not used after."""
    bench = Bench(error=0.02)
    bench.clock.pin(NOW + 60, sent=100.0, received=100.0)
    bench.lose_ntp()
    bench.wait(100)
    assert bench.clock.reading().at == pytest.approx(NOW + 60 + 102)


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


def test_each_record_raises_the_floor() -> None:
    """Time in the journal does not run backwards because somebody set the clock."""
    bench = Bench()
    bench.last_record = NOW + 10
    assert bench.clock.reading().at == NOW + 10
    bench.last_record = NOW + 20
    assert bench.clock.reading().at == NOW + 20


def test_a_synchronised_clock_that_goes_back_is_noted_once() -> None:
    """For the `clock` record: from when to when."""
    bench = Bench(error=0.02)
    bench.clock.reading()
    bench.wait(10)
    bench.clock.reading()
    bench.wall -= 120
    bench.clock.reading()
    bench.wait(1)
    assert bench.clock.reading().at == NOW - 109
    assert bench.clock.stepped_back() == StepBack(NOW + 10, NOW - 110)
    assert bench.clock.stepped_back() is None


def test_a_clock_set_right_after_a_start_is_noted() -> None:
    """The run before was ahead; its records are later than those of now."""
    bench = Bench(error=0.02)
    bench.clock.floor(NOW + 5000)
    bench.clock.reading()
    assert bench.clock.stepped_back() == StepBack(NOW + 5000, NOW)


def test_small_corrections_and_unsure_clocks_make_no_step() -> None:
    """A second is what a time server corrects; and who knows nothing cannot go back."""
    bench = Bench(error=0.02)
    bench.clock.reading()
    bench.wall -= 0.9
    bench.clock.reading()
    bench.lose_ntp()
    bench.wall -= 5000
    bench.clock.reading()
    assert bench.clock.stepped_back() is None


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
