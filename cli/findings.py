"""What a check-up finds: one line each, with a remedy where one is needed."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from tickets.errors import GateError


class Level(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``remedy`` is empty where nothing is to be done."""

    level: Level
    what: str
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """The object that ``--json`` prints."""
        return asdict(self)


def good(what: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.GOOD, what, found)


def warn(what: str, found: str, remedy: str) -> Finding:
    """The gate can open; somebody should look at it."""
    return Finding(Level.WARN, what, found, remedy)


def bad(what: str, found: str, remedy: str) -> Finding:
    """The gate should not open like this."""
    return Finding(Level.BAD, what, found, remedy)


def of_error(what: str, error: GateError) -> Finding:
    """A named error as what it is: cause and remedy."""
    return bad(what, error.cause, error.remedy)
