"""One tap: a card in the field to the bytes of a ticket, within the budget whatever the card."""

from __future__ import annotations

from typing import Any, Protocol

from drivers.nfc_errors import CardFault, Why
from drivers.nfc_frontend import BudgetSpent, GuardedFrontend
from drivers.nfc_presence import is_random
from drivers.nfc_tags import Type2Tag, Type4Tag, activate
from drivers.nfc_type2 import read_type2
from drivers.nfc_type4 import read_type4
from tickets.cards import CardWord
from tickets.ndef import Garbled, NdefRecord, find_ticket, read_message, uri_of

READ_AGAIN = 3
"""How often a half-read card is looked for again within one tap."""


Read = bytes | CardWord
"""What a card gave: a ticket's bytes as written on it, or proof of the card itself."""


class Prover(Protocol):
    """What a card can prove beyond what is written on it. Keys stay behind this."""

    def challenge(self, card: Type4Tag) -> CardWord | None:
        """Asked before the card's message is read; None: it is no such card, read on.

        Raises:
            CardFault, BudgetSpent, NfcLost: as `Type4Tag.apdu`.
        """
        ...

    def link(self, uid: bytes, uri: bytes) -> CardWord | None:
        """Asked about a URI on the card, byte for byte; None: it is an ordinary one."""
        ...


class NoProver:
    """A gate without card keys."""

    def challenge(self, card: Type4Tag) -> CardWord | None:
        return None

    def link(self, uid: bytes, uri: bytes) -> CardWord | None:
        return None


class Tap:
    """Reads cards; `text`: whether codes in text records count."""

    def __init__(self, frontend: GuardedFrontend, prover: Prover, text: bool = False) -> None:
        self._frontend = frontend
        self._prover = prover
        self._text = text

    def read(self, target: Any) -> Read:
        """Return what the card that `poll` found gave; looks again when it was half read.

        Raises:
            CardFault: it gave no ticket; `why` says whether to hold it still.
            NfcLost: the reader failed.
        """
        self._frontend.begin_tap()
        try:
            return self._attempts(target)
        except BudgetSpent as spent:
            raise CardFault(Why.BUDGET, "The card keeps the reader busy") from spent

    def _attempts(self, target: Any) -> Read:
        for _ in range(READ_AGAIN):
            try:
                return self._once(target)
            except CardFault as fault:
                if fault.why is not Why.GONE:
                    raise
                found = self._frontend.poll()
                if found is not None and not _may_be(target, found):
                    raise  # another card came: that is a tap of its own
            target = found or target
        return self._once(target)

    def _once(self, target: Any) -> Read:
        card = activate(self._frontend, target)
        if isinstance(card, Type2Tag):
            return self._ticket(card.uid, read_type2(card))
        proved = self._prover.challenge(card)
        return proved if proved is not None else self._ticket(card.uid, read_type4(card.apdu))

    def _ticket(self, uid: bytes, message: bytes) -> Read:
        records = read_message(message)
        if isinstance(records, Garbled):
            raise CardFault(Why.GARBLED, f"The card's message cannot be read: {records.detail}")
        return self._proved_link(uid, records) or self._written(records)

    def _proved_link(self, uid: bytes, records: tuple[NdefRecord, ...]) -> CardWord | None:
        uris = (uri_of(record) for record in records)
        return next((p for u in uris if u and (p := self._prover.link(uid, u)) is not None), None)

    def _written(self, records: tuple[NdefRecord, ...]) -> bytes:
        ticket = find_ticket(records, self._text)
        if ticket is None:
            raise CardFault(Why.NO_TICKET, "There is no ticket on the card")
        return ticket.payload


def _may_be(target: Any, found: Any) -> bool:
    """Whether a poll found the card that another one did: some make up a new number each time."""
    before, now = bytes(target.sdd_res or b""), bytes(found.sdd_res or b"")
    return before == now or (is_random(before) and is_random(now))
