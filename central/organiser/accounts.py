"""The people who may log in: made and mended on the server, by command. Source: docs/central.md."""

import base64
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyotp
from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from central.enrolment import digest_of
from central.errors import CentralFault
from central.event import Central
from central.organiser.sealing import seal, unseal
from central.schema import organiser, organiser_session, organiser_ticket

WELCOME_LIFE = 86_400.0
"""Seconds in which a one-time secret may be used to choose a password."""
STEP = 30
"""Seconds of a code. Source: RFC 6238."""
FEWEST, MOST = 12, 256
"""Characters of a password."""
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


class Role(StrEnum):
    """What a person may do."""

    ORGANISER = "organiser"
    """Look and change."""
    VIEWER = "viewer"
    """Look."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an argon2id hash takes. Source: RFC 9106; libsodium's INTERACTIVE by default."""

    operations: int = argon2id.OPSLIMIT_INTERACTIVE
    memory: int = argon2id.MEMLIMIT_INTERACTIVE
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a new person needs, once: shown on the terminal and kept nowhere in clear."""

    name: str
    address: str = field(repr=False)
    """`otpauth://` address for the QR code of an authenticator app."""
    secret: str = field(repr=False)
    """The same secret in base32, to type."""
    one_time: str = field(repr=False)
    """With it and a code the person chooses a password, within a day."""


def add(central: Central, name: str, role: Role = Role.ORGANISER) -> Credentials:
    """Make an account without a password.

    Raises:
        CentralFault: the name is taken or none.
    """
    if not 1 <= len(name) <= 32 or not set(name) <= _NAME:
        raise CentralFault(
            f"{name[:40]!r} cannot be a login name",
            "Use 1 to 32 of a to z, 0 to 9, point, hyphen and underscore",
        )
    with central.database.writing() as connection:
        if find(connection, name) is not None:
            raise CentralFault(
                f"there is an account {name}", f"Renew it with: admit central user reset {name}"
            )
        row = {"name": name, "role": role.value, "step": 0, "created": central.now()}
        connection.execute(insert(organiser), row)
        return _equip(connection, central, name)


def reset(central: Central, name: str) -> Credentials:
    """Take password, second factor and sessions away, and give new ones to begin with.

    Raises:
        CentralFault: there is no such account.
    """
    with central.database.writing() as connection:
        known(connection, name)
        return _equip(connection, central, name)


def _equip(connection: Connection, central: Central, name: str) -> Credentials:
    secret, one_time = pyotp.random_base32(), _readable(secrets.token_bytes(10))
    for table in (organiser_session, organiser_ticket):
        connection.execute(delete(table).where(table.c.name == name))
    change = update(organiser).where(organiser.c.name == name)
    sealed = seal(central, secret.encode())
    connection.execute(change.values(password=None, secret=sealed, step=0, created=central.now()))
    now, life = central.now(), WELCOME_LIFE
    add_ticket(connection, now, name, purpose="password", one_time=one_time, life=life)
    issuer = f"Admit {central.event}"
    address = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)
    return Credentials(name, address, secret, one_time)


def _readable(raw: bytes) -> str:
    """16 characters in groups of four, for 80 bits."""
    text = base64.b32encode(raw).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def add_ticket(
    connection: Connection, now: float, name: str, *, purpose: str, one_time: str, life: float
) -> None:
    """Keep the hash of a one-time secret."""
    connection.execute(delete(organiser_ticket).where(organiser_ticket.c.expires <= now))
    row = {"digest": digest_of(one_time), "name": name, "purpose": purpose, "expires": now + life}
    connection.execute(insert(organiser_ticket), row)


def use_ticket(connection: Connection, central: Central, purpose: str, one_time: str) -> str | None:
    """The person of a one-time secret, which is used up by this; None: it is not good."""
    mine = organiser_ticket.c.digest == digest_of(one_time)
    query = select(organiser_ticket.c.name).where(
        mine,
        organiser_ticket.c.purpose == purpose,
        organiser_ticket.c.expires > central.now(),
    )
    name: str | None = connection.execute(query).scalar()
    if name is not None:
        connection.execute(delete(organiser_ticket).where(mine))
    return name


def remove(central: Central, name: str) -> None:
    """Delete an account with its sessions; what it did stays in the log.

    Raises:
        CentralFault: there is no such account.
    """
    with central.database.writing() as connection:
        known(connection, name)
        for table in (organiser_session, organiser_ticket, organiser):
            connection.execute(delete(table).where(table.c.name == name))


def listing(central: Central) -> list[dict[str, Any]]:
    """Names, roles, whether a password was chosen, sessions."""
    sessions = select(func.count()).select_from(organiser_session)
    sessions = sessions.where(organiser_session.c.name == organiser.c.name)
    query = select(organiser, sessions.scalar_subquery().label("sessions"))
    with central.database.reading() as connection:
        rows = connection.execute(query.order_by(organiser.c.name)).mappings()
        return [
            {
                "name": row["name"],
                "role": row["role"],
                "password": "chosen" if row["password"] else "not chosen yet",
                "sessions": row["sessions"],
            }
            for row in rows
        ]


def count(central: Central) -> int:
    """How many accounts there are."""
    with central.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(organiser)).scalar_one())


def find(connection: Connection, name: str) -> RowMapping | None:
    """The row of an account, or None."""
    query = select(organiser).where(organiser.c.name == name)
    return connection.execute(query).mappings().first()


def known(connection: Connection, name: str) -> RowMapping:
    """The row of an account.

    Raises:
        CentralFault: there is none.
    """
    row = find(connection, name)
    if row is None:
        raise CentralFault(f"there is no account {name[:40]!r}", "See: admit central user list")
    return row


def hashed(password: str, cost: Cost) -> str:
    """The argon2id hash of a password (RFC 9106), in libsodium's text form."""
    made = argon2id.str(password.encode(), opslimit=cost.operations, memlimit=cost.memory)
    return made.rstrip(b"\0").decode()


def is_password(stored: str, password: str) -> bool:
    """Whether ``password`` is the one that ``stored`` was made from."""
    try:
        return bool(argon2id.verify(stored.encode(), password.encode()))
    except InvalidkeyError:
        return False


def step_of(central: Central, account: RowMapping, code: str) -> int | None:
    """The step a code is of: now, one before, or one after, and later than the last one used.

    Source: RFC 6238, sections 5.2 (a code is accepted once) and 6 (resynchronisation).
    """
    code = code.replace(" ", "")
    if account["secret"] is None or len(code) != 6 or not code.isascii() or not code.isdigit():
        return None
    totp = pyotp.TOTP(unseal(central, bytes(account["secret"])).decode())
    now = int(central.now()) // STEP
    good = [
        s for s in (now - 1, now, now + 1) if secrets.compare_digest(totp.generate_otp(s), code)
    ]
    return next((step for step in good if step > account["step"]), None)
