"""From the journal to the server: read every record once, send each until it is answered for."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from store.mirror import Conflict, JournalFact, Mirror, Parked
from store.records import GENESIS, RecordMalformed, entry_from_json
from sync.answers import RecordAnswer, RecordAnswers
from sync.backend import Backend
from sync.errors import AnswerMalformed, ServerRefused
from sync.link import Link, ScannerBabbles
from sync.outbox import Outbox
from sync.page import Page, Seen, ask_page
from sync.settle import fact_of

log = logging.getLogger(__name__)
_PAGE = 200
_SAID_FOR = 90.0
"""Seconds within which the same command comes again, and some."""
_BLAMED = frozenset({400, 409, 413, 422})
"""Statuses that speak of what was sent. 401, 403, 408, 425, 429 speak of us or of the moment."""


class JournalReader:
    """Reads the journal through scanner's socket: what it says of claims to its head, and as much
    as the outbox takes. Where that lags, the same records are read again later.

    Args:
        monotonic: Seconds that never jump.
        of: Epoch of an older journal; None: the present one, whichever that is.
        on_seen: Has scanner hear what others hold of a journal; called from any thread.
    """

    def __init__(
        self,
        mirror: Mirror,
        monotonic: Callable[[], float] = time.monotonic,
        of: bytes | None = None,
        on_seen: Callable[[Seen], None] = lambda seen: None,
    ) -> None:
        self._mirror, self._monotonic, self._of = mirror, monotonic, of
        self.on_seen = on_seen
        self.lock = threading.Lock()
        """Holds `outbox` still."""
        self.outbox: Outbox | None = None
        self._noted = 0
        """Last seq whose fact the mirror has noted."""
        self._head = 0
        self._hash = GENESIS
        self.older: tuple[bytes, ...] = ()
        """Epochs of the journals before the present one, as scanner told last."""
        self._again = threading.Event()
        self._anew = threading.Event()
        self._begun_anew: float | None = None
        self._ahead: Seen | None = None
        """What was acknowledged of a journal that has less; told until scanner begins another."""

    @property
    def epoch(self) -> bytes:
        """Epoch of the journal read last; empty before."""
        return self.outbox.epoch if self.outbox else b""

    @property
    def tip(self) -> tuple[int, bytes]:
        """Number and hash of the last record known of; call it under `lock`."""
        return self._head, self._hash

    @property
    def waiting(self) -> int:
        """Records not acknowledged yet."""
        with self.lock:
            return self.outbox.waiting(self._head) if self.outbox else 0

    @property
    def wanted(self) -> bool:
        """Whether an ended journal has anything for us: not begun, waiting, or once more."""
        again = self._anew.is_set() or self._again.is_set()
        return self.outbox is None or again or self.waiting > 0

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
        if self._ahead is not None and self._ahead.epoch == self.epoch:
            self.on_seen(self._ahead)
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
        page = ask_page(link, after, _PAGE, self._of)
        records, head = page.records, page.head
        if self.outbox is None or self.outbox.epoch != page.epoch:
            self._begin(page.epoch)
            self._look_for_older_copy(page)
            return False
        last = records[-1]["seq"] if records else after
        if last <= after < head:
            raise ScannerBabbles(f"no records after {after}, though the head is {head}")
        if last > self._noted:
            # Before the outbox has them: what is acknowledged is not read again after a crash.
            self._mirror.note([fact for row in records if (fact := _fact(row)) is not None])
            self._noted = last
        with self.lock:
            self._head, self._hash, self.older = head, page.hash, page.older
            if after == self.outbox.read:
                self.outbox.add(records, self._monotonic())
        return True

    def _begin(self, epoch: bytes) -> None:
        """A journal not seen since the start: go on where its acknowledgements end."""
        position = self._mirror.position(_name(epoch))
        with self.lock:
            self._noted = position
            self.outbox = Outbox(epoch, position, self._mirror.acknowledged(epoch))

    def _look_for_older_copy(self, page: Page) -> None:
        """More was acknowledged than the journal has: an older copy of it was put back.

        scanner hears of it; and what was written since goes up, though its numbers are done with.
        """
        known = self._mirror.position(_name(page.epoch))
        if known > page.head:
            log.error("the journal ends at %d, %d are acknowledged", page.head, known)
            self._ahead = Seen(page.epoch, known, b"")
            self._mirror.unacknowledge(page.epoch)
            self._begin(page.epoch)


def _name(epoch: bytes) -> str:
    return f"records/{epoch.hex()}"


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
        self.accepted: int | None = None
        """Number of the last record of the last head that the server took."""

    def push(self) -> bool:
        """Send one batch; False: nothing was ready, or nothing of it is answered for.

        Raises:
            ServerFault: nothing of the batch is acknowledged; send it again later.
        """
        with self._reader.lock:
            outbox = self._reader.outbox
            batch = outbox.batch(self._monotonic()) if outbox else []
            tip = self._reader.tip
        if outbox is None or not batch:
            return False
        return self._send(outbox, batch, tip)

    def _send(self, outbox: Outbox, batch: list[dict[str, Any]], tip: tuple[int, bytes]) -> bool:
        try:
            said = self._backend.push(outbox.epoch, batch, tip)
        except ServerRefused as error:
            if error.status not in _BLAMED:
                raise
            self._bisect(outbox, batch, tip, error)
            return True
        with self._reader.lock:
            outbox.put_off(said.later, self._monotonic())
        if said.answers or not said.later:
            self._store(outbox, batch, said.answers)
        self._heed(outbox, said)
        self.accepted = tip[0]
        return bool(said.answers)

    def _bisect(
        self,
        outbox: Outbox,
        batch: list[dict[str, Any]],
        tip: tuple[int, bytes],
        error: ServerRefused,
    ) -> None:
        """Find the record the server cannot take, so that it does not hold up the others."""
        if len(batch) == 1:
            answer = RecordAnswer(seq=batch[0]["seq"], result="parked", reason=error.cause)
            self._store(outbox, batch, [answer])
            return
        middle = len(batch) // 2
        self._send(outbox, batch[:middle], tip)
        self._send(outbox, batch[middle:], tip)

    def _heed(self, outbox: Outbox, said: RecordAnswers) -> None:
        """What the server says of the journal as a whole, beside the answers."""
        with self._reader.lock:
            position = outbox.position
        if any(first <= position for first, _ in said.missing):
            log.warning("the server lacks records that it answered for: all go up once more")
            self._reader.send_again()
        if said.known is not None:
            self._reader.on_seen(Seen(outbox.epoch, said.known.seq, said.known.hash))
        for answer in said.answers:
            if answer.result == "fork" and answer.hash is not None:
                self._reader.on_seen(Seen(outbox.epoch, answer.seq, answer.hash))

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
