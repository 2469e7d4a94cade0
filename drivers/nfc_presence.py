"""Which card is in the field, and whether it is to be read. Pure: times in, decisions out."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.nfc_errors import AGAIN, CardFault
from tickets.cards import CardWord, Proof

EMPTY_POLLS = 2
AWAY = 1.5
"""Seconds and empty polls after which a card counts as taken away: one missed poll is noise."""
SIGHTED_EVERY = 0.25
"""Seconds between two sightings of a card that stays: a busy lane finds it when it is free."""
PROOF_LASTS = 2.0
"""Seconds after which a card that stays proves itself anew: another may lie there by now under its
UID. Less than the 3 s after which a lane looks at a refused code again."""
PATIENCE = 0.3
"""Seconds before a card that could not be read is tried again."""


@dataclass(slots=True)
class Present:
    """One card, from its first poll until it is away."""

    uid: bytes
    seen: float
    payload: bytes | CardWord | None = field(default=None, repr=False)
    read: float = 0.0
    """When it gave that."""
    due: float = 0.0
    """When it is sighted or read again; infinity: never while it stays."""
    told: str = ""
    """The notice that the guest was given about it."""

    def is_known(self, now: float) -> bool:
        """Whether what it gave still holds. Only a live answer does not: it was of that moment, and
        costs the card nothing, where a message costs its counter and a wrong key an attempt.
        """
        live = isinstance(self.payload, CardWord) and self.payload.proof is Proof.LIVE
        return self.payload is not None and not (live and now - self.read >= PROOF_LASTS)


def is_random(uid: bytes) -> bool:
    """Whether the card made its UID up: another one at each poll (ISO/IEC 14443-3, 6.5.4)."""
    return len(uid) == 4 and uid[0] == 0x08


class Presence:
    """Follows the field of one reader. ``now`` in monotonic seconds."""

    def __init__(self) -> None:
        self.card: Present | None = None
        self._empty = 0

    def empty(self, now: float) -> None:
        """A poll found no card."""
        self._empty += 1
        card = self.card
        if card is not None and self._empty >= EMPTY_POLLS and now - card.seen >= AWAY:
            self.card = None

    def found(self, uid: bytes, now: float) -> Present:
        """A poll found a card; what is known of it. A new one is due at once."""
        self._empty = 0
        card = self.card
        if card is None or card.uid != uid:
            card = self.card = self._next(uid, now)
        card.seen = now
        return card

    def _next(self, uid: bytes, now: float) -> Present:
        before = self.card
        if before is None or not (is_random(uid) and is_random(before.uid)):
            return Present(uid, now)
        # Perhaps the same phone: read anew, but not at every poll, and told only once.
        return Present(uid, now, due=min(before.due, before.seen + SIGHTED_EVERY), told=before.told)

    def read(self, payload: bytes | CardWord, now: float) -> None:
        """The card gave a ticket: it is sighted while it stays, and read again where that ages."""
        if self.card is not None:
            self.card.payload, self.card.read = payload, now
            self.card.due = now + SIGHTED_EVERY
            self.card.told = ""

    def failed(self, fault: CardFault, now: float) -> None:
        """The card gave none."""
        if self.card is not None:
            self.card.due = now + PATIENCE if fault.why in AGAIN else float("inf")
