"""The person at a simulated turnstile, and what they do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from drivers.errors import UriError


class Habit(StrEnum):
    """What the next person does."""

    WALKS = "walks"
    """Goes through ``after`` seconds from the release, if the arm is still free then."""
    NEVER = "never"
    """Turns back."""
    LATE = "late"
    """Was already in the arm when it locked: comes out ``after`` seconds later, and counts."""
    FORCED = "forced"
    """Pushes through the locked arm ``after`` seconds from the start, and after each lock."""
    STUCK = "stuck"
    """Goes through and stands in the sensor until another person takes their place."""


DEFAULT_AFTER = {Habit.FORCED: 3.0}


@dataclass(frozen=True, slots=True)
class Person:
    """One person: a habit, and how many seconds they take over it."""

    habit: Habit
    after: float = 0.4

    @classmethod
    def parse(cls, text: str, after: float | None = None) -> Self:
        """Read ``passage=`` of a URI: seconds (``0.4``), or one of the habits but ``walks``.

        Raises:
            UriError: neither, or seconds outside 0..60.
        """
        if text in (Habit.NEVER, Habit.LATE, Habit.FORCED, Habit.STUCK):
            habit = Habit(text)
            return cls(habit, DEFAULT_AFTER.get(habit, 0.4) if after is None else after)
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= 60:
            raise UriError(
                f"'{text}' is nothing a simulated person can do",
                "Use seconds from 0 to 60, or never, late, forced, stuck",
            )
        return cls(Habit.WALKS, seconds)
