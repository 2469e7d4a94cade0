"""A flood of invalid codes must not wear the card: above a rate they fold into counted records."""

from collections import deque

PER_MINUTE = 20
FOLD_EVERY = 10.0
"""Seconds covered by one folded record."""


class InvalidCodes:
    """Counts refused codes that name no ticket, a lane. Times: monotonic seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=PER_MINUTE)
        self._folded = 0
        self._since = 0.0

    @property
    def flooding(self) -> bool:
        """Whether codes are being folded now; the steward is told."""
        return self._folded > 0

    def recorded(self, at: float) -> bool:
        """Whether the code seen at `at` gets a record of its own; else it is counted."""
        recent = self._recent
        if len(recent) < PER_MINUTE or at - recent[0] >= 60.0:
            recent.append(at)
            return True
        if not self._folded:
            self._since = at
        self._folded += 1
        return False

    def due(self, at: float) -> int:
        """How many codes the folded record to write now stands for; 0: none to write."""
        if not self._folded or at < self._since + FOLD_EVERY:
            return 0
        count, self._folded = self._folded, 0
        return count

    def wake_at(self) -> float | None:
        """When `due` will answer."""
        return self._since + FOLD_EVERY if self._folded else None
