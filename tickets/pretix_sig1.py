"""pretix_sig1, the signed code of a pretix ticket: item, times and a signature, no id of the event.

    secret = reversed(Base64(01 | n: 2 bytes | m: 2 bytes | payload: n bytes | signature: m bytes))

Big-endian lengths; Ed25519 over the payload alone; the payload is a protobuf message:
1 seed (text), 2 item, 3 variation, 4 subevent (0 and absent: none), 5 valid from, 6 valid until
(Unix seconds; 0 and absent: no limit). A code says neither its key nor its event, and plain pretix
codes look much the same: what no key has signed is left to the list (`tickets.parse`).
Sources: pretix, `pretix_sig1` secret generator, as described in its documentation; Protocol
Buffers, "Encoding"; RFC 4648, section 4 (Base64).
"""

import binascii
import re
from base64 import b64encode

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from tickets.ad1 import MAX_TIME
from tickets.cose import KEY_BYTES, key_id
from tickets.credential import Credential, Format, PretixRight
from tickets.errors import GateError
from tickets.protobuf import TEXT, VARINT, ProtobufError, message

VERSION = 1

_HEAD = 5
_SIGNATURE_BYTES = 64
_SHORTEST = (_HEAD + _SIGNATURE_BYTES) * 4 // 3
_SEED, _ITEM, _VARIATION, _SUBEVENT, _FROM, _UNTIL = range(1, 7)
_TYPES = {_SEED: TEXT} | dict.fromkeys((_ITEM, _VARIATION, _SUBEVENT, _FROM, _UNTIL), VARINT)

MAX_VALID_KEY = 1024
"""Longest value of `valid_keys` that is read, in characters."""
_PEM = re.compile(
    r"\s*-----BEGIN PUBLIC KEY-----\s*([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*",
    re.ASCII,
)
_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, section 4: Ed25519, 32 bytes follow


class InvalidPretixKey(GateError):
    """A text is no key of pretix' `valid_keys`."""


def read_sig1(payload: bytes, keys: tuple[bytes, ...]) -> Credential | None:
    """Return the ticket in ``payload`` if one of ``keys`` signed it; never raises.

    Args:
        payload: Untrusted bytes; the caller bounds the size.
        keys: 32-byte Ed25519 keys of the event's pretix, all tried.
    Returns:
        None: no such code, no key that signed it, or signed fields that no pretix writes.
    """
    parts = _split(payload)
    if parts is None:
        return None
    message_, signature = parts
    signer = next((key for key in keys if _verifies(signature + message_, key)), None)
    return None if signer is None else _credential(payload, message_, key_id(signer))


def key_from_valid_keys(text: str) -> bytes:
    """Return the 32-byte key of one value of `valid_keys.pretix_sig1` of pretix' event.

    Raises:
        InvalidPretixKey: the text is not Base64 of a PEM file with an Ed25519 public key.
    """
    try:
        if len(text) > MAX_VALID_KEY:
            raise ValueError(f"longer than {MAX_VALID_KEY} characters")
        pem = _PEM.fullmatch(binascii.a2b_base64(text.strip(), strict_mode=True).decode("ascii"))
        if pem is None:
            raise ValueError("no PEM file with a public key")
        der = binascii.a2b_base64("".join(pem[1].split()), strict_mode=True)
        if not (der.startswith(_SPKI) and len(der) == len(_SPKI) + KEY_BYTES):
            raise ValueError("not an Ed25519 key")
    except ValueError as error:  # binascii.Error and UnicodeError are such
        raise InvalidPretixKey(
            f"{text[:20]!r} is no key of a pretix event: {error}",
            "Copy one value under valid_keys.pretix_sig1 of the event in pretix' API",
        ) from error
    return der[len(_SPKI) :]


def _split(secret: bytes) -> tuple[bytes, bytes] | None:
    """Return payload and signature of a code that has the one form, else None."""
    if len(secret) < _SHORTEST or len(secret) % 4:
        return None
    text = secret[::-1]
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    # Bits that Base64 leaves over would make a second code, so a second entry, of one signature.
    if b64encode(data) != text:
        return None
    size, signature = int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big")
    whole = len(data) == _HEAD + size + signature
    if data[0] != VERSION or signature != _SIGNATURE_BYTES or not whole:
        return None
    return data[_HEAD : _HEAD + size], data[_HEAD + size :]


def _verifies(signed: bytes, key: bytes) -> bool:
    try:
        crypto_sign_open(signed, key)
    except BadSignatureError:
        return False
    return True


def _credential(secret: bytes, payload: bytes, signer: bytes) -> Credential | None:
    try:
        fields = message(payload, _TYPES)
    except ProtobufError:
        return None
    item = fields.get(_ITEM, 0)
    if not item:
        return None
    return Credential(
        Format.PRETIX_SIG1,
        secret,
        product=item,
        valid_from=_time(fields.get(_FROM, 0)),
        valid_until=_time(fields.get(_UNTIL, 0)),
        issuer=signer,
        pretix=PretixRight(item, fields.get(_VARIATION) or None, fields.get(_SUBEVENT) or None),
    )


def _time(seconds: int) -> int | None:
    # Past what a row can hold is "later" to any gate, and no calendar ends before it.
    return min(seconds, MAX_TIME) or None
