"""Time as far as the gate may trust it: a Pi has no clock, so every reading says how sure it is."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo


class ClockState(StrEnum):
    """How a reading came about."""

    SYNCHRONISED = "synchronised"
    """By NTP, or by the pinned server's signed time."""
    HELD = "held"
    """Was synchronised since this boot; drifts by 100 ppm + 0.5 s."""
    UNKNOWN = "unknown"
    """Never synchronised since this boot: at least the journal's last time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the clock."""

    at: float
    """Unix seconds, UTC."""
    uncertainty: float
    """Seconds; the true time lies within at ± uncertainty. `inf` when unknown."""
    state: ClockState

    @property
    def datetime(self) -> datetime:
        """`at`, aware, UTC."""
        return datetime.fromtimestamp(self.at, UTC)


class Clock(Protocol):
    """The source of time for everything that loops or records."""

    def reading(self) -> Reading:
        """The time of day, with its uncertainty; for validity and records."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump; for pulses, time-outs and retries."""
        ...


class FakeClock:
    """A clock that a test, a simulation or a training lane moves by hand."""

    def __init__(
        self,
        at: float = 1_795_000_000.0,
        state: ClockState = ClockState.SYNCHRONISED,
        uncertainty: float = 0.05,
    ) -> None:
        self.at = at
        self.state = state
        self.uncertainty = uncertainty
        self._monotonic = 1000.0

    def reading(self) -> Reading:
        """The time set by hand."""
        return Reading(self.at, self.uncertainty, self.state)

    def monotonic(self) -> float:
        """Seconds advanced so far, from 1000."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self.at += seconds
        self._monotonic += seconds


def clock_time(at: float, now: float | None = None, timezone: str = "UTC") -> str:
    """`18:02:07 CET`, for details a steward reads; with the date when `now` is another day.

    Any number is answered: times of other gates and servers come here unchecked.

    Args:
        at: Unix seconds.
        now: Unix seconds; None: the day does not matter.
        timezone: IANA name of a zone that this system knows.
    Raises:
        zoneinfo.ZoneInfoNotFoundError: it does not; the provisioning file is checked for that.
    """
    zone = _zone(timezone)
    try:
        then = datetime.fromtimestamp(at, zone)
        today = None if now is None else datetime.fromtimestamp(now, zone).date()
    except (ValueError, OverflowError, OSError):  # nan, infinite, or beyond the year 9999
        return "at an unknown time"
    if today is not None and today != then.date():
        return f"{then:%Y-%m-%d %H:%M %Z}"
    return f"{then:%H:%M:%S %Z}"


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)  # UTC needs no database of zones
