"""ISO-DEP, the block protocol of Type 4 cards: APDUs over frames.

Own, as nfcpy's takes no ATS without interface bytes and waits for ever where a card asks for it.
Source: ISO/IEC 14443-4:2018, sections 5 (activation) and 7 (half-duplex block protocol).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import nfc.clf  # type: ignore[import-untyped]

from drivers.nfc_errors import CardFault, Why

Exchange = Callable[[bytes, float], bytes]
"""Frame and time-out (s) to the card's answer; raises nfc.clf.CommunicationError."""

CARD_SILENT = (nfc.clf.TimeoutError, nfc.clf.TransmissionError)
"""What an exchange raises when the card did not answer, or not cleanly."""
FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)
CARRIER = 13.56e6
INFORMATION, MORE, ACK, NAK, MORE_TIME = 0x02, 0x10, 0xA2, 0xB2, 0xF2
"""First bytes of blocks: I-block, its chaining bit, R(ACK), R(NAK), S(WTX)."""
RETRIES = 2
MOST_MORE_TIME = 59
MOST_ANSWER = 1280
"""Bytes of one answer; the budget of the tap ends a longer one anyway."""


@dataclass(frozen=True, slots=True)
class Ats:
    """What a card answered to its selection. Times in seconds, sizes in bytes."""

    frame_size: int
    frame_wait: float
    guard: float


def parse_ats(data: bytes) -> Ats:
    """Read the answer to select, 1 byte or more: every part of it may be left out.

    Raises:
        CardFault: its length byte is wrong.
    Source: ISO/IEC 14443-4, 5.2.
    """
    if not data or data[0] != len(data):
        raise CardFault(Why.PROTOCOL, "The card's answer to select has a wrong length")
    if len(data) == 1:
        return _ats(2, 4, 0)
    format_byte, rest = data[1], data[2:]
    shown = [bool(format_byte & bit) for bit in (0x10, 0x20, 0x40)]  # TA, TB, TC
    if sum(shown) > len(rest):
        raise CardFault(Why.PROTOCOL, "The card's answer to select is cut short")
    timing = rest[1 if shown[0] else 0] if shown[1] else 0x40
    return _ats(format_byte & 0x0F, timing >> 4, timing & 0x0F)


def _ats(size: int, wait: int, guard: int) -> Ats:
    wait = 4 if wait == 15 else wait  # values kept for later editions of the standard
    guard = 0 if guard == 15 else guard
    unit = 4096 / CARRIER
    return Ats(
        frame_size=FRAME_SIZES[min(size, 8)],
        frame_wait=unit * 2**wait + unit * 12,
        guard=unit * 2**guard if guard else 0.0,
    )


class IsoDep:
    """One activated card: `apdu` and nothing else."""

    def __init__(self, exchange: Exchange, ats: Ats, longest_frame: int = 256) -> None:
        self._exchange = exchange
        self._wait = ats.frame_wait
        self._room = min(ats.frame_size, longest_frame) - 3  # block header and two bytes of CRC
        self._number = 0

    def apdu(self, command: bytes) -> bytes:
        """Send a command APDU; returns the whole answer, its last two bytes the status word.

        Raises:
            CardFault: the card is gone, or broke the protocol.
            BudgetSpent, NfcLost: as `GuardedFrontend.exchange`.
        """
        parts = [command[i : i + self._room] for i in range(0, len(command), self._room)] or [b""]
        for part in parts[:-1]:
            self._expect(ACK, self._turn(bytes([INFORMATION | MORE | self._number]) + part))
        block = self._turn(bytes([INFORMATION | self._number]) + parts[-1])
        answer = self._expect(INFORMATION, block)
        while block[0] & MORE:
            block = self._turn(bytes([ACK | self._number]))
            answer += self._expect(INFORMATION, block)
            if len(block) == 1 or len(answer) > MOST_ANSWER:
                raise CardFault(Why.PROTOCOL, "The card's answer has no end")
        if len(answer) < 2:
            raise CardFault(Why.PROTOCOL, "The card answered without a status")
        return answer

    def _expect(self, kind: int, block: bytes) -> bytes:
        if block[0] & 0xEE != kind:
            raise CardFault(Why.PROTOCOL, "The card answered with another block than expected")
        return block[1:]

    def _turn(self, frame: bytes) -> bytes:
        """Send one block until its answer has come; both then move on to the next number."""
        block, sent = self._asked(frame, self._wait), 1
        while True:
            if block[0] & 0xFE == MORE_TIME:  # again and again: bounded by the tap's budget
                block = self._granted(block)
            elif block[0] == ACK | (self._number ^ 1) and sent <= RETRIES:
                # It acknowledges the block before: this one got lost (rule 6).
                block, sent = self._asked(frame, self._wait), sent + 1
            else:
                break
        if block[0] & 0x01 != self._number:
            raise CardFault(Why.PROTOCOL, "The card's blocks are out of order")
        self._number ^= 1
        return block

    def _granted(self, block: bytes) -> bytes:
        factor = block[1] & 0x3F if len(block) > 1 else 0
        if not 1 <= factor <= MOST_MORE_TIME:
            raise CardFault(Why.PROTOCOL, "The card asked for an impossible time")
        return self._asked(bytes([MORE_TIME, factor]), factor * self._wait)

    def _asked(self, frame: bytes, wait: float) -> bytes:
        again = frame if frame[0] & 0xFE == ACK else bytes([NAK | self._number])
        for attempt in range(RETRIES + 1):
            try:
                block = self._exchange(again if attempt else frame, wait)
            except CARD_SILENT:
                continue
            if block:
                return block
        raise CardFault(Why.GONE, "The card left the field")
