"""How times and ages are written on the pages."""

from collections.abc import Callable
from datetime import datetime
from typing import Any


def clock(at: float | None) -> str:
    """A time in the server's own zone: hour, minute, second; the day when it is another."""
    if at is None:
        return "never"
    try:
        local = datetime.fromtimestamp(at).astimezone()
    except (OverflowError, OSError, ValueError):  # a gate's clock may say anything
        return "?"
    today = datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%d %b %Y %H:%M}"


def age(seconds: float | None) -> str:
    """A span in the largest unit that tells something."""
    if seconds is None:
        return "unknown"
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def number(value: float) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


FILTERS: dict[str, Callable[..., Any]] = {"clock": clock, "age": age, "number": number}
