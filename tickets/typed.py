"""The code under the picture: a ticket's 16-byte id as 28 characters that a steward can type.

26 characters carry the id (128 bits under two zero bits), two check them: a Reed-Solomon code over
GF(32), whose distance of 3 catches every one or two wrong characters, hence every two that were
swapped, wherever they stand. It only detects: a gate that guessed would admit another ticket.
The code proves nothing but that somebody has read the ticket: it is unsigned, so only a list can
say what it is worth. Sources: D. Crockford, "Base 32" (alphabet, and what I, L and O mean);
I. S. Reed and G. Solomon, "Polynomial Codes over Certain Finite Fields", 1960.
"""

import re

from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.keys import TICKET_KEY_BYTES

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Character of each value 0..31: without I, L, O and U."""
CODE_CHARACTERS = 28
"""Characters of a code, separators apart."""
GROUP = 4
"""Characters between two hyphens, as printed."""
MISTYPED = "check the code, character by character"
"""What a steward reads of a code with a typing error."""

_DATA = CODE_CHARACTERS - 2
_VALUES = {character: value for value, character in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212_./:]+")  # a keyboard's dashes, and OCR's
_MEANT = range(22, 35)
"""Letters and digits of what was meant to be a code, some of them lost or typed twice."""


def _powers() -> list[int]:
    """The powers of a primitive element of GF(32), twice: an index needs no modulo."""
    found, element = [], 1
    for _ in range(31):
        found.append(element)
        element <<= 1
        if element & 32:
            element ^= 0b100101  # x^5 + x^2 + 1
    return found * 2


_POWERS = _powers()
_LOGS = {element: power for power, element in enumerate(_POWERS[:31])}


def _times(left: int, right: int) -> int:
    return _POWERS[_LOGS[left] + _LOGS[right]] if left and right else 0


_FIRST, _SECOND = _POWERS[1], _POWERS[2]  # the roots of every code, as a polynomial
_LOW, _HIGH = _times(_FIRST, _SECOND), _FIRST ^ _SECOND


def typed_code(ticket_id: bytes) -> str:
    """Return the code of a 16-byte ticket id, as it is printed: seven groups of four.

    Raises:
        ValueError: the id has another length.
    """
    if len(ticket_id) != TICKET_KEY_BYTES:
        raise ValueError(f"a ticket id has {TICKET_KEY_BYTES} bytes, not {len(ticket_id)}")
    number = int.from_bytes(ticket_id, "big")
    data = [number >> 5 * place & 31 for place in reversed(range(_DATA))]
    text = "".join(ALPHABET[value] for value in [*data, *_checks(data)])
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))


def read_typed(text: str) -> Credential | Rejection | None:
    """Return the ticket that ``text`` names, unsigned; a rejection if it is mistyped.

    None: too short, too long or too strange to be meant as such a code. Never raises. Some opaque
    codes look like it too: ask the list for ``text`` first.
    """
    characters = _SEPARATORS.sub("", text[:256]).upper()
    if not characters.isalnum() or len(characters) not in _MEANT:
        return None
    if len(characters) != CODE_CHARACTERS:
        return _mistyped(f"it has {CODE_CHARACTERS} characters, not {len(characters)}")
    values = [_VALUES.get(character, -1) for character in characters]
    if -1 in values:
        return _mistyped("one of them is in no such code")
    number = 0
    for value in values[:_DATA]:
        number = number << 5 | value
    # No encoder sets the two bits above an id.
    if _at(values, _FIRST) or _at(values, _SECOND) or number >> 8 * TICKET_KEY_BYTES:
        return _mistyped("one of them is wrong, or two are swapped")
    return Credential(Format.AD1, number.to_bytes(TICKET_KEY_BYTES, "big"))


def _mistyped(how: str) -> Rejection:
    return Rejection(Flaw.UNREADABLE, f"{MISTYPED}: {how}", Format.AD1)


def _checks(data: list[int]) -> tuple[int, int]:
    """The remainder of ``data`` by (x - first)(x - second): what makes both its roots."""
    high = low = 0
    for value in data:
        carry = value ^ high
        high, low = low ^ _times(carry, _HIGH), _times(carry, _LOW)
    return high, low


def _at(values: list[int], point: int) -> int:
    """The value at ``point`` of the polynomial whose coefficients are ``values``."""
    result = 0
    for value in values:
        result = _times(result, point) ^ value
    return result
