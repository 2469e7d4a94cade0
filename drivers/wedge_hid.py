"""A hand scanner that acts as a keyboard: its events are read, and nobody else gets them.

Found by its name, since the number of an event file changes at every plug; grabbed (EVIOCGRAB), so
that a ticket is never typed into the console. Sources: linux/input.h, Documentation/input.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from drivers.errors import DeviceLost, DeviceNotFound
from drivers.protocols import Report
from drivers.uri import DriverUri
from drivers.wedge_frames import MOST_LINE, codes_in
from drivers.wedge_keys import LAYOUTS, Keyboard, Press, text_of

EVENT = struct.Struct("llHHi")
"""struct input_event on 64 bit: seconds, microseconds, type, code, value."""
EVIOCGRAB = 0x40044590
_SYN, _KEY = 0, 1
_DROPPED = 3
_UP, _DOWN = 0, 1  # 2 is a key held down, repeated: a scanner holds none
_AT_ONCE = 64
PARTIAL = 0.3
"""Seconds after which a line without its Enter is given up."""
_OURS = ("AD1:", "AD2:")

Open = Callable[[Path], int]


class LayoutWrong(DeviceNotFound):
    """The scanner types in another keyboard layout than the gate was told."""


def open_grabbed(path: Path) -> int:
    """Open an event file for us alone; returns its descriptor. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, EVIOCGRAB, 1)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class HidWedge:
    """One open keyboard scanner. Lives in a reader child."""

    def __init__(
        self,
        descriptor: int,
        name: str,
        layout: str,
        report: Report,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._descriptor = descriptor
        self._name = name
        self._layout = layout
        self._report = report
        self._now = now
        self._keyboard = Keyboard()
        self._last = 0.0
        self._lost_events = False
        self._told = ""
        self.overlong = 0
        """Lines dropped because they were too long for any code."""

    @classmethod
    def open(
        cls,
        uri: DriverUri,
        report: Report,
        root: Path = Path("/"),
        open_it: Open = open_grabbed,
    ) -> Self:
        """Open ``wedge:hid:NAME?layout=us``; NAME is part of the device's name or its port path.

        Raises:
            DeviceNotFound: none or more than one has that name, or it cannot be had.
        """
        path = _found(uri.address, root)
        try:
            descriptor = open_it(path)
        except OSError as error:
            raise _refused(uri.address, error) from error
        return cls(descriptor, uri.address, uri.word("layout", "us"), report)

    def read(self, timeout: float) -> list[bytes]:
        """Wait up to ``timeout`` seconds; the codes that are complete. Raises DeviceLost."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout)
        now = self._now()
        if not ready:
            # Not of keys that are there by now: it may have been us who looked late.
            if self._keyboard.presses and now - self._last > PARTIAL:
                self._keyboard.reset()
            return []
        try:
            data = os.read(self._descriptor, _AT_ONCE * EVENT.size)
        except BlockingIOError:
            return []
        except OSError as error:  # ENODEV: unplugged
            raise self._gone() from error
        if not data or len(data) % EVENT.size:
            raise self._gone()
        self._last = now
        return [code for event in EVENT.iter_unpack(data) for code in self._event(*event[2:])]

    def close(self) -> None:
        """Let go of the device, and with it of the grab."""
        os.close(self._descriptor)

    def _event(self, kind: int, code: int, value: int) -> list[bytes]:
        if kind == _SYN:
            # The kernel's buffer ran over: what is held is unknown until the next report.
            self._lost_events = code == _DROPPED
            if self._lost_events:
                self._keyboard.reset()
        elif kind == _KEY and value in (_UP, _DOWN) and not self._lost_events:
            if self._keyboard.key(code, value == _DOWN):
                return self._line(self._keyboard.take())
            if len(self._keyboard.presses) > MOST_LINE:
                self._keyboard.reset()
                self.overlong += 1
        return []

    def _line(self, presses: list[Press]) -> list[bytes]:
        text = text_of(presses, self._layout)
        if not text.startswith(_OURS):
            text = self._in_other_layout(presses) or text
        return codes_in(text.encode())

    def _in_other_layout(self, presses: list[Press]) -> str | None:
        """The text, if another layout makes a signed ticket's beginning of it: no chance."""
        for layout in LAYOUTS:
            text = text_of(presses, layout)
            if layout != self._layout and text.startswith(_OURS):
                self._tell(layout)
                return text
        return None

    def _tell(self, layout: str) -> None:
        """Say it once: each word is two records, and the ticket behind it waits for them."""
        if layout == self._told:
            return
        self._told = layout
        self._report(
            LayoutWrong(
                f"The scanner {self._name} types in keyboard layout '{layout}', not "
                f"'{self._layout}'; its tickets are read all the same",
                f"Write layout={layout} into its URI, or set the scanner to "
                f"'{self._layout}' by its leaflet",
            )
        )

    def _gone(self) -> DeviceLost:
        return DeviceLost(
            f"The scanner {self._name} was unplugged", "Plug it in; it is opened anew by itself"
        )


def _found(name: str, root: Path) -> Path:
    """The event file of the one input device with keys that has ``name`` in its name or path."""
    known: dict[str, Path] = {}
    for entry in sorted((root / "sys/class/input").glob("event*")):
        title, port = _line_of(entry / "device/name"), _line_of(entry / "device/phys")
        if name.lower() in title.lower() or (port and port.startswith(name)):
            known[f"{title} at {port or 'an unknown port'}"] = root / "dev/input" / entry.name
    if not known:
        raise DeviceNotFound(
            f"No keyboard scanner has '{name}' in its name",
            "Plug it in; `grep Name /proc/bus/input/devices` lists the names",
        )
    if len(known) > 1:
        raise DeviceNotFound(
            f"{len(known)} input devices have '{name}' in their name: {'; '.join(known)}",
            "Name the one by the port behind 'at'",
        )
    return next(iter(known.values()))


def _line_of(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace").strip()
    except OSError:  # gone between listing and reading
        return ""


def _refused(name: str, error: OSError) -> DeviceNotFound:
    if isinstance(error, PermissionError):
        remedy = "Put the gate's user into group 'input', or install Admit's udev rules"
    elif error.errno == 16:
        remedy = "Another program has grabbed it: end it, or name another scanner"
    else:
        remedy = "Unplug the scanner and plug it in"
    return DeviceNotFound(f"The scanner {name} cannot be had: {error.strerror}", remedy)
