"""The field of ``nfc:sim:SOCKET``: cards are held to it by whoever listens at that socket.

Messages: docs/devices.md.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from drivers.errors import DeviceNotFound
from drivers.nfc_card_424 import PocketCard
from drivers.nfc_cards import KINDS, Card
from drivers.nfc_cards_hostile import HOSTILE
from drivers.nfc_sim import HandField

MOST_MESSAGE = 8 << 10
MOST_MS = 3_600_000


class MessageRefused(ValueError):
    """A visitor's message that asks for what cannot be."""


class VisitorField:
    """Hears the visitor whenever the reader looks. ``now`` in seconds of CLOCK_MONOTONIC."""

    def __init__(self, connection: socket.socket, now: Callable[[], float]) -> None:
        connection.setblocking(False)
        self._connection, self._now = connection, now
        self._hand = HandField(now)
        self._id: int | None = None
        self.connected = True

    @classmethod
    def connect(cls, path: str, now: Callable[[], float]) -> Self:
        """Connect to the visitor. Raises DeviceNotFound when nobody listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            raise DeviceNotFound(
                f"No simulated NFC reader at {path}: {error.strerror or error}",
                "Plug it in: start the program that listens there",
            ) from error
        return cls(connection, now)

    def card(self) -> Card | None:
        self._hear()
        return self._hand.card()

    def plugged(self) -> bool:
        return self.connected and self._hand.plugged()

    def found(self, card: Card) -> None:
        """The reader selected this card: the visitor is told once."""
        if self._id is not None:
            self._tell({"id": self._id, "at": self._now()})
            self._id = None

    def _hear(self) -> None:
        while self.connected:
            try:
                data = self._connection.recv(MOST_MESSAGE + 1)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.connected = False
                self._connection.close()
                return
            self._understand(data)

    def _understand(self, data: bytes) -> None:
        number = None
        try:
            body = _object(data)
            number = body.get("id")
            card, seconds = card_of(body)
        except MessageRefused as error:
            self._tell({"id": number, "error": str(error)})
            return
        self._id = number if type(number) is int and card is not None else None
        self._hand.place(card, seconds)

    def _tell(self, body: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a visitor who does not listen is not waited for
            self._connection.send(json.dumps(body).encode())


def card_of(body: Mapping[str, Any]) -> tuple[Card | None, float]:
    """The card a message asks for and how many seconds it stays.

    Raises:
        MessageRefused: says which part cannot be.
    """
    if "card" not in body:
        raise MessageRefused("'card' is missing: a kind of card, or null")
    kind, ms = body["card"], body.get("ms")
    if kind is None:
        return None, 0.0
    if ms is not None and not (type(ms) in (int, float) and 0 < ms <= MOST_MS):
        raise MessageRefused(f"'ms' must be milliseconds up to {MOST_MS}")
    makers = KINDS | HOSTILE
    if kind == "ntag424" and "file" in body:
        return _pocket_card(body["file"]), float("inf") if ms is None else ms / 1000
    if type(kind) is not str or kind not in makers:
        raise MessageRefused(f"'card' must be one of {', '.join(makers)}")
    try:
        card = makers[kind](_uid(body), _bytes(body, "ndef"))
    except ValueError as error:
        raise MessageRefused(str(error)) from error
    return card, float("inf") if ms is None else ms / 1000


def _pocket_card(path: object) -> Card:
    if type(path) is not str or not path.startswith("/") or not path.endswith(".json"):
        raise MessageRefused("'file' must be the whole path of a .json file")
    try:
        return PocketCard(Path(path))
    except (ValueError, OSError) as error:
        raise MessageRefused(str(error)) from error


def _uid(body: Mapping[str, Any]) -> bytes:
    uid = _bytes(body, "uid")
    if uid and len(uid) not in (4, 7):
        raise MessageRefused("'uid' must have 4 or 7 bytes")
    number = body.get("id")
    made_up = number if type(number) is int else 0
    return uid or b"\x04" + (made_up % 2**48).to_bytes(6, "big")


def _bytes(body: Mapping[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(body.get(name, ""))
    except (ValueError, TypeError):
        raise MessageRefused(f"'{name}' must be bytes in hexadecimal") from None


def _object(data: bytes) -> Mapping[str, Any]:
    if len(data) > MOST_MESSAGE:
        raise MessageRefused(f"longer than {MOST_MESSAGE} bytes")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise MessageRefused("not JSON") from None
    if not isinstance(body, dict):
        raise MessageRefused("not a JSON object")
    return body
