"""A hand scanner on a serial line: USB (CDC-ACM), a USB bridge, RS-232.

pyserial opens it; reading is `select` and `read` on its file, since an unplug shows as any of three
things: an error, `termios.error`, or a file that is ready and gives nothing.
"""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Callable
from typing import Self

import serial

from drivers.errors import DeviceLost, DeviceNotFound
from drivers.protocols import Report
from drivers.uri import DriverUri
from drivers.wedge_frames import Framer

CHUNK = 4096
_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class SerialWedge:
    """One open serial scanner. Lives in a reader child."""

    def __init__(
        self, line: serial.Serial, gap: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = line
        self._framer = Framer(gap)
        self._gap = gap
        self._now = now

    @classmethod
    def open(cls, uri: DriverUri, report: Report) -> Self:
        """Open ``wedge:serial:ttyACM0?speed=9600&parity=none&gap=50``.

        Raises:
            DeviceNotFound: it is not there, is another's, or another program has it.
        """
        path = uri.address if uri.address.startswith("/") else f"/dev/{uri.address}"
        try:
            line = serial.Serial(
                path,
                baudrate=int(uri.number("speed", 9600)),
                parity=_PARITY[uri.word("parity", "none")],
                exclusive=True,
                timeout=0,
            )
        except (OSError, termios.error, ValueError) as error:  # SerialException is an OSError
            raise _not_found(path, error) from error
        return cls(line, uri.number("gap", 50) / 1000)

    @property
    def overlong(self) -> int:
        """Lines dropped because they were too long for any code."""
        return self._framer.overlong

    def read(self, timeout: float) -> list[bytes]:
        """Wait up to ``timeout`` seconds; the codes that are complete. Raises DeviceLost."""
        try:
            # In the middle of a code the wait ends at the pause that ends it.
            ready, _, _ = select.select([self._line.fileno()], [], [], min(timeout, self._gap))
            if not ready:
                return self._framer.idle(self._now())
            data = os.read(self._line.fileno(), CHUNK)
        except (OSError, ValueError, termios.error) as error:
            raise self._lost() from error
        if not data:
            raise self._lost()
        return self._framer.feed(data, self._now())

    def close(self) -> None:
        """Let go of the line; what was unfinished is dropped."""
        self._framer.forget()
        try:
            self._line.close()
        except (OSError, termios.error):  # it is gone already
            return

    def _lost(self) -> DeviceLost:
        return DeviceLost(
            f"The scanner {self._line.port} was unplugged or stopped",
            "Plug it in; it is opened anew by itself",
        )


def _not_found(path: str, error: Exception) -> DeviceNotFound:
    number = getattr(error, "errno", None)
    if isinstance(error, PermissionError) or number in (1, 13):
        return DeviceNotFound(
            f"The gate may not open the scanner {path}",
            "Put the gate's user into group 'dialout', or install Admit's udev rules",
        )
    if number in (11, 16):
        return DeviceNotFound(
            f"Another program uses the scanner {path}",
            "End it (a terminal program, ModemManager), or name another device",
        )
    why = "is not there" if number == 2 else f"cannot be opened: {error}"
    return DeviceNotFound(
        f"The scanner {path} {why}",
        "Check its cable and its name: ls /dev/serial/by-id lists what is plugged in",
    )
