"""Publishing: every statement signed, numbered and kept in the order in which gates read them."""

import base64
import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from sqlalchemy import Connection, RowMapping, Select, func, insert, or_, select

from admission.rules import PolicyMalformed, policy_from_body
from central.database import get_meta, set_meta
from central.errors import CentralFault
from central.event import Central
from central.inserts import next_number
from central.schema import CHANGED, statement, ticket
from tickets import cose
from tickets.bodies import Body, Delta, Keyset, ServerTime, Type, type_of
from tickets.ceremony import keyset_in
from tickets.chain import SERIALS_FROM
from tickets.rows import Status, Ticket, pack
from tickets.statements import sign_statement

LIFE = {Type.KEYSET: 366 * 86_400, Type.POLICY: 366 * 86_400, Type.TIME: 60}
"""Seconds a statement is news; lists and deltas a week, because they are confirmed all the time."""
CHAIN_LIFE = 7 * 86_400
DELTA_ROWS = 50_000
"""Most rows of one delta: 1.5 MB, well within a statement's bound."""
PAGE = 500
"""Most statements of one answer."""
_CHAIN = (Type.LIST.value, Type.DELTA.value)


def publish(
    connection: Connection,
    central: Central,
    body: Body,
    *,
    signers: Sequence[tuple[bytes, bytes]] = (),
    revision: int = 0,
    rows: int = 0,
) -> int:
    """Sign and keep a statement; return its serial. `sign_statement` says what may go wrong.

    Args:
        signers: None: the list key.
        revision: Ticket changes up to this number are in it (list and delta).
        rows: How many rows it holds or changes.
    """
    kind, now = type_of(body), int(central.now())
    if not signers:
        check_signer(connection, central)
    before = _last(connection, *(_CHAIN if kind.value in _CHAIN else (kind.value,)))
    # By the clock as well as by counting: a server restored from a copy does not repeat serials
    # that gates have seen.
    floor = int(get_meta(connection, "serial_floor") or 0)
    serial = max(before["serial"] + 1 if before else 1, now - SERIALS_FROM, floor)
    # A delta builds on the list or delta before it, all others on the last of their own type.
    previous = before if kind is Type.DELTA else _last(connection, kind.value)
    wire = sign_statement(
        body,
        event=central.event,
        serial=serial,
        previous=previous["digest"] if previous else b"",
        issued=now,
        expires=now + LIFE.get(kind, CHAIN_LIFE),
        signers=signers or [central.signer],
    )
    row = {"type": kind.value, "serial": serial, "wire": wire, "issued": now}
    row |= {"cursor": next_number(connection, "statement"), "digest": _digest(wire)}
    connection.execute(insert(statement), row | {"revision": revision, "rows": rows})
    return serial


def check_signer(connection: Connection, central: Central) -> None:
    """Sign nothing by a list key that gates believe no more: all that builds on it would be lost.

    Raises:
        CentralFault: the keyset in force does not name the list key this process works with.
    """
    if not _signs(connection, central):
        raise CentralFault(
            "this server signs with a list key that the keyset in force does not name",
            "The key was changed while it ran: restart admit central serve; else see docs/keys.md",
        )


def signs(central: Central) -> bool:
    """Whether gates believe the list key this process works with; so too before any keyset."""
    with central.database.reading() as connection:
        return _signs(connection, central)


def issues(connection: Connection, central: Central) -> bool:
    """Whether gates believe the wallet key: else what it signs is `forged`."""
    keyset, seed = _keyset(connection), central.wallet_seed
    if keyset is None or seed is None:
        return False
    kid = cose.key_id(cose.public_key_of(seed))
    return kid in keyset.issuers and kid not in keyset.revoked


def _keyset(connection: Connection) -> Keyset | None:
    """The one in force; None: none was published yet."""
    row = _last(connection, Type.KEYSET.value)
    return keyset_in(bytes(row["wire"])) if row else None


def _signs(connection: Connection, central: Central) -> bool:
    keyset = _keyset(connection)
    kid = central.signer[0]
    return keyset is None or (kid in keyset.lists and kid not in keyset.revoked)


def _digest(wire: bytes) -> bytes:
    """BLAKE2b-256 of the signed payload, as `tickets.statements.Statement` has it."""
    envelope, _ = cose.split_first(wire, 1)
    return blake2b(envelope.payload, digest_size=32).digest()


def _last(connection: Connection, *types: str) -> RowMapping | None:
    query = select(statement).where(statement.c.type.in_(types))
    return connection.execute(query.order_by(statement.c.cursor.desc()).limit(1)).mappings().first()


def publish_keyset(central: Central, keyset: Keyset, roots: Sequence[tuple[bytes, bytes]]) -> int:
    """Publish whose signatures count, signed by ``roots`` (kid, seed); return the serial."""
    with central.database.writing() as connection:
        return publish(connection, central, keyset, signers=roots)


def publish_policy(central: Central, body: Mapping[str, object]) -> int:
    """Publish the organiser's rules and act on them here; return the serial.

    Raises:
        CentralFault: ``body`` has not the shape that docs/protocol.md gives a policy.
    """
    try:
        policy_from_body(body)
        text = json.dumps(body)
    except (PolicyMalformed, TypeError, ValueError) as error:
        raise CentralFault(f"the policy cannot be used: {error}", "See docs/central.md") from error
    with central.database.writing() as connection:
        set_meta(connection, "policy", text)
        return publish(connection, central, body)


def publish_changes(connection: Connection, central: Central, confirm: bool = False) -> int:
    """Publish deltas for all tickets changed since the last list or delta; say how many.

    Imported rows are not changes: they come with the full list that ends an import.

    Args:
        confirm: With nothing changed, publish an empty delta: the list is current as of now.
    """
    base = _last(connection, Type.LIST.value)
    newest = _last(connection, *_CHAIN)
    if base is None or newest is None:  # the first list will hold everything
        return 0
    newer = select(ticket).where(CHANGED, ticket.c.revision > newest["revision"])
    rows = connection.execute(newer.order_by(ticket.c.key)).mappings().all()
    last = max([newest["revision"], *(row["revision"] for row in rows)])
    for start in range(0, len(rows) or int(confirm), DELTA_ROWS):
        part = rows[start : start + DELTA_ROWS]
        body = Delta(base["serial"], b"".join(pack(ticket_of(row)) for row in part), b"")
        publish(connection, central, body, revision=last, rows=len(part))
    return len(rows) or int(confirm)


def ticket_of(row: RowMapping) -> Ticket:
    """The list row of a row of table `ticket`."""
    return Ticket(
        bytes(row["key"]),
        row["product"],
        row["entries"],
        Status(row["flags"]),
        row["valid_from"],
        row["valid_until"],
    )


def newest_serial(connection: Connection) -> int | None:
    """The serial of the newest list or delta; None before the first list."""
    newest = _last(connection, *_CHAIN)
    return None if newest is None else int(newest["serial"])


def chain_size(connection: Connection) -> tuple[int, int, int, int] | None:
    """(rows of the list, deltas since, rows of these, when the last was issued); None: no list."""
    base, newest = _last(connection, Type.LIST.value), _last(connection, *_CHAIN)
    if base is None or newest is None:
        return None
    query = select(func.count(), func.coalesce(func.sum(statement.c.rows), 0))
    query = query.where(statement.c.type == "delta", statement.c.cursor > base["cursor"])
    deltas, changed = connection.execute(query).one()
    return base["rows"], int(deltas), int(changed), newest["issued"]


def statements_after(central: Central, after: int) -> dict[str, object]:
    """The answer to `GET /v1/statements`: what is in force and newer than ``after``."""
    with central.database.reading() as connection:
        rows = connection.execute(_in_force(after)).all()
    found = [
        {
            "cursor": row.cursor,
            "type": row.type,
            "serial": row.serial,
            "wire": base64.b64encode(row.wire).decode(),
        }
        for row in rows
    ]
    return {"statements": found, "next": rows[-1].cursor if rows else after}


def _in_force(after: int) -> Select[tuple[object, ...]]:
    newest = select(func.max(statement.c.cursor)).where(statement.c.type != Type.DELTA.value)
    newest = newest.group_by(statement.c.type)
    keysets = statement.c.type == Type.KEYSET.value  # each says by whose roots the next one counts
    of_list = select(func.coalesce(func.max(statement.c.cursor), 0))
    of_list = of_list.where(statement.c.type == Type.LIST.value)
    current = or_(
        keysets,
        statement.c.cursor.in_(newest.scalar_subquery()),
        (statement.c.type == Type.DELTA.value) & (statement.c.cursor > of_list.scalar_subquery()),
    )
    query = select(statement).where(statement.c.cursor > after, current)
    return query.order_by(statement.c.cursor).limit(PAGE)


def signed_time(central: Central, nonce: bytes) -> str:
    """A `time` statement in base64, in answer to ``nonce`` (16 bytes); kept nowhere."""
    now = central.now()
    wire = sign_statement(
        ServerTime(nonce, int(now * 1000)),
        event=central.event,
        serial=max(1, int(now) - SERIALS_FROM),
        issued=int(now),
        expires=int(now) + LIFE[Type.TIME],
        signers=[central.signer],
    )
    return base64.b64encode(wire).decode()
