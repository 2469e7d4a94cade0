"""Rows that point to rows: the add-ons of a ticket, the tickets of a reusable medium.

A row has no room for another row's key, so a pointer is two rows of its own, each with half of the
key in the fields for times. Their keys follow from the parent's, so nobody has to search.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

from tickets.keys import TICKET_KEY_BYTES
from tickets.rows import Status, Ticket

MOST_LINKS = 64
"""Most pointers of one row; more are not looked for."""
_HALVES = (0, 1)
_HALF = struct.Struct(">II")
_PERSON = b"admit-link"


def link_rows(parent: bytes, children: Iterable[bytes]) -> Iterator[Ticket]:
    """Yield the rows that point from the row ``parent`` to ``children``, 16-byte keys each.

    Raises:
        ValueError: more than `MOST_LINKS` children.
    """
    for number, child in enumerate(children):
        if number >= MOST_LINKS:
            raise ValueError(f"more than {MOST_LINKS} tickets hang on one")
        for half in _HALVES:
            first, second = _HALF.unpack_from(child, half * _HALF.size)
            yield Ticket(_key(parent, number, half), 0, 0, Status.LINK, first, second)


def linked(parent: bytes, row: Callable[[bytes], Ticket | None]) -> tuple[bytes, ...]:
    """Return the keys that the row ``parent`` points to, in order.

    Args:
        row: The row of a key, or None.
    """
    found: list[bytes] = []
    for number in range(MOST_LINKS):
        halves = [row(_key(parent, number, half)) for half in _HALVES]
        if any(half is None or not half.flags & Status.LINK for half in halves):
            break
        found.append(b"".join(_HALF.pack(h.valid_from, h.valid_until) for h in halves if h))
    return tuple(found)


def _key(parent: bytes, number: int, half: int) -> bytes:
    name = parent + struct.pack(">HB", number, half)
    return blake2b(name, digest_size=TICKET_KEY_BYTES, person=_PERSON).digest()
