"""nfcpy's frontend with a budget for each tap, so that no card can keep a reader.

nfcpy's own loops have no bound: a card that asks for more time for ever, or promises bytes it never
gives, hangs it. Every frame to a card passes `exchange`, so that is where a tap is counted.
"""

from __future__ import annotations

import struct
import termios
import time
from collections.abc import Callable
from typing import Any

import nfc.clf  # type: ignore[import-untyped]
import nfc.clf.pn53x  # type: ignore[import-untyped]
import nfc.clf.rcs380  # type: ignore[import-untyped]
import usb1  # type: ignore[import-untyped]

from drivers.nfc_errors import NfcLost

TAP_SECONDS = 1.0
TAP_EXCHANGES = 300
TAP_BYTES = 1 << 10
"""Bytes received in one activation of a card: the largest ticket tag, NTAG216, holds 888."""
SHORTEST = 100e-6
"""Seconds of the shortest time-out of a PN53x; all others are this times a power of two."""

# nfcpy indexes into what a device sent without looking at its length, asserts, and lets termios and
# libusb speak for themselves. Whatever comes out of a call into it, the reader failed.
DEVICE_FAILURES = (
    OSError,
    termios.error,
    usb1.USBError,
    nfc.clf.pn53x.Chipset.Error,
    nfc.clf.rcs380.CommunicationError,
    nfc.clf.rcs380.StatusError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)


class BudgetSpent(nfc.clf.ProtocolError):  # type: ignore[misc]
    """This tap may exchange nothing more. The one kind of error that no loop retries."""


class TapBudget:
    """What one tap may use: seconds and exchanges in all, bytes for each activation."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until = now() + TAP_SECONDS
        self.exchanges = 0
        self._bytes = 0

    def activate(self) -> None:
        """The card is read from the start again: its bytes are counted anew."""
        self._bytes = 0

    def left(self) -> float:
        """Seconds this tap may still take; 0 or less: none."""
        return self._until - self._now()

    def spend(self, timeout: float) -> float:
        """Pay for one exchange; returns the time-out it may have.

        Raises:
            BudgetSpent: seconds, exchanges or bytes are used up.
        """
        self.exchanges += 1
        left = self.left()
        if left < SHORTEST or self.exchanges > TAP_EXCHANGES:
            raise BudgetSpent("time" if left < SHORTEST else "exchanges")
        if timeout <= left:
            return timeout
        within = SHORTEST
        while 2 * within <= left:  # the chip would round the rest up to twice as long
            within *= 2
        return within

    def received(self, size: int) -> None:
        """Count what came back. Raises BudgetSpent."""
        self._bytes += size
        if self._bytes > TAP_BYTES + TAP_BYTES // 4:  # frames carry headers and status words
            raise BudgetSpent("bytes")


class GuardedFrontend(nfc.clf.ContactlessFrontend):  # type: ignore[misc]
    """One open reader: polls for cards of ISO/IEC 14443 A, and exchanges frames within a budget.

    Raises:
        NfcLost: out of `poll` and `exchange`, when the reader, not the card, failed.
    """

    def __init__(self, device: Any, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.device = device
        self._now = now
        self.budget = TapBudget(now)

    def begin_tap(self) -> None:
        """A card came into the field: its budget starts."""
        self.budget = TapBudget(self._now)

    def poll(self) -> Any:
        """Look for a card once, about 10 ms; returns nfcpy's RemoteTarget, or None."""
        return self._asked(nfc.clf.RemoteTarget("106A"))

    def select(self, target: Any) -> Any:
        """Switch the field off and on and find that very card again; None when it is gone."""
        self.budget.spend(0.0)
        return self._asked(nfc.clf.RemoteTarget("106A", sel_req=bytearray(target.sdd_res)))

    def exchange(self, send_data: bytes, timeout: float) -> bytes:
        """Send a frame to the card in the field and return its answer, without CRC.

        Args:
            send_data: The frame, without CRC.
            timeout: Seconds to wait; shortened to what is left of the tap's budget.
        Raises:
            nfc.clf.TimeoutError, nfc.clf.TransmissionError: the card did not answer well.
            BudgetSpent: the tap is over.
            NfcLost: the reader failed.
        """
        allowed = self.budget.spend(timeout)
        try:
            answer = super().exchange(bytearray(send_data), allowed)
        except nfc.clf.CommunicationError:
            raise
        except DEVICE_FAILURES as error:
            raise _lost(error) from error
        if answer is None:
            raise nfc.clf.TimeoutError("no card is selected")
        self.budget.received(len(answer))
        return bytes(answer)

    def _asked(self, target: Any) -> Any:
        try:
            return self.sense(target)
        except nfc.clf.CommunicationError:
            return None
        except DEVICE_FAILURES as error:
            raise _lost(error) from error


def _lost(error: BaseException) -> NfcLost:
    said = f"{type(error).__name__}: {error}"[:200]
    return NfcLost(f"The reader does not answer ({said})", "Check its cable and its power")
