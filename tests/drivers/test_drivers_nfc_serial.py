"""A PN532 on a serial line: nfcpy's real driver over a pseudo terminal with the chip's firmware."""

import contextlib
import time

import nfc.clf.pn532
import nfc.clf.transport
import pytest

from drivers.errors import DeviceNotFound
from drivers.nfc_errors import CardFault, NfcLost, Why
from drivers.nfc_frontend import GuardedFrontend
from drivers.nfc_open import TtyPort
from drivers.nfc_pn532 import SPEEDS, Chipset, timeout_of, timeout_step
from drivers.nfc_pn532_model import Pn532Model
from drivers.nfc_tap import NoProver, Tap
from tests.rigs.nfc_rig import card, ticket


@pytest.fixture
def chip(monkeypatch):
    monkeypatch.setattr(Chipset, "patience", 3000)  # a busy machine is no mute chip
    model = Pn532Model(paced=False)
    yield model
    model.unplug()


@pytest.fixture
def line(chip):
    """Opens the chip's line at a speed, and lets go of it in the end."""
    with contextlib.ExitStack() as stack:

        def opener(speed=115_200):
            port = TtyPort(f"{chip.path}:pn532", speed)
            for _ in range(3):  # as the ladder would
                with contextlib.suppress(NfcLost):
                    frontend = port.open(time.monotonic)
                    stack.callback(port.let_go, frontend)
                    return frontend
            raise AssertionError("not opened")

        yield opener


def read(frontend):
    return Tap(frontend, NoProver()).read(frontend.poll())


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_line_runs_at_the_speed_that_was_asked_for(chip, line, speed):
    frontend = line(speed)
    assert chip.speed == speed
    assert frontend.poll() is None


@pytest.mark.parametrize("kind", ["ntag213", "ntag215", "ntag216", "type4", "short_ats"])
def test_every_kind_of_card_is_read_over_a_serial_line(chip, line, kind):
    frontend = line(921_600)
    chip.field.place(card(kind, ticket(b"over the line")))
    assert read(frontend) == b"over the line"


def test_a_chip_that_a_killed_process_left_at_high_speed_is_found_again(chip, line):
    line(921_600)
    frontend = line(115_200)
    assert chip.speed == 115_200
    chip.field.place(card("ntag213", ticket(b"x")))
    assert read(frontend) == b"x"


def test_a_card_costs_one_command_a_frame_after_its_first(chip, line):
    frontend = line()
    chip.field.place(card("type4", ticket(bytes(500))))
    target = frontend.poll()
    before = chip.commands
    Tap(frontend, NoProver()).read(target)
    exchanges = frontend.budget.exchanges
    assert chip.commands - before <= exchanges + 4  # settings once, another time-out once


def test_a_mute_chip_is_an_error_at_each_poll_and_works_again_by_itself(chip, line):
    frontend = line()
    frontend.device.chipset.patience = 50
    chip.mute = True
    with pytest.raises(NfcLost):
        frontend.poll()
    chip.mute = False
    frontend.device.chipset.patience = 3000
    chip.field.place(card("ntag213", ticket(b"x")))
    assert read(frontend) == b"x"


def test_a_line_that_is_pulled_out_is_named_whatever_it_raises(chip, line):
    frontend = line()
    chip.unplug()
    for _ in range(3):
        with pytest.raises(NfcLost):
            frontend.poll()


def test_a_line_without_a_chip_is_named(chip, monkeypatch):
    monkeypatch.setattr("drivers.nfc_pn532.SPEEDS", (115_200,))  # each one costs 0.1 s
    chip.mute = True
    port = TtyPort(f"{chip.path}:pn532", 115_200)
    with pytest.raises(NfcLost, match="mode switches"):
        port.open(time.monotonic)


def test_a_line_that_is_gone_is_named(chip):
    chip.unplug()
    port = TtyPort(f"{chip.path}:pn532", 115_200)
    with pytest.raises((DeviceNotFound, NfcLost)):
        port.open(time.monotonic)


def test_a_silent_card_costs_no_reader(chip, line):
    frontend = line(921_600)
    chip.field.place(card("silent"))
    with pytest.raises(CardFault) as caught:
        read(frontend)
    assert caught.value.why is Why.GONE


def test_the_model_satisfies_nfcpys_own_opening(chip):
    """What the tests above prove, they prove against what an unchanged nfcpy talks to as well."""
    tty = nfc.clf.transport.TTY(chip.path)
    for _ in range(3):
        with contextlib.suppress(OSError):  # it waits 100 ms for each answer, and not longer
            frontend = GuardedFrontend(nfc.clf.pn532.init(tty))
            break
    chip.field.place(card("ntag213", ticket(b"plain")))
    assert read(frontend) == b"plain"
    tty.close()


def test_a_time_out_is_rounded_up_to_one_the_chip_knows():
    assert [timeout_step(t) for t in (0, 1e-4, 1.1e-4, 0.025, 99)] == [1, 1, 2, 9, 16]
    assert timeout_of(9) == pytest.approx(0.0256)
