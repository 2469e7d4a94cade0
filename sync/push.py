"""From the journal to the server: read every record once, send each until it is answered for."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from store.mirror import Conflict, JournalFact, Mirror, Parked
from store.records import RecordMalformed, entry_from_json
from sync.answers import RecordAnswer
from sync.backend import Backend
from sync.errors import AnswerMalformed, ServerRefused
from sync.link import Link, ScannerBabbles
from sync.outbox import Outbox
from sync.settle import fact_of

log = logging.getLogger(__name__)
_PAGE = 200
_SECONDS = 5.0
_SAID_FOR = 90.0
"""Seconds within which the same command comes again, and some."""
_BLAMED = frozenset({400, 409, 413, 422})
"""Statuses that speak of what was sent. 401, 403, 408, 425, 429 speak of us or of the moment."""


class JournalReader:
    """Reads the journal through scanner's socket: what it says of claims to its head, and as much
    as the outbox takes. Where that lags, the same records are read again later.

    Args:
        monotonic: Seconds that never jump.
    """

    def __init__(self, mirror: Mirror, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._mirror, self._monotonic = mirror, monotonic
        self.lock = threading.Lock()
        """Holds `outbox` still."""
        self.outbox: Outbox | None = None
        self._noted = 0
        """Last seq whose fact the mirror has noted."""
        self._head = 0
        self._again = threading.Event()
        self._anew = threading.Event()
        self._begun_anew: float | None = None

    @property
    def epoch(self) -> bytes:
        """Epoch of the journal read last; empty before."""
        return self.outbox.epoch if self.outbox else b""

    @property
    def waiting(self) -> int:
        """Records not acknowledged yet."""
        with self.lock:
            return self.outbox.waiting(self._head) if self.outbox else 0

    def note_again(self) -> None:
        """Have the next `read_to_head` note all facts since the position; from any thread.

        For intents that are taken up from the authority: what the journal says of them may have
        been read before. Call it before they are in the mirror.
        """
        self._again.set()

    def send_again(self) -> None:
        """Have every record of the journal go up once more; from any thread.

        The server was restored from a copy and has not all that it once acknowledged. It says so
        for a minute, with every heartbeat: within that time, once is enough.
        """
        now = self._monotonic()
        if self._begun_anew is None or now - self._begun_anew > _SAID_FOR:
            self._begun_anew = now
            self._anew.set()

    def read_to_head(self, link: Link) -> float:
        """Take in all there is; returns the monotonic time at which nothing more was there.

        Raises:
            ScannerGone, ScannerBabbles: what was taken in stays.
        """
        if self._again.is_set() and self.outbox is not None:
            self._again.clear()
            self._noted = self._mirror.position(_name(self.outbox.epoch))
        if self._anew.is_set() and self.outbox is not None:
            self._anew.clear()
            self._mirror.unacknowledge(self.outbox.epoch)
            self._begin(self.outbox.epoch)
        self._fill(link)
        while True:
            at = self._monotonic()
            if self._read_page(link, self._noted) and self._noted >= self._head:
                return at

    def _fill(self, link: Link) -> None:
        """Read what had no room in the outbox before and has now."""
        while (box := self.outbox) and not box.is_full and box.read < self._noted:
            self._read_page(link, box.read)

    def _read_page(self, link: Link, after: int) -> bool:
        """Take in one page; False: it is another journal than before."""
        page = link.ask({"op": "records", "after": after, "limit": _PAGE}, _SECONDS)
        records, epoch, head = page_of(page)
        if self.outbox is None or self.outbox.epoch != epoch:
            self._begin(epoch)
            return False
        last = records[-1]["seq"] if records else after
        if last <= after < head:
            raise ScannerBabbles(f"no records after {after}, though the head is {head}")
        if last > self._noted:
            # Before the outbox has them: what is acknowledged is not read again after a crash.
            self._mirror.note([fact for row in records if (fact := _fact(row)) is not None])
            self._noted = last
        with self.lock:
            self._head = head
            if after == self.outbox.read:
                self.outbox.add(records, self._monotonic())
        return True

    def _begin(self, epoch: bytes) -> None:
        """A journal not seen since the start: go on where its acknowledgements end."""
        position = self._mirror.position(_name(epoch))
        with self.lock:
            self._noted = position
            self.outbox = Outbox(epoch, position, self._mirror.acknowledged(epoch))


def _name(epoch: bytes) -> str:
    return f"records/{epoch.hex()}"


def page_of(page: dict[str, Any]) -> tuple[list[dict[str, Any]], bytes, int]:
    """(records, epoch, head) of scanner's answer. Raises ScannerBabbles."""
    try:
        records, epoch, head = page["records"], bytes.fromhex(page["epoch"]), page["head"]
    except (KeyError, TypeError, ValueError) as error:
        raise ScannerBabbles(error) from error
    if not (isinstance(records, list) and isinstance(head, int) and len(epoch) == 8):
        raise ScannerBabbles("a page of records of another shape")
    if not all(isinstance(r, dict) and isinstance(r.get("seq"), int) for r in records):
        raise ScannerBabbles("a record without a seq")
    return records, epoch, head


def _fact(record: dict[str, Any]) -> JournalFact | None:
    try:
        return fact_of(entry_from_json(record))
    except RecordMalformed as error:  # goes up as it is, and the server parks it with its reason
        log.warning("record %s of the journal: %s", record["seq"], error)
        return None


class Pusher:
    """Sends what the outbox has ready, and stores each batch's answers in one transaction."""

    def __init__(
        self,
        backend: Backend,
        mirror: Mirror,
        reader: JournalReader,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend, self._mirror, self._reader = backend, mirror, reader
        self._monotonic = monotonic

    def push(self) -> bool:
        """Send one batch; False: nothing was ready.

        Raises:
            ServerFault: nothing of the batch is acknowledged; send it again later.
        """
        with self._reader.lock:
            outbox = self._reader.outbox
            batch = outbox.batch(self._monotonic()) if outbox else []
        if outbox is None or not batch:
            return False
        self._send(outbox, batch)
        return True

    def _send(self, outbox: Outbox, batch: list[dict[str, Any]]) -> None:
        try:
            answers = self._backend.push(outbox.epoch, batch)
        except ServerRefused as error:
            if error.status not in _BLAMED:
                raise
            self._bisect(outbox, batch, error)
            return
        self._store(outbox, batch, answers)

    def _bisect(self, outbox: Outbox, batch: list[dict[str, Any]], error: ServerRefused) -> None:
        """Find the record the server cannot take, so that it does not hold up the others."""
        if len(batch) == 1:
            answer = RecordAnswer(seq=batch[0]["seq"], result="parked", reason=error.cause)
            self._store(outbox, batch, [answer])
            return
        middle = len(batch) // 2
        self._send(outbox, batch[:middle])
        self._send(outbox, batch[middle:])

    def _store(
        self, outbox: Outbox, batch: list[dict[str, Any]], answers: list[RecordAnswer]
    ) -> None:
        if not answers:
            raise AnswerMalformed("", "no record was answered for")
        sent = {entry["seq"]: entry for entry in batch}
        done = [answer.seq for answer in answers]
        with self._reader.lock:
            up_to = outbox.position_without(done)
        parked = list(_parked(outbox.epoch, sent, answers))
        conflicts = list(_conflicts(sent, answers))
        # Stored before it is forgotten: with a full disk the batch goes up again, and its answers,
        # of which some are told once, come again.
        self._mirror.acknowledge(outbox.epoch, done, up_to, parked, conflicts)
        with self._reader.lock:
            outbox.done(done)
        for row in parked:
            log.error("record %d is parked: %s", row.seq, row.reason)


def _parked(
    epoch: bytes, sent: dict[int, dict[str, Any]], answers: Iterable[RecordAnswer]
) -> Iterable[Parked]:
    for answer in answers:
        if answer.result in ("parked", "fork"):
            reason = answer.reason or "no reason given"
            if answer.result == "fork":
                reason = f"fork: the server holds another record of this number; {reason}"
            yield Parked(epoch, answer.seq, reason, json.dumps(sent[answer.seq]))


def _conflicts(
    sent: dict[int, dict[str, Any]], answers: Iterable[RecordAnswer]
) -> Iterable[Conflict]:
    for answer in answers:
        other, ours = answer.conflict, sent[answer.seq].get("presentation")
        if other is not None and ours is not None:
            yield Conflict(
                bytes.fromhex(ours),
                other.presentation,
                other.ticket_key,
                other.list,
                other.gate,
                other.at,
            )
