"""Reads the NDEF message of a Type 2 card: its length first, then just that much.

Source: NFC Forum Type 2 Tag 1.2, sections 2 (memory, TLVs) and 5 (commands); FAST_READ as in the
NTAG213/215/216 data sheet, section 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.nfc_errors import CardFault, Why
from drivers.nfc_isodep import CARD_SILENT
from drivers.nfc_tags import Type2Tag
from tickets.ndef import MOST_MESSAGE

READ, FAST_READ = 0x30, 0x3A
PAGE = 4
CAPABILITY, DATA = 3, 4
"""Pages: the capability container, and where the data area begins."""
LARGEST_AREA = PAGE * (256 - DATA)
"""Bytes a command can name: the number of a page is one byte, whatever size a card claims."""
ANSWER_WAIT = 0.025
"""Seconds for one answer: 240 bytes take 20 ms at 106 kbit/s."""
MOST_PAGES = 60
"""Pages in one FAST_READ; fewer where the reader takes shorter frames (ACR122U: 56)."""
NULL, LOCK, MEMORY, MESSAGE, END = 0x00, 0x01, 0x02, 0x03, 0xFE


@dataclass(frozen=True, slots=True)
class Place:
    """Where the message is: offset and size in bytes of the data area."""

    offset: int
    size: int


def read_type2(tag: Type2Tag) -> bytes:
    """Return the NDEF message.

    Raises:
        CardFault: no message on it, a length past its end, or it left the field.
        BudgetSpent, NfcLost: as `GuardedFrontend.exchange`.
    """
    head = _read(tag, CAPABILITY)
    area = _area(head[:PAGE])
    data = bytearray(head[PAGE:])
    place = find_message(bytes(data), area)
    while place is None:  # other blocks come first: read on until it is found
        data += _read(tag, DATA + len(data) // PAGE)
        place = find_message(bytes(data), area)
    end = place.offset + place.size
    if len(data) < end:
        data += _pages(tag, DATA + len(data) // PAGE, DATA + (end - 1) // PAGE)
    return bytes(data[place.offset : end])


def _area(capability: bytes) -> int:
    """Size of the data area in bytes as the capability container says, as far as it is read."""
    if capability[0] != 0xE1 or capability[1] >> 4 != 1:
        raise CardFault(Why.NO_NDEF, "The card holds no message")
    if capability[3] >> 4 != 0:
        raise CardFault(Why.NO_NDEF, "The card's message may not be read")
    return min(8 * capability[2], LARGEST_AREA)


def find_message(data: bytes, area: int) -> Place | None:
    """Find the message among the blocks (TLVs) of the data area; None: more is needed.

    Args:
        data: The data area as far as it was read, 12 bytes or more.
        area: Its whole size.
    Raises:
        CardFault: there is no message, it ends past the area, or is longer than any ticket.
    """
    at = 0
    while at < area:
        if at >= len(data):
            return None
        kind = data[at]
        if kind == NULL:
            at += 1
            continue
        if kind == END:
            break
        head = 4 if data[at + 1 : at + 2] == b"\xff" else 2
        if at + head > len(data):
            if at + head > area:
                break
            return None
        size = int.from_bytes(data[at + 2 : at + 4] if head == 4 else data[at + 1 : at + 2], "big")
        if at + head + size > area:
            raise CardFault(Why.GARBLED, "The card's message ends past its memory")
        if kind == MESSAGE:
            return _place(at + head, size)
        at += head + size
    raise CardFault(Why.NO_NDEF, "The card holds no message")


def _place(offset: int, size: int) -> Place:
    if size == 0:
        raise CardFault(Why.NO_NDEF, "The card's message is empty")
    if size > MOST_MESSAGE:
        raise CardFault(Why.TOO_LONG, "The card's message is longer than any ticket")
    return Place(offset, size)


def _pages(tag: Type2Tag, first: int, last: int) -> bytes:
    """Pages ``first`` to ``last``: FAST_READ, or READ on cards that do not know it."""
    most = min(MOST_PAGES, (tag.frontend.max_recv_data_size - 27) // PAGE)
    data = bytearray()
    while first <= last:
        until = min(first + most - 1, last)
        wanted = PAGE * (until - first + 1)
        answer = _asked(tag, bytes([FAST_READ, first, until]))
        if len(answer) != wanted:
            return bytes(data) + _slowly(tag, first, last)
        data += answer
        first = until + 1
    return bytes(data)


def _slowly(tag: Type2Tag, first: int, last: int) -> bytes:
    if tag.frontend.select(tag.target) is None:  # it is mute after a command it does not know
        raise CardFault(Why.GONE, "The card left the field")
    data = b"".join(_read(tag, page) for page in range(first, last + 1, 4))
    return data[: PAGE * (last - first + 1)]


def _read(tag: Type2Tag, page: int) -> bytes:
    answer = _asked(tag, bytes([READ, page]))
    if len(answer) != 4 * PAGE:
        answer = _asked(tag, bytes([READ, page]))
    if len(answer) != 4 * PAGE:
        raise CardFault(Why.GONE, "The card left the field, or refuses to be read")
    return answer


def _asked(tag: Type2Tag, command: bytes) -> bytes:
    """The card's answer; empty when it gave none."""
    try:
        return tag.frontend.exchange(command, ANSWER_WAIT)
    except CARD_SILENT:
        return b""
