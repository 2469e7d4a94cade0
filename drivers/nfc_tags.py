"""From a card in the field to the bytes of its message: Type 2 and Type 4, nothing else probed.

nfcpy's own activation sends vendor probes to every NXP card (20 to 45 ms and a field reset); one of
them is the start of an authentication to newer chips. Here a card is asked for its message only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drivers.nfc_errors import CardFault, Why
from drivers.nfc_frontend import GuardedFrontend
from drivers.nfc_isodep import CARD_SILENT, IsoDep, parse_ats

RATS_WAIT = 0.03
"""Seconds a card may take to answer its activation (ISO/IEC 14443-4: 4.8 ms, and slow phones)."""


@dataclass(frozen=True, slots=True)
class Type2Tag:
    """A card of pages, selected."""

    frontend: GuardedFrontend
    target: Any
    uid: bytes


@dataclass(frozen=True, slots=True)
class Type4Tag:
    """A card that takes APDUs. `uid` may be random: phones and some cards make one up each time."""

    uid: bytes
    dep: IsoDep

    def apdu(self, command: bytes) -> bytes:
        """Send a command APDU; returns its answer, the last two bytes the status word.

        Raises:
            CardFault: the card is gone, or broke the protocol.
            BudgetSpent, NfcLost: as `GuardedFrontend.exchange`.
        """
        return self.dep.apdu(command)


def activate(frontend: GuardedFrontend, target: Any) -> Type2Tag | Type4Tag:
    """Make a card that `poll` found ready to be read.

    Raises:
        CardFault: it does not answer, or is of a kind that holds no tickets.
        BudgetSpent, NfcLost: as `GuardedFrontend.exchange`.
    """
    frontend.budget.activate()
    if not target.sel_res or not target.sdd_res:
        raise CardFault(Why.UNSUPPORTED, "The card is of a kind this gate does not read")
    uid, kind = bytes(target.sdd_res), target.sel_res[0] & 0x60
    if kind & 0x20:
        return Type4Tag(uid, _selected(frontend))
    if kind == 0:
        return Type2Tag(frontend, target, uid)
    raise CardFault(Why.UNSUPPORTED, "The card is of a kind this gate does not read")


def _selected(frontend: GuardedFrontend) -> IsoDep:
    whole = frontend.max_recv_data_size >= 256
    try:
        ats = frontend.exchange(b"\xe0\x80" if whole else b"\xe0\x70", RATS_WAIT)
    except CARD_SILENT as error:
        raise CardFault(Why.GONE, "The card left the field") from error
    return IsoDep(frontend.exchange, parse_ats(ats), frontend.max_send_data_size)
