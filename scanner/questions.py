"""Entries that nobody was seen to use, and that the steward is asked about."""

from dataclasses import dataclass

from admission.direction import Direction
from admission.errors import GateError


class NoSuchQuestion(GateError):
    """The steward's answer is to a question that nobody asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """Did the guest of this presentation go in? `at` in Unix seconds."""

    presentation: bytes
    ticket_key: bytes
    check_in_list: str
    direction: Direction
    at: float


class Questions:
    """The open questions of one lane; those from before a restart are read from the journal."""

    def __init__(self, lane: str) -> None:
        self._lane = lane
        self._open: dict[bytes, Question] = {}

    def ask(self, question: Question) -> None:
        """One more."""
        self._open[question.presentation] = question

    def find(self, presentation: bytes) -> Question:
        """The open question about `presentation`. Raises NoSuchQuestion."""
        found = self._open.get(presentation)
        if found is None:
            raise NoSuchQuestion(
                f"no entry {presentation.hex()[:8]} is in question at lane {self._lane}",
                "Look at the steward page for the question that is open now",
            )
        return found

    def answered(self, question: Question) -> None:
        """It is settled."""
        self._open.pop(question.presentation, None)

    @property
    def newest(self) -> Question | None:
        """The one the steward page shows."""
        return next(reversed(tuple(self._open.values())), None)
