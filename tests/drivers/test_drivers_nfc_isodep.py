"""ISO-DEP: APDUs over frames, against cards that follow the rules and cards that do not."""

import contextlib

import nfc.clf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.nfc_cards import Type4Card
from drivers.nfc_errors import CardFault, Why
from drivers.nfc_isodep import RETRIES, IsoDep, parse_ats


class Echo(Type4Card):
    """Answers each command with itself and a status."""

    def __init__(self, drop=()):
        super().__init__(b"\x04\x01\x02\x03")
        self.drop, self.frames, self.commands = set(drop), 0, []
        self.select()
        self.answer(b"\xe0\x50")

    def apdu(self, command):
        self.commands.append(command)
        return command + b"\x90\x00"

    def exchange(self, frame, timeout):
        """Drops go by frame number, both ways: even numbers to the card, odd ones from it."""
        self.frames += 2
        if self.frames - 2 in self.drop:
            raise nfc.clf.TimeoutError
        given = self.answer(frame)
        if given is None or self.frames - 1 in self.drop:
            raise nfc.clf.TransmissionError
        return given


@pytest.mark.parametrize(
    ("ats", "frame", "wait"),
    [
        ("01", 32, 4),
        ("0205", 64, 4),
        ("067577810280", 64, 8),
        ("0578804002", 256, 4),
        ("0578807002", 256, 7),
        ("0328A0", 256, 10),
        ("032FF0", 256, 4),
    ],
)
def test_every_legal_answer_to_select_is_read(ats, frame, wait):
    read = parse_ats(bytes.fromhex(ats))
    assert read.frame_size == frame
    assert read.frame_wait == pytest.approx(4096 / 13.56e6 * (2**wait + 12))


@given(st.binary(max_size=30))
def test_no_answer_to_select_crashes_the_reader(data):
    try:
        assert 16 <= parse_ats(data).frame_size <= 256
    except CardFault as fault:
        assert fault.why is Why.PROTOCOL


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), st.integers(16, 256))
def test_commands_and_answers_of_any_length_arrive_whole(commands, frame):
    card = Echo()
    dep = IsoDep(card.exchange, parse_ats(b"\x01"), frame)
    assert [dep.apdu(command) for command in commands] == [c + b"\x90\x00" for c in commands]
    assert card.commands == commands


@given(st.binary(min_size=1, max_size=200), st.integers(0, 30))
def test_one_lost_frame_anywhere_is_made_good_and_no_command_runs_twice(command, lost):
    card = Echo(drop={lost})
    dep = IsoDep(card.exchange, parse_ats(b"\x01"))
    assert dep.apdu(command) == command + b"\x90\x00"
    assert dep.apdu(b"next") == b"next\x90\x00"
    assert card.commands == [command, b"next"]


def test_a_card_that_left_is_gone():
    card = Echo(drop=set(range(100)))
    with pytest.raises(CardFault) as caught:
        IsoDep(card.exchange, parse_ats(b"\x01")).apdu(b"x")
    assert caught.value.why is Why.GONE
    assert card.frames == 2 * (RETRIES + 1)


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_whatever_frames_a_card_sends_it_ends(frames):
    given_frames = iter(frames)

    def exchange(frame, timeout):
        try:
            return next(given_frames)
        except StopIteration:
            raise nfc.clf.ProtocolError from None  # the budget

    with contextlib.suppress(CardFault, nfc.clf.ProtocolError):
        assert len(IsoDep(exchange, parse_ats(b"\x01")).apdu(b"x")) >= 2


@pytest.mark.parametrize(
    ("case", "answers"),
    [
        ("no time", [b"\xf2"]),
        ("time without size", [b"\xf2\x00"]),
        ("an impossible time", [b"\xf2\x3f"]),
        ("another number", [b"\x03\x90\x00"]),
        ("an acknowledgement for an answer", [b"\xa2"]),
        ("no status", [b"\x02\x90"]),
        ("parts without content", [b"\x12\x01", b"\x13"]),
        ("acknowledges the last block for ever", [b"\xa3"] * 9),
        ("deselects", [b"\xc2"]),
    ],
)
def test_broken_rules_end_the_tap(case, answers):
    frames = iter(answers)
    with pytest.raises(CardFault) as caught:
        IsoDep(lambda frame, timeout: next(frames), parse_ats(b"\x01")).apdu(b"x")
    assert caught.value.why is Why.PROTOCOL, case


def test_more_time_is_granted_and_waited_for():
    waits = []
    frames = iter([b"\xf2\x05", b"\x02\x90\x00"])

    def exchange(frame, timeout):
        waits.append((frame, timeout))
        return next(frames)

    dep = IsoDep(exchange, parse_ats(b"\x01"))
    assert dep.apdu(b"x") == b"\x90\x00"
    assert waits[1][0] == b"\xf2\x05"
    assert waits[1][1] == pytest.approx(5 * waits[0][1])
