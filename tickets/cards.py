"""What a reader says of a card that it has asked: the card's proof, without the card's keys.

A reader's process holds the keys and asks the card; the lane's process takes its word, which comes
on a socket that only the two have. What is printed or sent can never be such a word.
"""

from dataclasses import dataclass
from enum import StrEnum

from tickets.credential import Credential, Flaw, Format, Rejection

UID_BYTES = 7
MAX_COUNTER = 2**24 - 1
"""A card's counter has three bytes and does not go round (NXP NT4H2421Gx, section 9.3.2)."""
MAX_DETAIL = 200


class Proof(StrEnum):
    """How a card proved itself, or why it did not."""

    LIVE = "live"
    """It answered a fresh challenge with its key."""
    MESSAGE = "message"
    """It gave a signed message with a counter, which may be a copy: see `Credential.counter`."""
    FORGED = "forged"
    UNREADABLE = "unreadable"


class CardMalformed(ValueError):
    """No reader says such a thing of a card."""


@dataclass(frozen=True, slots=True)
class CardWord:
    """A reader's word about one card.

    Raises:
        CardMalformed: its parts do not belong together.
    """

    uid: bytes
    proof: Proof
    counter: int | None = None
    """Of a message only: 0..16777215."""
    detail: str = ""
    """Of a card that proved nothing: why."""

    def __post_init__(self) -> None:
        proved = self.proof in (Proof.LIVE, Proof.MESSAGE)
        if proved and len(self.uid) != UID_BYTES:
            raise CardMalformed(f"a UID of {len(self.uid)} bytes")
        if (self.counter is not None) is not (self.proof is Proof.MESSAGE):
            raise CardMalformed("a counter belongs to a message, and to nothing else")
        if self.counter is not None and not 0 <= self.counter <= MAX_COUNTER:
            raise CardMalformed(f"a counter of {self.counter}")
        if len(self.uid) > 10 or len(self.detail) > MAX_DETAIL:
            raise CardMalformed("longer than any card's")

    def credential(self) -> Credential | Rejection:
        """The credential that the card is, or why it is none."""
        if self.proof in (Proof.LIVE, Proof.MESSAGE):
            return Credential(Format.NTAG424, self.uid, counter=self.counter)
        flaw = Flaw.FORGED if self.proof is Proof.FORGED else Flaw.UNREADABLE
        return Rejection(flaw, self.detail, Format.NTAG424)
