"""The reader on the desk where cards are made: one card at a time, held by a person."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.nfc_errors import CardFault
from drivers.nfc_frontend import BudgetSpent, GuardedFrontend
from drivers.nfc_tags import Type4Tag, activate
from drivers.nfc_type4 import Apdu
from drivers.registry import nfc_port
from drivers.uri import DriverUri
from tickets.errors import GateError

LOOK_EVERY = 0.05
AWAY_AFTER = 2
"""Polls without a card after which it was taken away."""


class NobodyCame(GateError):
    """No card was held to the reader in time."""


@dataclass(frozen=True, slots=True)
class HeldCard:
    """A card in the field. `apdu` is None for one that takes no commands."""

    uid: bytes
    commands: Apdu | None

    def apdu(self, command: bytes) -> bytes:
        """Give a command; returns the answer with its status word.

        Raises:
            CardFault, BudgetSpent: it was pulled away, or is no such card.
            NfcLost: the reader failed.
        """
        return self.commands(command) if self.commands else b""

    @property
    def shown(self) -> str:
        """Its UID as far as a terminal may show it: enough to tell the cards on a desk apart."""
        return f"…{self.uid.hex()[-4:]}"


class Desk:
    """A reader, opened for this process alone."""

    def __init__(self, uri: str, wait: float, now: Callable[[], float] = time.monotonic) -> None:
        """Open the reader at ``uri``; a card is waited for ``wait`` seconds. Raises GateError."""
        self._now, self._wait = now, wait
        self._frontend: GuardedFrontend = nfc_port(DriverUri.parse(uri)).open(now)

    def card(self) -> HeldCard:
        """Wait for a card.

        Raises:
            NobodyCame: none came in time.
            NfcLost: the reader failed.
        """
        until = self._now() + self._wait
        while self._now() < until:
            held = self._look()
            if held is not None:
                return held
            time.sleep(LOOK_EVERY)
        raise NobodyCame(
            f"No card was held to the reader within {self._wait:.0f} s",
            "Hold it flat on the reader; what is done already stays done: start again",
        )

    def gone(self, uid: bytes) -> None:
        """Wait until this card was taken away, at most as long as for one. Raises NfcLost."""
        until, empty = self._now() + self._wait, 0
        while empty < AWAY_AFTER and self._now() < until:
            target = self._frontend.poll()
            if target is not None and bytes(target.sdd_res or b"") != uid:
                return  # the next one already
            empty = 0 if target else empty + 1
            time.sleep(LOOK_EVERY)

    def _look(self) -> HeldCard | None:
        target = self._frontend.poll()
        if target is None or not target.sdd_res:
            return None
        self._frontend.begin_tap()
        try:
            card = activate(self._frontend, target)
        except (CardFault, BudgetSpent):  # half in the field, or of another kind: looked at again
            return None
        return HeldCard(card.uid, self._apdu(card) if isinstance(card, Type4Tag) else None)

    def _apdu(self, card: Type4Tag) -> Apdu:
        def command(data: bytes) -> bytes:
            self._frontend.begin_tap()  # writing a chip takes longer than a guest's tap may
            self._frontend.budget.activate()
            return card.apdu(data)

        return command
