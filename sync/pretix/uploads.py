"""Records become check-ins at the server: one request a scan, in order, with its outcome known.

Every request may be repeated: a scan goes by its presentation as nonce, and is noted as ours before
it is sent, because it comes back among the check-ins of the server. What pretix refuses is parked.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from admission.history import COUNTING
from admission.verdict import PRETIX, Reason
from store.mirror import Mirror
from store.records import Entry, Kind, Record, RecordMalformed, entry_from_json
from store.uses import standing_after
from sync.answers import OtherEntry, RecordAnswer, RecordAnswers
from sync.errors import ServerFault
from sync.pretix import wire
from sync.pretix.checkins import CheckIns, Said
from sync.pretix.codes import MOST, Codes
from sync.pretix.errors import PretixRefused
from sync.pretix.intake import Intake, microseconds
from sync.pretix.places import Place, Places, Sold
from sync.pretix.redeemed import device_name
from tickets.pretix_sig1 import read_sig1

log = logging.getLogger(__name__)
_Code = Callable[[], bytes | None]
_CALLS = 25
"""Records of one round that need a call: the role must give a sign of life between."""
_PASSED_OVER = 3
"""Records of one round whose call fails at the server for themselves; the others go up."""
_OF_THE_MOMENT = frozenset({408, 425, 502, 503, 504})
"""Statuses that speak of the server, not of the record; a firewall may choose any other."""
_ANNUL_REFUSED = 400
_BEFORE_US = "by "
"""How the detail of a `resumed` begins; the new scan's presentation follows."""


class Uploads:
    """Fills `Backend.push` for pretix. Used by one thread.

    Args:
        keys: 32-byte keys of the events' signed codes.
        rules: A list with its switches, by its number; None: not known now.
        device: Our own number at the organizer.
    """

    def __init__(
        self,
        check_ins: CheckIns,
        places: Places,
        intake: Intake,
        mirror: Mirror,
        codes: Codes,
        *,
        keys: Callable[[], tuple[bytes, ...]],
        rules: Callable[[int], wire.CheckInListRow | None],
        device: Callable[[], int],
    ) -> None:
        self._check_ins, self._places, self._intake = check_ins, places, intake
        self._mirror, self._codes, self._keys = mirror, codes, keys
        self._rules, self._device = rules, device

    def push(self, epoch: bytes, entries: Sequence[dict[str, Any]]) -> RecordAnswers:
        """Tell the server of records; answers for those that it has judged, in order.

        `later` are those whose call failed for themselves.

        Raises:
            ServerFault: of none.
        """
        groups = _groups(entries)
        codes = _Codes(self._codes, epoch, [group for group in groups if _needs_code(group)])
        told: list[RecordAnswer] = []
        later: list[int] = []
        passed: set[bytes] = set()
        calls = 0
        for group in groups:
            if calls >= _CALLS or len(later) >= _PASSED_OVER:
                break
            if passed & _presentations(group):  # what ends an entry goes up after it
                continue
            try:
                told += self._tell(group, codes)
            except ServerFault as fault:
                if isinstance(fault, PretixRefused) and fault.status not in _OF_THE_MOMENT:
                    log.warning("record %d waits: %s", _seq(group[0]), fault)
                    later.append(_seq(group[0]))
                    passed |= _presentations(group)
                    continue
                if not told and not later:
                    raise
                break
            calls += isinstance(group[0], Entry) and group[0].record.kind is Kind.SCAN
        return RecordAnswers(answers=told, later=later)

    # -- one scan and what became of it --------------------------------------------------------

    def _tell(self, group: "_Group", codes: "_Codes") -> list[RecordAnswer]:
        """Answers for a scan and its followers, or for a record that stands alone."""
        first = group[0]
        if not isinstance(first, Entry):
            return [RecordAnswer(seq=_seq(first), result="parked", reason="no record")]
        entries = [entry for entry in group if isinstance(entry, Entry)]
        try:
            answer = self._judge(first, entries[1:], codes)
        except PretixRefused as no:
            if no.status != _ANNUL_REFUSED:
                raise
            reason = f"nobody went through, but the check-in stands at pretix: {no.said}"
            answer = _parked(first, reason)
        rest = [RecordAnswer(seq=_seq(entry), result="stored") for entry in group[1:]]
        return [answer, *rest]

    def _judge(self, first: Entry, after: Sequence[Entry], codes: "_Codes") -> RecordAnswer:
        record = first.record
        if record.kind is not Kind.SCAN:
            self._outcome(record)
            return _stored(first)
        if record.verdict == "refused":
            return self._refused(first, codes)
        if record.verdict != "admitted":  # a lane that only looks
            return _stored(first)
        stays = self._take_place(after)
        ended = next((e.record for e in after if not _counts(e.record)), None)
        if ended is not None:
            self._outcome(ended)
            if stays is not None:
                raise stays
        elif stays is None:
            return self._entered(first, codes)
        return _stored(first)

    def _take_place(self, after: Sequence[Entry]) -> PretixRefused | None:
        """Take back the interrupted entry that a scan resumes; the refusal, where it stays.

        An hour later it stays, and is the check-in of this same guest.
        """
        try:
            for follower in after:
                if follower.record.kind is Kind.RESUMED:
                    self._outcome(follower.record)
        except PretixRefused as no:
            if no.status != _ANNUL_REFUSED:
                raise
            return no
        return None

    def _outcome(self, record: Record) -> None:
        """A record alone: if it ends an entry that the server may have, take that back there."""
        standing = standing_after(record.kind, record.detail)
        if record.presentation is None or standing is None or standing in COUNTING:
            return
        claim = self._mirror.claimed(record.presentation)
        held = claim is not None and claim.closed not in ("annulled", "not_held")
        place = self._places.find(record.list or "", record.ticket_key)
        if place is not None and (held or self._intake.was_sent(record.presentation) is not None):
            self._check_ins.annul(place, record.presentation, record.at)

    def _entered(self, entry: Entry, codes: "_Codes") -> RecordAnswer:
        record = entry.record
        presentation, direction = record.presentation or b"", record.direction or "entry"
        place = self._places.find(record.list or "", record.ticket_key)
        if place is None:
            return _parked(entry, f"pretix has no check-in list for {record.list!r}")
        claim = self._mirror.claimed(presentation)
        # As the claim told it: the check-in that is there already has that time.
        at = self._intake.sent(
            presentation, place.list, direction, claim.at if claim else record.at
        )
        said = self._redeem(place, presentation, direction, at, partial(codes.of, entry.seq))
        if said is None:
            return _parked(entry, "pretix does not know the ticket, and its code is not kept here")
        if not said.ok:
            return _parked(entry, f"pretix does not take the check-in: {said.words}")
        other = None if direction == "exit" else self._double(place, said.before, at)
        if other is None:
            return _stored(entry)
        found = OtherEntry.model_construct(
            presentation=self._intake.name_of(other.id),
            ticket_key=record.ticket_key or bytes(16),
            list=record.list or "",
            gate=device_name(other.device_id),
            at=other.datetime.timestamp(),
        )
        return RecordAnswer.model_construct(
            seq=entry.seq, result="stored", reason=None, conflict=found, hash=None
        )

    def _redeem(
        self, place: Place, presentation: bytes, direction: str, at: float, code: _Code
    ) -> Said | None:
        """By its number; by its code where that is not known, or cannot be found any more.

        A cancelled ticket goes by its code at once: a number that is not found leaves a failed scan
        of the same nonce, and of two rows pretix annuls none.
        """
        redeem = partial(self._check_ins.redeem, place, presentation, direction, at, force=True)
        said = None
        if place.position is None or self._places.cancelled(place.position):
            text = _text(code())
            said = redeem(code=text) if text is not None else None
        if said is None and place.position is not None:
            said = redeem()
            if not said.known and (text := _text(code())) is not None:
                said = redeem(code=text)
        return said

    def _double(
        self, place: Place, before: Iterable[wire.CheckIn], at: float
    ) -> wire.CheckIn | None:
        """The earlier check-in, if this one is an entry beyond what the list allows."""
        rules = self._rules(place.list)
        if rules is None or rules.allow_multiple_entries:
            return None
        ours, device = microseconds(at), self._device()
        here = sorted(
            (
                row
                for row in before
                if row.list == place.list
                and (row.device_id != device or microseconds(row.datetime.timestamp()) != ours)
            ),
            key=lambda row: row.datetime,
        )
        entries = [row for row in here if row.type == "entry"]
        if not entries or (rules.allow_entry_after_exit and here[-1].type == "exit"):
            return None
        return entries[-1]

    def _refused(self, entry: Entry, codes: "_Codes") -> RecordAnswer:
        record = entry.record
        presentation = record.presentation or b""
        claim = self._mirror.claimed(presentation)
        if claim is not None and claim.result in ("taken", "refused"):
            return _stored(entry)  # the server said so, and wrote it down itself
        place = self._places.find(record.list or "", record.ticket_key)
        if place is None:
            return _parked(entry, f"pretix has no check-in list for {record.list!r}")
        code = codes.of(entry.seq)
        name = record.reason or ""
        known = name in {reason.value for reason in Reason}
        why = self._check_ins.report(
            place,
            presentation,
            record.direction or "entry",
            record.at,
            reason=PRETIX[Reason(name)] if known else "error",
            words=f"{name}: {record.detail}" if record.detail else name,
            code=code or _stand_in(record),
            sold=self._sold(place, code),
        )
        return _parked(entry, f"pretix does not take the report: {why}") if why else _stored(entry)

    def _sold(self, place: Place, code: bytes | None) -> Sold | None:
        if place.position is not None:
            return self._places.sold(place.position)
        signed = read_sig1(code, self._keys()) if code else None
        if signed is None or signed.pretix is None:
            return None
        right = signed.pretix
        return Sold(right.item, right.variation or 0, right.subevent or 0)


_Row = Entry | dict[str, Any]
_Group = list[_Row]


class _Codes:
    """The codes of one batch, asked for when the first is needed."""

    def __init__(self, codes: Codes, epoch: bytes, groups: Sequence[_Group]) -> None:
        self._codes, self._epoch = codes, epoch
        self._seqs = [_seq(group[0]) for group in groups]
        self._known: dict[int, bytes] = {}

    def of(self, seq: int) -> bytes | None:
        if seq not in self._known and seq in self._seqs:
            start = self._seqs.index(seq)
            asked = self._seqs[start : start + MOST]
            self._known = self._codes.of(self._epoch, asked)
            self._seqs = self._seqs[start + len(asked) :]
        return self._known.get(seq)


def _needs_code(group: _Group) -> bool:
    first = group[0]
    return isinstance(first, Entry) and first.record.kind is Kind.SCAN


def _groups(entries: Iterable[dict[str, Any]]) -> list[_Group]:
    """Scans, each with what follows it, and single records; see `sync.outbox`."""
    groups: list[_Group] = []
    for raw in entries:
        try:
            row: _Row = entry_from_json(raw)
        except RecordMalformed:
            row = raw
        leader = groups[-1][0] if groups else None
        if isinstance(row, Entry) and isinstance(leader, Entry) and _follows(row, leader):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _presentations(group: _Group) -> set[bytes]:
    entries = (row.record.presentation for row in group if isinstance(row, Entry))
    return {presentation for presentation in entries if presentation is not None}


def _follows(entry: Entry, scan: Entry) -> bool:
    if scan.record.kind is not Kind.SCAN or scan.record.presentation is None:
        return False
    if entry.record.kind is Kind.RESUMED:
        return entry.record.detail == f"{_BEFORE_US}{scan.record.presentation.hex()}"
    alone = entry.record.kind in (Kind.SCAN, Kind.OPERATOR)
    return not alone and entry.record.presentation == scan.record.presentation


def _counts(record: Record) -> bool:
    """Whether an outcome leaves its entry standing."""
    if record.kind is Kind.RESUMED:
        return True  # it speaks of another entry
    standing = standing_after(record.kind, record.detail)
    return standing is None or standing in COUNTING


def _seq(row: _Row) -> int:
    return row.seq if isinstance(row, Entry) else int(row["seq"])


def _text(code: bytes | None) -> str | None:
    try:
        return code.decode() if code else None
    except UnicodeDecodeError:
        return None


def _stand_in(record: Record) -> bytes:
    """What is reported of a code that is not kept here any more."""
    return f"admit:{record.ticket_key.hex() if record.ticket_key else 'unreadable'}".encode()


def _stored(entry: Entry) -> RecordAnswer:
    return RecordAnswer(seq=entry.seq, result="stored")


def _parked(entry: Entry, reason: str) -> RecordAnswer:
    return RecordAnswer(seq=entry.seq, result="parked", reason=reason)
