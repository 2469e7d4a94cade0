"""Reading one uploaded record: what it must be before it is kept as part of a journal."""

from central.bodies import LATEST, MOST_NAME, flaw
from store.records import Entry, Record, RecordMalformed, chain_hash, entry_from_json


class Parked(Exception):
    """A record that cannot be taken; the reason is told to the gate and shown here."""


def read_entry(raw: object, event: str) -> Entry:
    """Read one record of a batch.

    Raises:
        Parked: it is malformed, of another event, or not what its hash says.
    """
    if problem := flaw(raw):
        raise Parked(problem)
    try:
        entry = entry_from_json(raw)
        holds = chain_hash(entry.seq, entry.prev, entry.record) == entry.hash
    except (RecordMalformed, OverflowError) as error:
        raise Parked(str(error)[:300]) from error
    if not holds:
        raise Parked("hash does not match")
    _check(entry.record, event)
    return entry


def _check(row: Record, event: str) -> None:
    if not 0 <= row.at < LATEST:
        raise Parked("at is no time that can be shown")
    if row.event not in (None, event):
        raise Parked("of another event")
    for name, value in (("presentation", row.presentation), ("ticket_key", row.ticket_key)):
        if value is not None and len(value) != 16:
            raise Parked(f"{name} is not 16 bytes")
    if row.list is not None and len(row.list) > MOST_NAME:
        raise Parked("the list's name is too long")
