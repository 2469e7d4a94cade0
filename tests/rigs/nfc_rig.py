"""An NFC reader on a bench: nfcpy's whole stack over simulated cards, on time moved by hand."""

from typing import Any

from drivers.nfc_cards import KINDS, Card
from drivers.nfc_cards_hostile import HOSTILE
from drivers.nfc_frontend import GuardedFrontend
from drivers.nfc_sim import HandField, SimulatedReader
from drivers.nfc_tap import NoProver, Prover, Tap
from drivers.pace import FakePace

UID = bytes.fromhex("04112233445566")


def record(tnf: int, kind: bytes, payload: bytes, flags: int = 0xC0) -> bytes:
    """One NDEF record; by default the first and last of its message."""
    if len(payload) < 256:
        return bytes([flags | 0x10 | tnf, len(kind), len(payload)]) + kind + payload
    return bytes([flags | tnf, len(kind)]) + len(payload).to_bytes(4, "big") + kind + payload


def ticket(payload: bytes) -> bytes:
    """A message with a ticket in an external record."""
    return record(4, b"gate.example:tkt", payload)


def card(kind: str, message: bytes = b"", uid: bytes = UID) -> Card:
    """A card of any kind that ships."""
    return (KINDS | HOSTILE)[kind](uid, message)


class Bench:
    """A guarded frontend over a simulated field."""

    def __init__(self, prover: Prover | None = None, text: bool = False) -> None:
        self.pace = FakePace()
        self.field = HandField(self.pace.now)
        self.frontend = GuardedFrontend(SimulatedReader(self.field, self.pace), self.pace.now)
        self.tap = Tap(self.frontend, prover or NoProver(), text)

    def read(self, held: Card) -> bytes:
        """Hold a card to the reader and read it. Raises CardFault."""
        self.field.place(held)
        target: Any = self.frontend.poll()
        return self.tap.read(target)

    def seconds(self, held: Card) -> float:
        """How long the tap of that card took, whatever came of it."""
        started = self.pace.now()
        try:
            self.read(held)
        finally:
            took = self.pace.now() - started
        return took
