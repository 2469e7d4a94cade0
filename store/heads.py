"""The head of a journal, signed by the device key: who shows it cannot have had another past.

A record's hash covers all before it, so a signature over the newest covers the whole journal.
Kept by the server, it shows a journal that was rewritten, put back from a copy, or cloned.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from store.records import GENESIS

_HEX8, _HEX32 = re.compile(r"[0-9a-f]{16}"), re.compile(r"[0-9a-f]{64}")
LATEST = 10**11
"""Unix seconds beyond which no clock is believed."""


class HeadMalformed(ValueError):
    """JSON that is no head."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a journal stood when it was signed."""

    epoch: bytes
    """8 bytes: which journal."""
    seq: int
    """Number of its last record; 0: it is empty."""
    hash: bytes
    """32 bytes: that record's hash; zeros: it is empty."""
    at: int
    """Unix seconds by the gate's clock."""
    signature: bytes
    """64 bytes, Ed25519 (RFC 8032) by the device key over `head_text`."""

    @property
    def tip(self) -> tuple[int, bytes]:
        """Number and hash: what two heads of one journal are compared by."""
        return self.seq, self.hash


def head_text(device: str, epoch: bytes, seq: int, digest: bytes, at: int) -> bytes:
    """What is signed. Its first line is of no other text that a device key signs."""
    return f"admit-head\n{device}\n{epoch.hex()}\n{seq}\n{digest.hex()}\n{at}".encode()


def sign_head(key: SigningKey, device: str, epoch: bytes, tip: tuple[int, bytes], at: int) -> Head:
    """Sign where the journal ``epoch`` of ``device`` stands: ``tip`` is number and hash."""
    seq, digest = tip
    signature = key.sign(head_text(device, epoch, seq, digest, at)).signature
    return Head(epoch, seq, digest, at, signature)


def head_holds(head: Head, device: str, public_key: bytes) -> bool:
    """Whether the device with this key signed ``head``, and that is one: zeros for seq 0 alone."""
    if (head.seq == 0) != (head.hash == GENESIS):
        return False
    text = head_text(device, head.epoch, head.seq, head.hash, head.at)
    try:
        VerifyKey(public_key).verify(text, head.signature)
    except (CryptoError, ValueError, TypeError):
        return False
    return True


def head_to_json(head: Head) -> dict[str, Any]:
    """Plain JSON: bytes in hex, the signature in base64."""
    return {
        "epoch": head.epoch.hex(),
        "seq": head.seq,
        "hash": head.hash.hex(),
        "at": head.at,
        "signature": base64.b64encode(head.signature).decode(),
    }


def head_from_json(value: object) -> Head:
    """Read what `head_to_json` wrote; untrusted input, its signature is not looked at.

    Raises:
        HeadMalformed: a field is missing or of another type.
    """
    if not isinstance(value, Mapping):
        raise HeadMalformed("head is not a JSON object")
    seq, at = _whole(value.get("seq")), _whole(value.get("at"))
    if seq is None or not 0 <= seq < 2**53:
        raise HeadMalformed("head.seq is not a whole number from 0")
    if at is None or not 0 <= at < LATEST:
        raise HeadMalformed("head.at is not whole Unix seconds")
    epoch = _octets(value.get("epoch"), _HEX8, "epoch")
    digest = _octets(value.get("hash"), _HEX32, "hash")
    return Head(epoch, seq, digest, at, _signature(value.get("signature")))


def _whole(value: object) -> int | None:
    """The whole number that JSON gave, also as 5.0, which is the same number there."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _octets(value: object, shape: re.Pattern[str], name: str) -> bytes:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise HeadMalformed(f"head.{name} is not lower-case hex of its length")
    return bytes.fromhex(value)


def _signature(value: object) -> bytes:
    if not isinstance(value, str) or len(value) != 88:
        raise HeadMalformed("head.signature is not base64 of 64 bytes")
    try:
        signature = base64.b64decode(value, validate=True)
        if len(signature) != 64:  # without padding, 88 characters are 66 bytes
            raise ValueError("another length")
    except (binascii.Error, ValueError) as error:
        raise HeadMalformed("head.signature is not base64 of 64 bytes") from error
    return signature
