"""What to do about a reader that fails: poll again, open anew, reset, start a new process. Pure."""

from __future__ import annotations

from enum import Enum, auto

STUMBLES = 3
"""Failures in a row that make a reader lost: nfcpy waits 100 ms for the chip's acknowledgement, and
a busy computer is late at times."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds before a reader is opened anew, doubled at each failure."""
RESET_AFTER = 3
"""Failures in a row after which each attempt begins with a hardware reset, where there is one."""
RESTART_AFTER = 6
"""Failures after which a new process is tried, a minute later: the library may be at fault."""


class Rung(Enum):
    """One step of the ladder."""

    WAIT = auto()
    OPEN = auto()
    RESET = auto()


class Ladder:
    """Counts failures. ``now`` in monotonic seconds."""

    def __init__(self) -> None:
        self.due = 0.0
        """When the next attempt to open is due."""
        self._stumbles = 0
        self._falls = 0

    def well(self) -> None:
        """A poll was answered: all is forgotten."""
        self._stumbles = self._falls = 0

    def stumbled(self) -> bool:
        """An open reader failed; True: poll it again at once."""
        self._stumbles += 1
        return self._stumbles < STUMBLES

    def fell(self, now: float) -> bool:
        """The reader is lost, or could not be opened; True: a new process should try."""
        self.due = now + min(FIRST_WAIT * 2**self._falls, LONGEST_WAIT)
        self._stumbles = 0
        self._falls += 1
        return self._falls > RESTART_AFTER

    def next(self, now: float) -> Rung:
        """What is to be done now."""
        if now < self.due:
            return Rung.WAIT
        return Rung.RESET if self._falls >= RESET_AFTER else Rung.OPEN
