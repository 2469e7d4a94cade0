"""NFC readers as what they are: processes beside each other, with real time and real sockets."""

import json
import subprocess
import sys
import time

import pytest

from drivers.nfc_pn532_model import Pn532Model
from scanner.readers import Reader, Readers
from tests.rigs.central_rig import ROOT
from tests.rigs.nfc_rig import Visitor, card, ticket
from tests.rigs.nfc_soak import TAPS

pytestmark = pytest.mark.heavy


class Lane:
    """The readers' parent, as a gate runs it, and what it heard."""

    def __init__(self, directory, count):
        self.visitors = [Visitor(directory / f"{n}.sock") for n in range(count)]
        self.seen = [[] for _ in range(count)]
        self.faults = [[] for _ in range(count)]
        self.readers = Readers([self._reader(n) for n in range(count)])

    def _reader(self, n):
        return Reader(
            self.visitors[n].uri,
            lambda sighting: self.seen[n].append(sighting.payload),
            lambda name, error: self.faults[n].append((name, error)),
        )

    def until(self, condition, seconds=30.0):
        """Serve the readers until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.seen, self.faults)
            self.readers.step(0.05)

    def tap(self, n, kind, payload):
        """Hold a card to reader n until it was read."""
        self.visitors[n].hold(kind, payload)
        self.until(lambda: payload in self.seen[n])
        self.visitors[n].hold(None)

    def close(self):
        self.readers.close()
        for visitor in self.visitors:
            visitor.close()


@pytest.fixture
def lane(tmp_path):
    made = []

    def maker(count=1):
        made.append(Lane(tmp_path, count))
        made[-1].until(lambda: all(reader.spoke for reader in made[-1].readers.all))
        return made[-1]

    yield maker
    for each in made:
        each.close()


def test_a_killed_reader_reads_again_by_itself_and_the_other_never_stops(lane):
    two = lane(2)
    two.tap(0, "ntag213", b"first")
    two.tap(1, "ntag215", b"second")
    two.readers.all[0].process.kill()
    two.visitors[0].forget()
    two.until(lambda: two.faults[0])
    two.until(two.visitors[0].has_a_reader)
    two.tap(1, "type4", b"while the other is dead")
    two.tap(0, "type4", b"back by itself")
    assert two.faults[1] == []
    assert two.faults[0][-1] == ("reader", None)


HOSTILE = ["empty_read", "endless_wait", "endless_chain", "huge_length", "past_end", "garbled"]


def test_every_hostile_card_is_survived_without_a_restart_or_a_fault(lane):
    one = lane()
    process = one.readers.all[0].process
    for n, kind in enumerate([*HOSTILE, "silent"]):
        one.visitors[0].hold(kind)
        one.visitors[0].told()
        one.tap(0, "ntag213", b"after %d" % n)
        one.visitors[0].told()
    assert one.readers.all[0].process is process
    assert one.faults[0] == []


def test_a_hostile_card_left_on_the_reader_silences_neither_it_nor_the_other(lane):
    two = lane(2)
    processes = [reader.process for reader in two.readers.all]
    two.visitors[0].hold("endless_wait")
    until = time.monotonic() + 4.0  # twice the silence after which a child is killed
    two.until(lambda: time.monotonic() > until)
    two.tap(1, "ntag216", b"meanwhile")
    two.tap(0, "ntag213", b"afterwards")
    assert [reader.process for reader in two.readers.all] == processes


def test_a_reader_unplugged_in_the_middle_of_a_tap_is_told_and_comes_back(lane):
    one = lane()
    process = one.readers.all[0].process
    one.visitors[0].hold("unplugs", b"half")
    one.until(lambda: len(one.faults[0]) >= 2 and one.faults[0][-1][1] is None)
    one.tap(0, "ntag213", b"plugged in again")
    one.visitors[0].pull_the_plug()
    told = len(one.faults[0])
    one.until(lambda: len(one.faults[0]) > told)
    one.tap(0, "type4", b"and again")
    assert one.readers.all[0].process is process
    assert one.seen[0][0] == b"plugged in again"


@pytest.mark.parametrize("speed", [115_200, 921_600])
def test_a_pn532_on_a_line_outlives_a_kill_and_a_silence_and_its_loss_is_told(speed):
    """The firmware at its true speed; a killed process leaves the chip at the speed it had."""
    chip, seen, faults = Pn532Model(), [], []
    uri = f"nfc:tty:{chip.path}:pn532?speed={speed}"
    reader = Reader(uri, lambda s: seen.append(s.payload), lambda *fault: faults.append(fault))
    readers = Readers([reader])

    def until(condition):
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, (seen, faults)
            readers.step(0.05)

    def tap(n, kind):
        payload = b"tap %d" % n
        chip.field.place(card(kind, ticket(payload), b"\x04nfc %02d" % n))
        until(lambda: payload in seen)
        chip.field.place(None)

    def fault_named(*names):
        return faults and faults[-1][0] in names and faults[-1][1] is not None

    try:
        for n, kind in enumerate(["ntag213", "ntag215", "ntag216", "type4", "short_ats"]):
            tap(n, kind)
        assert chip.speed == speed
        reader.process.kill()
        until(lambda: faults and faults[-1] == ("reader", None))
        tap(10, "ntag213")
        chip.mute = True
        until(lambda: fault_named("NfcLost"))
        chip.mute = False
        until(lambda: faults[-1] == ("NfcLost", None))
        tap(11, "type4")
        process = reader.process
        chip.unplug()
        until(lambda: fault_named("NfcLost", "DeviceNotFound"))
        until(lambda: reader.state == "lost")
        assert reader.process is process
    finally:
        readers.close()
        chip.unplug()


@pytest.mark.timeout(300)
def test_ten_thousand_taps_leave_nothing_behind():
    """Every kind of card, hostile ones among them, in a process that does nothing else."""
    command = [sys.executable, "-m", "tests.rigs.nfc_soak"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    soak = json.loads(done.stdout)
    assert soak["read"] == TAPS - TAPS // 20
    assert soak["traced"] < 16 << 10
    assert soak["resident"] < 2 << 20
