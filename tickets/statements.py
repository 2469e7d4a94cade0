"""Signed statements: what a gate believes, and which attack a refused one looks like.

On the wire a statement is a CBOR array of 1..8 COSE_Sign1 whose payloads are the same bytes, so
that several roots can sign one keyset. The payload is a map {type, event, serial, previous,
issued, expires, body}. Nothing is decoded before a signature of a trusted key holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from tickets import cbor, cose
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import (
    HASH_BYTES,
    MAX_SERIAL,
    Body,
    BodyMalformed,
    Keyset,
    Type,
    integer,
    octets,
    read_body,
    to_plain,
    type_of,
)
from tickets.keyring import Keyring

MAX_SIGNATURES = 8
"""Most envelopes of one statement."""
MAX_PAYLOAD = {
    Type.KEYSET: 1 << 17,
    Type.POLICY: 1 << 18,
    Type.LIST: 1 << 12,
    Type.NAMES: 1 << 12,
    Type.DELTA: 4 << 20,
    Type.TIME: 1 << 10,
}
"""Largest payload of each type in bytes. A delta above it is a case for a full list."""
MAX_WIRE = max(MAX_PAYLOAD.values()) + (1 << 10)
"""Largest statement in bytes, all signatures together."""
_FIELDS = {"type", "event", "serial", "previous", "issued", "expires", "body"}
_MAX_TIME = 2**40  # unix seconds
_DEPTH = 12
_ARRAY = 0x80


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement whose signatures and form hold. `tickets.chain` judges its place."""

    type: Type
    event: str
    serial: int
    """1..2**63 - 1, rising; list and delta share one sequence."""
    previous: bytes
    """Digest of the statement before it, 32 bytes, or empty for the first."""
    issued: int
    """Unix seconds."""
    expires: int
    """Unix seconds."""
    body: Body
    digest: bytes
    """BLAKE2b-256 of the signed payload. Not of the wire: whoever carries a keyset could drop one
    of its signatures, and the next statement would then seem to follow another."""
    signers: frozenset[bytes] = frozenset()
    """Key ids of the believed keys that signed it."""


def sign_statement(
    body: Body,
    *,
    event: str,
    serial: int,
    issued: int,
    expires: int,
    signers: Sequence[tuple[bytes, bytes]],
    previous: bytes = b"",
) -> bytes:
    """Return the wire bytes of a statement; its type is that of ``body``.

    Args:
        serial, previous, issued, expires: See `Statement`.
        signers: 1..8 pairs of key id and 32-byte seed.
    Raises:
        StatementRejected: no gate would read it (malformed or oversized).
        ValueError: too few or too many signers.
    """
    payload = payload_of(
        body, event=event, serial=serial, issued=issued, expires=expires, previous=previous
    )
    return wire_of([cose.sign1(seed, kid, payload) for kid, seed in signers])


def payload_of(
    body: Body, *, event: str, serial: int, issued: int, expires: int, previous: bytes = b""
) -> bytes:
    """Return what the signatures of a statement are over; arguments as of `sign_statement`.

    Raises:
        StatementRejected: no gate would read it (malformed or oversized).
    """
    fields: dict[str, object] = {"type": type_of(body).value, "event": event, "serial": serial}
    fields |= {"previous": previous, "issued": issued, "expires": expires, "body": to_plain(body)}
    payload = cbor.encode(fields)
    _read_payload(payload)
    return payload


def wire_of(envelopes: Sequence[bytes]) -> bytes:
    """Return the wire bytes of 1..8 COSE_Sign1 of one payload.

    Raises:
        StatementRejected: oversized.
        ValueError: too few or too many.
    """
    if not 1 <= len(envelopes) <= MAX_SIGNATURES:
        raise ValueError(f"a statement has 1 to {MAX_SIGNATURES} signatures, not {len(envelopes)}")
    return _bounded(bytes((_ARRAY + len(envelopes),)) + b"".join(envelopes))


def read_unsigned(payload: bytes) -> Statement:
    """Return what ``payload`` would say if it were signed: to show it to who is to sign it.

    Raises:
        StatementRejected: malformed or oversized.
    """
    return _read_payload(payload)


def read_statement(wire: bytes, event: str, keyring: Keyring) -> Statement:
    """Return the statement in ``wire``, signed as its type asks by keys of ``keyring``.

    Raises:
        StatementRejected: its ``attack`` says why.
    """
    envelopes = _envelopes(_bounded(wire))
    signers = _signers(envelopes, keyring)
    statement = _read_payload(envelopes[0].payload)
    if isinstance(statement.body, Keyset):  # its own roots sign along when they are new
        signers |= _holding(envelopes, statement.body.roots)
        _check_roots(statement.body, signers, keyring)
    elif signers.isdisjoint(keyring.signing_lists()):
        raise StatementRejected(Attack.FORGERY, f"a {statement.type} is signed by a list key")
    if statement.event != event:
        raise StatementRejected(
            Attack.WRONG_EVENT, f"it is of event {statement.event[:40]!r}, not {event!r}"
        )
    return replace(statement, signers=frozenset(signers))


def digest_of(wire: bytes) -> bytes | None:
    """Return `Statement.digest` of bytes that nobody has verified; None: they are no statement.

    Enough to tell what was believed before from news, and for nothing else.
    """
    try:
        return _digest(cose.split_first(_bounded(wire), 1)[0].payload)
    except (cose.CoseError, StatementRejected):
        return None


def keyring_from(keyring: Keyring, statement: Statement) -> Keyring:
    """Return ``keyring`` after the keyset in ``statement``, which it has verified.

    Raises:
        TypeError: the statement is no keyset.
    """
    if not isinstance(statement.body, Keyset):
        raise TypeError(f"a {statement.type} names no keys")
    return keyring.with_keyset(statement.body)


def _bounded(wire: bytes) -> bytes:
    if len(wire) > MAX_WIRE:
        raise StatementRejected(Attack.OVERSIZED, f"{len(wire)} bytes, more than {MAX_WIRE}")
    return wire


def _envelopes(wire: bytes) -> list[cose.Envelope]:
    count = wire[0] - _ARRAY if wire else 0
    if not 1 <= count <= MAX_SIGNATURES:
        raise StatementRejected(Attack.MALFORMED, f"not an array of 1 to {MAX_SIGNATURES}")
    envelopes, end = [], 1
    try:
        for _ in range(count):
            envelope, end = cose.split_first(wire, end)
            envelopes.append(envelope)
    except cose.CoseError as error:
        raise StatementRejected(Attack.MALFORMED, str(error)) from error
    if end != len(wire):
        raise StatementRejected(Attack.MALFORMED, "bytes follow the last signature")
    if any(envelope.payload != envelopes[0].payload for envelope in envelopes):
        raise StatementRejected(Attack.MALFORMED, "its signatures are over different payloads")
    return envelopes


def _signers(envelopes: Sequence[cose.Envelope], keyring: Keyring) -> set[bytes]:
    """Return the kids of roots and list keys that signed; other kids are passed over."""
    trusted = _holding(envelopes, keyring.signing_roots() | keyring.signing_lists())
    if not trusted:
        withdrawn = any(_kid(envelope) in keyring.revoked for envelope in envelopes)
        attack = Attack.WITHDRAWN_KEY if withdrawn else Attack.FORGERY
        raise StatementRejected(attack, "no key that this gate believes has signed it")
    return trusted


def _holding(envelopes: Sequence[cose.Envelope], keys: Mapping[bytes, bytes]) -> set[bytes]:
    """Return which of ``keys`` (kid -> public key) have signed; one bad signature spoils all."""
    by_kid = {kid: envelope for envelope in envelopes if (kid := _kid(envelope)) and kid in keys}
    if not all(cose.verifies(envelope, keys[kid]) for kid, envelope in by_kid.items()):
        raise StatementRejected(Attack.FORGERY, "a signature does not hold")
    return set(by_kid)


def _kid(envelope: cose.Envelope) -> bytes:
    """Return whose signature it is said to be; empty: of another kind of key or header."""
    kid = envelope.protected[-cose.KID_BYTES :]
    fits = len(kid) == cose.KID_BYTES and envelope.protected == cose.protected_header(kid)
    return kid if fits else b""


def _check_roots(keyset: Keyset, signers: set[bytes], keyring: Keyring) -> None:
    """Old and new roots must each have signed up to their threshold; mostly they are the same."""
    sides = [(keyring.signing_roots(), keyring.threshold, "root")]
    if (keyset.roots, keyset.threshold) != (keyring.roots, keyring.threshold):
        sides.append((dict(keyset.roots), keyset.threshold, "new root"))
    for roots, threshold, name in sides:
        # A root that the keyset itself revokes must not have helped to bring it in.
        count = len((signers & roots.keys()) - set(keyset.revoked))
        if count < threshold:
            needed = f"{count} {name} signatures, {threshold} needed"
            raise StatementRejected(Attack.FORGERY, needed)


def _read_payload(payload: bytes) -> Statement:
    try:
        fields = cbor.decode(payload, _DEPTH)
        if not (isinstance(fields, Mapping) and fields.keys() == _FIELDS):
            raise BodyMalformed(f"its fields are not {sorted(_FIELDS)}")
        statement = _typed(fields, _digest(payload))
    except (cbor.CborError, BodyMalformed) as error:
        raise StatementRejected(Attack.MALFORMED, str(error)) from error
    if len(payload) > (limit := MAX_PAYLOAD[statement.type]):
        size = f"a {statement.type} of {len(payload)} bytes, more than {limit}"
        raise StatementRejected(Attack.OVERSIZED, size)
    return statement


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=HASH_BYTES).digest()


def _typed(fields: Mapping[str, object], digest: bytes) -> Statement:
    name, event = fields["type"], fields["event"]
    if type(name) is not str or name not in list(Type) or type(event) is not str:
        raise BodyMalformed("its type or event is not known")
    issued = integer(fields, "issued", 0, _MAX_TIME)
    return Statement(
        type=Type(name),
        event=event,
        serial=integer(fields, "serial", 1, MAX_SERIAL),
        previous=octets(fields, "previous", 0, HASH_BYTES),
        issued=issued,
        expires=integer(fields, "expires", issued + 1, _MAX_TIME),
        body=read_body(Type(name), fields["body"]),
        digest=digest,
    )
