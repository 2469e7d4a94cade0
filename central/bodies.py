"""Untrusted JSON: read within bounds, then taken apart field by field, each with a named error."""

import json
import math
from collections.abc import Collection, Iterator
from typing import NoReturn

from central.errors import ProtocolError, malformed

MAX_DEPTH = 32
"""Deepest nesting of a body."""
MAX_VALUES = 100_000
"""Most values in a body; 500 records have about 12,000."""
LATEST = 1e11
"""Unix seconds, in the year 5138: what no clock shows, gates need not be told."""
MOST_NAME = 256
"""Characters of a gate's or a list's name: all that goes out again has a bound coming in."""


def read_json(raw: bytes) -> object:
    """Return the value of ``raw``, whose size the caller has bounded.

    Raises:
        ProtocolError: 400 `body_malformed`: no JSON (RFC 8259), not UTF-8, `NaN`, a number with
            thousands of digits, nested deeper than 32, or more than 100,000 values.
    """
    try:
        value: object = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise malformed(f"the body is not JSON: {_in_words(error)}") from error
    for count, (depth, _) in enumerate(walk(value), 1):
        if depth > MAX_DEPTH or count > MAX_VALUES:
            raise malformed(f"the body nests deeper than {MAX_DEPTH} or is too large")
    return value


def _in_words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it nests too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at character {error.pos + 1}"
    return "a number that JSON has not, or with thousands of digits"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def walk(value: object) -> Iterator[tuple[int, object]]:
    """Yield each value and map key inside ``value`` with its depth; no recursion."""
    stack = [(1, value)]
    while stack:
        depth, item = stack.pop()
        yield depth, item
        if isinstance(item, dict):
            stack.extend((depth + 1, key) for key in item)
            stack.extend((depth + 1, inner) for inner in item.values())
        elif isinstance(item, list):
            stack.extend((depth + 1, inner) for inner in item)


def flaw(value: object) -> str | None:
    """Say what no database could keep: a NUL, half a character, infinity, an integer of 2^63."""
    for _, item in walk(value):
        if isinstance(item, str) and ("\0" in item or any("\ud800" <= c <= "\udfff" for c in item)):
            return "text with a NUL or half a character"
        if isinstance(item, float) and not math.isfinite(item):
            return "a number without bounds"
        if isinstance(item, int) and abs(item) >= 2**63:
            return "an integer of more than 64 bits"
    return None


class Body:
    """A JSON object whose fields are asked for one by one. Unknown fields are left alone.

    Args:
        clean: Refuse what `flaw` names in a field that is asked for.
    """

    def __init__(self, value: object, clean: bool = False) -> None:
        if not isinstance(value, dict):
            raise malformed("the body is not a JSON object")
        self._fields = value
        self._clean = clean

    @classmethod
    def clean(cls, raw: bytes) -> "Body":
        """The body in ``raw``; 400 `body_malformed` also for a field with what `flaw` names."""
        return cls(read_json(raw), clean=True)

    def get(self, name: str) -> object:
        """The field as it came; 400 when it is missing."""
        if name not in self._fields:
            raise malformed(f"{name} is missing")
        value = self._fields[name]
        if self._clean and (problem := flaw(value)):
            raise malformed(problem)
        return value

    def text(self, name: str, most: int = MOST_NAME) -> str:
        """A text of 1..``most`` characters."""
        value = self.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            raise malformed(f"{name} is not a text of 1 to {most} characters")
        return value

    def one_of(self, name: str, allowed: Collection[str]) -> str:
        """One of the texts in ``allowed``."""
        value = self.text(name)
        if value not in allowed:
            raise malformed(f"{name} is none of {', '.join(sorted(allowed))}")
        return value

    def flag(self, name: str) -> bool:
        """A boolean that may be left out: False."""
        value = self._fields.get(name, False)
        if not isinstance(value, bool):
            raise malformed(f"{name} is neither true nor false")
        return value

    def octets(self, name: str, size: int) -> bytes:
        """Exactly ``size`` bytes, from lower-case hex."""
        return hex_bytes(self.get(name), size, name)

    def octets_or_none(self, name: str, size: int) -> bytes | None:
        """As `octets`; None when it is left out."""
        return self.octets(name, size) if name in self._fields else None

    def time(self, name: str) -> float:
        """Unix seconds, 0 up to `LATEST`."""
        value = self.get(name)
        if type(value) not in (int, float) or not 0 <= value < LATEST:  # type: ignore[operator]
            raise malformed(f"{name} is not a time in Unix seconds")
        return float(value)  # type: ignore[arg-type]


def hex_bytes(value: object, size: int, name: str) -> bytes:
    """The ``size`` bytes of lower-case hex.

    Raises:
        ProtocolError: 400 `body_malformed`.
    """
    if isinstance(value, str) and len(value) == 2 * size and set(value) <= set("0123456789abcdef"):
        return bytes.fromhex(value)
    raise malformed(f"{name} is not {size} bytes in lower-case hex")


def cursor_of(text: str | None) -> int:
    """The `after` of a query: a whole number from 0; 0 when absent.

    Raises:
        ProtocolError: 400 `cursor_malformed`.
    """
    if text is None:
        return 0
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    raise ProtocolError(
        400, "cursor_malformed", "after is not a whole number", "Use the last answer's next"
    )
