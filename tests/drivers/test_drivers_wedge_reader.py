"""The reader of a hand scanner: a scan is held in view, a lost scanner is found again."""

import contextlib
import itertools
import os
import pty
import socket
import subprocess
import sys
import tty
from collections import deque
from pathlib import Path

import pytest

from drivers.errors import DeviceLost, DeviceNotFound
from drivers.link import Link, ParentGone
from drivers.messages import Fault, Heartbeat, Recovered, Sighting, decode
from drivers.wedge_reader import AGAIN_EVERY, LONGEST_WAIT, LOOK_EVERY, WedgeReader

MISSING = DeviceNotFound("The scanner is not there", "Plug it in")
LOST = DeviceLost("The scanner was unplugged", "Plug it in")
HOLD = 1.0


class FakeScanner:
    """A scanner that gives what a test puts into it, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.there = True
        self.codes: deque[list[bytes] | DeviceLost] = deque()
        self.overlong = 0
        self.opened = self.closed = 0

    def open(self, report):
        if not self.there:
            raise MISSING
        self.opened += 1
        return self

    def read(self, timeout):
        self.now += timeout
        found = self.codes.popleft() if self.codes else []
        if isinstance(found, DeviceLost):
            raise found
        return found

    def close(self):
        self.closed += 1

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def rig():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    scanner = FakeScanner()
    reader = WedgeReader(scanner.open, Link(theirs), HOLD, lambda: scanner.now, scanner.sleep)

    def heard(steps, kind):
        messages = []
        for _ in range(steps):
            reader.step()
            with contextlib.suppress(OSError):  # nothing more, or closed
                while True:
                    messages.append(decode(ours.recv(65536)))
        return [message for message in messages if isinstance(message, kind)]

    yield scanner, heard, ours
    ours.close()
    theirs.close()


def test_a_scan_is_in_view_for_as_long_as_it_is_held(rig):
    """A lane busy with the guest before finds it when it is free."""
    scanner, heard, _ = rig
    scanner.codes.append([b"T-1"])
    sightings = heard(20, Sighting)
    assert {(s.payload, s.medium) for s in sightings} == {(b"T-1", "wedge")}
    times = [s.at for s in sightings]
    assert HOLD - AGAIN_EVERY - LOOK_EVERY <= times[-1] - times[0] <= HOLD
    assert max(b - a for a, b in itertools.pairwise(times)) <= AGAIN_EVERY + LOOK_EVERY


def test_the_next_scan_takes_the_place_of_the_one_before(rig):
    scanner, heard, _ = rig
    scanner.codes += [[b"T-1"], [b"T-2"]]
    assert heard(2, Sighting)[-1].payload == b"T-2"
    assert {s.payload for s in heard(20, Sighting)} == {b"T-2"}


def test_a_scanner_that_is_not_there_is_told_once_and_its_return_too(rig):
    scanner, heard, _ = rig
    scanner.there = False
    faults = heard(200, Fault | Recovered)
    assert [(f.name, f.lasting) for f in faults] == [("DeviceNotFound", True)]
    scanner.there = True
    assert [type(f) for f in heard(60, Fault | Recovered)] == [Recovered]


def test_a_lost_scanner_is_closed_and_opened_anew_less_and_less_often(rig):
    scanner, heard, _ = rig
    scanner.codes.append(LOST)
    assert [f.name for f in heard(1, Fault)] == ["DeviceLost"]
    assert (scanner.opened, scanner.closed) == (1, 1)
    heard(5, Fault)
    assert scanner.opened == 2
    scanner.there = False
    scanner.codes.append(LOST)
    began = scanner.now
    heard(300, Fault)
    assert scanner.now - began > 4 * LONGEST_WAIT


def test_the_heart_beats_with_and_without_a_scanner(rig):
    scanner, heard, _ = rig
    assert {beat.state for beat in heard(10, Heartbeat)} == {"ok"}
    scanner.there = False
    scanner.codes.append(LOST)
    beats = heard(20, Heartbeat)
    assert beats[-1].state == "not_found"
    assert len(beats) >= 20 * LOOK_EVERY / 0.5


def test_a_line_too_long_is_told_and_the_next_is_read(rig):
    scanner, heard, _ = rig
    heard(1, Fault)
    scanner.overlong = 1
    assert [f.name for f in heard(3, Fault)] == ["PayloadTooLong"]


def test_a_parent_that_is_gone_ends_it(rig):
    _scanner, heard, ours = rig
    heard(1, Fault)
    ours.close()
    with pytest.raises(ParentGone):
        heard(9, Fault)


def test_a_scan_goes_from_a_serial_line_to_a_message_and_loads_no_picture_library():
    """The real child on a real pseudo terminal."""
    scanner, line = pty.openpty()
    tty.setraw(scanner)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(20)
    program = (
        "import sys; from drivers.reader import main\ntry: main()\nfinally: print(*sys.modules)"
    )
    command = [sys.executable, "-P", "-c", program, f"wedge:serial:{os.ttyname(line)}"]
    child = subprocess.Popen(
        [*command, "--fd", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    try:
        while not isinstance(decode(ours.recv(65536)), Heartbeat):
            pass
        os.write(scanner, b"]Q1T-100\r\n")
        while not isinstance(message := decode(ours.recv(65536)), Sighting):
            pass
        assert (message.payload, message.medium) == (b"T-100", "wedge")
        ours.close()
        loaded = set(child.communicate(timeout=20)[0].split())
        assert not loaded & {"numpy", "cv2", "zxingcpp", "nfc", "requests"}
    finally:
        child.kill()
        child.wait(timeout=20)
        os.close(scanner)
        os.close(line)
