"""Which way a person goes through a lane."""

from enum import StrEnum


class Direction(StrEnum):
    """The way a presentation asks for, or a passage took."""

    ENTRY = "entry"
    EXIT = "exit"

    @property
    def opposite(self) -> "Direction":
        """The other way."""
        return Direction.EXIT if self is Direction.ENTRY else Direction.ENTRY
