"""What reaches a lane: its queue carries one of these at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from admission.decide import Claim
from admission.direction import Direction
from admission.errors import GateError
from drivers.protocols import Signal
from tickets.cards import CardWord


@dataclass(frozen=True, slots=True)
class Sighting:
    """One reading of a code. `at` in monotonic seconds, `size` in pixels."""

    payload: bytes = field(repr=False)
    medium: str
    size: float
    at: float
    direction: Direction
    card: CardWord | None = None
    """A card that a reader asked to prove itself; it has no payload."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A turnstile's sensor became active or inactive."""

    signal: Signal
    active: bool


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """An authority's answer to the claim of one presentation."""

    presentation: bytes
    claim: Claim


@dataclass(frozen=True, slots=True)
class DeviceFault:
    """A device of the lane failed (`error`) or works again (None)."""

    name: str
    error: GateError | None
    blocks: bool = False
    """Whether the lane can admit nobody meanwhile."""


@dataclass(frozen=True, slots=True)
class Command:
    """A supervisor's order, run in the lane's thread; `reply` gets the result or the error."""

    run: Callable[[Any], object]
    reply: Callable[[object | GateError], None]


Message = Sighting | Sensor | ClaimAnswer | DeviceFault | Command
