"""The reader's loop on time moved by hand: presence, failures, recovery, what is told."""

import errno
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceNotFound
from drivers.link import Link
from drivers.messages import Fault, Heartbeat, Notice, Recovered, Sighting, decode
from drivers.nfc_cards import NdefCard
from drivers.nfc_errors import CardFault, NfcClaimed, NfcForbidden, Why
from drivers.nfc_frontend import GuardedFrontend
from drivers.nfc_ladder import LONGEST_WAIT, RESET_AFTER, RESTART_AFTER, Ladder, Rung
from drivers.nfc_presence import AWAY, EMPTY_POLLS, PROOF_LASTS, SIGHTED_EVERY, Presence
from drivers.nfc_reader import NfcHung, NfcReader
from drivers.nfc_sim import HandField, SimulatedReader
from drivers.nfc_tap import NoProver
from drivers.pace import FakePace
from tests.rigs.nfc_rig import UID, card, record, ticket
from tickets.cards import CardWord, Proof


class Desk:
    """A reader with a field to hold cards to, and its parent's end of the link."""

    def __init__(self, text=False):
        self.parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.parent.setblocking(False)
        self.pace = FakePace()
        self.field = HandField(self.pace.now)
        self.plugged_in, self.opened, self.resets, self.errors = True, 0, 0, []
        self.reader = NfcReader(self, Link(child), NoProver(), text, self.pace)
        self.heard = []

    # the port

    def there(self):
        return self.plugged_in

    def open(self, now):
        self.opened += 1
        try:
            device = SimulatedReader(self.field, self.pace)
        except OSError as error:
            raise DeviceNotFound("nothing there", "plug it in") from error
        sense = device.sense_tta
        device.sense_tta = lambda target: self.fails() or sense(target)
        return GuardedFrontend(device, now)

    def fails(self):
        if self.errors:
            raise self.errors.pop()

    def let_go(self, frontend):
        frontend.device = None

    def reset(self):
        self.resets += 1

    # the bench

    def run(self, seconds):
        """Let time pass; returns what the parent heard meanwhile."""
        until = self.pace.now() + seconds
        heard = []
        while self.pace.now() < until:
            self.reader.step()
            try:
                while True:
                    heard.append(decode(self.parent.recv(65536)))
            except BlockingIOError:
                pass
        self.heard += heard
        return heard


def of(kind, messages):
    return [message for message in messages if isinstance(message, kind)]


@pytest.fixture
def desk():
    return Desk()


# --- cards that come, stay and go


def test_a_tap_is_one_reading_and_a_sighting_as_long_as_it_stays(desk):
    desk.field.place(card("ntag213", ticket(b"one")))
    seen = of(Sighting, desk.run(3.0))
    assert {(s.payload, s.medium) for s in seen} == {(b"one", "nfc")}
    assert all(later.at - sooner.at < 0.5 for sooner, later in itertools.pairwise(seen))
    assert desk.reader.counters["taps"] == 1


def test_a_card_that_was_away_is_read_again(desk):
    desk.field.place(card("ntag213", ticket(b"one")))
    desk.run(0.5)
    desk.field.place(None)
    desk.run(AWAY + 0.3)
    desk.field.place(card("ntag213", ticket(b"one, rewritten")))
    assert of(Sighting, desk.run(0.5))[-1].payload == b"one, rewritten"


class Chip:
    """Cards that are asked to prove themselves: the true one does."""

    def __init__(self, true):
        self.true, self.asked = true, 0

    def challenge(self, found):
        self.asked += 1
        return CardWord(UID, Proof.LIVE) if self.true else CardWord(UID, Proof.FORGED)

    def link(self, uid, uri):
        return None


def test_a_card_that_stays_proves_itself_again_and_another_under_its_number_does_not(desk):
    desk.reader._prover = chip = Chip(true=True)
    desk.field.place(card("type4"))
    proofs = [sighting.card.proof for sighting in of(Sighting, desk.run(5.0))]
    assert (set(proofs), chip.asked) == ({Proof.LIVE}, 3)
    chip.true = False
    desk.field.place(card("type4"))
    proofs = [sighting.card.proof for sighting in of(Sighting, desk.run(60.0))]
    assert proofs.count(Proof.LIVE) * SIGHTED_EVERY <= PROOF_LASTS
    assert chip.asked == 4  # a wrong key is tried once


def test_a_missed_poll_is_no_new_card(desk):
    desk.field.place(held := card("ntag213", ticket(b"one")))
    desk.run(0.5)
    desk.field.place(None)
    desk.run(AWAY - 0.4)
    desk.field.place(held)
    desk.run(0.5)
    assert desk.reader.counters["taps"] == 1


def test_the_next_guest_need_not_wait_for_the_last_card_to_be_forgotten(desk):
    desk.field.place(card("ntag213", ticket(b"one")))
    desk.run(0.2)
    desk.field.place(card("ntag213", ticket(b"two"), b"\x04another"[:7]))
    assert of(Sighting, desk.run(0.2))[-1].payload == b"two"


def test_a_phone_with_a_new_uid_at_each_poll_is_read_at_most_four_times_a_second(desk):
    class Phone(NdefCard):
        def select(self):
            super().select()
            self.uid = b"\x08" + bytes([self.uid[1] + 1 & 0xFF]) + self.uid[2:4]

    desk.field.place(Phone(b"\x08\x00\x00\x00", ticket(b"phone")))
    seen = of(Sighting, desk.run(2.0))
    assert {s.payload for s in seen} == {b"phone"}
    assert 2 <= desk.reader.counters["taps"] <= 9


@given(st.lists(st.tuples(st.sampled_from([None, b"a", b"b"]), st.floats(0.01, 0.9)), max_size=40))
def test_a_card_is_new_exactly_when_another_or_none_was_there_long_enough(polls):
    presence, now, last, empty, seen_at = Presence(), 0.0, None, 0, 0.0
    for uid, pause in polls:
        now += pause
        if uid is None:
            empty += 1
            presence.empty(now)
            if last is not None and empty >= EMPTY_POLLS and now - seen_at >= AWAY:
                last = None
            continue
        found = presence.found(uid, now)
        assert (found.payload is None) is (uid != last)
        presence.read(uid, now)
        last, empty, seen_at = uid, 0, now


def test_one_empty_poll_after_a_long_silence_of_the_reader_is_not_a_card_taken_away():
    """The reader itself was away for seconds; the card may have lain there all the time."""
    presence = Presence()
    presence.found(b"card", 0.0)
    presence.read(b"ticket", 0.0)
    presence.empty(10.0)
    assert presence.found(b"card", 10.04).payload == b"ticket"


# --- cards that cannot be read


def test_a_half_read_card_is_told_once_to_hold_still_and_tried_again(desk):
    desk.field.place(card("empty_read", ticket(b"x")))
    heard = desk.run(3.0)
    assert [notice.name for notice in of(Notice, heard)] == ["hold_still"]
    assert desk.reader.counters["failed_protocol"] >= 3
    assert not of(Fault, heard)


def test_a_card_held_still_at_last_is_told_to_hold_no_ticket(desk):
    """Or its guest would hold it still for ever."""
    desk.field.place(card("silent"))
    desk.run(3.0)
    desk.field.place(card("type4", record(1, b"T", b"\x02enhello")))
    desk.run(3.0)
    assert [notice.name for notice in of(Notice, desk.heard)] == ["hold_still", "no_ticket"]


def test_a_card_without_a_ticket_is_told_once_and_not_read_again(desk):
    desk.field.place(card("ntag213", record(1, b"U", b"\x04a.example")))
    assert [notice.name for notice in of(Notice, desk.run(3.0))] == ["no_ticket"]
    assert desk.reader.counters["failed_no_ticket"] == 1


def test_failures_that_stillness_may_mend_are_tried_again_and_others_not():
    presence = Presence()
    for why in Why:
        present = presence.found(bytes([1, *why.encode()]), 0.0)
        presence.failed(CardFault(why, "x"), 1.0)
        assert (present.due < 10) is (why in {Why.GONE, Why.BUDGET, Why.PROTOCOL}), why


@pytest.mark.parametrize("kind", ["endless_wait", "endless_chain", "silent", "empty_read"])
def test_a_hostile_card_that_stays_never_silences_the_heartbeat(desk, kind):
    desk.field.place(card(kind))
    desk.run(6.0)
    beats = [beat.at for beat in of(Heartbeat, desk.heard)]
    assert max(later - sooner for sooner, later in itertools.pairwise(beats)) < 1.6
    desk.field.place(card("ntag213", ticket(b"next"), b"\x04nextone"))
    assert of(Sighting, desk.run(0.5))


# --- a reader that fails


def test_one_lost_answer_is_no_lost_reader(desk):
    desk.run(0.3)
    desk.errors = [OSError(errno.EIO, "x")] * 2
    assert not of(Fault, desk.run(1.0))
    assert desk.opened == 1
    assert desk.reader.counters["reader_errors"] == 2


def test_three_in_a_row_are_and_it_is_opened_anew(desk):
    desk.run(0.3)
    desk.errors = [OSError(errno.EIO, "x")] * 3
    heard = desk.run(2.0)
    (fault,) = of(Fault, heard)
    assert (fault.name, fault.lasting) == ("NfcLost", True)
    assert [message.name for message in of(Recovered, heard)] == ["NfcLost"]
    assert desk.opened == 2
    assert desk.reader.counters["reopens"] == 1


def test_a_reader_that_is_unplugged_in_the_middle_of_a_tap_comes_back_by_itself(desk):
    desk.field.place(card("unplugs", ticket(b"x")))
    heard = desk.run(6.0)
    assert of(Fault, heard)
    assert of(Recovered, heard)
    desk.field.place(card("ntag213", ticket(b"next")))
    assert of(Sighting, desk.run(0.5))[0].payload == b"next"


def test_an_absent_reader_is_said_once_and_looked_for_ever(desk):
    desk.plugged_in = False
    desk.field.unplug()
    heard = desk.run(300.0)
    assert [fault.name for fault in of(Fault, heard)] == ["DeviceNotFound"]
    assert of(Heartbeat, heard)[-1].state == "lost"
    beats = [beat.at for beat in of(Heartbeat, heard)]
    assert max(later - sooner for sooner, later in itertools.pairwise(beats)) <= 0.7
    assert 10 <= desk.opened <= 20


def test_a_reader_that_is_there_and_mute_is_reset_and_then_left_to_a_new_process(desk):
    desk.field.unplug()
    with pytest.raises(NfcHung):
        desk.run(120.0)
    assert desk.resets == RESTART_AFTER + 1 - RESET_AFTER


@pytest.mark.parametrize("named", [NfcClaimed, NfcForbidden])
def test_a_reader_that_may_not_be_opened_stays_named_as_that(desk, named):
    """A new process would be told the same, and meanwhile the screen: check cable and power."""

    def refused(now):
        raise named("the kernel holds it", "run modprobe -r")

    desk.open = refused
    assert [fault.name for fault in of(Fault, desk.run(300.0))] == [named.__name__]


def test_the_ladder_waits_longer_each_time():
    ladder, now, waits = Ladder(), 0.0, []
    for _ in range(8):
        ladder.fell(now)
        waits.append(ladder.due - now)
        assert ladder.next(now) is Rung.WAIT
        now = ladder.due
    assert waits == [1, 2, 4, 8, 16, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    ladder.well()
    assert ladder.next(now) is Rung.OPEN


def test_heartbeats_carry_the_counters(desk):
    desk.field.place(card("ntag213", ticket(b"x"), UID))
    beat = of(Heartbeat, desk.run(1.0))[-1]
    assert beat.frames == beat.counters["polls"] > 10
    assert beat.counters["taps"] == 1
