"""The rows of a list: one ticket in 30 bytes, so that a million are hashed, sent and sorted fast.

    16 ticket key | 2 product | 2 entries | 2 flags | 4 valid from | 4 valid until

Big-endian, in strictly ascending order of the ticket key, which is the order of the bytes.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag

from tickets.errors import GateError
from tickets.keys import TICKET_KEY_BYTES

_ROW = struct.Struct(">16sHHHII")
ROW_BYTES = _ROW.size
"""Length of one row: 30."""


class Status(IntFlag):
    """What a list says of a ticket besides its rights; none is a valid ticket."""

    CANCELLED = 1
    BLOCKED = 2
    UNAPPROVED = 4
    UNPAID = 8
    REVOKED = 16
    ATTENTION = 32
    NEEDS_ANSWERS = 64
    ADDONS = 128
    """Tickets of its own hang on it, see `tickets.links`."""
    MEDIUM = 256
    """A reusable medium: no ticket itself, its links say which it stands for."""
    LINK = 512
    """Half a pointer to another row; never a ticket."""
    AMBIGUOUS = 1024
    """Two tickets of the events at this gate have this code."""
    BOUND = 2048
    """It lives on a phone: only the live code counts (AD2), nothing that was typed or copied."""
    EXCHANGED = 4096
    """A reusable medium stands for it (pretix)."""


VALID = Status(0)
"""The status of a ticket that nothing is held against."""
_FLAGS = sum(Status)


class MalformedRows(GateError):
    """Bytes are no list rows: cut short, out of order, too many, or with an unknown flag."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, "Have the server publish the list again; the last one stays in use")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One row of a list."""

    key: bytes
    """Ticket key, 16 bytes."""
    product: int = 1
    entries: int = 1
    """Entries allowed; 0 is unlimited."""
    flags: Status = VALID
    valid_from: int = 0
    """Unix seconds; 0 is not limited."""
    valid_until: int = 0
    """Unix seconds; 0 is not limited."""


def pack(ticket: Ticket) -> bytes:
    """Return the 30-byte row of ``ticket``.

    Raises:
        ValueError: the key has not 16 bytes, a number does not fit, or a flag is not known.
    """
    if len(ticket.key) != TICKET_KEY_BYTES:  # struct would pad or cut it without a word
        raise ValueError(f"a ticket key has {TICKET_KEY_BYTES} bytes, not {len(ticket.key)}")
    if ticket.flags & ~_FLAGS:
        raise ValueError(f"flags {ticket.flags!r} do not fit: none is above {max(Status)}")
    numbers = (ticket.product, ticket.entries, ticket.flags, ticket.valid_from, ticket.valid_until)
    try:
        return _ROW.pack(ticket.key, *numbers)
    except struct.error as error:
        raise ValueError(f"a number of the ticket does not fit its field: {error}") from error


def unpack(row: bytes) -> Ticket:
    """Return the ticket of one 30-byte row.

    Raises:
        MalformedRows: another length, or a flag this version does not know.
    """
    if len(row) != ROW_BYTES:
        raise MalformedRows(f"a list row has {ROW_BYTES} bytes, not {len(row)}")
    return _ticket(_ROW.unpack(row))


def unpack_all(rows: bytes) -> Iterator[Ticket]:
    """Yield the tickets of concatenated rows.

    Raises:
        MalformedRows: cut short, an unknown flag, or keys that do not strictly rise; raised when
            the row is reached, so read to the end before any of them is used.
    """
    if len(rows) % ROW_BYTES:
        raise MalformedRows(f"the list ends in the middle of row {len(rows) // ROW_BYTES + 1}")
    last = b""
    for fields in _ROW.iter_unpack(rows):
        ticket = _ticket(fields)
        if ticket.key <= last:
            raise MalformedRows(f"ticket keys of the list do not rise at {ticket.key.hex()}")
        last = ticket.key
        yield ticket


def _ticket(fields: tuple[bytes, int, int, int, int, int]) -> Ticket:
    key, product, entries, flags, valid_from, valid_until = fields
    # An unknown flag may mean "do not admit": a gate that ignored it would admit.
    if flags & ~_FLAGS:
        raise MalformedRows(f"list row {key.hex()} has a flag this version does not know")
    return Ticket(key, product, entries, Status(flags), valid_from, valid_until)


def inflate(data: bytes, size_limit: int) -> bytes:
    """Return what ``data`` (gzip or zlib, one stream and nothing after it) holds.

    Args:
        size_limit: Most bytes that are unpacked, so that no small body fills the memory.
    Raises:
        MalformedRows: corrupt, cut short, followed by other bytes, or larger than the limit.
    """
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by its header
    try:
        rows = stream.decompress(data, size_limit + 1)
    except zlib.error as error:
        raise MalformedRows(f"the compressed list is corrupt: {error}") from error
    if len(rows) > size_limit:
        raise MalformedRows(f"the list unpacks to more than the {size_limit} bytes announced")
    if not stream.eof or stream.unused_data:
        raise MalformedRows("the compressed list is cut short or followed by other bytes")
    return rows
