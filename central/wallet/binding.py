"""Moving a ticket to a phone: a new code bound to the phone's key, the one before it revoked.

Each move makes a list row of its own and revokes the row before; gates get both as a delta.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import Connection, RowMapping, insert, select, update

from central.counting import HELD
from central.enrolment import digest_of
from central.errors import ProtocolError
from central.event import Central
from central.inserts import next_number, upsert
from central.schema import claim, guest, redemption, ticket, wallet
from central.statements import issues
from central.wallet.links import settings_of
from central.wallet.moved import key_of
from tickets import ad1
from tickets.cose import KEY_BYTES, key_id, public_key_of
from tickets.credential import Credential, Format
from tickets.keys import cti_of
from tickets.names import open_name, seal_name
from tickets.rows import Status

MOST_MOVES = 20
"""How often a ticket may move: each makes a row that every gate has to keep."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page needs to know of a ticket."""

    id: str
    moves: int
    holder_key: bytes
    """Of the phone it lives on; empty: on none."""
    moved: float | None
    doors: float
    title: str
    entered: bool
    """Whether anybody entered with it, or is about to."""
    cancelled: bool


def look(central: Central, secret: str) -> Standing:
    """What is known of the ticket of a link.

    Raises:
        ProtocolError: 404 `no_such_link`, 409 `not_signed`.
    """
    with central.database.reading() as connection:
        link = _link(connection, secret)
        _row(connection, central, link)
        return _standing(connection, link)


def move(central: Central, secret: str, holder_key: bytes, proof: bytes) -> bytes:
    """Bind the ticket of a link to a phone's key; return its COSE bytes, an AD1 ticket.

    The same key again gets the same ticket again, also later: an answer may have been lost.

    Args:
        proof: Ed25519 signature by that key over `challenge`: a browser whose signatures no gate
            could check must not cost the guest the ticket that works.
    Raises:
        ProtocolError: 404 `no_such_link`, 400 `proof_refused`, 409 `doors_open`, `entered`,
            `cancelled`, `too_often`, `not_signed`, 503 `not_ready`.
    """
    try:
        VerifyKey(holder_key).verify(challenge(central.event, holder_key), proof)
    except (BadSignatureError, ValueError) as error:
        raise ProtocolError(
            400, "proof_refused", "the phone's signature does not hold", "Use another browser"
        ) from error
    return _move(central, secret, holder_key)


def copyable(central: Central, secret: str) -> bytes:
    """A ticket for a browser that can keep no key: an unbound one, as copyable as paper.

    As long as the ticket was on no phone it is the one that was sent; else it moves back from
    there, which revokes the code of that phone.

    Raises:
        ProtocolError: as `move`.
    """
    return _move(central, secret, b"")


def challenge(event: str, holder_key: bytes) -> bytes:
    """What a phone signs to show that it has the key."""
    return f"admit-wallet\n{event}\n{holder_key.hex()}".encode()


def _move(central: Central, secret: str, holder_key: bytes) -> bytes:
    if len(holder_key) not in (0, KEY_BYTES):
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(holder_key)}")
    with central.database.reading() as connection:
        _link(connection, secret)  # who has no link keeps nobody from writing
    with central.database.writing() as connection:
        link = _link(connection, secret)
        _check_issuer(connection, central)
        row = _row(connection, central, link)
        if (link["holder_key"] or b"") == holder_key:  # also: on no phone, now or ever
            return _signed(central, link["reference"], link["moves"], row, holder_key)
        _check(central, _standing(connection, link))
        moves = link["moves"] + 1
        made = _replace(connection, central, row, moves, bound=bool(holder_key))
        mine = wallet.c.digest == link["digest"]
        changed = {"moves": moves, "holder_key": holder_key or None, "moved": central.now()}
        connection.execute(update(wallet).where(mine).values(changed))
    return _signed(central, link["reference"], moves, made, holder_key)


def _check_issuer(connection: Connection, central: Central) -> None:
    if central.wallet_seed and not issues(connection, central):
        raise ProtocolError(
            503,
            "not_ready",
            "gates do not believe the wallet key",
            "Publish it: admit central init",
        )


def _link(connection: Connection, secret: str) -> RowMapping:
    query = select(wallet).where(wallet.c.digest == digest_of(secret))
    link = connection.execute(query).mappings().first()
    if link is None:
        raise ProtocolError(
            404, "no_such_link", "no ticket has this link", "Open the link as it was sent, whole"
        )
    return link


def _row(connection: Connection, central: Central, link: RowMapping) -> RowMapping:
    """The list row of the code in force."""
    key = key_of(central, link["reference"], link["moves"])
    row = connection.execute(select(ticket).where(ticket.c.key == key)).mappings().first()
    if row is None or row["flags"] & Status.REVOKED:
        raise ProtocolError(
            409, "not_signed", "the ticket was replaced by a code or a card", "Show that instead"
        )
    return row


def _standing(connection: Connection, link: RowMapping) -> Standing:
    mine = select(ticket.c.key).where(ticket.c.reference == link["reference"]).scalar_subquery()
    entered = select(redemption.c.presentation).where(
        redemption.c.ticket_key.in_(mine), redemption.c.stands == 1
    )
    coming = select(claim.c.presentation).where(claim.c.ticket_key.in_(mine), claim.c.state == HELD)
    flags = select(ticket.c.flags).where(ticket.c.reference == link["reference"])
    settings = settings_of(connection)
    return Standing(
        id=link["reference"],
        moves=link["moves"],
        holder_key=bytes(link["holder_key"] or b""),
        moved=link["moved"],
        doors=settings.doors,
        title=settings.title,
        entered=any(connection.execute(q.limit(1)).first() for q in (entered, coming)),
        cancelled=any(f & Status.CANCELLED for f in connection.execute(flags).scalars()),
    )


def _check(central: Central, standing: Standing) -> None:
    refusals: Sequence[tuple[bool, str, str]] = (
        (standing.cancelled, "cancelled", "the ticket was cancelled"),
        (standing.entered, "entered", "somebody has entered with this ticket"),
        (central.now() >= standing.doors, "doors_open", "the doors are open: tickets stay put"),
        (standing.moves >= MOST_MOVES, "too_often", f"it moved {MOST_MOVES} times already"),
    )
    for applies, name, cause in refusals:
        if applies:
            raise ProtocolError(409, name, cause, "Go to the box office")


def _replace(
    connection: Connection, central: Central, row: RowMapping, moves: int, bound: bool
) -> dict[str, Any]:
    """Put a new row in the place of ``row``, which is revoked; return it."""
    number = next_number(connection, "revision")
    flags = Status(row["flags"]) & ~Status.BOUND
    made: dict[str, Any] = dict(row) | {"key": key_of(central, row["reference"], moves)}
    made |= {"flags": int(flags | Status.BOUND if bound else flags), "revision": number}
    upsert(connection, ticket, [made], ["key"])
    old = update(ticket).where(ticket.c.key == row["key"])
    connection.execute(old.values(flags=int(flags | Status.REVOKED), revision=number))
    _rename(connection, central, row, moves)
    return made


def _rename(connection: Connection, central: Central, row: RowMapping, moves: int) -> None:
    """Seal the guest's name, if there is one, under the new code too."""
    sealed = connection.execute(select(guest.c.sealed).where(guest.c.key == row["key"])).scalar()
    shown = partial(cti_of, central.event_secret, row["reference"])
    before, after = (Credential(Format.AD1, shown(n)) for n in (moves - 1, moves))
    name = open_name(central.event_key, before, bytes(sealed)) if sealed else None
    if name:
        key = key_of(central, row["reference"], moves)
        renamed = {"key": key, "sealed": seal_name(central.event_key, after, name)}
        connection.execute(insert(guest), renamed)


def _signed(central: Central, reference: str, moves: int, row: Any, holder_key: bytes) -> bytes:
    seed = central.wallet_seed
    if seed is None:
        raise ProtocolError(409, "not_signed", "tickets live on paper here", "Show the paper")
    return ad1.sign(
        seed,
        key_id(public_key_of(seed)),
        central.event,
        cti_of(central.event_secret, reference, moves),
        product=row["product"],
        entries=row["entries"],
        valid_from=row["valid_from"] or None,
        valid_until=row["valid_until"] or None,
        holder_key=holder_key or None,
    )
