"""Opens the journal, and keeps trying while the card refuses it: no journal, no admission."""

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.journal import Journal, JournalUnavailable
from store.records import Kind, Record

log = logging.getLogger("admit.scanner.journal")

RETRY_EVERY = 2.0
MOST_OLDER = 8
"""Journals that may be ended at one gate: each costs every guest a look, and sync might lie."""
RESTORED = "restored:"
"""How the detail of the record begins that a journal begins with after another was ended."""


class JournalKeeper:
    """Holds the open journal, or knows why there is none. Thread-safe."""

    def __init__(
        self,
        path: Path,
        event: str,
        now: Callable[[], float],
        fault: Callable[[str], Record] = lambda detail: Record(Kind.FAULT, detail=detail),
    ) -> None:
        """`fault`: makes the record with this detail that a journal after another begins with."""
        self._fault = fault
        self._stale: bytes | None = None
        """Epoch of the journal that somebody else holds more, or another past of."""
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

    def seen(self, epoch: bytes, seq: int, digest: bytes) -> None:
        """Hear what others hold of a journal, and see whether this card bears it out.

        One that does not is an older copy that was put back, or one of two: `renew` ends it.

        Args:
            digest: Hash of record `seq`; empty: not known.
        Raises:
            JournalUnavailable: the journal cannot be read now.
        """
        journal = self.journal()
        if epoch != journal.epoch or seq < 1:
            return
        if seq > journal.seq or (digest and journal.hash_of(seq) != digest):
            self._stale = epoch

    def renew(self) -> str | None:
        """End the present journal if it is stale, and begin another; says what was done.

        What it holds still counts here and still goes up. Waits for the card: not for a lane.

        Raises:
            JournalUnavailable: it could not be ended now; or too many were.
        """
        if self._stale is None:
            return None
        self.journal().checkpoint()  # most of its log, while the lanes still write
        with self._lock:
            journal = self._journal
            if journal is None or journal.epoch != self._stale:
                self._stale = None
                return None
            number = len(journal.older) + 1
            if number > MOST_OLDER:
                self._stale = None
                raise JournalUnavailable(
                    f"the journal was called an older copy {number} times; it goes on",
                    "Look on the server at alarms of this gate; then give it a new card",
                )
            self._journal = None
            name = f"{self._path.stem}-{number:04d}-{journal.epoch.hex()}.db"
            try:
                journal.end(self._path.with_name(name))
                self._stale = None
            finally:
                self._tried = float("-inf")
                for older in journal.older:
                    older.close()
                self._open()
            return f"journal {journal.epoch.hex()} was ended at {journal.seq}: another has begun"

    def _older(self) -> list[Journal]:
        """The journals before the present one, oldest first."""
        pattern = re.compile(rf"{re.escape(self._path.stem)}-\d{{4}}-[0-9a-f]{{16}}\.db")
        found = sorted(p for p in self._path.parent.glob("*.db") if pattern.fullmatch(p.name))
        opened: list[Journal] = []
        try:
            for path in found:
                opened.append(Journal(path, self._event))
        except BaseException:  # tried again every 2 s: the files would run out
            _close(opened)
            raise
        return opened

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
            older = self._older()
            try:
                journal = Journal(self._path, self._event, older)
            except BaseException:
                _close(older)
                raise
            if older and not journal.seq:
                last = older[-1]
                detail = f"{RESTORED} {last.epoch.hex()} ended at {last.seq}, was an older copy"
                journal.record(self._fault(detail))
            self._inode = self._path.stat().st_ino
        except JournalUnavailable as error:
            self._error = error
        except OSError as error:
            cause = f"the journal {self._path.name} is gone again: {error.strerror}"
            self._error = JournalUnavailable(cause, "Let nobody else work in its directory")
        else:
            self._journal, self._error = journal, None


def _close(journals: list[Journal]) -> None:
    for journal in journals:
        journal.close()
