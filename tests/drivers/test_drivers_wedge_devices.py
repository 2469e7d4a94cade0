"""Hand scanners as devices: a serial line that is a real pseudo terminal; a keyboard whose events
come through a socket in the kernel's own form, since this is as far as a machine without one goes.
"""

import contextlib
import errno
import os
import socket
import termios
import tty
from pathlib import Path

import pytest
from test_drivers_wedge_keys import ENTER, typed

from drivers.errors import DeviceLost, DeviceNotFound
from drivers.uri import DriverUri
from drivers.wedge_hid import EVENT, PARTIAL, HidWedge, LayoutWrong, open_grabbed
from drivers.wedge_serial import SerialWedge

# --- serial


@pytest.fixture
def line():
    """A scanner's end of a serial line, and the gate's name for the other."""
    ours, theirs = os.openpty()
    tty.setraw(ours)
    name = os.ttyname(theirs)
    os.close(theirs)
    yield ours, name
    with contextlib.suppress(OSError):
        os.close(ours)


def serial_uri(name: str, options: str = "") -> DriverUri:
    return DriverUri.parse(f"wedge:serial:{name}{options}")


def complain(error):
    raise AssertionError(error)


def read_one(wedge, tries=100):
    for _ in range(tries):
        if codes := wedge.read(0.05):
            return codes
    raise AssertionError("no code came")


def test_a_code_comes_over_a_serial_line_at_any_speed(line):
    scanner, name = line
    wedge = SerialWedge.open(serial_uri(name, "?speed=115200&parity=even"), complain)
    os.write(scanner, b"T-1\r\nT-")
    assert read_one(wedge) == [b"T-1"]
    os.write(scanner, b"2\r\n")
    assert read_one(wedge) == [b"T-2"]
    wedge.close()


def test_a_pause_ends_a_code_that_has_no_end(line):
    scanner, name = line
    wedge = SerialWedge.open(serial_uri(name, "?gap=5"), complain)
    os.write(scanner, b"T-1")
    assert read_one(wedge) == [b"T-1"]
    wedge.close()


def test_garbage_on_the_line_is_a_code_to_be_refused_and_the_next_is_read(line):
    scanner, name = line
    wedge = SerialWedge.open(serial_uri(name), complain)
    os.write(scanner, bytes(range(128, 256)) + b"\rT-1\r")
    assert read_one(wedge) == [bytes(range(128, 256)), b"T-1"]
    wedge.close()


def test_an_unplugged_scanner_is_lost_by_name_and_closes_without_a_murmur(line):
    scanner, name = line
    wedge = SerialWedge.open(serial_uri(name), complain)
    os.close(scanner)
    with pytest.raises(DeviceLost, match=f"{name} was unplugged"):
        wedge.read(1.0)
    wedge.close()


@pytest.mark.parametrize(
    "unplug",
    [
        OSError(errno.EIO, "Input/output error"),
        termios.error(errno.EIO, "Input/output error"),
        b"",
    ],
    ids=["an error", "termios.error, which is none", "ready and empty"],
)
def test_each_way_an_unplug_shows_is_the_same_fault(line, monkeypatch, unplug):
    scanner, name = line
    wedge = SerialWedge.open(serial_uri(name), complain)
    os.write(scanner, b"x")

    def read(*_):
        if isinstance(unplug, bytes):
            return unplug
        raise unplug

    monkeypatch.setattr("drivers.wedge_serial.os.read", read)
    with pytest.raises(DeviceLost):
        wedge.read(1.0)
    monkeypatch.undo()
    wedge.close()


def test_a_scanner_that_is_not_there_is_named_with_where_to_look():
    with pytest.raises(DeviceNotFound, match="ttyNONE") as caught:
        SerialWedge.open(serial_uri("ttyNONE"), complain)
    assert "by-id" in caught.value.remedy


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EACCES, "dialout"), (errno.EBUSY, "ModemManager")]
)
def test_a_line_that_cannot_be_had_says_what_to_do(monkeypatch, number, remedy):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("drivers.wedge_serial.serial.Serial", refused)
    with pytest.raises(DeviceNotFound) as caught:
        SerialWedge.open(serial_uri("ttyACM0"), complain)
    assert remedy in caught.value.remedy


def test_a_child_that_was_held_up_cuts_no_code_in_two(line):
    """The bytes came without a pause; it was we who looked late."""
    scanner, name = line
    wedge = SerialWedge.open(serial_uri(name), complain)
    now = 100.0
    wedge._now = lambda: now
    os.write(scanner, b"FIRST-HALF")
    assert wedge.read(1.0) == []
    now += 0.5
    os.write(scanner, b"-SECOND\r")
    assert wedge.read(1.0) == [b"FIRST-HALF-SECOND"]
    wedge.close()


# --- keyboard

NAME = "Honeywell 1950g"


class Keys:
    """A scanner with keys: what it types arrives as the kernel would say it."""

    def __init__(self, tmp_path: Path, name: str = NAME) -> None:
        self.root = tmp_path
        self.ours, self.theirs = socket.socketpair()
        self.now = 100.0
        self.reports: list[LayoutWrong] = []
        self.add("event3", name)

    def add(self, event: str, name: str, port: str = "usb-3f980000.usb-1.3/input0") -> None:
        device = self.root / "sys/class/input" / event / "device"
        device.mkdir(parents=True)
        (device / "name").write_text(name + "\n")
        (device / "phys").write_text(port + "\n")

    def open(self, text: str = "wedge:hid:honeywell", open_it=None) -> HidWedge:
        def descriptor(path: Path) -> int:
            self.path = path
            return self.theirs.detach()

        uri = DriverUri.parse(text)
        wedge = HidWedge.open(uri, self.reports.append, self.root, open_it or descriptor)
        wedge._now = lambda: self.now
        return wedge

    def type(self, text: str, layout: str = "us", enter: bool = True) -> None:
        events = typed(text, layout) + ([(ENTER, True), (ENTER, False)] if enter else [])
        for code, down in events:
            self.ours.send(EVENT.pack(0, 0, 1, code, int(down)) + EVENT.pack(0, 0, 0, 0, 0))


@pytest.fixture
def keys(tmp_path):
    keys = Keys(tmp_path)
    yield keys
    keys.ours.close()


def test_a_child_that_was_held_up_forgets_no_key(keys):
    """The keys came without a pause; it was we who looked late."""
    wedge = keys.open()
    keys.type("T-1", enter=False)
    assert wedge.read(0.0) == []
    keys.type("23")
    keys.now += 2 * PARTIAL
    assert read_one(wedge) == [b"T-123"]
    wedge.close()


def test_what_the_scanner_types_is_a_code_at_its_enter(keys):
    wedge = keys.open()
    keys.type("AD1:6B+7 $%*./-")
    assert read_one(wedge) == [b"AD1:6B+7 $%*./-"]
    assert keys.path == keys.root / "dev/input/event3"
    wedge.close()


def test_a_ticket_in_the_wrong_layout_is_read_all_the_same_and_the_layout_named(keys):
    wedge = keys.open("wedge:hid:honeywell?layout=de")
    keys.type("AD1:6BZY-/", "us")
    assert read_one(wedge) == [b"AD1:6BZY-/"]
    (error,) = keys.reports
    assert "layout 'us', not 'de'" in error.cause
    assert "layout=us" in error.remedy
    wedge.close()


def test_a_wrong_layout_is_named_once_and_not_with_each_ticket(keys):
    """Each word of it is two records, and the ticket behind it would wait for them."""
    wedge = keys.open()
    for number in range(3):
        keys.type(f"AD1:6BYZ{number}", layout="de")
        assert read_one(wedge) == [b"AD1:6BYZ%d" % number]
    assert len(keys.reports) == 1
    wedge.close()


def test_a_line_broken_off_is_not_glued_to_the_next(keys):
    wedge = keys.open()
    keys.type("AD1:HALF", enter=False)
    for _ in range(20):
        wedge.read(0.0)
    keys.now += PARTIAL + 0.01
    assert wedge.read(0.0) == []
    keys.type("T-2")
    assert read_one(wedge) == [b"T-2"]
    wedge.close()


def test_lost_events_drop_the_line_they_were_lost_from(keys):
    """SYN_DROPPED: what follows up to the next report belongs to nothing."""
    wedge = keys.open()
    keys.type("LOST", enter=False)
    keys.ours.send(
        EVENT.pack(0, 0, 0, 3, 0) + EVENT.pack(0, 0, 1, 30, 1) + EVENT.pack(0, 0, 0, 0, 0)
    )
    keys.type("T-3")
    assert read_one(wedge) == [b"T-3"]
    wedge.close()


def test_a_held_key_is_one_character(keys):
    wedge = keys.open()
    for value in (1, 2, 2, 2, 0):
        keys.ours.send(EVENT.pack(0, 0, 1, 30, value))
    keys.type("b")
    assert read_one(wedge) == [b"ab"]
    wedge.close()


def test_an_unplugged_keyboard_is_lost_by_name(keys):
    wedge = keys.open()
    keys.ours.close()
    with pytest.raises(DeviceLost, match="honeywell was unplugged"):
        for _ in range(3):
            wedge.read(0.1)
    wedge.close()


def test_a_scanner_is_found_by_its_port_where_two_have_one_name(keys):
    keys.add("event5", NAME, "usb-3f980000.usb-1.4/input0")
    with pytest.raises(DeviceNotFound, match="2 input devices") as caught:
        keys.open()
    assert "port" in caught.value.remedy
    wedge = keys.open("wedge:hid:usb-3f980000.usb-1.4")
    assert keys.path.name == "event5"
    wedge.close()


def test_a_scanner_that_is_not_there_says_how_to_find_its_name(keys):
    with pytest.raises(DeviceNotFound) as caught:
        keys.open("wedge:hid:zebra")
    assert "/proc/bus/input/devices" in caught.value.remedy


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EACCES, "group 'input'"), (errno.EBUSY, "grabbed")]
)
def test_a_keyboard_that_cannot_be_had_says_what_to_do(keys, number, remedy):
    def refused(path):
        raise (
            OSError(number, os.strerror(number))
            if number != errno.EACCES
            else PermissionError(number, os.strerror(number))
        )

    with pytest.raises(DeviceNotFound) as caught:
        keys.open(open_it=refused)
    assert remedy in caught.value.remedy


def test_what_cannot_be_grabbed_is_not_read(tmp_path):
    """A file is no event device: without the grab every ticket would be typed into a console."""
    (tmp_path / "event0").write_bytes(b"")
    with pytest.raises(OSError):
        open_grabbed(tmp_path / "event0")
