"""What a gate does once a second beside its work, in a thread of its own: all of it may be slow.

The status file for a screen that outlives scanner, the checkpoint of an idle journal, and what the
clock has done.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from admission.clock import clock_time
from admission.errors import GateError
from scanner.clock import SystemClock
from scanner.elsewhere import Report
from scanner.events_door import write_status
from scanner.journal_keeper import JournalKeeper
from scanner.unsent import Unsent
from store.journal import JournalUnavailable

Note = Callable[[str], object]
"""note(detail): writes a `clock` record."""


class Housekeeper:
    """One thread calls `round`."""

    def __init__(
        self,
        *,
        status: Callable[[], dict[str, Any]],
        path: Path,
        journal: JournalKeeper,
        clock: SystemClock,
        note: Note,
        unsent: Unsent,
        report: Report,
    ) -> None:
        """`path`: where the status goes. `note` writes the record of a clock that went back."""
        self._status, self._path, self._journal = status, path, journal
        self._clock, self._note, self._report = clock, note, report
        self._unsent = unsent
        self._head = self._checkpointed = 0

    def round(self) -> None:
        """Look after everything once; nothing here is worth ending the gate for."""
        self._write_status()
        self._look_at_clock()
        self._renew_journal()
        self._checkpoint_when_idle()

    def _write_status(self) -> None:
        try:
            write_status(self._path, self._status())
        except OSError as error:
            cause = f"{self._path} cannot be written: {error.strerror or error}"
            remedy = "Free space where it lies; a screen that starts now shows nothing"
            self._report("status", GateError(cause, remedy))
        else:
            self._report("status", None)

    def _look_at_clock(self) -> None:
        if step := self._clock.stepped_back():
            span = f"{clock_time(step.before, step.after)} to {clock_time(step.after, step.before)}"
            self._note(f"went back by {step.before - step.after:.1f} s, {span}")
        off, error = self._clock.disagreement, None
        if off is not None:
            error = GateError(
                f"the system clock and the server differ by {off:.0f} s; the server's is used",
                "Check the time server this gate's network names",
            )
        self._report("clock", error)

    def _renew_journal(self) -> None:
        """Begin another journal where this one turned out to be an older copy, or one of two."""
        try:
            done = self._journal.renew()
        except JournalUnavailable as error:
            self._report("journal_copy", error)
            return
        if done:
            remedy = "Ask the organiser: was this gate's card copied, or an old one put back?"
            self._report("journal_copy", GateError(done, remedy))

    def _checkpoint_when_idle(self) -> None:
        """Move the log into the file when nothing was written since the last round."""
        head, before = self._journal.head(), self._head
        self._head = head
        if head == 0:
            return
        try:
            self._unsent.tend(idle=head == before)
            if head == before and head != self._checkpointed:
                self._journal.journal().checkpoint()
                self._checkpointed = head
                self._report("checkpoint", None)
        except JournalUnavailable as error:
            self._checkpointed = head
            self._report("checkpoint", error)
