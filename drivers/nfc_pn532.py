"""A PN532 on a serial line: found at whatever speed it was left, and with fewer commands a frame.

nfcpy's own opening shells out to find a speed and takes the highest the computer accepts; a chip
whose process was killed stays at that speed, and is not found again until it loses its power. It
also sends four commands to the chip for each frame to a card: three of them say what it knows.
Source: PN532 user manual (UM0701-02), 6.2.1 (frames), 7.2.8 (SetSerialBaudRate), 7.3.1
(RFConfiguration), 7.3.9 (InCommunicateThru).
"""

from __future__ import annotations

import errno
import logging
import os
from typing import Any

import nfc.clf  # type: ignore[import-untyped]
import nfc.clf.pn532  # type: ignore[import-untyped]
import nfc.clf.transport  # type: ignore[import-untyped]

AT_POWER_ON = 115_200
SPEEDS = (115_200, 230_400, 460_800, 921_600)
WAKE_UP = b"\x55\x55" + bytes(14)
"""Wakes a sleeping chip; to one that is awake it is a long preamble."""
PATIENCE = 250
"""Milliseconds to wait for any answer of a chip that is awake, where nfcpy waits 100: on a busy
computer the line is late at times, and what comes in time costs nothing."""

log = logging.getLogger("nfc.clf.pn532")


class Chipset(nfc.clf.pn532.Chipset):  # type: ignore[misc]
    """The chip's commands, each preceded by what wakes it until it has answered."""

    asleep = True
    patience = PATIENCE

    def read_frame(self, timeout: int) -> bytearray:
        longer = timeout if self.asleep else max(timeout, self.patience)
        return bytearray(super().read_frame(longer))

    def write_frame(self, frame: bytes) -> None:
        super().write_frame(WAKE_UP + bytes(frame) if self.asleep else frame)


class Pn532(nfc.clf.pn532.Device):  # type: ignore[misc]
    """nfcpy's device, that tells the chip its settings once for each card, not for each frame."""

    def __init__(self, chipset: Chipset) -> None:
        self._told: tuple[Any, int] | None = None
        super().__init__(chipset, log)

    def mute(self) -> None:
        self._told = None
        super().mute()

    def sense_tta(self, target: Any) -> Any:
        self._told = None
        return super().sense_tta(target)

    def send_cmd_recv_rsp(self, target: Any, data: bytearray, timeout: float) -> bytearray:
        step = timeout_step(timeout)
        if self._told is None or self._told[0] is not target:
            self._told = (target, step)
            return bytearray(super().send_cmd_recv_rsp(target, data, timeout))
        if self._told[1] != step:
            self._told = None  # until it is told well
            self.chipset.rf_configuration(0x02, bytearray([0x0A, 0x0B, step]))
            self._told = (target, step)
        return self._thru(target, data, timeout_of(step))

    def _thru(self, target: Any, data: bytearray, wait: float) -> bytearray:
        """One frame, with 0.1 s for the way to the chip and back."""
        pages = target.sel_res[0] & 0x60 == 0
        send = self._tt2_send_cmd_recv_rsp if pages else self.chipset.in_communicate_thru
        try:
            return bytearray(send(bytearray(data), wait + 0.1))
        except nfc.clf.pn532.Chipset.Error as error:
            if error.errno == 0x01:
                raise nfc.clf.TimeoutError(str(error)) from error
            raise nfc.clf.TransmissionError(str(error)) from error
        except OSError as error:
            if error.errno != errno.ETIMEDOUT:
                raise
            raise nfc.clf.TimeoutError(str(error)) from error


def timeout_step(timeout: float) -> int:
    """The number of a time-out of at least ``timeout`` seconds: 1 (0.1 ms) to 16 (3.3 s)."""
    return next((n for n in range(1, 16) if timeout_of(n) >= timeout), 16)


def timeout_of(step: int) -> float:
    """Seconds of a time-out number."""
    return float(100e-6 * 2 ** (step - 1))


def open_pn532(tty: Any, speed: int) -> Pn532:
    """Find the chip on an open line and set its speed.

    Args:
        tty: nfcpy's transport.
        speed: Bits per second, one of ``SPEEDS``.
    Raises:
        OSError: no PN532 answers, at any speed (ENODEV); or it fails at this one (EIO).
    """
    chipset = Chipset(tty, log)
    last = sorted(set(SPEEDS) - {AT_POWER_ON, speed}, reverse=True)
    for tried in dict.fromkeys([AT_POWER_ON, speed, *last]):
        tty.baudrate = tried
        # A sleeping chip, which is one at its first speed, may lose the command that woke it.
        if any(_answers(chipset) for _ in range(2 if tried == AT_POWER_ON else 1)):
            break
    else:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    chipset.asleep = False
    if tried != speed:
        chipset.set_serial_baudrate(speed)
        tty.baudrate = speed
    return Pn532(chipset)


def _answers(chipset: Chipset) -> bool:
    try:
        chipset.sam_configuration("normal")
    except (OSError, LookupError, nfc.clf.pn532.Chipset.Error):
        return False  # silence, or noise of another speed
    return True
