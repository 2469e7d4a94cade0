"""Secure Unique NFC messages: a URL that a card signs anew at each reading, with a counter.

A message can be copied, and works once: whoever believes it keeps the highest counter of each card.
Source: NXP NT4H2421Gx data sheet, section 9.3 (SDM), AES mode; worked examples in NXP AN12196.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

from tickets.cards import UID_BYTES
from tickets.ntag424.aes import BLOCK, cmac, decrypt, short_mac
from tickets.ntag424.ev2 import NoProof

CODE_BYTES = 8
LRP_BYTES = 24
"""Length of the hidden part of a message in LRP mode, which is another cipher than ours."""

_MIRRORED = 0xC0 | UID_BYTES  # the hidden part begins by saying: UID and counter, UID of 7 bytes
_MESSAGE = re.compile(
    rb"https?://[^\s#]{1,256}[?&]card=([0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{16})?)"
    rb"&mac=([0-9A-Fa-f]{16})"
)


class OtherCipher(NoProof):
    """A message in LRP mode: our cards are not set to it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a URL carries for us: still untrusted."""

    hidden: bytes
    """UID and counter, encrypted."""
    code: bytes
    """8 bytes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A message that holds: which card made it, and at which of its readings."""

    uid: bytes
    counter: int


def find(url: bytes) -> Message | None:
    """Return the message in ``url``, byte for byte as a tag gave it; None: it carries none."""
    found = _MESSAGE.fullmatch(url)
    return Message(*map(bytes.fromhex, map(bytes.decode, found.groups()))) if found else None


def read(message: Message, meta_key: bytes, key_of: Callable[[bytes], bytes]) -> Reading:
    """Judge a message of our own cards.

    Args:
        meta_key: The key that hides UID and counter.
        key_of: From a UID to the key that signs its messages.
    Raises:
        NoProof: no card of ours made it.
    """
    if len(message.hidden) == LRP_BYTES:
        raise OtherCipher("the card is in LRP mode")
    reading = reveal(message.hidden, meta_key)
    if not compare_digest(code_of(key_of(reading.uid), reading), message.code):
        raise NoProof("its code does not hold")
    return reading


def reveal(hidden: bytes, meta_key: bytes) -> Reading:
    """Return what the 16 bytes ``hidden`` say, not yet proved by any code.

    Raises:
        NoProof: they were not hidden with this key.
    """
    plain = decrypt(meta_key, hidden) if len(hidden) == BLOCK else b""
    if not plain or plain[0] != _MIRRORED:
        raise NoProof("it was hidden with another key")
    return Reading(plain[1:8], int.from_bytes(plain[8:11], "little"))


def code_of(key: bytes, reading: Reading, signed: bytes = b"") -> bytes:
    """Return the 8-byte code a card gives a reading.

    Args:
        signed: The text of the file that the card was set to sign with it; ours sign none, as
            UID and counter are in the key of the code.
    """
    about = reading.uid + reading.counter.to_bytes(3, "little")
    return short_mac(cmac(key, b"\x3c\xc3\x00\x01\x00\x80" + about), signed)
