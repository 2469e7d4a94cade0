"""Reads the NDEF message of a Type 4 card, or of a phone that plays one.

Source: NFC Forum Type 4 Tag 1.2 (mapping 3.0 where it differs), sections 4.3 (capabilities) and
5.4 (procedure); ISO/IEC 7816-4 (SELECT, READ BINARY).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.nfc_errors import CardFault, Why
from tickets.ndef import MOST_MESSAGE

Apdu = Callable[[bytes], bytes]

SELECT_APPLICATION = bytes.fromhex("00A4040007D276000085010100")
SELECT_FILE = bytes.fromhex("00A4000C02")
CAPABILITIES = b"\xe1\x03"
FIRST_READ = 64
"""Bytes of the first read: most tickets are whole then, and a slow line is not kept busy."""
LONGEST_READ = 250
"""Bytes of any later read: with block and status in one frame of 256."""


@dataclass(frozen=True, slots=True)
class NdefFile:
    """Where the message is: file name, bytes of its length field, most bytes in one answer."""

    name: bytes
    length_field: int
    most_read: int


def read_type4(apdu: Apdu) -> bytes:
    """Return the NDEF message of an activated card.

    Raises:
        CardFault: no message on it, too long a one, or an answer that is none.
        BudgetSpent, NfcLost: as `GuardedFrontend.exchange`.
    """
    if apdu(SELECT_APPLICATION)[-2:] != b"\x90\x00":
        raise CardFault(Why.NO_NDEF, "The card holds no message")
    _select(apdu, CAPABILITIES)
    file = parse_capabilities(_read(apdu, 0, 15))
    _select(apdu, file.name)
    data = bytearray(_read(apdu, 0, min(FIRST_READ, file.most_read)))
    if len(data) < file.length_field:
        raise CardFault(Why.GARBLED, "The card's message has no length")
    size = int.from_bytes(data[: file.length_field], "big")
    _judge(size)
    del data[: file.length_field]
    while len(data) < size:
        wanted = min(size - len(data), file.most_read)
        data += _read(apdu, file.length_field + len(data), wanted)
    return bytes(data[:size])


def parse_capabilities(data: bytes) -> NdefFile:
    """Read the capability container.

    Raises:
        CardFault: it is none, of an unknown version, or its message may not be read.
    """
    if len(data) < 15 or data[2] >> 4 not in (1, 2, 3):
        raise CardFault(Why.GARBLED, "The card does not say where its message is")
    kind, size = data[7], data[8]
    if (kind, size) == (4, 6):
        length_field, access = 2, data[13]
    elif (kind, size) == (6, 8):  # mapping 3.0: lengths of four bytes
        length_field, access = 4, data[15] if len(data) > 15 else 0
    else:
        raise CardFault(Why.GARBLED, "The card does not say where its message is")
    if access != 0:
        raise CardFault(Why.NO_NDEF, "The card's message may not be read")
    most = int.from_bytes(data[3:5], "big")
    if most < length_field:
        raise CardFault(Why.GARBLED, "The card gives too little at once")
    return NdefFile(data[9:11], length_field, min(most, LONGEST_READ))


def _judge(size: int) -> None:
    if size == 0:
        raise CardFault(Why.NO_NDEF, "The card's message is empty")
    if size > MOST_MESSAGE:
        raise CardFault(Why.TOO_LONG, "The card's message is longer than any ticket")


def _select(apdu: Apdu, name: bytes) -> None:
    if apdu(SELECT_FILE + name)[-2:] != b"\x90\x00":
        raise CardFault(Why.NO_NDEF, "The card holds no message")


def _read(apdu: Apdu, offset: int, size: int) -> bytes:
    answer = apdu(b"\x00\xb0" + offset.to_bytes(2, "big") + bytes([size]))
    data, status = answer[:-2], answer[-2:]
    if status != b"\x90\x00":
        raise CardFault(Why.NO_NDEF, "The card refuses to be read")
    if not 1 <= len(data) <= size:
        raise CardFault(Why.PROTOCOL, "The card answered a read with nothing, or with too much")
    return data
