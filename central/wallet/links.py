"""The links by which guests put their tickets on their phones, and what the organiser says of them.

A link ends in `#` and 24 characters, 144 bits made from the event's secret: what stands behind `#`
no browser sends, so neither a log nor a proxy nor a mail scanner that opens the link has it. The
database keeps its hash alone. Made again, it is the same link.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from central.database import get_meta, set_meta
from central.enrolment import digest_of
from central.errors import CentralFault
from central.event import Central
from central.inserts import insert_new
from central.organiser.links import is_loopback
from central.schema import ticket, wallet
from central.statements import issues
from central.wallet.moved import key_of, moves_of

BASE = "/wallet"
"""Where the page is."""
SECRET_CHARACTERS = 24
_PERSON = b"admit-wallet"
_READ = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the organiser says of tickets on phones."""

    doors: float
    """Unix seconds from which no ticket moves to another phone."""
    title: str
    """The event's name for guests."""


def secret_of(central: Central, reference: str) -> str:
    """The secret in the link of the ticket with this id: 18 bytes, in URL-safe base64."""
    keyed = blake2b(
        reference.encode(), digest_size=18, key=central.event_secret, person=_PERSON
    ).digest()
    return urlsafe_b64encode(keyed).decode("ascii")


def make_links(central: Central, url: str, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (id, link) of every ticket that we sign, in the order of the ids; keep the settings.

    Args:
        url: Where guests reach the server, such as ``https://tickets.example``.
    Raises:
        CentralFault: no wallet key that gates believe, or an address where no browser makes keys.
    """
    if central.wallet_seed is None:
        raise CentralFault(
            "there is no wallet key, so no ticket can live on a phone",
            "Run: admit keys wallet --keys DIR, then publish the keyset: admit central init",
        )
    base = _checked(url)
    with central.database.writing() as connection:
        if not issues(connection, central):
            raise CentralFault(
                "gates do not believe the wallet key: the keyset in force does not name it",
                "Publish it: admit central init; where roots are apart, as in docs/keys.md",
            )
        set_meta(connection, "wallet", json.dumps([settings.doors, settings.title]))
    for references in _signed(central):
        with central.database.writing() as connection:
            for reference in references:
                row = {"digest": digest_of(secret_of(central, reference)), "moves": 0}
                insert_new(connection, wallet, row | {"reference": reference})
        for reference in references:
            yield reference, f"{base}{BASE}/#{secret_of(central, reference)}"


def settings_of(connection: Connection) -> Settings:
    """What the organiser said last; doors are for ever closed before anything was."""
    doors, title = json.loads(get_meta(connection, "wallet") or '[0, ""]')
    return Settings(float(doors), str(title))


def _checked(url: str) -> str:
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not safe or not parts.hostname or parts.query or parts.fragment:
        raise CentralFault(
            f"guests cannot put tickets on their phones at {url[:100]!r}",
            "Give the address that guests open, with https: browsers make keys on no other",
        )
    return url.rstrip("/")


def _signed(central: Central) -> Iterator[list[str]]:
    """Ids of the tickets that are signed by us, a page at a time: others show another code."""
    last = ""
    while True:
        query = select(ticket.c.reference).where(ticket.c.reference > last).distinct()
        with central.database.reading() as connection:
            found = connection.execute(query.order_by(ticket.c.reference).limit(_READ)).scalars()
            if not (references := list(found)):
                return
            moves = moves_of(connection, references)
            keys = {
                key_of(central, name, moves.get(name, (0, b""))[0]): name for name in references
            }
            known = select(ticket.c.key).where(ticket.c.key.in_(keys))
            signed = sorted(keys[bytes(key)] for key in connection.execute(known).scalars())
        yield signed
        last = references[-1]
