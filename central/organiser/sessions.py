"""Browsers that are logged in: a random cookie, of which only the hash is kept here."""

import secrets
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from central.enrolment import digest_of
from central.event import Central
from central.organiser.accounts import Role
from central.schema import organiser, organiser_session

IDLE = 4 * 3600.0
"""Seconds without a request after which a session ends; a page that renews itself makes none."""
LONGEST = 16 * 3600.0
"""Seconds after which every session ends: an evening and its clearing up."""
_NOTED = 60.0
"""Seconds between two notes of when a session was last used."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is logged in, in which browser."""

    name: str
    role: Role
    session: bytes
    """Hash of the cookie."""
    csrf: str = field(repr=False)
    """What this session's forms carry."""

    def may(self, role: Role) -> bool:
        """Whether the person has the rights of ``role``."""
        return role is Role.VIEWER or self.role is Role.ORGANISER


def csrf_of(token: str) -> str:
    """What the forms of a session carry: it cannot be told from the cookie's hash."""
    return blake2b(token.encode(), person=b"admit-csrf", digest_size=16).hexdigest()


def begin(connection: Connection, central: Central, name: str, address: str, browser: str) -> str:
    """Start a session; return the cookie's value: 256 random bits."""
    token, now = secrets.token_urlsafe(32), central.now()
    connection.execute(delete(organiser_session).where(_over(now)))
    row = {"digest": digest_of(token), "name": name, "created": now, "seen": now}
    row |= {"address": address[:64], "browser": browser[:120]}
    connection.execute(insert(organiser_session), row)
    return token


def _over(now: float) -> Any:
    idle = organiser_session.c.seen <= now - IDLE
    return or_(idle, organiser_session.c.created <= now - LONGEST)


def person_of(central: Central, token: str | None, live: bool = False) -> Person | None:
    """Who the cookie's value stands for; None: nobody, or not any more.

    Args:
        live: The request is a page that renews itself, which keeps no session alive.
    """
    if not token or len(token) > 128:
        return None
    digest, now = digest_of(token), central.now()
    query = select(organiser_session, organiser.c.role).join_from(organiser_session, organiser)
    query = query.where(organiser_session.c.digest == digest)
    with central.database.reading() as connection:
        row = connection.execute(query).mappings().first()
    if row is None or row["seen"] <= now - IDLE or row["created"] <= now - LONGEST:
        return None
    if not live and row["seen"] <= now - _NOTED:
        _touch(central, digest, now)
    return Person(row["name"], Role(row["role"]), digest, csrf_of(token))


def _touch(central: Central, digest: bytes, now: float) -> None:
    with central.database.writing() as connection:
        mine = update(organiser_session).where(organiser_session.c.digest == digest)
        connection.execute(mine.values(seen=now))


def end(central: Central, digest: bytes, name: str) -> None:
    """Log a browser of ``name`` out; none of theirs: nothing happens."""
    mine = (organiser_session.c.digest == digest) & (organiser_session.c.name == name)
    with central.database.writing() as connection:
        connection.execute(delete(organiser_session).where(mine))


def listing(central: Central, name: str) -> list[dict[str, Any]]:
    """The browsers in which ``name`` is logged in, the last used first."""
    now = central.now()
    query = select(organiser_session).where(organiser_session.c.name == name, ~_over(now))
    with central.database.reading() as connection:
        rows = connection.execute(query.order_by(organiser_session.c.seen.desc())).mappings()
        return [dict(row) | {"id": bytes(row["digest"]).hex()} for row in rows]
