"""A clock that can be told to be wrong, for training."""

from pathlib import Path

import pytest

from admission.clock import ClockState
from scanner.simulated_clock import WRONG_BY, SimulatedClock

NOW = 1_795_000_000.0


class Bench:
    """A simulated clock over a good kernel; time is moved by hand."""

    def __init__(self, directory: Path, kernel: float | None = 0.02) -> None:
        self.file, self.passed = directory / "clock", 0.0
        self.clock = SimulatedClock(
            self.file,
            kernel=lambda: kernel,
            wall=lambda: NOW + self.passed,
            monotonic=lambda: 100.0 + self.passed,
        )
        self.clock.reading()

    def say(self, word: str) -> None:
        """Write the word, and let it be looked at."""
        self.file.write_text(word)
        self.passed += 2.0


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("normal\n", ClockState.SYNCHRONISED),
        ("held", ClockState.HELD),
        ("unknown", ClockState.UNKNOWN),
        ("nonsense" * 100, ClockState.SYNCHRONISED),
    ],
)
def test_the_clock_is_as_its_file_says(tmp_path: Path, word: str, state: ClockState) -> None:
    bench = Bench(tmp_path)
    bench.say(word)
    assert bench.clock.reading().state is state


def test_a_held_clock_goes_on_and_knows_how_far_it_may_be_off(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.say("held")
    reading = bench.clock.reading()
    assert reading.at == pytest.approx(NOW + bench.passed)
    assert 0.5 < reading.uncertainty < 1.0


def test_a_held_clock_hears_no_server(tmp_path: Path) -> None:
    bench = Bench(tmp_path, kernel=None)
    bench.clock.pin(NOW, 100.0, 100.0)
    bench.say("held")
    bench.clock.reading()
    bench.clock.pin(NOW + 500.0, 102.0, 102.0)
    assert bench.clock.reading().at == pytest.approx(NOW + bench.passed, abs=1.0)


def test_a_clock_that_only_knew_the_server_is_held_from_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.clock.pin(NOW, 100.0, 100.0)
    bench.say("held")
    assert bench.clock.reading().state is ClockState.HELD


def test_a_wrong_clock_is_found_out_by_the_server(tmp_path: Path) -> None:
    """Two days ahead, and the server's signed time wins."""
    bench = Bench(tmp_path)
    bench.clock.pin(NOW, 100.0, 100.0)
    bench.say("wrong")
    assert bench.clock.reading().at == pytest.approx(NOW + bench.passed, abs=1.0)
    assert bench.clock.disagreement == pytest.approx(WRONG_BY, abs=1.0)


def test_a_missing_file_is_a_good_clock(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.say("unknown")
    bench.clock.reading()
    bench.file.unlink()
    bench.passed += 2.0
    assert bench.clock.reading().state is ClockState.SYNCHRONISED
