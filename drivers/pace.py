"""Time for the reader's loops: injected, so that tests wait for nothing."""

import time
from typing import Protocol


class Pace(Protocol):
    """A clock and a way to wait."""

    def now(self) -> float:
        """Seconds that never jump."""
        ...

    def wait(self, seconds: float) -> None:
        """Let that long pass."""
        ...


class RealPace:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


class FakePace:
    """Waiting takes no time; it only moves the clock."""

    def __init__(self) -> None:
        self._now = 1000.0

    def now(self) -> float:
        return self._now

    def wait(self, seconds: float) -> None:
        self._now += max(seconds, 0.0)
