"""An NFC reader on a bench: nfcpy's whole stack over simulated cards, on time moved by hand."""

import json
import select
import socket
from pathlib import Path
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


class Visitor:
    """Whoever plays the visitor of one ``nfc:sim:SOCKET``: holds cards to its reader."""

    def __init__(self, path: Path) -> None:
        self.uri = f"nfc:sim:{path}"
        self._path, self._number = path, 0
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(30)
        self._reader: socket.socket | None = None

    def hold(self, kind: str | None, payload: bytes = b"", ms: int | None = None) -> None:
        """Hold a new card with a ticket on it to the reader, or (None) take it away."""
        self._number += 1
        body = {"id": self._number, "card": kind, "ndef": ticket(payload).hex()}
        self._connected().send(json.dumps(body | ({"ms": ms} if ms else {})).encode())

    def told(self) -> dict[str, Any]:
        """Wait for the reader's next answer."""
        self._connected().settimeout(30)
        answer: dict[str, Any] = json.loads(self._connected().recv(9999))
        return answer

    def pull_the_plug(self) -> None:
        """The reader is unplugged; it is plugged in again when the next card is held to it."""
        self._connected().close()
        self._reader = None

    def forget(self) -> None:
        """The reader's process has ended: its next one is waited for."""
        self._reader = None

    def has_a_reader(self) -> bool:
        """Whether a reader is connected, or waits to be."""
        return bool(self._reader or select.select([self._listener], [], [], 0)[0])

    def close(self) -> None:
        """Let go of both ends."""
        self._listener.close()
        if self._reader is not None:
            self._reader.close()

    def _connected(self) -> socket.socket:
        if self._reader is None:
            self._reader, _ = self._listener.accept()
        return self._reader
