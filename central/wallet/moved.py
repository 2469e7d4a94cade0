"""Which tickets moved to phones, and what their codes are called since."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from central.event import Central
from central.schema import wallet
from tickets.credential import Credential, Format
from tickets.csv_rows import TicketRow
from tickets.keys import cti_of, ticket_key
from tickets.rows import Status


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
