"""Opens the journal, and keeps trying while the card refuses it: no journal, no admission."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.journal import Journal, JournalUnavailable

log = logging.getLogger("admit.scanner.journal")

RETRY_EVERY = 2.0


class JournalKeeper:
    """Holds the open journal, or knows why there is none. Thread-safe."""

    def __init__(self, path: Path, event: str, now: Callable[[], float]) -> None:
        self._path, self._event, self._now = path, event, now
        self._journal: Journal | None = None
        self._inode = 0
        self._error: JournalUnavailable | None = None
        self._tried = float("-inf")
        self._lock = threading.Lock()

    def journal(self) -> Journal:
        """The open journal; a new one when somebody has moved its file away.

        Raises:
            JournalUnavailable: there is none; it is tried at most every 2 s.
        """
        journal = self._journal
        if journal is not None and not self._moved():
            return journal
        with self._lock:
            if self._journal is not None and self._moved():
                self._retire(self._journal)
            if self._journal is None:
                self._open()
            if self._journal is None:
                assert self._error is not None
                raise self._error
            return self._journal

    def _moved(self) -> bool:
        """Whether the open file is no longer the one at its path: records would go with it."""
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True
        except OSError:  # the card does not answer: the next record says more
            return False

    def _retire(self, journal: Journal) -> None:
        log.warning("%s was moved away with %d records", self._path.name, journal.seq)
        self._journal, self._error = None, None
        try:
            journal.retire()
        except JournalUnavailable as error:
            log.error("its last records stay in the log beside it: %s", error.cause)

    def head(self) -> int:
        """Number of the last record; 0 while there is no journal."""
        journal = self._journal
        return journal.seq if journal is not None else 0

    @property
    def last_at(self) -> float:
        """Time of the last record, Unix seconds; 0.0 while there is no journal."""
        journal = self._journal
        return journal.last_at if journal is not None else 0.0

    def status(self) -> dict[str, Any]:
        """For the status: where the journal stands."""
        journal = self._journal
        if journal is None:
            return {"seq": 0, "epoch": None, "head": None}
        return {"seq": journal.seq, "epoch": journal.epoch.hex(), "head": journal.head.hex()}

    def _open(self) -> None:
        if self._now() - self._tried < RETRY_EVERY and self._error is not None:
            return
        self._tried = self._now()
        try:
            journal = Journal(self._path, self._event)
            self._inode = self._path.stat().st_ino
        except JournalUnavailable as error:
            self._error = error
        except OSError as error:
            cause = f"the journal {self._path.name} is gone again: {error.strerror}"
            self._error = JournalUnavailable(cause, "Let nobody else work in its directory")
        else:
            self._journal, self._error = journal, None
