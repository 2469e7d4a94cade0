"""A simulated reader under the whole of nfcpy: a nfcpy device whose field is fed by `place`.

No radio: what is modelled is presence (a card leaves after its time), the field reset at each
selection, time-outs, lost frames, and a reader that is unplugged.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import nfc.clf  # type: ignore[import-untyped]
import nfc.clf.device  # type: ignore[import-untyped]

from drivers.nfc_cards import Card
from drivers.pace import Pace

UNPLUGGED = 2.0
"""Seconds until somebody plugs the reader in again that a card took with it."""
LARGEST_FRAME = 264
"""Bytes, as a PN532 takes them."""


class Field(Protocol):
    """What is in front of the reader."""

    def card(self) -> Card | None:
        """The card in the field now."""
        ...

    def plugged(self) -> bool:
        """False while the reader itself is unplugged."""
        ...

    def found(self, card: Card) -> None:
        """The reader selected this card."""
        ...


@dataclass(slots=True)
class HandField:
    """One card, from `place` until its time is over."""

    now: Callable[[], float]
    _card: Card | None = None
    _until: float = 0.0
    _back_at: float = float("-inf")

    def place(self, card: Card | None, seconds: float = float("inf")) -> None:
        """Hold a card to the reader in place of any other; None takes it away."""
        self._card, self._until = card, self.now() + seconds

    def unplug(self, seconds: float = float("inf")) -> None:
        """The reader's cable is out, for that long."""
        self._back_at = self.now() + seconds

    def card(self) -> Card | None:
        if self._card is not None and (self._card.gone or self.now() >= self._until):
            self._card = None
        return self._card

    def plugged(self) -> bool:
        if self._card is not None and self._card.pulls_plug:
            self._card = None
            self.unplug(UNPLUGGED)
        return self.now() >= self._back_at

    def found(self, card: Card) -> None:
        """Nobody asked."""


class SimulatedReader(nfc.clf.device.Device):  # type: ignore[misc]
    """A nfcpy device without hardware: `GuardedFrontend(SimulatedReader(field, pace))`."""

    def __init__(self, field: Field, pace: Pace) -> None:
        self._vendor_name, self._device_name = "Admit", "simulated reader"
        self._chipset_name, self._path = "none", "sim"
        self._field, self._pace = field, pace
        self._selected: Card | None = None
        if not field.plugged():
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    def close(self) -> None:
        self._selected = None

    def mute(self) -> None:
        self._there()
        self._selected = None

    def sense_tta(self, target: Any) -> Any:
        self._there()
        card = self._field.card()
        if card is None or (target.sel_req and bytes(target.sel_req) != card.uid):
            return None
        card.select()
        self._selected = card
        self._field.found(card)
        return nfc.clf.RemoteTarget(
            "106A",
            sens_res=bytearray(card.sens_res),
            sel_res=bytearray(card.sel_res),
            sdd_res=bytearray(card.uid),
        )

    def send_cmd_recv_rsp(self, target: Any, data: bytearray, timeout: float) -> bytearray:
        self._there()
        card = self._field.card()
        given = card.answer(bytes(data)) if card is not None and card is self._selected else None
        self._there()  # a card can take the reader with it: see the hostile ones
        if given is None:
            self._pace.wait(timeout)
            raise nfc.clf.TimeoutError("no answer")
        return bytearray(given)

    def get_max_send_data_size(self, target: Any) -> int:
        return LARGEST_FRAME

    def get_max_recv_data_size(self, target: Any) -> int:
        return LARGEST_FRAME

    def _there(self) -> None:
        if not self._field.plugged():
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
