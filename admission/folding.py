"""A flood of invalid codes must not wear the card: above a rate they fold into counted records.

The steward hears of a flood once when it begins, and once when it is over.
"""

from collections import deque
from dataclasses import dataclass

PER_MINUTE = 20
FOLD_EVERY = 10.0
"""Seconds covered by one folded record."""
OVER_AFTER = 60.0
"""Seconds without a code to fold until a flood is over: a pause in it is no end."""


@dataclass(slots=True)
class Flood:
    """One flood. Times: monotonic seconds."""

    since: float
    last: float
    codes: int = 0
    """How many were folded."""


class InvalidCodes:
    """Counts refused codes that name no ticket, a lane. Times: monotonic seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=PER_MINUTE)
        self._folded = 0
        self._since = 0.0
        self._flood: Flood | None = None

    @property
    def flood(self) -> Flood | None:
        """The flood that goes on, also through its pauses."""
        return self._flood

    def recorded(self, at: float) -> bool:
        """Whether the code seen at `at` gets a record of its own; else it is counted."""
        recent = self._recent
        if len(recent) < PER_MINUTE or at - recent[0] >= 60.0:
            recent.append(at)
            return True
        if not self._folded:
            self._since = at
        self._folded += 1
        self._flood = self._flood or Flood(at, at)
        self._flood.last = at
        self._flood.codes += 1
        return False

    def due(self, at: float) -> int:
        """How many codes the folded record to write now stands for; 0: none to write."""
        if not self._folded or at < self._since + FOLD_EVERY:
            return 0
        count, self._folded = self._folded, 0
        return count

    def over(self, at: float) -> Flood | None:
        """The flood that has ended by `at`, once; its last codes are recorded before."""
        flood = self._flood
        if flood is None or self._folded or at < flood.last + OVER_AFTER:
            return None
        self._flood = None
        return flood

    def wake_at(self) -> float | None:
        """When `due` or `over` will answer."""
        if self._folded:
            return self._since + FOLD_EVERY
        return self._flood.last + OVER_AFTER if self._flood else None
