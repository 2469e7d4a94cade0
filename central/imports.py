"""Bringing tickets in from the organiser's CSV, and changing single ones. Memory stays bounded by
what `tickets.csv_rows` keeps to find doubles."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, select, update

from central.errors import CentralFault
from central.event import Central
from central.guests import Guests, publish_names
from central.inserts import bulk_insert, next_number
from central.lists import publish_list, refresh
from central.schema import ticket
from central.wallet.moved import as_moved
from tickets.csv_rows import BadRow, TicketRow, read_rows
from tickets.rows import Status

BATCH = 500
"""Rows of one transaction: a claim never waits longer than for one of these."""
Progress = Callable[[str, int], None]
"""Told what is being done, and how many rows of it are."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    good: int
    bad: int
    withdrawn: int
    """Tickets whose id came with another code: the old code is revoked."""
    serial: int
    """Of the list that was published."""
    named: int = 0
    """Tickets whose guest's name is kept, sealed."""
    weak: int = 0
    """Tickets whose code can be guessed; they get no name."""
    weak_lines: tuple[int, ...] = ()
    """The first of their lines."""


def unseen(_what: str, _rows: int) -> None:
    """A `Progress` that nobody looks at."""


def import_tickets(
    central: Central,
    lines: Iterable[bytes],
    on_bad: Callable[[BadRow], None],
    on_progress: Progress = unseen,
) -> Imported:
    """Add and change tickets by the lines of a CSV file, then publish a new list.

    Tickets that the file does not name stay as they are. A ticket cancelled by hand stays
    cancelled, whatever an older file says.

    Args:
        lines: As `tickets.csv_rows.read_rows` takes them.
        on_bad: Called with each row that makes no ticket.
        on_progress: Called after each batch with ``"rows"`` and how many were read, then while the
            list is written with ``"list"`` and how many rows it has so far.
    Raises:
        CsvRejected: the file as a whole is no list of tickets; nothing was changed.
    """
    good, bad, withdrawn, batch, guests = 0, 0, 0, 0, Guests(central)
    rows = read_rows(lines)
    while part := list(islice(rows, BATCH)):
        faults = [row for row in part if isinstance(row, BadRow)]
        found = [row for row in part if isinstance(row, TicketRow)]
        for fault in faults:
            on_bad(fault)
        with central.database.writing() as connection:
            batch = batch or next_number(connection, "batch")
            found = as_moved(connection, found)
            withdrawn += _store(connection, central, found, batch)
            guests.take(connection, found)
        good, bad = good + len(found), bad + len(faults)
        on_progress("rows", good + bad)
    publish_names(central)
    serial = publish_list(central, partial(on_progress, "list"))
    seen = guests.named, guests.weak.count, tuple(guests.weak.lines)
    return Imported(good, bad, withdrawn, serial, *seen)


def _store(connection: Connection, central: Central, found: list[TicketRow], batch: int) -> int:
    if not found:
        return 0
    _upsert(connection, [_columns(central, row, batch) for row in found])
    return _withdraw_replaced(connection, [row.id for row in found], batch)


def _columns(central: Central, row: TicketRow, batch: int) -> dict[str, Any]:
    made = row.ticket(central.event_secret)
    return {
        "key": made.key,
        "reference": row.id,
        "product": made.product,
        "entries": made.entries,
        "flags": int(made.flags),
        "valid_from": made.valid_from,
        "valid_until": made.valid_until,
        "revision": 0,
        "batch": batch,
    }


def _upsert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    statement, columns = bulk_insert(connection, ticket, rows, "key")
    changes = {name: statement.excluded[name] for name in rows[0] if name not in ("key", "flags")}
    kept = ticket.c.flags.bitwise_and(int(Status.CANCELLED))
    changes["flags"] = statement.excluded.flags.bitwise_or(kept)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_=changes), columns
    )


def _withdraw_replaced(connection: Connection, references: list[str], batch: int) -> int:
    """Revoke tickets of these ids that this import did not name: their code was replaced."""
    replaced = update(ticket).where(
        ticket.c.reference.in_(references),
        ticket.c.batch != batch,
        ticket.c.flags.bitwise_and(int(Status.REVOKED)) == 0,
    )
    revoked = ticket.c.flags.bitwise_or(int(Status.REVOKED))
    return connection.execute(replaced.values(flags=revoked)).rowcount


def cancel(central: Central, reference: str) -> int:
    """Cancel the ticket with this id and publish that at once; return how many were changed.

    Raises:
        CentralFault: there is no ticket with this id.
    """
    return _set_flag(central, reference, Status.CANCELLED, on=True)


def restore(central: Central, reference: str) -> int:
    """Take a cancellation back, as `cancel` made it."""
    return _set_flag(central, reference, Status.CANCELLED, on=False)


def _set_flag(central: Central, reference: str, status: Status, on: bool) -> int:
    has = ticket.c.flags.bitwise_and(int(status))
    with central.database.writing() as connection:
        known = select(ticket.c.key).where(ticket.c.reference == reference).limit(1)
        if connection.execute(known).first() is None:
            raise CentralFault(f"there is no ticket {reference[:64]!r}", "Check its id in the CSV")
        flags = ticket.c.flags + int(status) if on else ticket.c.flags - int(status)
        change = update(ticket).where(
            ticket.c.reference == reference, has == (0 if on else int(status))
        )
        number = next_number(connection, "revision")
        changed = connection.execute(change.values(flags=flags, revision=number)).rowcount
    refresh(central)
    return changed


def ticket_count(connection: Connection) -> int:
    """How many tickets there are."""
    return int(connection.execute(select(func.count()).select_from(ticket)).scalar_one())
