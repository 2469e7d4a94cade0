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

from central.bodies import Body, hex_bytes, read_json
from central.counting import by_key, tickets
from central.entries import Parked, read_entry
from central.errors import malformed
from central.event import POLICY, Central, policy_of
from central.inserts import insert_new, statement_for
from central.questions import Question, Row, only_told
from central.redemptions import Books, conflict_of
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
        answers += _Upload(central, caller, epoch).take(part)
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
        self._known: dict[int, tuple[bytes, bytes]] = {}
        """Hash and prev of the records at or beside a number, by number."""
        self._foreign: set[bytes] = set()
        self._bodies: dict[bytes, list[dict[str, Any]]] = {}
        """This gate's records as JSON, by presentation, those that were here first."""
        self._new: list[dict[str, object]] = []

    def take(self, batch: list[object]) -> list[dict[str, object]]:
        """Take each record; conflicts are judged when all of them are in."""
        entries = [self._read(raw) for raw in batch]
        good = [entry for entry in entries if isinstance(entry, Entry)]
        named = {e.record.presentation: None for e in good if e.record.presentation}
        judged = self._central.database.judging(
            [self._caller.device.encode()], named, asked=self._asked(good, named)
        )
        with judged as (connection, told):
            self._connection = connection
            self._look_up(told[0], told[1])
            taken = [
                (raw, *self._take(raw, entry)) for raw, entry in zip(batch, entries, strict=True)
            ]
            books = Books(connection, self._caller, self._epoch, self._now)
            touched = {e.record.presentation for _, _, e in taken if e and e.record.presentation}
            bodies = {name: self._bodies[name] for name in named if name in touched}
            books.judge(bodies, policy_of(told[2]), by_key(told[3]))
            if books.quiet:
                only_told(connection)
            if self._new:
                connection.execute(_INSERT, self._new)
            self._note_journal()
            books.keep()
            return [self._answer(raw, result, entry, books) for raw, result, entry in taken]

    def _asked(self, entries: list[Entry], named: Collection[bytes]) -> list[Question]:
        """Neighbours of these records, those of the same presentations, what their tickets may."""
        near = {entry.seq + step for entry in entries for step in (-1, 0, 1)}
        mine = {"by": self._caller.device, "in_epoch": self._epoch, "near": list(near)}
        keys = {entry.record.ticket_key for entry in entries if entry.record.ticket_key}
        return [(_NEAR, mine), (_SAME, {"named": list(named)}), POLICY, tickets(keys)]

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
            self._alarm("fork", f"two records have number {entry.seq} of {self._epoch.hex()}")
            self._park(raw, "fork")
            return {"result": "fork"}, None
        self._check_chain(entry)
        told = entry_to_json(entry)
        if entry.record.presentation:
            self._bodies.setdefault(entry.record.presentation, []).append(told)
        row = {"device": self._caller.device, "epoch": self._epoch, "seq": entry.seq}
        row |= {"hash": entry.hash, "prev": entry.prev, "received": self._now}
        row |= {"body": json.dumps(told)}
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
        row = {"device": self._caller.device, "epoch": self._epoch, "received": self._seen}
        row |= {"highest": self._highest, "now": self._now}
        row["gap_since"] = None if self._seen >= self._highest else self._now
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
