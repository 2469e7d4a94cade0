"""Values of a verified policy, each of its type and within its bounds, or an error that says which.

All raise TypeError or ValueError, for `policy_from_body` to name.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

MAX_COUNT = 0xFFFF
"""Largest product number, entries and people: what a list row and a ticket can carry."""
MAX_TIME = 0xFFFF_FFFF
"""Largest Unix time: likewise."""
MAX_ID = 2**63 - 1
"""Largest number that another system gave to a thing of its own."""
MAX_TEXT = 200
"""Characters of a name or a remark."""


def mapping(raw: object) -> Mapping[object, object]:
    """A map."""
    if not isinstance(raw, Mapping):
        raise TypeError(f"expected a map, got {type(raw).__name__}")
    return raw


def fields(raw: object, allowed: frozenset[str]) -> Mapping[object, object]:
    """A map with no other keys than `allowed`."""
    found = mapping(raw)
    # An unknown rule may mean "do not admit": a gate that ignored it would admit.
    if unknown := [key for key in found if key not in allowed]:
        names = ", ".join(repr(key)[:40] for key in unknown[:3])
        close = get_close_matches(str(unknown[0])[:40], sorted(allowed), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown fields {names}{hint}")
    return found


def text(value: object, least: int = 1, most: int = MAX_TEXT) -> str:
    """A text of that many characters."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    if not least <= len(value) <= most:
        raise ValueError(f"a text of {len(value)} characters; {least} to {most} are allowed")
    return value


def whole(value: object, top: int, least: int = 0) -> int:
    """A whole number within bounds."""
    if type(value) is not int:  # not isinstance: true is no number
        raise TypeError(f"expected a whole number, got {type(value).__name__}")
    if not least <= value <= top:
        raise ValueError(f"a number outside {least} to {top}")
    return value


def maybe(value: object, top: int) -> int | None:
    """A whole number, or nothing."""
    return None if value is None else whole(value, top)


def yes(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, got {type(value).__name__}")
    return value


def items(value: object) -> Sequence[object]:
    """A list."""
    if not isinstance(value, list) or len(value) > MAX_COUNT:
        raise TypeError(f"expected a list of at most {MAX_COUNT}, got {type(value).__name__}")
    return value


def number(key: object, top: int = MAX_COUNT) -> int:
    """A number as the key of a map: decimal, in its one form."""
    digits = text(key)
    if len(digits) > 20 or not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f"{digits[:20]!r} is no number")
    if digits != str(int(digits)):
        raise ValueError(f"{digits[:20]!r} is not written as a number is")
    return whole(int(digits), top)
