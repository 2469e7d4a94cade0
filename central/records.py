"""Taking journal records: each answered for itself, each counted once, none lost.

A batch is taken in short transactions, so that a claim never waits behind a long upload; an
answer is given only for what is committed. Source: docs/protocol.md, `POST /v1/records`.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, insert, select, update

from central.bodies import LATEST, MOST_NAME, Body, flaw, hex_bytes, read_json
from central.database import insert_new
from central.errors import malformed
from central.event import Central
from central.redemptions import conflict_of, derive, find_conflicts, in_conflict
from central.schema import alarm, device, journal, parked, record, redemption
from central.tokens import Caller
from store.records import Entry, Kind, RecordMalformed, chain_hash, entry_from_json, entry_to_json

MOST = 500
"""Most records of one call."""
SLICE = 25
"""Records of one transaction: some ten milliseconds."""
MOST_RAW = 65_536
"""Characters of a parked record that are kept."""


class Parked(Exception):
    """A record that cannot be taken; the reason is told to the gate and shown here."""


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
    answers: list[dict[str, object]] = []
    for part in _slices(batch):
        with central.database.writing() as connection:
            answers += _Upload(central, connection, caller, epoch).take(part)
    return {"answers": answers}


def _slices(batch: list[object]) -> Iterator[list[object]]:
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


class _Upload:
    """One transaction of a batch."""

    def __init__(
        self, central: Central, connection: Connection, caller: Caller, epoch: bytes
    ) -> None:
        self._event = central.event
        self._now = central.now()
        self._connection = connection
        self._caller = caller
        self._epoch = epoch
        self._seen = 0
        self._highest = 0
        self._in_conflict: set[bytes] = set()

    def take(self, batch: list[object]) -> list[dict[str, object]]:
        """Take each record; conflicts are judged when all of them are in."""
        taken = [(raw, *self._take(raw)) for raw in batch]
        self._note_journal()
        touched = [entry.record.presentation for _, _, entry in taken if entry]
        presentations = {presentation for presentation in touched if presentation}
        self._derive(presentations)
        self._in_conflict = in_conflict(self._connection, presentations)
        return [self._answer(raw, result, entry) for raw, result, entry in taken]

    def _take(self, raw: object) -> tuple[dict[str, object], Entry | None]:
        """Return (what the answer says, the entry if it is in the database now)."""
        try:
            entry = self._read(raw)
            return self._store(raw, entry)
        except Parked as reason:
            self._park(raw, str(reason))
            return {"result": "parked", "reason": str(reason)}, None

    def _read(self, raw: object) -> Entry:
        if problem := flaw(raw):
            raise Parked(problem)
        try:
            entry = entry_from_json(raw)
            holds = chain_hash(entry.seq, entry.prev, entry.record) == entry.hash
        except (RecordMalformed, OverflowError) as error:
            raise Parked(str(error)[:300]) from error
        if not holds:
            raise Parked("hash does not match")
        self._check(entry)
        return entry

    def _check(self, entry: Entry) -> None:
        row = entry.record
        if not 0 <= row.at < LATEST:
            raise Parked("at is no time that can be shown")
        if row.event not in (None, self._event):
            raise Parked("of another event")
        for name, value in (("presentation", row.presentation), ("ticket_key", row.ticket_key)):
            if value is not None and len(value) != 16:
                raise Parked(f"{name} is not 16 bytes")
        if row.list is not None and len(row.list) > MOST_NAME:
            raise Parked("the list's name is too long")
        if row.presentation and self._is_anothers(row.presentation):
            raise Parked("presentation of another gate")

    def _is_anothers(self, presentation: bytes) -> bool:
        query = select(record.c.device).where(record.c.presentation == presentation).limit(1)
        owner = self._connection.execute(query).scalar()
        return owner not in (None, self._caller.device)

    def _store(self, raw: object, entry: Entry) -> tuple[dict[str, object], Entry | None]:
        near = self._neighbours(entry.seq)
        if (known := near.get(entry.seq)) is not None:
            if known[0] == entry.hash:
                return {"result": "duplicate"}, entry
            self._alarm("fork", f"two records have number {entry.seq} of {self._epoch.hex()}")
            self._park(raw, "fork")
            return {"result": "fork"}, None
        self._check_chain(entry, near)
        body = json.dumps(entry_to_json(entry))
        row = {"device": self._caller.device, "epoch": self._epoch, "seq": entry.seq}
        row |= {"hash": entry.hash, "prev": entry.prev, "received": self._now, "body": body}
        row |= {"kind": entry.record.kind.value, "presentation": entry.record.presentation}
        self._connection.execute(insert(record), row)
        self._count(entry.seq)
        return {"result": "stored"}, entry

    def _neighbours(self, seq: int) -> dict[int, tuple[bytes, bytes]]:
        query = select(record.c.seq, record.c.hash, record.c.prev).where(
            record.c.device == self._caller.device,
            record.c.epoch == self._epoch,
            record.c.seq.between(seq - 1, seq + 1),
        )
        rows = self._connection.execute(query)
        return {row.seq: (bytes(row.hash), bytes(row.prev)) for row in rows}

    def _check_chain(self, entry: Entry, near: dict[int, tuple[bytes, bytes]]) -> None:
        """A record that does not link to its neighbours is taken all the same, with an alarm."""
        before, after = near.get(entry.seq - 1), near.get(entry.seq + 1)
        if (before and before[0] != entry.prev) or (after and after[1] != entry.hash):
            self._alarm("chain", f"record {entry.seq} of {self._epoch.hex()} links to another")

    def _count(self, seq: int) -> None:
        self._seen += 1
        self._highest = max(self._highest, seq)

    def _park(self, raw: object, reason: str) -> None:
        text = json.dumps(raw)[:MOST_RAW]
        identity = f"{self._caller.device} {self._epoch.hex()} {text}".encode()
        seq = _seq_of(raw)
        row = {"device": self._caller.device, "epoch": self._epoch, "seq": seq, "raw": text}
        row |= {"digest": blake2b(identity, digest_size=32).digest()}
        new = insert_new(self._connection, parked, row | {"reason": reason, "received": self._now})
        if new and seq is not None and reason != "fork":
            self._count(seq)  # it has come, so there is no gap

    def _alarm(self, name: str, detail: str) -> None:
        digest = blake2b(f"{self._caller.device} {name} {detail}".encode(), digest_size=32)
        row = {"name": name, "device": self._caller.device, "detail": detail, "raised": self._now}
        insert_new(self._connection, alarm, row | {"digest": digest.digest()})

    def _note_journal(self) -> None:
        """Keep how complete the journal is: fewer records than the highest number is a gap."""
        key = {"device": self._caller.device, "epoch": self._epoch}
        insert_new(self._connection, journal, key | {"highest": 0, "received": 0})
        mine = (journal.c.device == self._caller.device) & (journal.c.epoch == self._epoch)
        row = self._connection.execute(select(journal).where(mine)).one()
        highest, received = max(row.highest, self._highest), row.received + self._seen
        since = None if received >= highest else row.gap_since or self._now
        change = {"highest": highest, "received": received, "gap_since": since}
        self._connection.execute(update(journal).where(mine).values(change))
        contact = update(device).where(device.c.device == self._caller.device)
        self._connection.execute(contact.values(last_contact=self._now))

    def _derive(self, presentations: set[bytes]) -> None:
        for presentation in presentations:
            derive(self._connection, self._caller, self._epoch, presentation)
        query = select(redemption.c.ticket_key, redemption.c.list).distinct()
        query = query.where(redemption.c.presentation.in_(presentations))
        for ticket_key, check_in_list in self._connection.execute(query).all():
            find_conflicts(self._connection, bytes(ticket_key), check_in_list, self._now)

    def _answer(
        self, raw: object, result: dict[str, object], entry: Entry | None
    ) -> dict[str, object]:
        answer = {"seq": _seq_of(raw)} | result
        presentation = entry.record.presentation if entry else None
        if presentation in self._in_conflict:
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
