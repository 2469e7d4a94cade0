"""The visitor's purse: holds simulated cards to a lane's NFC reader (`nfc:sim:SOCKET`).

A card carries the signed ticket itself, binary, in one external record. Source: docs/devices.md.
"""

import asyncio
import contextlib
import json
import socket
from pathlib import Path

from playground.hand import OnShown

CARD = "ntag215"
"""504 bytes for a message: a signed ticket is some 120."""
TYPE = b"admit.example:tkt"
"""Of the record: external (NFC Forum, NDEF), so that no telephone takes it for an address."""
FLAGS = 0xD4
"""First and last record of the message, short, of an external type."""
MOST = 8192


class Purse:
    """One lane's NFC reader, seen from before it; belongs to one event loop."""

    def __init__(self, path: Path, on_found: OnShown) -> None:
        """``on_found`` hears when the reader first finds a card."""
        self._path, self._on_found = path, on_found
        self._door: socket.socket | None = None
        self._reader: socket.socket | None = None

    @property
    def ready(self) -> bool:
        """Whether a reader is there to tap on."""
        return self._reader is not None

    def open(self) -> None:
        """Wait for the reader to connect."""
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.setblocking(False)
        self._door.bind(str(self._path))
        self._door.listen(4)
        asyncio.get_running_loop().add_reader(self._door, self._accept, self._door)

    def close(self) -> None:
        """Let go of the reader."""
        for end in (self._door, self._reader):
            if end is not None:
                asyncio.get_running_loop().remove_reader(end)
                end.close()
        self._door = self._reader = None

    def hold(self, number: int, signed: bytes) -> None:
        """Hold a card with this ticket to the reader."""
        ndef = bytes((FLAGS, len(TYPE), len(signed))) + TYPE + signed
        self._send({"id": number, "card": CARD, "ndef": ndef.hex()})

    def take(self) -> None:
        """Take the card away."""
        self._send({"id": 0, "card": None})

    def _accept(self, door: socket.socket) -> None:
        reader, _ = door.accept()
        reader.setblocking(False)
        if self._reader is not None:  # it was started anew: the old one is dead
            self._drop(self._reader)
        self._reader = reader
        asyncio.get_running_loop().add_reader(reader, self._hear, reader)

    def _hear(self, reader: socket.socket) -> None:
        try:
            data = reader.recv(MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(reader)
            return
        said = json.loads(data)
        if "at" in said:
            self._on_found(said["id"], said["at"])

    def _drop(self, reader: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(reader)
        reader.close()
        if self._reader is reader:
            self._reader = None

    def _send(self, message: dict[str, object]) -> None:
        if self._reader is not None:
            with contextlib.suppress(OSError):  # one that went away is dropped when it is heard
                self._reader.send(json.dumps(message).encode())
