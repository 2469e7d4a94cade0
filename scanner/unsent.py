"""Codes of unsent scans, sealed in the journal: read by sync, deleted when it was answered for.

sync says with every contact what is acknowledged; nothing is lost if a word is. Deleting writes,
so it waits until the lanes rest, though not for ever; the log is emptied only while they do.
"""

import threading
from collections.abc import Callable, Iterable

from scanner.journal_keeper import JournalKeeper
from store.outbox_secret import MOST_SEALED
from tickets.sealing import OVERHEAD, Sealer

NO_LONGER_THAN = 30
"""Rounds of the housekeeper (a second each) that a busy gate may put the deletion off."""
MOST_SEQS = 10_000


class CodeSealer:
    """Seals codes for sync to read until they are sent; only at a pretix server are any needed.

    Args:
        reader: 32-byte key of the reader; None: no code is kept.
    """

    def __init__(self, reader: Callable[[], bytes | None]) -> None:
        self._reader = reader
        self._made: tuple[bytes, Sealer] | None = None

    def seal(self, code: bytes) -> bytes | None:
        """A code, sealed; None: there is no code, no reader, or no room for one so long."""
        key = self._reader()
        if key is None or not code or len(code) > MOST_SEALED - OVERHEAD:
            return None
        if self._made is None or self._made[0] != key:
            self._made = key, Sealer(key)
        return self._made[1].seal(code)


class Unsent:
    """`acknowledged` and `sealed` are called by the sockets' thread, `tend` by the housekeeper."""

    def __init__(self, journal: JournalKeeper) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._done: tuple[str, int, frozenset[int]] | None = None
        self._rounds = 0
        self._log_holds_some = True
        """A run before may have been killed between the deletion and the emptying of the log."""

    def acknowledged(self, epoch: str, up_to: int, seqs: Iterable[int]) -> None:
        """All records of an epoch (hex) up to ``up_to``, and ``seqs``, are answered for."""
        with self._lock:
            self._done = epoch, up_to, frozenset(seqs)

    def sealed(self, epoch: str, seqs: list[int]) -> dict[str, str]:
        """Sealed codes (hex) of records by their number; of another journal than ours: none."""
        journal = self._journal.journal()
        if epoch != journal.epoch.hex():
            return {}
        return {str(seq): code.hex() for seq, code in journal.sealed(seqs).items()}

    def tend(self, idle: bool) -> None:
        """Delete what was answered for.

        Args:
            idle: Nothing was written since the last round.
        Raises:
            JournalUnavailable: it is tried again at the next round.
        """
        self._rounds += 1
        if self._done is not None and (idle or self._rounds >= NO_LONGER_THAN):
            self._forget()
        if idle and self._log_holds_some:
            self._log_holds_some = not self._journal.journal().scrub()

    def _forget(self) -> None:
        with self._lock:
            done, self._done = self._done, None
        journal = self._journal.journal()
        if done is None or done[0] != journal.epoch.hex():
            return
        try:
            if journal.forget(done[1], done[2]):
                self._log_holds_some = True
        except BaseException:
            with self._lock:
                self._done = self._done or done
            raise
        self._rounds = 0
