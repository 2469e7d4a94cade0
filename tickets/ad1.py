"""AD1, the signed ticket: `AD1:` and Base45 of a COSE_Sign1 over a CWT, Ed25519.

In a QR code it is text in alphanumeric mode; in an NFC record the same COSE bytes, binary.
Sources: RFC 8392 (CWT claims), RFC 8747 section 3 (`cnf`), RFC 8152 section 13.2 (OKP keys).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from tickets import base45, cbor, cose
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.errors import GateError
from tickets.trust import MAX_EVENT_BYTES, Trust, check_event

PREFIX = b"AD1:"
"""First bytes of the text form."""
CTI_BYTES = 16
"""Length of a ticket's id, the claim `cti`."""
MAX_TIME = 2**32 - 1
"""Latest time a ticket can name, in unix seconds: what a list row can hold."""
MAX_COUNT = 2**16 - 1
"""Largest product number, and number of entries."""

_AUD, _EXP, _NBF, _CTI, _CNF = 3, 4, 5, 7, 8
_RIGHT = -65537  # [product, entries]; below -65536 is for private use (RFC 8392, section 9.1)
_REQUIRED = frozenset((_AUD, _CTI, _RIGHT))
_INTEGERS = {int}
_DEPTH = 4  # claims, cnf, COSE_Key, its members


class InvalidTicket(GateError):
    """What is to be signed is no ticket a gate would read."""


def sign(
    seed: bytes,
    kid: bytes,
    event: str,
    ticket_id: bytes,
    *,
    product: int = 1,
    entries: int = 1,
    valid_from: int | None = None,
    valid_until: int | None = None,
    holder_key: bytes | None = None,
) -> bytes:
    """Return the COSE bytes of a ticket; `to_qr_text` makes the QR code's text of them.

    Args:
        seed, kid: The issuer's 32-byte Ed25519 seed and 8-byte key id.
        event: 1..12 bytes of UTF-8.
        ticket_id: 16 bytes, the `cti`.
        product, entries: 0..65535; 0 entries are unlimited.
        valid_from, valid_until: Unix seconds; None leaves the time to the list.
        holder_key: 32-byte Ed25519 key a bound ticket is shown with.
    Raises:
        InvalidTicket, InvalidEvent: an argument is out of range; no gate would read the ticket.
    """
    claims: dict[int, object] = {
        _AUD: check_event(event),
        _CTI: ticket_id,
        _RIGHT: [product, entries],
    }
    optional = {_EXP: valid_until, _NBF: valid_from}
    claims |= {claim: at for claim, at in optional.items() if at is not None}
    if holder_key is not None:
        claims[_CNF] = {1: {1: 1, -1: 6, -2: holder_key}}
    if _credential(claims, kid) is None:
        raise InvalidTicket(
            "a ticket's id, product, entries, times or key is out of range",
            "Give a 16-byte id, product and entries of 0 to 65535, times of 1970 to 2106",
        )
    return cose.sign1(seed, kid, cbor.encode(claims))


def to_qr_text(ticket: bytes) -> str:
    """Return the text of the QR code of a signed ticket: fit for alphanumeric mode, ECC Q."""
    return (PREFIX + base45.encode(ticket)).decode("ascii")


def read_ad1(payload: bytes, trust: Trust) -> Credential | Rejection:
    """Return the ticket in ``payload``, its text or its COSE bytes, or why it is none.

    The caller bounds the size. Times are not judged here. No claim is decoded before the
    signature of one of the issuers in ``trust`` holds.
    """
    try:
        data = base45.decode(payload[4:]) if payload.startswith(PREFIX) else payload
        envelope = cose.split(data)
    except (base45.Base45Error, cose.CoseError) as error:
        return Rejection(Flaw.UNREADABLE, str(error), Format.AD1)
    key = trust.issuers.get(envelope.protected)
    if key is None:
        return Rejection(Flaw.FORGED, "no known issuer", Format.AD1)
    if not cose.verifies(envelope, key):
        return Rejection(Flaw.FORGED, "the signature does not hold", Format.AD1)
    return _read_claims(envelope, trust.event)


def _read_claims(envelope: cose.Envelope, event: str) -> Credential | Rejection:
    try:
        claims = cbor.decode(envelope.payload, _DEPTH)
    except cbor.CborError as error:
        return Rejection(Flaw.UNREADABLE, str(error), Format.AD1)
    credential = _credential(claims, envelope.protected[-cose.KID_BYTES :])
    if credential is None or not isinstance(claims, dict):
        return Rejection(Flaw.UNREADABLE, "claims are not those of a ticket", Format.AD1)
    if claims[_AUD] != event:
        return Rejection(Flaw.WRONG_EVENT, f"ticket of {claims[_AUD]}", Format.AD1)
    return credential


def _credential(claims: object, issuer: bytes) -> Credential | None:
    """Return the credential of well-formed ``claims``, else None."""
    if not (_is_numbered(claims) and _REQUIRED <= claims.keys() <= _CHECKS.keys()):
        return None
    if not all(_CHECKS[claim](value) for claim, value in claims.items()):
        return None
    product, entries = claims[_RIGHT]
    return Credential(
        Format.AD1,
        claims[_CTI],
        product,
        entries,
        valid_from=claims.get(_NBF),
        valid_until=claims.get(_EXP),
        issuer=issuer,
        holder_key=claims[_CNF][1][-2] if _CNF in claims else b"",
    )


def _is_numbered(value: object) -> TypeGuard[dict[object, Any]]:
    """Say whether ``value`` is a map under whole numbers: 3.0 and true equal some, and are none."""
    return isinstance(value, dict) and set(map(type, value)) == _INTEGERS


def _within(value: object, top: int) -> bool:
    # type, not isinstance: CBOR's true and 1.0 are other claims than 1
    return type(value) is int and 0 <= value <= top


def _is_time(value: object) -> bool:
    return _within(value, MAX_TIME)


def _is_event(value: object) -> bool:
    return type(value) is str and 1 <= len(value.encode()) <= MAX_EVENT_BYTES


def _is_ticket_id(value: object) -> bool:
    return type(value) is bytes and len(value) == CTI_BYTES


def _is_right(value: object) -> bool:
    return type(value) is list and len(value) == 2 and all(_within(n, MAX_COUNT) for n in value)


def _is_confirmation(value: object) -> bool:
    """Say whether ``value`` is {1: COSE_Key} with an Ed25519 public key (OKP, crv 6)."""
    key = value[1] if _is_numbered(value) and value.keys() == {1} else None
    if not (_is_numbered(key) and key.keys() == {1, -1, -2}):
        return False
    x = key[-2]
    curve = (key[1], key[-1])
    return (
        all(type(n) is int for n in curve)
        and curve == (1, 6)
        and type(x) is bytes
        and len(x) == cose.KEY_BYTES
    )


_CHECKS: Mapping[object, Callable[[object], bool]] = {
    _AUD: _is_event,
    _EXP: _is_time,
    _NBF: _is_time,
    _CTI: _is_ticket_id,
    _CNF: _is_confirmation,
    _RIGHT: _is_right,
}
