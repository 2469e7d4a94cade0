"""Taking journal records: each answered for itself, each counted once, none lost.

A batch is taken in short transactions, so that a claim never waits behind a long upload; an
answer is given only for what is committed. Source: docs/protocol.md, `POST /v1/records`.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from central.bodies import Body, hex_bytes, read_json
from central.entries import Parked, read_entry
from central.errors import malformed
from central.event import Central
from central.inserts import insert_new
from central.redemptions import conflict_of, derive, find_conflicts, in_conflict
from central.schema import alarm, device, journal, parked, record
from central.tokens import Caller
from store.records import Entry, Kind, entry_to_json

MOST = 500
"""Most records of one call."""
SLICE = 25
"""Records of one transaction: some ten milliseconds."""
MOST_RAW = 65_536
"""Characters of a parked record that are kept."""


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


_INSERT = insert(record)
_NEAR = select(record.c.seq, record.c.hash, record.c.prev).where(
    record.c.device == bindparam("by"),
    record.c.epoch == bindparam("in_epoch"),
    record.c.seq.in_(bindparam("near", expanding=True)),
)
_FOREIGN = (
    select(record.c.presentation)
    .where(
        record.c.presentation.in_(bindparam("named", expanding=True)),
        record.c.device != bindparam("by"),
    )
    .distinct()
)


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
        self._known: dict[int, tuple[bytes, bytes]] = {}
        """Hash and prev of the records at or beside a number, by number."""
        self._foreign: set[bytes] = set()
        self._new: list[dict[str, object]] = []

    def take(self, batch: list[object]) -> list[dict[str, object]]:
        """Take each record; conflicts are judged when all of them are in."""
        entries = [self._read(raw) for raw in batch]
        self._look_up([entry for entry in entries if isinstance(entry, Entry)])
        taken = [(raw, *self._take(raw, entry)) for raw, entry in zip(batch, entries, strict=True)]
        if self._new:
            self._connection.execute(_INSERT, self._new)
        self._note_journal()
        touched = [entry.record.presentation for _, _, entry in taken if entry]
        presentations = {presentation: None for presentation in touched if presentation}
        if presentations:
            derive(self._connection, self._caller, self._epoch, presentations)
            find_conflicts(self._connection, presentations, self._now)
            self._in_conflict = in_conflict(self._connection, presentations)
        return [self._answer(raw, result, entry) for raw, result, entry in taken]

    def _look_up(self, entries: list[Entry]) -> None:
        """What the database has of these records: their neighbours, and other gates' ids."""
        near = {entry.seq + step for entry in entries for step in (-1, 0, 1)}
        mine = {"by": self._caller.device, "in_epoch": self._epoch, "near": list(near)}
        for row in self._connection.execute(_NEAR, mine):
            self._known[row.seq] = bytes(row.hash), bytes(row.prev)
        named = list({e.record.presentation for e in entries if e.record.presentation})
        rows = self._connection.execute(_FOREIGN, {"by": self._caller.device, "named": named})
        self._foreign = {bytes(presentation) for presentation in rows.scalars()}

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
            return read_entry(raw, self._event)
        except Parked as reason:
            return reason

    def _store(self, raw: object, entry: Entry) -> tuple[dict[str, object], Entry | None]:
        if (known := self._known.get(entry.seq)) is not None:
            if known[0] == entry.hash:
                return {"result": "duplicate"}, entry
            self._alarm("fork", f"two records have number {entry.seq} of {self._epoch.hex()}")
            self._park(raw, "fork")
            return {"result": "fork"}, None
        self._check_chain(entry)
        body = json.dumps(entry_to_json(entry))
        row = {"device": self._caller.device, "epoch": self._epoch, "seq": entry.seq}
        row |= {"hash": entry.hash, "prev": entry.prev, "received": self._now, "body": body}
        row |= {"kind": entry.record.kind.value, "presentation": entry.record.presentation}
        self._new.append(row)
        self._known[entry.seq] = entry.hash, entry.prev
        self._count(entry.seq)
        return {"result": "stored"}, entry

    def _check_chain(self, entry: Entry) -> None:
        """A record that does not link to its neighbours is taken all the same, with an alarm."""
        before, after = self._known.get(entry.seq - 1), self._known.get(entry.seq + 1)
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
