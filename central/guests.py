"""Names of guests: sealed as they come in, kept and served in no other form.

A name is sealed under the code of its ticket (`tickets.names`), and only where nobody can guess
that code (`tickets.strength`). An opaque code itself is not kept here: not even this server with
its keys opens the name of such a ticket again.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select, update

from central.database import get_meta, set_meta
from central.event import Central
from central.inserts import bulk_insert, next_number
from central.lists import bodies_of_names, write_pieces
from central.schema import guest, list_body, ticket
from central.statements import check_signer, publish
from tickets.bodies import NamesHead
from tickets.csv_rows import TicketRow
from tickets.keys import ticket_key
from tickets.names import NAME_ROW_BYTES, seal_name
from tickets.rows import Status
from tickets.strength import WeakCodes

_READ = 10_000


@dataclass(slots=True)
class Guests:
    """The names of one import, as they come by."""

    central: Central
    named: int = 0
    """Names that were sealed."""
    weak: WeakCodes = field(default_factory=WeakCodes)
    """Tickets whose code can be guessed by whoever has a gate; they get no name."""
    _had: bool | None = None

    def take(self, connection: Connection, rows: Sequence[TicketRow]) -> None:
        """Keep the names of ``rows``; a row without one takes away what its ticket had."""
        found, without = [], []
        for row, credential in ((row, row.credential(self.central.event_secret)) for row in rows):
            key = ticket_key(self.central.event_key, credential)
            weak = self.weak.meet(row.line, credential, _other_code(row, rows))
            if row.name and not weak:
                sealed = seal_name(self.central.event_key, credential, row.name)
                found.append({"key": key, "sealed": sealed})
            else:
                without.append(key)
        self.named += len(found)
        if found:
            statement, columns = bulk_insert(connection, guest, found, "key")
            changes = {"sealed": statement.excluded.sealed}
            changed = statement.on_conflict_do_update(index_elements=["key"], set_=changes)
            connection.execute(changed, columns)
        if without and self._had_names(connection):
            connection.execute(delete(guest).where(guest.c.key.in_(without)))

    def _had_names(self, connection: Connection) -> bool:
        """Whether any ticket has a name: most events have none, and are not asked for each row."""
        if self._had is None:
            self._had = connection.execute(select(guest.c.key).limit(1)).first() is not None
        return self._had or self.named > 0


def _other_code(row: TicketRow, rows: Sequence[TicketRow]) -> str:
    return next((other.code for other in rows[:2] if other.code and other is not row), "")


def publish_names(central: Central) -> int | None:
    """Publish the names anew if they are others than before; return the serial of the statement.

    Memory does not grow with them. None: nothing changed, or there never was a name.
    """
    with central.database.writing() as connection:
        check_signer(connection, central)  # before a body is made in vain
        gone = select(ticket.c.key).where(ticket.c.flags.bitwise_and(int(Status.REVOKED)) != 0)
        connection.execute(delete(guest).where(guest.c.key.in_(gone)))
        before = get_meta(connection, "names_hash")
        if before is None and connection.execute(select(guest.c.key).limit(1)).first() is None:
            return None
        number = next_number(connection, "body")
        connection.execute(insert(list_body), {"number": number, "bytes": 0})
        _keep_bodies(connection, [*bodies_of_names(connection), number])
    with central.database.reading() as snapshot:
        rows, digest, size = write_pieces(central, number, _packed(snapshot))
    with central.database.writing() as connection:
        if digest.hex() == before:
            _keep_bodies(connection, [n for n in bodies_of_names(connection) if n != number])
            return None
        finished = update(list_body).where(list_body.c.number == number)
        connection.execute(finished.values(hash=digest, bytes=size))
        # The last two: a gate may just be fetching the one before.
        _keep_bodies(connection, bodies_of_names(connection)[-2:])
        set_meta(connection, "names_hash", digest.hex())
        return publish(connection, central, NamesHead(rows, rows * NAME_ROW_BYTES, digest))


def _keep_bodies(connection: Connection, numbers: list[int]) -> None:
    """Which bodies `central.lists` leaves alone; it drops the others with its next list."""
    set_meta(connection, "bodies_of_names", json.dumps(numbers))


def _packed(snapshot: Connection) -> Iterator[tuple[int, bytes]]:
    query = select(guest).order_by(guest.c.key).execution_options(yield_per=_READ)
    for part in snapshot.execute(query).partitions():
        yield len(part), b"".join(bytes(row.key) + bytes(row.sealed) for row in part)
