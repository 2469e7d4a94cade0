"""How a gate becomes a device that may call: one-time tokens, revocation."""

import re
import secrets
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from central.bodies import Body
from central.errors import CentralFault, ProtocolError
from central.event import Central
from central.inserts import insert_new
from central.schema import device, enrolment
from config.values import SLUG, shorten

TOKEN_LIFE = 86_400.0
"""Longest life of a one-time token in seconds."""
MOST_GATE, MOST_SOFTWARE = 64, 128
"""Characters of what a gate says of itself."""


def digest_of(secret: str) -> bytes:
    """What is kept of a token: its BLAKE2b-256 hash. The token itself has 256 random bits."""
    return blake2b(secret.encode(), digest_size=32).digest()


def new_token(central: Central, gate: str, life: float = TOKEN_LIFE) -> str:
    """Make a one-time token for ``gate``, good for ``life`` seconds (at most a day).

    Raises:
        CentralFault: the gate's name or the life is not allowed.
    """
    if not re.fullmatch(SLUG.pattern, gate):  # else its admit.toml could not say the same name
        raise CentralFault(
            f"the gate's name {shorten(gate)} is not {SLUG.rule}", f"Write {SLUG.rule}"
        )
    if not 0 < life <= TOKEN_LIFE:
        raise CentralFault("a token lives for a day at most", "Give 24 hours or less")
    token = secrets.token_urlsafe(32)
    row = {"digest": digest_of(token), "gate": gate, "expires": central.now() + life}
    with central.database.writing() as connection:
        connection.execute(insert(enrolment), row)
    return token


def enrol(central: Central, body: Body) -> dict[str, str]:
    """Make the gate that shows a token a device, once; the same gate gets the same answer again.

    Raises:
        ProtocolError: 403 `token_refused` or `device_revoked`, 400 `body_malformed`.
    """
    token, gate = body.text("token"), body.text("gate", MOST_GATE)
    public_key, software = body.octets("public_key", 32), body.text("software", MOST_SOFTWARE)
    with central.database.writing() as connection:
        made_for = _use_token(connection, token, public_key, central.now())
        if gate != made_for:
            raise _refused(f"the token was made for gate {made_for}, not {gate}")
        name = blake2b(public_key, digest_size=8).hexdigest()
        row = {"device": name, "public_key": public_key, "gate": gate, "software": software}
        _add_device(connection, row | {"enrolled": central.now()})
    answer = {"device": name, "event": central.event, "event_key": central.event_key.hex()}
    return answer | ({"card_key": central.card_key.hex()} if central.card_key else {})


def _use_token(connection: Connection, token: str, public_key: bytes, now: float) -> str:
    found = connection.execute(
        select(enrolment).where(enrolment.c.digest == digest_of(token))
    ).one_or_none()
    if found is None:
        raise _refused("the token is not known here")
    if found.expires <= now:
        raise _refused("the token has expired")
    if found.public_key not in (None, public_key):
        raise _refused("the token was used by another gate")
    mark = update(enrolment).where(enrolment.c.digest == found.digest)
    connection.execute(mark.values(public_key=public_key))
    gate: str = found.gate
    return gate


def _refused(cause: str) -> ProtocolError:
    remedy = "Make a new one with: admit central token --gate NAME"
    return ProtocolError(403, "token_refused", cause, remedy)


def _add_device(connection: Connection, row: dict[str, Any]) -> None:
    insert_new(connection, device, row)
    if device_named(connection, row["device"])["revoked"] is not None:
        raise revoked()
    change = update(device).where(device.c.device == row["device"])
    connection.execute(change.values(gate=row["gate"], software=row["software"]))


def device_named(connection: Connection, name: str) -> RowMapping:
    """The row of a device.

    Raises:
        CentralFault: there is none.
    """
    row = connection.execute(select(device).where(device.c.device == name)).mappings().first()
    if row is None:
        raise CentralFault(f"there is no device {name}", "See: admit central gates")
    return row


def revoked() -> ProtocolError:
    """403: the organiser has withdrawn this device."""
    return ProtocolError(
        403, "device_revoked", "this gate was withdrawn", "Enrol it again with a new key and token"
    )


def revoke(central: Central, name: str) -> None:
    """Withdraw a device: it is refused from its next call on.

    Raises:
        CentralFault: there is no such device.
    """
    with central.database.writing() as connection:
        device_named(connection, name)
        change = update(device).where(device.c.device == name, device.c.revoked.is_(None))
        connection.execute(change.values(revoked=central.now()))
