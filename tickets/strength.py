"""How hard an opaque code is to guess: an estimate from its form and from the code before it.

Who has stolen a gate can try guesses against the ticket keys on its list, as fast as BLAKE2b runs.
The estimate is bits = n · log2(a). a is the size of the smallest alphabet that holds all letters
and digits of the code (digits 10, hexadecimal 16, one case of letters 26, with digits 36, both
cases 52, with digits 62, anything else 94). n counts its characters without

- those it shares with the code before it in the same file, at the start and at the end: a serial
  number, a prefix, a clock or a machine's number is no secret;
- separators (blanks and ``-_.:/``);
- the rest of a run of three or more that repeat, rise or fall by one (``aaaa``, ``1234``).

It cannot see what made a code: a weak generator with long output looks strong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from tickets.credential import Credential, Format

STRONG_BITS = 80
"""Fewer bits than this are weak: all 2**64 guesses are within reach of who rents computers."""
_REMEDY = "Give codes of 18 or more random letters and digits, or leave them out: signed tickets"
_NAMED = 5
_SEPARATORS = frozenset(" -_.:/")
_HEX = frozenset("0123456789abcdef"), frozenset("0123456789ABCDEF")


def code_bits(code: str, neighbour: str = "") -> float:
    """Return about how many bits somebody must guess to hit ``code``.

    Args:
        neighbour: Another code of the same import, best the one before; empty: there is none.
    """
    start = _shared(code, neighbour)
    end = _shared(code[start:][::-1], neighbour[start:][::-1])
    rest = code[start : len(code) - end]
    alphabet = _alphabet({sign for sign in code if sign not in _SEPARATORS})
    return _counted(rest) * math.log2(alphabet or 1)


def is_strong(credential: Credential, neighbour: str = "") -> bool:
    """Whether nobody guesses this ticket's code: that of a signed ticket always, a UID never."""
    if credential.format is not Format.OPAQUE:
        return credential.format is not Format.NTAG424
    return code_bits(credential.ticket_id.decode("utf-8"), neighbour) >= STRONG_BITS


@dataclass(slots=True)
class WeakCodes:
    """The weak codes of one file, met line by line."""

    count: int = 0
    lines: list[int] = field(default_factory=list)
    """The first `_NAMED` lines that have one."""
    _before: str = ""

    def meet(self, line: int, credential: Credential, other: str = "") -> bool:
        """Whether the ticket of ``line`` has a code that can be guessed.

        Args:
            other: Another code of the file, for the first: it has none before it.
        """
        if credential.format is not Format.OPAQUE:
            return not is_strong(credential)
        weak = not is_strong(credential, self._before or other)
        self._before = credential.ticket_id.decode("utf-8")
        self.count += weak
        if weak and len(self.lines) < _NAMED:
            self.lines.append(line)
        return weak


def weak_codes(count: int, lines: Sequence[int]) -> str:
    """Return what an organiser is told of ``count`` weak codes, the first of them on ``lines``."""
    named = ", ".join(map(str, lines)) + (", …" if count > len(lines) else "")
    codes = "1 code is" if count == 1 else f"{count} codes are"
    return (
        f"{codes} short or in a series (line {named}): whoever steals a gate could guess them, "
        f"so no names are kept for them. {_REMEDY}"
    )


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _alphabet(signs: set[str]) -> int:
    if not all(sign.isascii() and sign.isalnum() for sign in signs):
        return 94
    if any(signs <= digits for digits in _HEX) and not all(map(str.isdigit, signs)):
        return 16
    kinds = (10, str.isdigit), (26, str.islower), (26, str.isupper)
    return sum(size for size, holds in kinds if any(map(holds, signs)))


def _counted(text: str) -> int:
    """Characters that tell something: no separators, of a run only its first two."""
    signs = [ord(sign) for sign in text if sign not in _SEPARATORS]
    runs = sum(
        before - first == at - before and -1 <= at - before <= 1
        for first, before, at in zip(signs, signs[1:], signs[2:], strict=False)
    )
    return len(signs) - runs
