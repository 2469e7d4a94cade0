"""Which tickets moved to phones, and what their codes are called since."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, select

from central.event import Central
from central.questions import Question, Row
from central.schema import ticket, wallet
from tickets.credential import Credential, Format
from tickets.csv_rows import TicketRow
from tickets.keys import cti_of, ticket_key
from tickets.rows import Status

_MOVED = (
    select(ticket.c.key, wallet.c.reference, wallet.c.moves)
    .join(wallet, wallet.c.reference == ticket.c.reference)
    .where(ticket.c.key.in_(bindparam("keys", expanding=True)), wallet.c.moves > 0)
)
Names = dict[bytes, tuple[bytes, ...]]
"""All ticket keys that a ticket ever had, by each of them; those that never moved are left out."""


def moved(keys: Collection[bytes]) -> Question:
    """Asks which tickets moved, of those that are or were shown by these; as `names_of` reads."""
    return _MOVED, {"keys": list(keys)}


def names_of(central: Central, rows: Iterable[Row]) -> Names:
    """The names of tickets that moved: entries by all of them are entries of one ticket."""
    found: Names = {}
    for row in rows:
        names = tuple(key_of(central, row["reference"], n) for n in range(row["moves"] + 1))
        if bytes(row["key"]) in names:  # else a code or a card that took its place
            found |= dict.fromkeys(names, names)
    return found


def key_of(central: Central, reference: str, moves: int) -> bytes:
    """The ticket key of a ticket after so many moves."""
    cti = cti_of(central.event_secret, reference, moves)
    return ticket_key(central.event_key, Credential(Format.AD1, cti))


def moves_of(connection: Connection, references: Iterable[str]) -> dict[str, tuple[int, bytes]]:
    """Of those tickets of these ids that moved: how often, and the key of the phone, if it has."""
    columns = wallet.c.reference, wallet.c.moves, wallet.c.holder_key
    query = select(*columns).where(wallet.c.reference.in_(references), wallet.c.moves > 0)
    return {row.reference: (row.moves, row.holder_key or b"") for row in connection.execute(query)}


def as_moved(connection: Connection, rows: Sequence[TicketRow]) -> list[TicketRow]:
    """The rows of a CSV file, of which those that moved to a phone since are its tickets still."""
    moved = moves_of(connection, [row.id for row in rows])
    return [_moved(row, *moved[row.id]) if row.id in moved else row for row in rows]


def _moved(row: TicketRow, moves: int, holder_key: bytes) -> TicketRow:
    is_signed = row.code is None and row.card is None  # else it shows something else from now on
    status = row.status | Status.BOUND if is_signed and holder_key else row.status
    return replace(row, moves=moves, status=status)
