"""Taking journal records: each answered for itself, each counted once, none lost.

A batch is taken in short transactions, so that a claim never waits behind a long upload; an
answer is given only for what is committed. Source: docs/protocol.md, `POST /v1/records`.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, select, update

from central.alarms import Piece, raise_alarm
from central.bodies import Body, hex_bytes, read_json
from central.counting import by_key, tickets
from central.entries import Parked, read_entry
from central.errors import malformed
from central.event import POLICY, Central, policy_of
from central.heads import HEADS, Heads, read_head
from central.inserts import insert_new, statement_for
from central.questions import Question, Row, only_told
from central.redemptions import Books, conflict_of
from central.schema import device, journal, parked, record
from central.tokens import Caller
from central.wallet.moved import moved
from store.heads import Head, head_to_json
from store.records import Entry, Kind, entry_to_json

MOST = 500
"""Most records of one call."""
SLICE = 25
"""Records of one transaction: some ten milliseconds."""
MOST_RAW = 65_536
"""Characters of a parked record that are kept."""
MOST_PARKED = 10_000
"""Parked records of one gate that are kept; beyond, it floods us, and has them in its journal."""
MOST_BODIES = 8
"""Bodies of one number that are kept: two contradict each other, more say nothing new."""
RESTORED = "restored:"
"""How the detail of the record begins that a gate begins a journal with after ending another."""
GAP_LASTS = 60.0
"""Seconds after which missing records are asked for: before, others overtake them."""
MOST_GAPS = 16


def take_records(central: Central, caller: Caller, raw: bytes) -> dict[str, object]:
    """Take a batch and answer for each record of it.

    Raises:
        ProtocolError: 400 when the batch as a whole has another shape.
    """
    body = Body(read_json(raw))
    epoch = hex_bytes(body.get("epoch"), 8, "epoch")
    batch = body.get("records")
    if not isinstance(batch, list) or len(batch) > MOST:
        raise malformed(f"records is not a list of at most {MOST}")
    head = read_head(central, caller, body.get("head"), epoch)
    if any((_seq_of(raw) or 0) > head.seq for raw in batch):
        raise malformed("head.seq is behind a record that it goes with")
    return take_batch(central, caller, epoch, [head], batch)


def take_batch(
    central: Central, caller: Caller, epoch: bytes, heads: Sequence[Head], batch: Sequence[object]
) -> dict[str, object]:
    """Take the records of one journal, and what its gate signed of it.

    Args:
        heads: Verified, in the order in which they were signed.
    """
    answers: list[dict[str, object]] = []
    for part in list(_slices(batch)) or [[]]:
        upload = _Upload(central, caller, epoch)
        answers += upload.take(part, heads)
        heads = ()
    return {"answers": answers} | upload.of_journal


_LASTING = select(journal.c.highest).where(
    journal.c.device == bindparam("by"),
    journal.c.epoch == bindparam("in_epoch"),
    journal.c.gap_since <= bindparam("before"),
)
"""A journal of which records are missing for so long that nothing overtakes them any more."""


def _missing(connection: Connection, name: str, epoch: bytes) -> list[list[int]]:
    """First and last numbers of the first gaps of a journal, under all enrolments of its gate."""
    gate = select(device.c.gate).where(device.c.device == name).scalar_subquery()
    same = select(device.c.device).where(device.c.gate == gate)
    here = [
        select(table.c.seq).where(table.c.device.in_(same), table.c.epoch == epoch)
        for table in (record, parked)
    ]
    seqs = here[0].union(here[1].where(parked.c.seq.is_not(None))).subquery()
    before = func.lag(seqs.c.seq, 1, 0).over(order_by=seqs.c.seq).label("before")
    pairs = select(seqs.c.seq, before).subquery()
    gaps_ = select(pairs.c.before, pairs.c.seq).where(pairs.c.seq - pairs.c.before > 1)
    rows = connection.execute(gaps_.order_by(pairs.c.seq).limit(MOST_GAPS))
    return [[row.before + 1, row.seq - 1] for row in rows]


def _had_before(connection: Connection, caller: Caller, epoch: bytes) -> int:
    """Records of this journal that came under an earlier enrolment of the same gate."""
    earlier = select(device.c.device).where(
        device.c.gate == caller.gate, device.c.device != caller.device
    )
    query = select(func.coalesce(func.max(journal.c.received), 0))
    count = query.where(journal.c.epoch == epoch, journal.c.device.in_(earlier))
    return int(connection.execute(count).scalar_one())


def _slices(batch: Sequence[object]) -> Iterator[Sequence[object]]:
    """Cut a batch into transactions; never before a `resumed`, which belongs to its scan.

    Between the two the guest would count as inside twice, and a conflict would be told.
    """
    start = 0
    while start < len(batch):
        end = start + SLICE
        while end < len(batch) and _is_resumed(batch[end]):
            end += 1
        yield batch[start:end]
        start = end


def _is_resumed(raw: object) -> bool:
    return isinstance(raw, dict) and raw.get("kind") == Kind.RESUMED.value


_INSERT = insert(record)
_NEAR = select(record.c.seq, record.c.hash, record.c.prev).where(
    record.c.device == bindparam("by"),
    record.c.epoch == bindparam("in_epoch"),
    record.c.seq.in_(bindparam("near", expanding=True)),
)
_SAME = (
    select(record.c.presentation, record.c.device, record.c.body)
    .where(record.c.presentation.in_(bindparam("named", expanding=True)))
    .order_by(record.c.epoch, record.c.seq)
)


@cache
def _journal_grows(dialect: str) -> Any:
    """Add what is new of a journal to what is known of it."""
    statement = statement_for(dialect, journal)
    new, old = statement.excluded, journal.c
    received = old.received + new.received
    highest = case((new.highest > old.highest, new.highest), else_=old.highest)
    since = case((received < highest, func.coalesce(old.gap_since, bindparam("now"))), else_=None)
    grown = {"received": received, "highest": highest, "gap_since": since}
    return statement.on_conflict_do_update(index_elements=["device", "epoch"], set_=grown)


class _Upload:
    """One transaction of a batch."""

    def __init__(self, central: Central, caller: Caller, epoch: bytes) -> None:
        self._central = central
        self._now = central.now()
        self._caller = caller
        self._epoch = epoch
        self._seen = 0
        self._highest = 0
        self._before = 0
        """Records of the journal that came before this device's first."""
        self._known: dict[int, tuple[bytes, bytes]] = {}
        """Hash and prev of the records at or beside a number, by number."""
        self._foreign: set[bytes] = set()
        self._bodies: dict[bytes, list[dict[str, Any]]] = {}
        """This gate's records as JSON, by presentation, those that were here first."""
        self._new: list[dict[str, object]] = []
        self.of_journal: dict[str, object] = {}
        """What is known of the journal: its farthest head, and what has been missing for long."""

    def take(self, batch: Sequence[object], heads: Sequence[Head] = ()) -> list[dict[str, object]]:
        """Take heads, then each record; conflicts are judged when all of them are in."""
        entries = [self._read(raw) for raw in batch]
        good = [entry for entry in entries if isinstance(entry, Entry)]
        named = {e.record.presentation: None for e in good if e.record.presentation}
        judged = self._central.database.judging(
            [self._caller.device.encode()], named, asked=self._asked(good, named, heads)
        )
        with judged as (connection, told):
            self._connection = connection
            self._look_up(told[0], told[1])
            self._heads = Heads(connection, self._caller, self._now, told[4])
            if self._heads.farthest is None:
                self._before = _had_before(connection, self._caller, self._epoch)
            for head in heads:
                held = self._known.get(head.seq)
                self._heads.take(head, held[0] if held else None)
            if told[5]:
                missing = _missing(connection, self._caller.device, self._epoch)
                self.of_journal["missing"] = missing
            taken = [
                (raw, *self._take(raw, entry)) for raw, entry in zip(batch, entries, strict=True)
            ]
            books = Books(self._central, connection, self._caller, self._epoch, self._now)
            touched = {e.record.presentation for _, _, e in taken if e and e.record.presentation}
            bodies = {name: self._bodies[name] for name in named if name in touched}
            books.judge(bodies, policy_of(told[2]), by_key(told[3]), told[6])
            if books.quiet:
                only_told(connection)
            if self._new:
                connection.execute(_INSERT, self._new)
            self._note_journal()
            self._heads.keep()
            if (known := self._heads.farthest) is not None:
                self.of_journal["known"] = head_to_json(known)
            books.keep()
            return [self._answer(raw, result, entry, books) for raw, result, entry in taken]

    def _asked(
        self, entries: list[Entry], named: Collection[bytes], heads: Sequence[Head]
    ) -> list[Question]:
        """Neighbours of these records, those of the same presentations, what their tickets may,
        the journal's heads, whether it has a gap that lasts, and which of the tickets moved."""
        near = {entry.seq + step for entry in entries for step in (-1, 0, 1)}
        near |= {head.seq for head in heads}
        mine = {"by": self._caller.device, "in_epoch": self._epoch, "near": list(near)}
        keys = {entry.record.ticket_key for entry in entries if entry.record.ticket_key}
        told = {"by": self._caller.device, "in_epoch": self._epoch}
        same = (_SAME, {"named": list(named)})
        lasting = (_LASTING, told | {"before": self._now - GAP_LASTS})
        rest = (HEADS, told), lasting, moved(keys)
        return [(_NEAR, mine), same, POLICY, tickets(keys), *rest]

    def _look_up(self, near: Sequence[Row], same: Sequence[Row]) -> None:
        for row in near:
            self._known[row["seq"]] = bytes(row["hash"]), bytes(row["prev"])
        for row in same:
            presentation = bytes(row["presentation"])
            if row["device"] != self._caller.device:
                self._foreign.add(presentation)
            else:
                self._bodies.setdefault(presentation, []).append(json.loads(row["body"]))

    def _take(self, raw: object, entry: "Entry | Parked") -> tuple[dict[str, object], Entry | None]:
        """Return (what the answer says, the entry if it is in the database now)."""
        if isinstance(entry, Entry) and entry.record.presentation in self._foreign:
            entry = Parked("presentation of another gate")
        if isinstance(entry, Parked):
            self._park(raw, str(entry))
            return {"result": "parked", "reason": str(entry)}, None
        return self._store(raw, entry)

    def _read(self, raw: object) -> "Entry | Parked":
        try:
            return read_entry(raw, self._central.event)
        except Parked as reason:
            return reason

    def _store(self, raw: object, entry: Entry) -> tuple[dict[str, object], Entry | None]:
        if (known := self._known.get(entry.seq)) is not None:
            if known[0] == entry.hash:
                return {"result": "duplicate"}, entry
            return self._fork(raw, entry, known[0])
        told = entry_to_json(entry)
        self._check_chain(entry, told)
        self._heads.compare(entry.seq, entry.hash, told)
        if entry.record.kind is Kind.FAULT and entry.record.detail.startswith(RESTORED):
            name = self._epoch.hex()
            detail = f"the gate has begun journal {name} anew, {entry.record.detail[:200]}"
            self._alarm("restored", detail, name, [("record", told)])
        if entry.record.presentation:
            self._bodies.setdefault(entry.record.presentation, []).append(told)
        self._new.append(self._row(entry, told, self._epoch))
        self._known[entry.seq] = entry.hash, entry.prev
        self._count(entry.seq)
        return {"result": "stored"}, entry

    def _row(self, entry: Entry, told: dict[str, Any], epoch: bytes) -> dict[str, object]:
        row = {"device": self._caller.device, "epoch": epoch, "seq": entry.seq}
        row |= {"hash": entry.hash, "prev": entry.prev, "received": self._now}
        row |= {"body": json.dumps(told)}
        return row | {"kind": entry.record.kind.value, "presentation": entry.record.presentation}

    def _fork(
        self, raw: object, entry: Entry, held: bytes
    ) -> tuple[dict[str, object], Entry | None]:
        """Keep a second record of one number as evidence; what happened at the lane counts.

        Who holds the device key could as well begin another journal: that it counts gives nobody
        more than they have, and the guest who did go in is known to the other gates.
        """
        told = entry_to_json(entry)
        first = select(record.c.body).where(
            record.c.device == self._caller.device,
            record.c.epoch == self._epoch,
            record.c.seq == entry.seq,
        )
        stored = self._connection.execute(first).scalar()
        pieces: list[Piece] = [("record", json.loads(stored))] if stored else []
        pieces += [("record", told), *self._heads.pieces()]
        name = self._epoch.hex()
        detail = f"journal {name} goes two ways: two records have number {entry.seq}"
        self._alarm("fork", detail, name, pieces)
        kept = self._park(raw, "fork")
        answer: dict[str, object] = {"result": "fork", "hash": held.hex()}
        if entry.record.presentation is None or not kept:
            return answer, None
        beside = self._bodies.setdefault(entry.record.presentation, [])
        if told["hash"] not in {body["hash"] for body in beside}:
            beside.append(told)
            aside = blake2b(b"fork" + self._epoch + entry.hash, digest_size=8).digest()
            self._new.append(self._row(entry, told, aside))
        return answer, entry

    def _check_chain(self, entry: Entry, told: dict[str, Any]) -> None:
        """A record that does not link to its neighbours is taken all the same, with an alarm."""
        before, after = self._known.get(entry.seq - 1), self._known.get(entry.seq + 1)
        if (before and before[0] != entry.prev) or (after and after[1] != entry.hash):
            detail = f"record {entry.seq} of {self._epoch.hex()} links to another"
            self._alarm("chain", detail, self._epoch.hex(), [("record", told)])

    def _count(self, seq: int) -> None:
        self._seen += 1
        self._highest = max(self._highest, seq)

    def _park(self, raw: object, reason: str) -> bool:
        """Keep a record aside; False: it is one of too many."""
        text = json.dumps(raw)[:MOST_RAW]
        identity = f"{self._caller.device} {self._epoch.hex()} {text}".encode()
        digest = blake2b(identity, digest_size=32).digest()
        seq = _seq_of(raw)
        if not self._has_room(digest, seq):
            detail = f"journal {self._epoch.hex()} floods this server with what it cannot take"
            self._alarm("flood", detail, self._epoch.hex(), [])
            return False
        row: dict[str, Any] = {"device": self._caller.device, "epoch": self._epoch, "seq": seq}
        row |= {"raw": text, "digest": digest, "reason": reason, "received": self._now}
        new = insert_new(self._connection, parked, row)
        if new and seq is not None and reason != "fork":
            self._count(seq)  # it has come, so there is no gap
        return True

    def _has_room(self, digest: bytes, seq: int | None) -> bool:
        """Whether one more may be parked: few of one number, and not too many of one gate."""
        here = (parked.c.epoch == self._epoch) & (parked.c.seq == (seq or 0))
        count = select(
            func.count(),
            func.coalesce(func.sum(case((here, 1), else_=0)), 0),
            func.coalesce(func.sum(case((parked.c.digest == digest, 1), else_=0)), 0),
        ).where(parked.c.device == self._caller.device)
        every, same, this = self._connection.execute(count).one()
        return bool(this) or (every < MOST_PARKED and same < MOST_BODIES)

    def _alarm(self, name: str, detail: str, about: str, pieces: Sequence[Piece]) -> None:
        raise_alarm(
            self._connection,
            self._now,
            self._caller.device,
            name,
            detail,
            about=about,
            pieces=pieces,
        )

    def _note_journal(self) -> None:
        """Keep how complete the journal is: fewer records than the highest number is a gap."""
        row: dict[str, Any] = {"device": self._caller.device, "epoch": self._epoch}
        row |= {"highest": self._highest, "now": self._now}
        row["received"] = received = self._seen + self._before
        row["gap_since"] = None if received >= self._highest else self._now
        self._connection.execute(_journal_grows(self._connection.dialect.name), row)
        contact = update(device).where(device.c.device == self._caller.device)
        self._connection.execute(contact.values(last_contact=self._now))

    def _answer(
        self, raw: object, result: dict[str, object], entry: Entry | None, books: Books
    ) -> dict[str, object]:
        answer = {"seq": _seq_of(raw)} | result
        presentation = entry.record.presentation if entry else None
        if presentation in books.in_conflict:
            answer["conflict"] = conflict_of(self._connection, presentation)
        return answer


def _seq_of(raw: object) -> int | None:
    """The number a record gives itself, if it is one."""
    seq = raw.get("seq") if isinstance(raw, dict) else None
    return seq if type(seq) is int and 1 <= seq < 2**53 else None


def gaps(connection: Connection, now: float, older_than: float = 60.0) -> Iterator[dict[str, Any]]:
    """Yield journals of which records are missing for longer than ``older_than`` seconds.

    For a moment a gap is nothing: a scan waits at the gate for its outcome, others overtake it.
    """
    query = select(journal, device.c.gate).join_from(journal, device)
    for row in connection.execute(query.where(journal.c.gap_since <= now - older_than)).mappings():
        yield {
            "gate": row["gate"],
            "device": row["device"],
            "epoch": bytes(row["epoch"]).hex(),
            "missing": row["highest"] - row["received"],
            "since": row["gap_since"],
        }
