"""COSE_Sign1 in the one shape that Admit signs, read without a general CBOR decoder.

    d2 84 | protected: bstr {1: -8, 4: kid} | a0 | payload: bstr | 58 40 signature

Nothing of it is decoded before the signature holds: the protected bytes are a key of a dict of
trusted issuers, the payload stays bytes. Source: RFC 9052, sections 4.2 and 4.4 (Sign1,
Sig_structure); RFC 9053, section 2.2 (EdDSA is -8); RFC 8949, section 3 (lengths).
"""

from dataclasses import dataclass
from hashlib import blake2b

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

KEY_BYTES = 32
"""Length of an Ed25519 public key, and of the seed of a private one."""
KID_BYTES = 8
"""Length of a key id."""
MAGIC = b"\xd2\x84"
"""First bytes of every COSE_Sign1 here: tag 18, array of 4."""

_PROTECTED = bytes.fromhex("a201270448")  # {1: -8, 4: bstr of 8 bytes follows}
_CONTEXT = b"\x84\x6aSignature1"
_SIGNATURE_HEAD = b"\x58\x40"
_SIGNATURE_BYTES = 64
_TAIL_BYTES = len(_SIGNATURE_HEAD) + _SIGNATURE_BYTES


class CoseError(ValueError):
    """The bytes do not have the one shape."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of one COSE_Sign1, none of them verified."""

    protected: bytes
    """Content of the protected header: what `protected_header` makes of the signer's kid."""
    payload: bytes
    signed: bytes
    """Signature, then the Sig_structure it is over: what `verifies` takes."""


def key_id(public_key: bytes) -> bytes:
    """Return the key id: the first 8 bytes of the (64-byte) BLAKE2b hash of the public key."""
    return blake2b(public_key).digest()[:KID_BYTES]


def public_key_of(seed: bytes) -> bytes:
    """Return the Ed25519 public key of a 32-byte ``seed``."""
    public: bytes = crypto_sign_seed_keypair(seed)[0]
    return public


def protected_header(kid: bytes) -> bytes:
    """Return the protected header bytes of signatures made under ``kid`` (8 bytes)."""
    if len(kid) != KID_BYTES:
        raise ValueError(f"a key id has {KID_BYTES} bytes, not {len(kid)}")
    return _PROTECTED + kid


def sign1(seed: bytes, kid: bytes, payload: bytes) -> bytes:
    """Return the COSE_Sign1 of ``payload``; the same arguments always give the same bytes.

    Args:
        seed: 32-byte Ed25519 seed of the signer.
        kid: 8 bytes, see `key_id`.
        payload: At most 2**32 - 1 bytes.
    """
    return sign1_under(seed, protected_header(kid), payload)


def sign1_under(seed: bytes, protected: bytes, payload: bytes) -> bytes:
    """Return the COSE_Sign1 of ``payload`` under other ``protected`` bytes, fewer than 24."""
    header = bstr(protected)
    body = bstr(payload)
    _, secret = crypto_sign_seed_keypair(seed)
    signature = crypto_sign(_CONTEXT + header + b"\x40" + body, secret)[:_SIGNATURE_BYTES]
    return MAGIC + header + b"\xa0" + body + _SIGNATURE_HEAD + signature


def split(data: bytes) -> Envelope:
    """Return the parts of ``data``, one COSE_Sign1 and nothing else.

    Raises:
        CoseError: any other shape.
    """
    envelope, end = split_first(data, 0)
    if end != len(data):
        raise CoseError("bytes follow the signature")
    return envelope


def split_first(data: bytes, start: int) -> tuple[Envelope, int]:
    """Return the parts of the COSE_Sign1 at ``start`` of ``data``, and the offset after it.

    Raises:
        CoseError: any other shape, or the end of ``data`` in the middle of it.
    """
    if data[start : start + 2] != MAGIC or len(data) < start + 3:
        raise CoseError("not a COSE_Sign1")
    unprotected = start + 3 + data[start + 2] - 0x40
    if not start + 3 <= unprotected < start + 3 + 24 or data[unprotected : unprotected + 1] != (
        b"\xa0"
    ):
        raise CoseError("headers are not one short protected and one empty map")
    body, end = bstr_at(data, unprotected + 1)
    signature = end + len(_SIGNATURE_HEAD)
    after = end + _TAIL_BYTES
    if data[end:signature] != _SIGNATURE_HEAD or len(data) < after:
        raise CoseError("no 64-byte signature")
    signed = b"".join(
        (
            data[signature:after],
            _CONTEXT,
            data[start + 2 : unprotected],
            b"\x40",  # external_aad: empty
            data[unprotected + 1 : end],
        )
    )
    return Envelope(data[start + 3 : unprotected], data[body:end], signed), after


def verifies(envelope: Envelope, public_key: bytes) -> bool:
    """Say whether the signature is by ``public_key`` (32 bytes) over these headers and payload."""
    if len(public_key) != KEY_BYTES:  # libsodium would read past the end of a shorter one
        raise ValueError(f"a public key has {KEY_BYTES} bytes, not {len(public_key)}")
    try:
        crypto_sign_open(envelope.signed, public_key)
    except BadSignatureError:
        return False
    return True


def bstr(content: bytes) -> bytes:
    """Return ``content`` as a CBOR byte string, its length in the shortest form."""
    size = len(content)
    if size < 24:
        return bytes((0x40 + size,)) + content
    for head, width in ((0x58, 1), (0x59, 2), (0x5A, 4)):
        if size < 1 << 8 * width:
            return bytes((head,)) + size.to_bytes(width, "big") + content
    raise ValueError("payload of 4 GiB or more")


def bstr_at(data: bytes, start: int) -> tuple[int, int]:
    """Return where the content of the shortest-form byte string at ``start`` begins and ends.

    The end may lie after that of ``data``: the caller checks.

    Raises:
        CoseError: it is no byte string, or its length is in a longer form.
    """
    head = data[start] if start < len(data) else 0
    if 0x40 <= head < 0x58:
        return start + 1, start + 1 + head - 0x40
    width = {0x58: 1, 0x59: 2, 0x5A: 4}.get(head)
    if width is None:
        raise CoseError("not a byte string")
    begin = start + 1 + width
    size = int.from_bytes(data[start + 1 : begin], "big")
    if size < 24 or (width > 1 and size < 1 << 4 * width):
        raise CoseError("a length is not in its shortest form")
    return begin, begin + size
