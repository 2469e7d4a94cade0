"""Where a reader is, and what is said when it cannot be had."""

import errno
import os
import termios
import time

import nfc.clf.device
import pytest
import usb1

from drivers.errors import DeviceNotFound, UriError
from drivers.nfc_errors import NfcClaimed, NfcForbidden, NfcLost
from drivers.nfc_open import SimPort, TtyPort, UsbPort, tty_path
from drivers.nfc_reset import GpioReset
from drivers.pace import FakePace
from drivers.registry import nfc_port
from drivers.uri import DriverUri


@pytest.fixture
def usb(tmp_path):
    """A USB tree as the kernel shows it, with a reader at port 1-1.3."""
    at = tmp_path / "1-1.3"
    (at / "1-1.3:1.0").mkdir(parents=True)
    (at / "busnum").write_text("1\n")
    (at / "devnum").write_text("7\n")
    return tmp_path


def test_the_port_is_looked_up_at_each_opening(usb, monkeypatch):
    """A device's number changes whenever it is plugged in, its port does not."""
    asked = []
    monkeypatch.setattr(nfc.clf.device, "connect", lambda path: asked.append(path) or object())
    port = UsbPort("1-1.3", usb)
    port.open(time.monotonic)
    (usb / "1-1.3" / "devnum").write_text("12\n")
    port.open(time.monotonic)
    assert asked == ["usb:001:007", "usb:001:012"]


def test_an_empty_port_is_named(usb):
    port = UsbPort("1-1.4", usb)
    assert not port.there()
    with pytest.raises(DeviceNotFound, match=r"1-1\.4.*lsusb -t"):
        port.open(time.monotonic)


def test_the_kernels_own_driver_is_named_with_its_remedy(usb):
    driver = usb / "drivers" / "pn533_usb"
    driver.mkdir(parents=True)
    (usb / "1-1.3" / "1-1.3:1.0" / "driver").symlink_to(driver)
    with pytest.raises(NfcClaimed, match=r"pn533_usb.*modprobe -r pn533_usb"):
        UsbPort("1-1.3", usb).open(time.monotonic)


@pytest.mark.parametrize(
    ("raised", "fault", "remedy"),
    [
        (OSError(errno.EACCES, "x"), NfcForbidden, "udev rule"),
        (OSError(errno.EBUSY, "x"), NfcClaimed, "pcscd"),
        (OSError(errno.ENODEV, "x"), NfcLost, "cable"),
        (usb1.USBErrorPipe(), NfcLost, "Unplug"),
        (IndexError(), NfcLost, "Unplug"),
    ],
)
def test_whatever_opening_raises_is_named(usb, monkeypatch, raised, fault, remedy):
    def connect(path):
        raise raised

    monkeypatch.setattr(nfc.clf.device, "connect", connect)
    with pytest.raises(fault, match=remedy):
        UsbPort("1-1.3", usb).open(time.monotonic)


def test_what_is_no_reader_is_named(usb, monkeypatch):
    monkeypatch.setattr(nfc.clf.device, "connect", lambda path: None)
    with pytest.raises(DeviceNotFound, match=r"readers\.md"):
        UsbPort("1-1.3", usb).open(time.monotonic)


class Sleeper:
    """A device that would go to sleep for good when closed, as the ACR122U does."""

    class chipset:
        class transport:
            closed = 0

            @classmethod
            def close(cls):
                cls.closed += 1
                raise usb1.USBErrorNoDevice

    def close(self):
        raise AssertionError("closed on purpose")


def test_a_reader_is_never_closed_on_purpose(usb, monkeypatch):
    monkeypatch.setattr(nfc.clf.device, "connect", lambda path: Sleeper())
    port = UsbPort("1-1.3", usb)
    frontend = port.open(time.monotonic)
    port.let_go(frontend)
    assert Sleeper.chipset.transport.closed == 1


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("AMA0:pn532", "/dev/ttyAMA0"),
        ("USB11:pn532", "/dev/ttyUSB11"),
        ("gatenfc1:pn532", "/dev/gatenfc1"),
        ("/dev/serial/by-path/a:1.0-b:pn532", "/dev/serial/by-path/a:1.0-b"),
    ],
)
def test_a_serial_line_is_found_by_its_name(address, path):
    assert tty_path(address) == path


def test_a_serial_line_that_is_not_there_is_named():
    with pytest.raises(DeviceNotFound, match="ttyUSB99"):
        TtyPort("USB99:pn532", 115_200).open(time.monotonic)


def test_a_line_that_is_no_terminal_is_named():
    """termios.error is no OSError; it must not end the process."""
    with pytest.raises((NfcLost, NfcForbidden)):
        TtyPort("/dev/null:pn532", 115_200).open(time.monotonic)
    assert not issubclass(termios.error, OSError)


def test_the_reset_line_is_pulsed_low_and_held_high(monkeypatch):
    from gpiozero import Device
    from gpiozero.pins.mock import MockFactory

    factory = MockFactory()
    monkeypatch.setattr(Device, "pin_factory", factory)
    pace = FakePace()
    pin = factory.pin(17)
    GpioReset(17, pace).pulse()
    assert [bool(state.state) for state in pin.states][-3:] == [True, False, True]


def test_a_simulated_reader_needs_somebody_who_listens(tmp_path):
    with pytest.raises(DeviceNotFound, match="start the program"):
        SimPort(str(tmp_path / "none.sock"), FakePace()).open(time.monotonic)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("nfc:usb:1-1.3", UsbPort),
        ("nfc:usb:3-2?text=on", UsbPort),
        ("nfc:tty:AMA0:pn532?speed=921600&reset=17", TtyPort),
        ("nfc:tty:/dev/serial/by-id/usb-x:pn532", TtyPort),
        ("nfc:sim:/run/admit/visitor-nfc.sock", SimPort),
    ],
)
def test_a_uri_names_a_port(uri, kind):
    assert isinstance(nfc_port(DriverUri.parse(uri)), kind)


@pytest.mark.parametrize(
    "uri",
    [
        "nfc:usb:",
        "nfc:usb:054c:06c3",
        "nfc:usb:1-1.3/../..",
        "nfc:tty:AMA0",
        "nfc:tty:AMA0:arygon",
        "nfc:tty:/etc/passwd:pn532",
        "nfc:tty:/dev/../etc/x:pn532",
        "nfc:tty:AMA0:pn532?speed=9600",
        "nfc:tty:AMA0:pn532?reset=99",
        "nfc:usb:1-1?text=maybe",
    ],
)
def test_a_wrong_uri_is_refused_with_an_example(uri):
    with pytest.raises(UriError, match="nfc:"):
        DriverUri.parse(uri)


def test_every_port_says_whether_something_is_there(usb):
    assert UsbPort("1-1.3", usb).there()
    assert TtyPort(f"{os.devnull}:pn532", 115_200).there()
    assert not SimPort("/nowhere", FakePace()).there()
