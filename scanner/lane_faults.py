"""What is broken at a lane now."""

from dataclasses import dataclass

from admission.errors import GateError
from store.journal import JournalUnavailable


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is broken now. `since` in Unix seconds."""

    error: GateError
    since: float
    blocks: bool
    """Nobody can be admitted meanwhile."""


class LaneFaults:
    """The faults of one lane by name; written by its thread, read by any."""

    def __init__(self) -> None:
        self.now: dict[str, Fault] = {}

    @property
    def blocked(self) -> bool:
        """Whether some fault forbids admission."""
        return any(fault.blocks for fault in tuple(self.now.values()))

    def begin(self, name: str, error: GateError, since: float, blocks: bool) -> bool:
        """Note a fault; False when it is known already."""
        known = self.now.get(name)
        if known and known.error.cause == error.cause:
            return False
        self.now[name] = Fault(error, since, blocks)
        return True

    def end(self, name: str) -> bool:
        """It works again; False when it was not broken."""
        return self.now.pop(name, None) is not None


class SensorSuspect(GateError):
    """The passage sensor cannot be believed."""


OWED = JournalUnavailable(
    "the journal cannot be written; what happened since is kept in memory",
    "Free space on the card, or replace it; the lane opens again by itself",
)
TURNSTILE_FAULT = GateError(
    "the turnstile reports a fault", "Look at its display; switch it off and on again"
)


def sensor_suspect(why: str) -> SensorSuspect:
    """The fault for a sensor that is suspect because of `why`."""
    return SensorSuspect(
        f"the passage sensor cannot be believed: {why}",
        "Clean and align it. Until then an entry counts when the lane is released",
    )
