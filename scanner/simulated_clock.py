"""A clock that can be told to be wrong: for training and demonstrations, `[clock] simulated`.

A file holds one word, looked at once a second; a missing file is `normal`. What follows is the
real clock's own judgement: only what it hears is changed.
"""

import time
from collections.abc import Callable
from pathlib import Path

from admission.clock import ClockState, Reading
from scanner.clock import HELD_MARGIN, SystemClock, kernel_error

WRONG_BY = 2 * 86_400.0
"""Seconds a wrong clock is ahead."""
WORDS = ("normal", "held", "unknown", "wrong")
"""normal; no time source any more; never had one; a time server that lies by two days."""
_ERROR = 0.05


class SimulatedClock(SystemClock):
    """The gate's clock under the spell of a file."""

    def __init__(
        self,
        file: Path,
        *,
        trust_system: bool = False,
        kernel: Callable[[], float | None] = kernel_error,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        last_record: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """As `SystemClock`, but for `file`."""
        self._file, self._word = file, "normal"
        self._real_kernel = (lambda: _ERROR) if trust_system else kernel
        super().__init__(
            kernel=self._spelled_kernel,
            wall=lambda: wall() + (WRONG_BY if self._word == "wrong" else 0.0),
            monotonic=monotonic,
            last_record=last_record,
        )

    def pin(self, at: float, sent: float, received: float) -> None:
        """The server's signed time; without a time source nobody hears it."""
        if self._word in ("normal", "wrong"):
            super().pin(at, sent, received)

    def _spelled_kernel(self) -> float | None:
        self._word = _word_in(self._file)
        if self._word == "wrong":
            return _ERROR
        return self._real_kernel() if self._word == "normal" else None

    def _read(self, now: float, wall: float) -> Reading:
        if self._word == "unknown":
            self.disagreement = None
            return Reading(wall, float("inf"), ClockState.UNKNOWN)
        return super()._read(now, wall)

    def _pinned(self, now: float) -> Reading | None:
        if self._word == "held" and self._pin is not None:
            return self._pin.later(now, HELD_MARGIN, ClockState.HELD)
        return super()._pinned(now)


def _word_in(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            word = opened.read(32).strip().decode("ascii", "replace")
    except OSError:
        return "normal"
    return word if word in WORDS else "normal"
