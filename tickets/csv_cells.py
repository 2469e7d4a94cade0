"""The cells of a CSV row of tickets, each read to its type or refused by name."""

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches

from tickets.ad1 import MAX_COUNT, MAX_TIME
from tickets.cards import UID_BYTES
from tickets.credential import Rejection
from tickets.errors import GateError
from tickets.parse import read_opaque
from tickets.rows import VALID, Status

MAX_ID = 128
"""Longest id, in characters."""
MAX_NAME = 100
"""Characters of a name that are kept."""
SAVE_AS_UTF8 = "Save the file as 'CSV UTF-8' and try again"

_STATUS = {
    "": VALID,
    "valid": VALID,
    "cancelled": Status.CANCELLED,
    "blocked": Status.BLOCKED,
    "unapproved": Status.UNAPPROVED,
    "unpaid": Status.UNPAID,
    "revoked": Status.REVOKED,
}
_ATTENTION = {"": VALID, "0": VALID, "1": Status.ATTENTION}


class RowError(GateError):
    """One row makes no ticket; becomes a `BadRow`."""


def id_cell(cells: Mapping[str, str]) -> str:
    """Return the ticket's id."""
    text = cells.get("id", "")
    if not (1 <= len(text) <= MAX_ID and text.isprintable()):
        raise RowError(f"the id is not 1 to {MAX_ID} printable characters", "Give the ticket an id")
    return text


def name_cell(cells: Mapping[str, str]) -> str:
    """Return the guest's name as it can be printed; nothing in a name makes a row a bad one."""
    text = "".join(c if c.isprintable() else " " for c in cells.get("name", "")[:MAX_NAME])
    return " ".join(text.split())


def count_cell(cells: Mapping[str, str], column: str) -> int:
    """Return a number of 0 to 65535; 1 when the cell is empty."""
    text = cells.get(column, "") or "1"
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_COUNT):
        raise RowError(
            f"{column} {text[:20]!r} is not a whole number of 0 to {MAX_COUNT}",
            "Give the product's number, not its name" if column == "product" else "Use digits only",
        )
    return int(text)


def time_cell(cells: Mapping[str, str], column: str) -> int | None:
    """Return a time in unix seconds; None when the cell is empty."""
    text = cells.get(column, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise RowError(
            f"{column} {text[:40]!r} is no time", "Write it as 2026-07-01T18:00:00+02:00"
        ) from error
    if at.tzinfo is None:
        raise RowError(f"{column} {text[:40]!r} has no zone", "Add one, such as +02:00 or Z")
    seconds = int(at.timestamp())
    if not 1 <= seconds <= MAX_TIME:
        raise RowError(f"{column} {text[:40]!r} is out of range", "Use a time of 1970 to 2106")
    return seconds


def card_cell(cells: Mapping[str, str]) -> bytes | None:
    """Return the UID of the card that is the ticket; None when the cell is empty."""
    text = cells.get("card", "")
    if not text:
        return None
    if len(text) != 2 * UID_BYTES or set(text.lower()) - set("0123456789abcdef"):
        raise RowError(
            f"card {text[:20]!r} is no UID of {2 * UID_BYTES} hex digits",
            "Take the file that 'admit cards new' has written",
        )
    return bytes.fromhex(text)


def code_cell(cells: Mapping[str, str]) -> str | None:
    """Return the opaque code; None when the cell is empty."""
    text = cells.get("code", "")
    if not text:
        return None
    read = read_opaque(text.encode("utf-8"))
    if isinstance(read, Rejection):
        raise RowError(
            f"the code cannot be an opaque one: {read.detail}",
            "Use 1 to 256 bytes of printable text that does not begin like a signed ticket",
        )
    return text


def status_cell(cells: Mapping[str, str]) -> Status:
    """Return the flags that `status` and `attention` name."""
    return _choice(cells, "status", _STATUS) | _choice(cells, "attention", _ATTENTION)


def _choice(cells: Mapping[str, str], column: str, choices: Mapping[str, Status]) -> Status:
    text = cells.get(column, "").lower()
    if text not in choices:
        meant = get_close_matches(text[:40], [name for name in choices if name], 1)
        others = ", ".join(name for name in choices if name)
        raise RowError(
            f"{column} {text[:20]!r} is not known",
            f"Did you mean {meant[0]!r}?" if meant else f"Use one of {others}",
        )
    return choices[text]
