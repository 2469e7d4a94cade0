"""How many went through a lane."""

from collections import deque

from admission.direction import Direction

RATE_OVER = 600.0
"""Seconds over which the rate is counted."""


class Tally:
    """Counts of one lane; written by its thread, read by any."""

    def __init__(self) -> None:
        self.entered = self.left = self.refused = 0
        self._passages: deque[float] = deque(maxlen=2000)

    def passed(self, direction: Direction, at: float) -> None:
        """Someone went through at `at`, monotonic seconds."""
        self.before(direction, 1)
        self._passages.append(at)

    def before(self, direction: Direction, number: int) -> None:
        """Passages that the journal holds from before this start."""
        if direction is Direction.ENTRY:
            self.entered += number
        else:
            self.left += number

    def rate(self, now: float) -> int:
        """Passages in the ten minutes before `now`."""
        return sum(now - at <= RATE_OVER for at in tuple(self._passages))
