"""Simulated cards of ISO/IEC 14443 A: what a card answers to each frame, and nothing else.

A card knows no time and no radio: the simulated reader adds both. Frames are without CRC.
Base classes for others to build on: `Card` (any), `Type2Card` (pages), `Type4Card` (APDUs).
Source: NTAG213/215/216 product data sheet; NFC Forum Type 2 and Type 4 Tag specifications;
ISO/IEC 14443-3 and -4.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

NAK = b"\x00"
"""Four bits of a Type 2 card: refused. It is mute afterwards, until it is selected again."""
NO_FILE, BAD_PLACE, NOT_SUPPORTED, DONE = b"\x6a\x82", b"\x6b\x00", b"\x6d\x00", b"\x90\x00"
NDEF_APPLICATION = bytes.fromhex("D2760000850101")
CAPABILITIES, NDEF_FILE = b"\xe1\x03", b"\xe1\x04"


class Card(ABC):
    """One card in the field. Subclasses answer frames."""

    sens_res = b"\x44\x00"
    """ATQA as nfcpy writes it: high byte last."""
    sel_res = b"\x00"
    """SAK: 00 Type 2, 20 Type 4."""

    def __init__(self, uid: bytes) -> None:
        self.uid = uid
        self.gone = False
        """True: no longer in the field, whatever time it had."""
        self.pulls_plug = False
        """True: the reader's cable goes with it."""

    def select(self) -> None:  # noqa: B027 - some cards have nothing to forget
        """The field came on and the card was chosen: it starts from nothing."""

    @abstractmethod
    def answer(self, frame: bytes) -> bytes | None:
        """Answer a frame, or None for silence. Never called before `select`."""


class Type2Card(Card):
    """A card of 4-byte pages: READ, FAST_READ; mute after what it does not know."""

    def __init__(self, uid: bytes, memory: bytes) -> None:
        super().__init__(uid)
        self.memory = memory
        self.fast = True
        self.version = b""
        """What it answers to GET_VERSION; empty: it knows no such command."""
        self._mute = False

    def select(self) -> None:
        self._mute = False

    def answer(self, frame: bytes) -> bytes | None:
        if self._mute:
            return None
        given = self._command(frame)
        self._mute = given == NAK
        return given

    def _command(self, frame: bytes) -> bytes:
        pages = len(self.memory) // 4
        if len(frame) == 2 and frame[0] == 0x30 and frame[1] < pages:
            around = self.memory + self.memory[:16]  # a READ past the end goes on at page 0
            return around[4 * frame[1] :][:16]
        if frame == b"\x60" and self.version:
            return self.version
        if len(frame) == 3 and frame[0] == 0x3A and self.fast:
            first, last = frame[1], frame[2]
            if first <= last < pages:
                return self.memory[4 * first : 4 * last + 4]
        return NAK


@dataclass(frozen=True, slots=True)
class Chip:
    """A Type 2 chip: pages, bytes for blocks as its capability container says, its factory's lock
    control block, its size in GET_VERSION."""

    pages: int
    data: int
    lock: bytes
    size_code: int


CHIPS: Mapping[str, Chip] = MappingProxyType(
    {
        "ntag213": Chip(45, 144, bytes.fromhex("0103A00C34"), 0x0F),
        "ntag215": Chip(135, 496, b"", 0x11),
        "ntag216": Chip(231, 872, b"", 0x13),
    }
)


def ntag(kind: str, uid: bytes, ndef: bytes) -> Type2Card:
    """An NTAG213, 215 or 216 with a message on it. Raises ValueError: it does not fit."""
    chip = CHIPS[kind]
    length = bytes([len(ndef)]) if len(ndef) < 255 else b"\xff" + len(ndef).to_bytes(2, "big")
    content = chip.lock + b"\x03" + length + ndef
    if len(content) > chip.data:
        raise ValueError(f"a message of {len(ndef)} bytes does not fit on {kind}")
    content += b"\xfe" if len(content) < chip.data else b""
    head = uid[:3] + b"\x00" + uid[3:7] + b"\x00\x48\x00\x00"
    capability = bytes([0xE1, 0x10, chip.data // 8, 0x00])
    card = Type2Card(uid, (head + capability + content).ljust(4 * chip.pages, b"\x00"))
    card.version = bytes([0x00, 0x04, 0x04, 0x02, 0x01, 0x00, chip.size_code, 0x03])
    return card


class Type4Card(Card):
    """The block protocol of a Type 4 card; subclasses answer whole APDUs in `apdu`."""

    sel_res = b"\x20"
    ats = bytes.fromhex("067577810280")
    """Frames of 64 bytes, a frame wait of 77 ms, as NTAG 424 answers."""

    def __init__(self, uid: bytes) -> None:
        super().__init__(uid)
        self._activated, self._number, self._room = False, 1, 61
        self._command, self._waiting, self._last = b"", b"", b""

    def select(self) -> None:
        self._activated, self._number, self._room = False, 1, 61
        self._command, self._waiting, self._last = b"", b"", b""
        self.reset()

    @abstractmethod
    def apdu(self, command: bytes) -> bytes:
        """Answer a command APDU; the last two bytes are the status word."""

    def reset(self) -> None:
        """The card lost its power: forget selections and sessions."""

    def answer(self, frame: bytes) -> bytes | None:
        if not self._activated:
            if len(frame) == 2 and frame[0] == 0xE0:
                self._activated, self._room = True, (256 if frame[1] >> 4 >= 8 else 64) - 3
                return self.ats
            return None
        return self.block(frame)

    def block(self, frame: bytes) -> bytes | None:
        """Answer one block (ISO/IEC 14443-4, 7.5.4: rules 9 to 13 and D, E of the card)."""
        kind = frame[0] if frame else 0
        if kind & 0xEE == 0x02:
            self._number ^= 1
            self._command += frame[1:]
            if kind & 0x10:
                return self._said(bytes([0xA2 | self._number]))
            command, self._command = self._command, b""
            self._waiting = self.apdu(command)
            return self._part()
        if kind & 0xFE == 0xA2 and kind & 1 != self._number:
            self._number ^= 1
            return self._part()
        if kind & 0xEE == 0xA2 and kind & 1 == self._number:
            return self._last
        if kind & 0xFE == 0xB2:
            return bytes([0xA2 | self._number])
        return None

    def _part(self) -> bytes:
        part, self._waiting = self._waiting[: self._room], self._waiting[self._room :]
        return self._said(bytes([(0x12 if self._waiting else 0x02) | self._number]) + part)

    def _said(self, block: bytes) -> bytes:
        self._last = block
        return block


class NdefCard(Type4Card):
    """A Type 4 tag with one message: mapping version 2.0."""

    def __init__(self, uid: bytes, ndef: bytes, size: int = 1024) -> None:
        if len(ndef) + 2 > size:
            raise ValueError(f"a message of {len(ndef)} bytes does not fit on type4")
        self.ndef_file = len(ndef).to_bytes(2, "big") + ndef
        self.capabilities = bytes.fromhex("000F20 00FF 00FF 0406E104") + size.to_bytes(2) + b"\0\0"
        self.selected: str | None = None
        super().__init__(uid)

    def reset(self) -> None:
        self.selected = None

    def apdu(self, command: bytes) -> bytes:
        if command[:4] == b"\x00\xa4\x04\x00":
            return self._application(command)
        if command[:2] == b"\x00\xa4":
            return self._file(command[5:7])
        if command[:2] == b"\x00\xb0" and len(command) == 5:
            return self.read(int.from_bytes(command[2:4], "big"), command[4] or 256)
        return NOT_SUPPORTED

    def read(self, offset: int, size: int) -> bytes:
        """READ BINARY of the selected file."""
        files = {"capabilities": self.capabilities, "ndef": self.ndef_file}
        content = files.get(self.selected or "")
        if content is None:
            return NO_FILE
        if offset > len(content):
            return BAD_PLACE
        return content[offset : offset + size] + DONE

    def _application(self, command: bytes) -> bytes:
        named = command[5 : 5 + command[4]] if len(command) > 4 else b""
        self.selected = "application" if named == NDEF_APPLICATION else None
        return DONE if self.selected else NO_FILE

    def _file(self, name: bytes) -> bytes:
        found = {CAPABILITIES: "capabilities", NDEF_FILE: "ndef"}.get(name)
        if self.selected is None or found is None:
            return NO_FILE
        self.selected = found
        return DONE


Maker = Callable[[bytes, bytes], Card]
"""UID and message to a card; raises ValueError for a message that does not fit."""

KINDS: dict[str, Maker] = {
    "ntag213": lambda uid, ndef: ntag("ntag213", uid, ndef),
    "ntag215": lambda uid, ndef: ntag("ntag215", uid, ndef),
    "ntag216": lambda uid, ndef: ntag("ntag216", uid, ndef),
    "type4": NdefCard,
}
"""Cards by the name a visitor's message gives; other modules add theirs."""
