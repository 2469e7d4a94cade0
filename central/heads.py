"""Journal heads that gates sign: whether each continues what is known of its journal.

Source: docs/protocol.md, "The head of a journal".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from central.alarms import Piece, raise_alarm
from central.errors import ProtocolError, malformed
from central.event import Central
from central.schema import head, record
from central.tokens import Caller
from store.heads import Head, HeadMalformed, head_from_json, head_holds, head_to_json

MOST_HEADS = 64
"""Heads of one journal whose records have not come yet that are kept, beside the farthest."""

HEADS = (
    select(head)
    .where(head.c.device == bindparam("by"), head.c.epoch == bindparam("in_epoch"))
    .order_by(head.c.seq.desc(), head.c.received)
    .limit(MOST_HEADS + 2)
)

_INSERT = insert(head)
_FORGET = delete(head).where(
    *(head.c[name] == bindparam(name) for name in ("device", "epoch", "seq", "hash"))
)
_SETTLE = delete(head).where(
    head.c.device == bindparam("by"),
    head.c.epoch == bindparam("in_epoch"),
    head.c.seq < bindparam("top"),
    select(record.c.seq)
    .where(*(record.c[name] == head.c[name] for name in ("device", "epoch", "seq", "hash")))
    .exists(),
)


def read_head(central: Central, caller: Caller, value: object, epoch: bytes) -> Head:
    """The head that goes with an upload, of this journal and signed by this device.

    Raises:
        ProtocolError: 400 `body_malformed`; 403 `head_refused`, which is an alarm as well.
    """
    try:
        told = head_from_json(value)
    except HeadMalformed as error:
        raise malformed(str(error)) from error
    if not head_holds(told, caller.device, caller.public_key):
        with central.database.writing() as connection:
            detail = "a call with this gate's bearer, but not by its key: was the bearer stolen?"
            raise_alarm(connection, central.now(), caller.device, "head_signature", detail)
        raise ProtocolError(
            403,
            "head_refused",
            "the journal head is not signed by this device",
            "Nothing was taken. If this stays, withdraw the gate and enrol it again",
        )
    if told.epoch != epoch:
        raise malformed("head.epoch is another than epoch")
    return told


class Heads:
    """The heads of one journal, within the transaction that takes an upload.

    Args:
        rows: What `HEADS` found.
    """

    def __init__(
        self, connection: Connection, caller: Caller, now: float, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        self._connection, self._device, self._now = connection, caller.device, now
        self._known = [head_of(row) for row in rows]
        """The farthest first."""
        self._new: list[Head] = []
        self._over: list[Head] = []

    @property
    def farthest(self) -> Head | None:
        """How far the journal ever was; None: nothing was signed of it yet."""
        return self._known[0] if self._known else None

    def at(self, seq: int) -> list[Head]:
        """Those that name record ``seq``."""
        return [known for known in self._known if known.seq == seq]

    def take(self, told: Head, held: bytes | None) -> None:
        """Keep a head, and tell when it contradicts what is known.

        Args:
            held: Hash of the record here with the head's number; None: it has not come.
        """
        if told.tip in {known.tip for known in self._known}:
            return
        others = [known for known in self.at(told.seq) if known.hash != told.hash]
        if others or held not in (None, told.hash):
            self.rewritten(told.seq, told.epoch, [_piece(one) for one in (*others, told)])
        top = self.farthest
        # One that was on its way for long was signed before: only a later word takes back.
        if top is not None and told.seq < top.seq and told.at > top.at:
            self._alarm(
                "rolled_back",
                f"journal {told.epoch.hex()} ended at {told.seq}, after it had reached {top.seq}",
                told.epoch,
                [_piece(top), _piece(told)],
            )
        self._keep(told)

    def rewritten(self, seq: int, epoch: bytes, pieces: Sequence[Piece]) -> None:
        """Tell that record ``seq`` is another than the device signed before."""
        detail = f"journal {epoch.hex()} was written anew: record {seq} is another than it was"
        self._alarm("rewritten", detail, epoch, pieces)

    def compare(self, seq: int, digest: bytes, body: Mapping[str, Any]) -> None:
        """Hold a record that came against the heads that named it before."""
        for known in self.at(seq):
            if known.hash != digest:
                self.rewritten(seq, known.epoch, [_piece(known), ("record", body)])

    def pieces(self) -> list[Piece]:
        """The farthest head, as evidence."""
        return [_piece(known) for known in self._known[:1]]

    def _alarm(self, name: str, detail: str, epoch: bytes, pieces: Sequence[Piece]) -> None:
        raise_alarm(
            self._connection,
            self._now,
            self._device,
            name,
            detail,
            about=epoch.hex(),
            pieces=pieces,
        )

    def _keep(self, told: Head) -> None:
        if len(self._known) > MOST_HEADS:
            self._over.append(self._known.pop(1))
        self._known = sorted([*self._known, told], key=lambda known: -known.seq)
        self._new.append(told)

    def keep(self) -> None:
        """Write what is new; forget heads below the farthest whose record is here as they say."""
        if not self._new:
            return
        for over in self._over:
            self._connection.execute(_FORGET, self._row(over))
        rows = [
            self._row(told) | {"at": told.at, "signature": told.signature, "received": self._now}
            for told in self._new
        ]
        self._connection.execute(_INSERT, rows)
        done = {"by": self._device, "in_epoch": self._new[0].epoch, "top": self._known[0].seq}
        self._connection.execute(_SETTLE, done)

    def _row(self, told: Head) -> dict[str, Any]:
        return {"device": self._device, "epoch": told.epoch, "seq": told.seq, "hash": told.hash}


def head_of(row: Mapping[str, Any]) -> Head:
    """A row of `HEADS`."""
    return Head(
        epoch=bytes(row["epoch"]),
        seq=row["seq"],
        hash=bytes(row["hash"]),
        at=row["at"],
        signature=bytes(row["signature"]),
    )


def _piece(told: Head) -> Piece:
    return "head", head_to_json(told)
