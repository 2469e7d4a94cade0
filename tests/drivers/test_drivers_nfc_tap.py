"""One tap through nfcpy's whole stack: every kind of card is read, or ends within its budget."""

import contextlib
import errno
import termios

import nfc.clf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.nfc_cards import CHIPS, NdefCard, Type2Card, ntag
from drivers.nfc_cards_hostile import HOSTILE, LostFrames
from drivers.nfc_errors import CardFault, NfcLost, Why
from drivers.nfc_frontend import (
    SHORTEST,
    TAP_BYTES,
    TAP_EXCHANGES,
    TAP_SECONDS,
    BudgetSpent,
    TapBudget,
)
from drivers.nfc_type2 import find_message
from drivers.nfc_type4 import parse_capabilities
from drivers.pace import FakePace
from tests.rigs.gate_rig import EVENT, ISSUER, KID, code
from tests.rigs.nfc_rig import UID, Bench, card, record, ticket
from tickets import base45
from tickets.credential import Format
from tickets.ndef import MOST_MESSAGE
from tickets.parse import parse
from tickets.trust import trust_of

HONEST = ["ntag213", "ntag215", "ntag216", "type4", "short_ats", "lost_frames"]
ENDS = {
    "empty_read": Why.PROTOCOL,
    "endless_wait": Why.BUDGET,
    "endless_chain": Why.BUDGET,
    "huge_length": Why.TOO_LONG,
    "silent": Why.GONE,
    "past_end": Why.GARBLED,
    "garbled": Why.GARBLED,
}


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_card_is_read(bench, kind):
    assert bench.read(card(kind, ticket(b"\xd2\x84signed"))) == b"\xd2\x84signed"


@pytest.mark.parametrize(("kind", "why"), list(ENDS.items()))
def test_a_hostile_card_ends_within_the_budget_and_the_next_is_read(bench, kind, why):
    started = bench.pace.now()
    with pytest.raises(CardFault) as caught:
        bench.read(card(kind))
    assert caught.value.why is why
    assert bench.pace.now() - started <= TAP_SECONDS
    assert bench.read(card("ntag213", ticket(b"next"), b"\x04nextone")) == b"next"


def test_every_hostile_kind_is_judged_here():
    assert set(HOSTILE) == set(ENDS) | {"short_ats", "lost_frames", "unplugs"}


def test_a_reader_that_goes_with_the_card_is_lost_not_the_card(bench):
    with pytest.raises(NfcLost):
        bench.read(card("unplugs", ticket(b"x")))


# --- sizes


def test_a_signed_ticket_in_binary_on_the_smallest_card_is_a_credential(bench):
    """As bytes it fits an NTAG213, as printed it would not."""
    signed = base45.decode(code("T1")[len(b"AD1:") :])
    held = card("ntag213", record(4, b"a.test:tkt", signed))
    trust = trust_of(EVENT, {KID: bytes(ISSUER.verify_key)})
    assert parse(bench.read(held), trust) == parse(code("T1"), trust)
    assert parse(signed, trust).format is Format.AD1


@pytest.mark.parametrize("kind", list(CHIPS))
def test_a_card_is_read_whole_when_it_is_full(bench, kind):
    chip = CHIPS[kind]
    overhead = (
        len(chip.lock) + (2 if chip.data < 256 else 4) + 3 + 16 + (3 if chip.data > 400 else 0)
    )
    payload = bytes(i % 251 for i in range(chip.data - overhead))
    assert bench.read(card(kind, ticket(payload))) == payload


@given(st.sampled_from(["ntag215", "ntag216", "type4"]), st.integers(1, 460))
def test_a_ticket_of_any_length_is_read_byte_for_byte(kind, size):
    payload = bytes(i % 251 for i in range(size))
    assert Bench().read(card(kind, ticket(payload))) == payload


def test_only_the_length_of_the_message_is_read(bench):
    bench.read(card("ntag216", ticket(b"short ticket")))
    assert bench.frontend.budget.exchanges == 2


def test_a_card_without_fast_reading_is_read_page_by_page(bench):
    held = ntag("ntag215", UID, ticket(bytes(300)))
    held.fast = False
    assert bench.read(held) == bytes(300)


@pytest.mark.parametrize(
    ("case", "area", "why"),
    [
        ("an empty area", b"", Why.NO_NDEF),
        ("only a terminator", b"\xfe", Why.NO_NDEF),
        ("padding without end", bytes(12), Why.NO_NDEF),
        ("an empty message", b"\x03\x00\xfe", Why.NO_NDEF),
        ("past the end", b"\x03\x20", Why.GARBLED),
        ("past the end, long form", b"\x03\xff\xff\xff", Why.GARBLED),
        ("another block past the end", b"\xfd\x80", Why.GARBLED),
    ],
)
def test_a_data_area_without_a_message(case, area, why):
    with pytest.raises(CardFault) as caught:
        find_message(area.ljust(16, b"\x00"), max(len(area), 16) if area else 0)
    assert caught.value.why is why, case


@given(st.binary(min_size=12, max_size=200), st.integers(0, 2040))
def test_no_data_area_crashes_the_reader(data, area):
    try:
        place = find_message(data, area)
        assert place is None or place.offset + place.size <= area
    except CardFault:
        pass


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("case", "area", "why"),
    [
        ("blocks without end", b"", Why.NO_NDEF),
        ("a message that ends behind page 255", b"\x03\xff\x04\x00", Why.GARBLED),
    ],
)
def test_a_card_that_claims_more_pages_than_a_command_can_name(bench, case, area, why, fast):
    """The number of a page is one byte; a card may say it has twice as many."""
    capability = bytes([0xE1, 0x10, 0xFF, 0x00])
    held = Type2Card(UID, (bytes(12) + capability + area).ljust(1024, b"\x00"))
    held.fast = fast
    with pytest.raises(CardFault) as caught:
        bench.read(held)
    assert caught.value.why is why


@given(st.binary(max_size=24))
def test_no_capability_container_crashes_the_reader(data):
    try:
        assert 2 <= parse_capabilities(data).most_read <= 250
    except CardFault as fault:
        assert fault.why in (Why.GARBLED, Why.NO_NDEF)


@given(st.binary(min_size=180, max_size=180), st.booleans())
def test_whatever_pages_a_card_has_the_tap_ends(memory, formatted):
    memory = memory[:12] + (b"\xe1\x10\x12\x00" if formatted else memory[12:16]) + memory[16:]
    bench = Bench()
    started = bench.pace.now()
    with contextlib.suppress(CardFault):
        assert len(bench.read(Type2Card(UID, memory))) <= MOST_MESSAGE
    assert bench.pace.now() - started <= TAP_SECONDS


@given(st.lists(st.binary(min_size=2, max_size=70), max_size=12))
def test_whatever_a_type_4_card_answers_the_tap_ends(answers):
    class Odd(NdefCard):
        def apdu(self, command):
            return given_answers.pop() if given_answers else super().apdu(command)

    given_answers = list(answers)
    bench = Bench()
    started = bench.pace.now()
    with contextlib.suppress(CardFault):
        bench.read(Odd(UID, ticket(b"x")))
    assert bench.pace.now() - started <= TAP_SECONDS


# --- what is on the card


@pytest.mark.parametrize(
    ("case", "message", "why"),
    [
        ("a link without a ticket", record(1, b"U", b"\x04gate.example"), Why.NO_TICKET),
        ("text, where it is not wanted", record(1, b"T", b"\x02enCODE"), Why.NO_TICKET),
    ],
)
def test_a_card_without_a_ticket_is_told_apart_from_a_half_read_one(bench, case, message, why):
    with pytest.raises(CardFault) as caught:
        bench.read(card("ntag213", message))
    assert caught.value.why is why, case
    assert caught.value.remedy == "Show the ticket in another way"


def test_text_is_read_where_it_is_wanted():
    assert Bench(text=True).read(card("ntag213", record(1, b"T", b"\x02enCODE"))) == b"CODE"


def test_what_a_card_proves_comes_before_what_is_written_on_it():
    class Proves:
        def challenge(self, tag):
            return b"proved by " + tag.uid if tag.apdu(b"\x00\xa4\x04\x00\x01x") else None

        def link(self, *told):
            return None

    assert Bench(Proves()).read(card("type4", ticket(b"written"))) == b"proved by " + UID


def test_a_link_a_card_proves_itself_with_is_seen_byte_for_byte():
    seen = []

    class Links:
        def challenge(self, tag):
            return None

        def link(self, *told):
            seen.append(told[-1])
            return b"proved"

    message = record(1, b"U", b"\x04t.example/e?p=AA&c=BB%20")
    assert Bench(Links()).read(card("type4", message)) == b"proved"
    assert seen == [b"https://t.example/e?p=AA&c=BB%20"]


# --- half-read cards


def test_a_card_that_flickers_is_read_again_within_the_tap(bench):
    class Flickers(NdefCard):
        breaks = 2

        def block(self, frame):
            if self.selected == "ndef" and self.breaks:
                self.breaks -= 1
                self.dead = True
            return None if getattr(self, "dead", False) else super().block(frame)

        def reset(self):
            super().reset()
            self.dead = False

    assert bench.read(Flickers(UID, ticket(b"x"))) == b"x"


def test_another_card_in_the_field_is_not_read_as_the_one_that_left(bench):
    """Or its ticket would be shown for the first card, as long as that one stays."""

    class Leaves(NdefCard):
        def block(self, frame):
            bench.field.place(card("ntag213", ticket(b"another guest's"), b"\x04another"[:7]))

    with pytest.raises(CardFault) as caught:
        bench.read(Leaves(UID, ticket(b"one")))
    assert caught.value.why is Why.GONE


def test_a_phone_that_makes_up_its_number_anew_is_read_on(bench):
    class Leaves(NdefCard):
        def block(self, frame):
            bench.field.place(card("type4", ticket(b"one"), bytes.fromhex("08000002")))

    assert bench.read(Leaves(bytes.fromhex("08000001"), b"")) == b"one"


def test_frames_that_get_lost_cost_time_but_no_ticket(bench):
    assert bench.seconds(LostFrames(UID, ticket(bytes(200)))) < TAP_SECONDS


# --- the budget


def test_exchanges_are_counted():
    budget = TapBudget(FakePace().now)
    for _ in range(TAP_EXCHANGES):
        budget.spend(0.001)
    with pytest.raises(BudgetSpent):
        budget.spend(0.001)


def test_after_its_second_a_tap_exchanges_nothing_more():
    pace = FakePace()
    budget = TapBudget(pace.now)
    pace.wait(TAP_SECONDS - 0.001)
    assert budget.spend(0.5) <= 0.001
    pace.wait(0.001)
    with pytest.raises(BudgetSpent):
        budget.spend(0.5)


def test_bytes_are_counted_for_each_activation():
    budget = TapBudget(FakePace().now)
    budget.received(TAP_BYTES)
    budget.activate()
    budget.received(TAP_BYTES)
    with pytest.raises(BudgetSpent):
        budget.received(TAP_BYTES)


@given(st.floats(0, 1.2), st.floats(1e-4, 10))
def test_a_time_out_never_ends_after_the_tap(spent, timeout):
    """The chip rounds a time-out up to 0.1 ms times a power of two."""
    pace = FakePace()
    budget = TapBudget(pace.now)
    pace.wait(spent)
    left = budget.left()
    try:
        allowed = budget.spend(timeout)
    except BudgetSpent:
        assert left < SHORTEST
        return
    rounded = SHORTEST
    while rounded < allowed:
        rounded *= 2
    assert allowed <= timeout
    assert rounded <= max(left, SHORTEST) or rounded < 2 * timeout


def test_the_spent_budget_is_an_error_no_loop_of_nfcpy_retries():
    assert issubclass(BudgetSpent, nfc.clf.ProtocolError)
    assert not issubclass(BudgetSpent, nfc.clf.TimeoutError | nfc.clf.TransmissionError)


@pytest.mark.parametrize(
    "raised",
    [OSError(errno.EIO, "x"), IndexError(), termios.error(5, "x"), AssertionError()],
)
def test_whatever_nfcpy_raises_of_a_reader_is_named(bench, raised):
    def fails(target):
        raise raised

    bench.frontend.device.sense_tta = fails
    with pytest.raises(NfcLost) as caught:
        bench.frontend.poll()
    assert type(raised).__name__ in caught.value.cause
