"""Cards that try to keep a reader: simulated ones of each kind known to stop other software.

A phone can play any of them. What plain nfcpy did with
each is in docs/readers.md; they ship so that anyone can see the gate go on.
"""

from __future__ import annotations

from drivers.nfc_cards import CHIPS, DONE, Card, Maker, NdefCard, Type2Card, ntag


class EmptyRead(NdefCard):
    """Answers each READ BINARY of its message with success and no data."""

    def read(self, offset: int, size: int) -> bytes:
        return DONE if self.selected == "ndef" else super().read(offset, size)


class EndlessWait(NdefCard):
    """Asks for more time, for ever."""

    def block(self, frame: bytes) -> bytes | None:
        given = super().block(frame)
        return b"\xf2\x01" if self.selected == "ndef" else given


class EndlessChain(NdefCard):
    """Each of its answers has one more part."""

    def block(self, frame: bytes) -> bytes | None:
        given = super().block(frame)
        if self.selected != "ndef" or not given:
            return given
        return bytes([0x12 | frame[0] & 1]) + bytes(16)


class HugeLength(NdefCard):
    """Promises a message of 4 GiB in the form of mapping version 3.0."""

    def __init__(self, uid: bytes, ndef: bytes) -> None:
        super().__init__(uid, ndef)
        self.capabilities = bytes.fromhex("001130 00FF 00FF 0608E104 FFFFFFFF 00 00")
        self.ndef_file = b"\xff\xff\xff\xf0" + bytes(1020)

    def read(self, offset: int, size: int) -> bytes:
        if self.selected == "ndef" and offset:
            return bytes(size) + DONE
        return super().read(offset, size)


class ShortAts(NdefCard):
    """A legal answer to select without interface bytes."""

    ats = b"\x02\x05"


class Silent(NdefCard):
    """Selected, then mute."""

    def block(self, frame: bytes) -> bytes | None:
        return None


class LostFrames(NdefCard):
    """Every third frame gets lost on its way back, as of a card held at the edge of the field."""

    def __init__(self, uid: bytes, ndef: bytes) -> None:
        super().__init__(uid, ndef)
        self._frames = 0

    def block(self, frame: bytes) -> bytes | None:
        given = super().block(frame)
        self._frames += 1
        return None if self._frames % 3 == 0 else given


class Unplugs(NdefCard):
    """Takes the reader's cable with it, in the middle of being read."""

    def block(self, frame: bytes) -> bytes | None:
        if self.selected == "ndef":
            self.pulls_plug, self.gone = True, True
        return super().block(frame)


def past_end(uid: bytes, ndef: bytes) -> Type2Card:
    """An NTAG213 whose message is longer than its memory."""
    card = ntag("ntag213", uid, b"")
    content = b"\x03\xff\x03\x74" + ndef
    start = 16
    memory = card.memory[:start] + content[: CHIPS["ntag213"].data]
    return Type2Card(uid, memory.ljust(len(card.memory), b"\x00"))


def garbled(uid: bytes, ndef: bytes) -> Card:
    """A tag whose message is noise."""
    return ntag("ntag213", uid, bytes.fromhex("D102FFFF5502"))


HOSTILE: dict[str, Maker] = {
    "empty_read": EmptyRead,
    "endless_wait": EndlessWait,
    "endless_chain": EndlessChain,
    "huge_length": HugeLength,
    "short_ats": ShortAts,
    "silent": Silent,
    "lost_frames": LostFrames,
    "unplugs": Unplugs,
    "past_end": past_end,
    "garbled": garbled,
}
"""By the name a visitor's message gives. `short_ats` and `lost_frames` are honest, and are read."""
