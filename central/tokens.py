"""Bearer tokens: a day of calls against one signature of the device key."""

import base64
import binascii
import secrets
import time
from dataclasses import dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import Connection, delete, insert, select

from central.bodies import Body
from central.enrolment import digest_of, revoked
from central.errors import ProtocolError, malformed
from central.event import Central
from central.inserts import insert_new
from central.schema import bearer, device, nonce

BEARER_LIFE = 86_400.0
"""Seconds a bearer token lives."""
REMEMBERED = 10.0
"""Seconds an answer of `Callers` is used again without the database."""
_MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an enrolled device."""

    device: str
    gate: str
    public_key: bytes = b""
    """Ed25519, 32 bytes: what it signs its journal's heads with; empty where none is taken."""


def new_bearer(central: Central, body: Body) -> dict[str, object]:
    """Give a day's bearer token for a signed request.

    The signature is Ed25519 (RFC 8032) by the device key over the UTF-8 text
    ``admit-token\\n{device}\\n{at}\\n{nonce}``, numbers as in the body, the nonce in hex.

    Raises:
        ProtocolError: 401 `signature_refused`, 403 `device_revoked`, 400 `body_malformed`.
    """
    name, once, at = body.text("device", 16), body.octets("nonce", 16), body.get("at")
    body.time("at")  # only its form: a gate may not know the time
    signed = f"admit-token\n{name}\n{at}\n{once.hex()}".encode()
    signature = _signature(body.text("signature", 88))
    with central.database.writing() as connection:
        _check_signature(connection, name, signed, signature)
        if not insert_new(connection, nonce, {"device": name, "nonce": once}):
            raise _refused("the nonce was used before")
        return _issue(connection, name, central.now())


def _signature(text: str) -> bytes:
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed("signature is not base64") from error
    if len(signature) != 64:
        raise malformed("signature is not 64 bytes")
    return signature


def _check_signature(connection: Connection, name: str, signed: bytes, signature: bytes) -> None:
    query = select(device.c.public_key, device.c.revoked).where(device.c.device == name)
    known = connection.execute(query).one_or_none()
    if known is None:
        raise _refused("the device is not enrolled here")
    try:
        VerifyKey(known.public_key).verify(signed, signature)
    except BadSignatureError as error:
        raise _refused("the signature is not by this device's key") from error
    if known.revoked is not None:
        raise revoked()


def _refused(cause: str) -> ProtocolError:
    return ProtocolError(
        401, "signature_refused", cause, "Ask again with a new nonce; if it stays, enrol again"
    )


def _issue(connection: Connection, name: str, now: float) -> dict[str, object]:
    token, expires = secrets.token_urlsafe(32), now + BEARER_LIFE
    connection.execute(delete(bearer).where(bearer.c.expires <= now))
    row = {"digest": digest_of(token), "device": name, "expires": expires}
    connection.execute(insert(bearer), row)
    return {"bearer": token, "expires": expires}


class Callers:
    """Says who calls. Remembers for seconds, so that a probe needs no database."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._remembered: dict[bytes, tuple[float, float, Caller]] = {}

    def recent(self, header: str | None) -> Caller | None:
        """The caller if it was asked for within the last seconds; else None."""
        known = self._remembered.get(digest_of(_token_of(header)))
        if known is None:
            return None
        until, expires, caller = known
        return caller if time.monotonic() < until and self._central.now() < expires else None

    def caller(self, header: str | None) -> Caller:
        """The device that the ``Authorization`` header names, looked up.

        Raises:
            ProtocolError: 401 `bearer_missing` or `bearer_expired`, 403 `device_revoked`.
        """
        digest = digest_of(_token_of(header))
        with self._central.database.looking() as connection:
            query = select(
                bearer.c.device,
                bearer.c.expires,
                device.c.gate,
                device.c.revoked,
                device.c.public_key,
            )
            query = query.join_from(bearer, device).where(bearer.c.digest == digest)
            found = connection.execute(query).one_or_none()
        if found is None or found.expires <= self._central.now():
            raise _unauthorised("bearer_expired", "the bearer token is not good any more")
        if found.revoked is not None:
            raise revoked()
        caller = Caller(found.device, found.gate, bytes(found.public_key))
        self._remember(digest, found.expires, caller)
        return caller

    def _remember(self, digest: bytes, expires: float, caller: Caller) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered = {}
        self._remembered[digest] = (time.monotonic() + REMEMBERED, expires, caller)


def _token_of(header: str | None) -> str:
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 128:
        raise _unauthorised("bearer_missing", "the call names no bearer token")
    return token


def _unauthorised(name: str, cause: str) -> ProtocolError:
    return ProtocolError(401, name, cause, "Get a new one with: POST /v1/token")
