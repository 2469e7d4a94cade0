"""The commands of a card that we give, as APDUs. `answer` takes their answers apart.

Source: NXP NT4H2421Gx data sheet, section 10; ISO/IEC 7816-4.
"""

import zlib
from dataclasses import dataclass

from tickets.ntag424.ev2 import Session
from tickets.ntag424.keys import ADMIN

APPLICATION = bytes.fromhex("d2760000850101")
"""Name of the application that holds the NDEF file (NFC Forum Type 4 Tag 2.0)."""
NDEF_FILE = 2
OK, MORE, WRONG_KEY, WAIT, NOT_ALLOWED = 0x9100, 0x91AF, 0x91AE, 0x91AD, 0x919D
ISO_OK = 0x9000

_CHANGE_KEY, _CHANGE_SETTINGS = 0xC4, 0x5F


@dataclass(frozen=True, slots=True)
class Answer:
    """What a card said: data, and the status word."""

    data: bytes
    status: int


def answer(raw: bytes) -> Answer:
    """Take an answer apart; one too short for a status word has the status 0."""
    return Answer(raw[:-2], int.from_bytes(raw[-2:], "big") if len(raw) >= 2 else 0)


def native(command: int, data: bytes = b"") -> bytes:
    """Wrap one of the chip's own commands."""
    body = bytes([len(data)]) + data if data else b""
    return bytes([0x90, command, 0, 0]) + body + b"\x00"


SELECT = b"\x00\xa4\x04\x00" + bytes([len(APPLICATION)]) + APPLICATION + b"\x00"
FILE_SETTINGS = native(0xF5, bytes([NDEF_FILE]))
VERSION = native(0x60)
GO_ON = native(0xAF)


def key_version(number: int) -> bytes:
    """Ask, in plain, for the version of a key."""
    return native(0x64, bytes([number]))


def authenticate(number: int) -> bytes:
    """Ask for a challenge under a key; no capabilities are offered, so: AES mode."""
    return native(0x71, bytes([number, 0]))


def reply(challenge: bytes) -> bytes:
    """The second half of an authentication."""
    return native(0xAF, challenge)


def write_plain(data: bytes) -> bytes:
    """Write the beginning of the NDEF file, as long as anybody may."""
    head = bytes([NDEF_FILE]) + bytes(3) + len(data).to_bytes(3, "little")
    return native(0x8D, head + data)


def change_settings(session: Session, settings: bytes) -> bytes:
    """Set who may read and write the NDEF file, and what the card fills in."""
    return native(_CHANGE_SETTINGS, session.full(_CHANGE_SETTINGS, bytes([NDEF_FILE]), settings))


def change_key(session: Session, number: int, old: bytes, new: bytes, version: int) -> bytes:
    """Change a key; the session is one under `ADMIN`, whose own change ends it."""
    data = new + bytes([version])
    if number != ADMIN:
        mixed = bytes(a ^ b for a, b in zip(old, new, strict=True))
        data = mixed + bytes([version]) + checksum(new)
    return native(_CHANGE_KEY, session.full(_CHANGE_KEY, bytes([number]), data))


def checksum(data: bytes) -> bytes:
    """CRC-32 of IEEE 802.3 as the chip has it: not inverted at the end, low byte first."""
    return (zlib.crc32(data) ^ 0xFFFFFFFF).to_bytes(4, "little")
