"""Signed tickets and ticket lists of any size for measuring."""

import random
import struct
from collections.abc import Iterator
from heapq import merge
from pathlib import Path

from nacl.signing import SigningKey

from tickets.ad1 import sign, to_qr_text
from tickets.cose import key_id
from tickets.credential import Credential, Format
from tickets.keys import cti_of, event_key_of, ticket_key
from tickets.rows import ROW_BYTES

EVENT = "BENCH"
EVENT_SECRET = bytes(range(32))
EVENT_KEY = event_key_of(EVENT_SECRET)
ISSUER = SigningKey(b"\x07" * 32)
KID = key_id(bytes(ISSUER.verify_key))

_ROW = struct.Struct(">16sHHHII")
_PER_WRITE = 8192


def code(number: int) -> bytes:
    """QR text of ticket `number`, as printed."""
    return to_qr_text(sign(bytes(ISSUER), KID, EVENT, cti_of(EVENT_SECRET, f"T{number}"))).encode()


def key(number: int) -> bytes:
    """Ticket key of ticket `number`."""
    return ticket_key(EVENT_KEY, Credential(Format.AD1, cti_of(EVENT_SECRET, f"T{number}")))


def write_rows(path: Path, count: int, presented: range) -> int:
    """Write the packed rows of a list of `count` tickets, keys ascending; return their bytes.

    Those `presented` are real ones; the others have keys as evenly spread as hashes are.
    """
    real = sorted(key(number) for number in presented)
    keys = merge(real, _spread(count - len(real)))
    with path.open("wb") as file:
        chunk: list[bytes] = []
        for ticket in keys:
            chunk.append(_ROW.pack(ticket, 1, 1, 0, 0, 0))
            if len(chunk) == _PER_WRITE:
                file.write(b"".join(chunk))
                chunk.clear()
        file.write(b"".join(chunk))
    return count * ROW_BYTES


def _spread(count: int) -> Iterator[bytes]:
    """`count` ascending keys of 16 bytes, one at a random place in each of as many slices."""
    step, dice = 2**128 // max(count, 1), random.Random(count)
    for number in range(count):
        yield (number * step + dice.randrange(step)).to_bytes(16, "big")
