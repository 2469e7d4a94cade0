"""Where NFC readers are: USB ports, serial lines, a simulated one; opened and reset there."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import nfc.clf.device  # type: ignore[import-untyped]
import nfc.clf.transport  # type: ignore[import-untyped]
import usb1  # type: ignore[import-untyped]

from drivers.errors import DeviceNotFound
from drivers.nfc_errors import NfcClaimed, NfcForbidden, NfcLost
from drivers.nfc_frontend import DEVICE_FAILURES, GuardedFrontend
from drivers.nfc_pn532 import open_pn532
from drivers.nfc_reset import GpioReset
from drivers.nfc_sim import SimulatedReader
from drivers.nfc_visitor import VisitorField
from drivers.pace import Pace, RealPace
from drivers.uri import DriverUri
from tickets.errors import GateError

Now = Callable[[], float]
KERNEL_DRIVERS = ("pn533_usb", "pn533", "port100", "nfcmrvl_usb")
USB_DEVICES = Path("/sys/bus/usb/devices")
log = logging.getLogger(__name__)


class NfcPort(Protocol):
    """One place where a reader is or may be."""

    def there(self) -> bool:
        """Whether something is plugged in."""
        ...

    def open(self, now: Now) -> GuardedFrontend:
        """Open the reader. Raises GateError."""
        ...

    def let_go(self, frontend: GuardedFrontend) -> None:
        """Free the handle of a reader that is lost. It is not told: some sleep for good then."""
        ...

    def reset(self) -> None:
        """Reset the hardware, where there is a way. Raises GateError."""
        ...


class UsbPort:
    """A reader at a USB port, named as the kernel does: ``1-1.3`` is bus 1, hub port 1, port 3.

    The number of a device changes each time it is plugged in; its port does not.
    """

    def __init__(self, port: str, devices: Path = USB_DEVICES) -> None:
        self._port, self._at = port, devices / port

    @classmethod
    def of(cls, uri: DriverUri) -> Self:
        """The port of ``nfc:usb:PORT``."""
        return cls(uri.address)

    def there(self) -> bool:
        return (self._at / "devnum").exists()

    def open(self, now: Now) -> GuardedFrontend:
        bus, number = self._numbers()
        self._refuse_claimed()
        try:
            device = nfc.clf.device.connect(f"usb:{bus:03}:{number:03}")
        except OSError as error:
            raise _named(error, f"at USB port {self._port}") from error
        except DEVICE_FAILURES as error:
            raise NfcLost(
                f"The reader at USB port {self._port} does not answer ({type(error).__name__})",
                "Unplug it and plug it in again",
            ) from error
        if device is None:
            raise DeviceNotFound(
                f"What is plugged in at USB port {self._port} is no NFC reader Admit knows",
                "See docs/readers.md for readers that work, and `lsusb -t` for ports",
            )
        return GuardedFrontend(device, now)

    def let_go(self, frontend: GuardedFrontend) -> None:
        _close_transport(frontend)

    def reset(self) -> None:
        bus, number = self._numbers()
        try:
            with usb1.USBContext() as context:
                for device in context.getDeviceList(skip_on_error=True):
                    if (device.getBusNumber(), device.getDeviceAddress()) == (bus, number):
                        device.open().resetDevice()
        except usb1.USBError as error:
            raise NfcLost(
                f"The reader at USB port {self._port} cannot be reset ({error})",
                "Unplug it and plug it in again",
            ) from error

    def _numbers(self) -> tuple[int, int]:
        try:
            bus, number = ((self._at / name).read_text() for name in ("busnum", "devnum"))
            return int(bus), int(number)
        except (OSError, ValueError) as error:
            raise DeviceNotFound(
                f"No NFC reader is plugged in at USB port {self._port}",
                "Plug it in there, or name its port: `lsusb -t` shows where it is",
            ) from error

    def _refuse_claimed(self) -> None:
        for link in self._at.glob(f"{self._port}:*/driver"):
            name = link.resolve().name
            if name in KERNEL_DRIVERS:
                raise NfcClaimed(
                    f"The kernel's own driver {name} holds the reader at USB port {self._port}",
                    f"Run `sudo modprobe -r {name}`; "
                    "the installer's blacklist keeps it away from the next start on",
                )


class TtyPort:
    """A PN532 on a serial line: ``AMA0:pn532``, a link in /dev, or a whole path."""

    def __init__(self, address: str, speed: int, reset: GpioReset | None = None) -> None:
        self.path = tty_path(address)
        self._speed, self._reset = speed, reset

    @classmethod
    def of(cls, uri: DriverUri) -> Self:
        """The line of ``nfc:tty:NAME:pn532``."""
        line = uri.options.get("reset")
        reset = None if line is None else GpioReset(int(line), RealPace())
        return cls(uri.address, int(uri.number("speed", 115_200)), reset)

    def there(self) -> bool:
        return Path(self.path).exists()

    def open(self, now: Now) -> GuardedFrontend:
        where = f"on {self.path}"
        if not self.there():
            raise DeviceNotFound(
                f"There is no serial line {self.path}",
                "Plug the reader in; on a Raspberry Pi, enable the serial port without console",
            )
        tty = None
        try:
            tty = nfc.clf.transport.TTY(self.path)
            return GuardedFrontend(open_pn532(tty, self._speed), now)
        except OSError as error:
            _close(tty)
            raise _named(error, where) from error
        except DEVICE_FAILURES as error:
            _close(tty)
            raise NfcLost(
                f"The reader {where} does not answer well ({type(error).__name__})",
                "Check its wires; try a lower ?speed=",
            ) from error

    def let_go(self, frontend: GuardedFrontend) -> None:
        _close_transport(frontend)

    def reset(self) -> None:
        if self._reset is not None:
            self._reset.pulse()


def tty_path(address: str) -> str:
    """The device file of ``NAME:pn532``, NAME as nfcpy writes it, a name in /dev, or a path."""
    name, _, _ = address.rpartition(":")
    if name.startswith("/"):
        return name
    return f"/dev/tty{name}" if re.fullmatch(r"(S|ACM|AMA|USB)\d+", name) else f"/dev/{name}"


class SimPort:
    """The reader of docs/devices.md, played by whoever listens at a socket."""

    def __init__(self, path: str, pace: Pace) -> None:
        self._path, self._pace = path, pace
        self._field: VisitorField | None = None

    @classmethod
    def of(cls, uri: DriverUri) -> Self:
        """The socket of ``nfc:sim:SOCKET``."""
        return cls(uri.address, RealPace())

    def there(self) -> bool:
        return self._field is not None and self._field.connected

    def open(self, now: Now) -> GuardedFrontend:
        if self._field is None or not self._field.connected:
            self._field = VisitorField.connect(self._path, now)
        try:
            return GuardedFrontend(SimulatedReader(self._field, self._pace), now)
        except OSError as error:
            raise DeviceNotFound("The simulated reader is unplugged", "Plug it in") from error

    def let_go(self, frontend: GuardedFrontend) -> None:
        frontend.device.close()

    def reset(self) -> None:
        """There is nothing to reset."""


def _named(error: OSError, where: str) -> GateError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return NfcForbidden(
            f"This program may not open the NFC reader {where}",
            "Run the installer again: it sets the udev rule and the group; then plug it in anew",
        )
    if error.errno == errno.EBUSY:
        return NfcClaimed(
            f"Another program holds the NFC reader {where}",
            "Stop it; often it is pcscd: `sudo systemctl disable --now pcscd.socket pcscd`",
        )
    said = error.strerror or type(error).__name__
    return NfcLost(
        f"The NFC reader {where} does not answer ({said})",
        "Check its cable, its power and its mode switches; a serial one: try ?speed=115200",
    )


def _close_transport(frontend: GuardedFrontend) -> None:
    _close(getattr(getattr(frontend.device, "chipset", None), "transport", None))
    frontend.device = None


def _close(transport: Any) -> None:
    if transport is not None:
        with contextlib.suppress(OSError, termios.error, usb1.USBError):  # it is gone already
            transport.close()
