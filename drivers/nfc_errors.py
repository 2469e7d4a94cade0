"""What can go wrong between a reader and a card, told apart: a card ends a tap, never a reader."""

from __future__ import annotations

from enum import StrEnum

from drivers.errors import DeviceLost
from tickets.errors import GateError


class Why(StrEnum):
    """Why a card in the field gave no ticket; also the name of its counter."""

    GONE = "gone"  # it left, or answered too weakly: to be read again
    BUDGET = "budget"  # it kept the reader busy for longer than any honest card
    PROTOCOL = "protocol"  # it broke the rules of its standard
    TOO_LONG = "too_long"  # it promises more than a ticket can hold
    UNSUPPORTED = "unsupported"  # a kind of card this gate does not read
    NO_NDEF = "no_ndef"  # no message on it: a bank card, an empty tag
    GARBLED = "garbled"  # what it holds is no NDEF message
    NO_TICKET = "no_ticket"  # a message without a ticket


AGAIN = frozenset({Why.GONE, Why.BUDGET, Why.PROTOCOL})
"""Failures that holding the card still may mend; the others are final while it is in the field."""


class CardFault(GateError):
    """A card that gave no ticket, and why. Ends a tap, never a reader."""

    def __init__(self, why: Why, cause: str) -> None:
        again = "Hold the card still" if why in AGAIN else "Show the ticket in another way"
        super().__init__(cause, again)
        self.why = why


class NfcLost(DeviceLost):
    """The reader was open and failed; opened anew by itself."""


class NfcClaimed(GateError):
    """Another driver or process holds the reader."""


class NfcForbidden(GateError):
    """This process may not open the reader."""
