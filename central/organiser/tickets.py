"""Finding tickets, and what has become of one."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    func,
    or_,
    select,
)

from central.event import POLICY, Central, policy_of
from central.organiser.overview import masked
from central.questions import ask
from central.schema import conflict, redemption, ticket
from tickets.rows import Status

PAGE = 50
"""Tickets of one page."""
MOST_QUERY = 256
"""Characters of what is looked for."""
_TAIL = re.compile(r"(?:…|\.\.\.)?([0-9a-fA-F]{4})")
"""A ticket as gates show it: the last four digits of its key."""
_ENTERED = ticket.c.key.in_(
    select(redemption.c.ticket_key).where(
        redemption.c.stands == 1, redemption.c.direction == "entry"
    )
)
_BARS = Status.REVOKED | Status.CANCELLED | Status.BLOCKED | Status.UNAPPROVED | Status.UNPAID
STATES: dict[str, ColumnElement[bool]] = {
    "valid": ticket.c.flags.bitwise_and(int(_BARS)) == 0,
    "cancelled": ticket.c.flags.bitwise_and(int(Status.CANCELLED)) != 0,
    "replaced": ticket.c.flags.bitwise_and(int(Status.REVOKED)) != 0,
    "blocked": ticket.c.flags.bitwise_and(int(Status.BLOCKED)) != 0,
    "unapproved": ticket.c.flags.bitwise_and(int(Status.UNAPPROVED)) != 0,
    "unpaid": ticket.c.flags.bitwise_and(int(Status.UNPAID)) != 0,
    "entered": _ENTERED,
    "not entered": ~_ENTERED,
}
"""What tickets can be filtered by."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    tickets: list[dict[str, Any]]
    more: str | None
    """Key in hex of the last ticket, when there are more behind it."""


def search(central: Central, text: str, state: str, after: bytes | None = None) -> Found:
    """Tickets whose id contains ``text``, or whose key ends in those four digits, by id.

    Args:
        text: Any case; empty: all.
        state: One of `STATES`; else: any.
        after: Key of the last ticket of the page before.
    """
    query, order = select(ticket).limit(PAGE + 1), ticket.c.reference + ""
    if text:
        query = query.where(_matches(text[:MOST_QUERY]))
    if state in STATES:
        query = query.where(STATES[state])
    if not text and state not in STATES:
        # By the index: the first rows are the page. Looking for few among a million, it would fetch
        # each row on its own; reading all in the order they lie in takes a twentieth of that.
        order = ticket.c.reference
    query = query.order_by(order, ticket.c.key)
    with central.database.reading() as connection:
        rows = connection.execute(_behind(connection, query, after)).mappings().all()
        shown = [_line(connection, row) for row in rows[:PAGE]]
    return Found(shown, shown[-1]["key"] if len(rows) > PAGE else None)


def exact(central: Central, text: str) -> str | None:
    """Key in hex of the ticket with exactly this id, the one in use if there are several."""
    query = select(ticket.c.key).where(ticket.c.reference == text)
    replaced = ticket.c.flags.bitwise_and(int(Status.REVOKED))
    with central.database.reading() as connection:
        key = connection.execute(query.order_by(replaced).limit(1)).scalar()
    return None if key is None else bytes(key).hex()


def _matches(text: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = ticket.c.reference.icontains(text, autoescape=True)
    if tail := _TAIL.fullmatch(text):
        # The same on both databases, where their functions for hex are not.
        found = or_(found, func.substr(ticket.c.key, 15, 2) == bytes.fromhex(tail[1]))
    return found


def _behind(connection: Connection, query: Select[Any], after: bytes | None) -> Select[Any]:
    last = row_of(connection, after) if after else None
    if last is None:
        return query
    same = and_(ticket.c.reference == last["reference"], ticket.c.key > last["key"])
    return query.where(or_(ticket.c.reference > last["reference"], same))


def row_of(connection: Connection, key: bytes) -> RowMapping | None:
    """The row of a ticket, or None."""
    return connection.execute(select(ticket).where(ticket.c.key == key)).mappings().first()


def _line(connection: Connection, row: RowMapping) -> dict[str, Any]:
    key = bytes(row["key"])
    query = select(func.count(), func.max(redemption.c.at)).where(
        redemption.c.ticket_key == key,
        redemption.c.stands == 1,
        redemption.c.direction == "entry",
    )
    entries, last = connection.execute(query).one()
    return {
        "key": key.hex(),
        "id": row["reference"],
        "masked": masked(key),
        "state": state_of(Status(row["flags"])),
        "entered": entries,
        "last": last,
        "entries": row["entries"],
    }


def state_of(flags: Status) -> str:
    """The word for a ticket's status; of several the one that a gate would name."""
    words = {
        Status.REVOKED: "replaced",
        Status.CANCELLED: "cancelled",
        Status.BLOCKED: "blocked",
        Status.UNAPPROVED: "unapproved",
        Status.UNPAID: "unpaid",
    }
    return next((word for flag, word in words.items() if flags & flag), "valid")


def detail(central: Central, key: bytes) -> dict[str, Any] | None:
    """A ticket with all its uses; None: there is none with this key."""
    with central.database.reading() as connection:
        row = row_of(connection, key)
        if row is None:
            return None
        (rows,) = ask(connection, [POLICY])
        policy = policy_of(rows)
        product = policy.product(row["product"]) if policy else None
        uses = select(redemption).where(redemption.c.ticket_key == key)
        uses = uses.order_by(redemption.c.at.desc()).limit(100)
        names = select(ticket.c.key).where(ticket.c.reference == row["reference"])
        clashes = select(func.count()).where(
            conflict.c.ticket_key.in_(names), conflict.c.stands == 1
        )
        others = select(func.count()).where(
            ticket.c.reference == row["reference"], ticket.c.key != key
        )
        return _line(connection, row) | {
            "product": row["product"],
            "product_name": product.name if product else "",
            "valid_from": row["valid_from"] or None,
            "valid_until": row["valid_until"] or None,
            "attention": bool(row["flags"] & Status.ATTENTION),
            "cancelled": bool(row["flags"] & Status.CANCELLED),
            "revision": row["revision"],
            "uses": [dict(use) for use in connection.execute(uses).mappings()],
            "conflicts": connection.execute(clashes).scalar_one(),
            "others": connection.execute(others).scalar_one(),
        }
