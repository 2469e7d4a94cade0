"""Bytes of a hand scanner become codes, however it was set up and however they arrive."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.wedge_frames import MOST_LINE, Framer, codes_in
from tickets.ad1 import sign, to_qr_text
from tickets.ad2 import sign as draw
from tickets.ad2 import to_qr_text as to_live_text
from tickets.cose import key_id, public_key_of

SEED = b"\x11" * 32
GAP = 0.05


def ticket(number: int) -> bytes:
    kid = key_id(public_key_of(SEED))
    return to_qr_text(sign(SEED, kid, "FEST", number.to_bytes(16, "big"))).encode()


ONE, TWO = ticket(1), ticket(2)
LIVE = sign(SEED, key_id(public_key_of(SEED)), "FEST", bytes(16), holder_key=public_key_of(SEED))


@pytest.fixture
def framer():
    return Framer(GAP)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_each_line_is_a_code_whatever_ends_it(framer, end):
    assert framer.feed(b"first" + end + b"second" + end, 0.0) == [b"first", b"second"]


def test_a_code_without_an_end_is_ended_by_the_pause(framer):
    assert framer.feed(b"alone", 1.0) == []
    assert framer.idle(1.0 + GAP / 2) == []
    assert framer.idle(1.0 + GAP) == [b"alone"]
    assert framer.idle(9.0) == []


def test_bytes_after_a_pause_begin_a_new_code(framer):
    framer.feed(b"one", 1.0)
    assert framer.idle(1.0 + GAP) == [b"one"]
    assert framer.feed(b"two\r", 2.0) == [b"two"]


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=8), st.randoms())
def test_however_the_bytes_are_cut_the_lines_are_the_same(lines, random):
    assume(not any({b"\r"[0], b"\n"[0]} & set(line) for line in lines))
    sent = b"".join(line + b"\r\n" for line in lines)
    cuts = sorted(random.sample(range(len(sent) + 1), min(len(sent), 5)))
    pieces = [sent[i:j] for i, j in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    framer = Framer(GAP)
    found = [code for piece in pieces for code in framer.feed(piece, 0.0)]
    assert found == [code for line in lines for code in codes_in(line)]


def test_a_line_too_long_is_dropped_whole_and_counted_and_the_next_is_read(framer):
    assert framer.feed(b"x" * MOST_LINE, 0.0) == []
    assert framer.feed(b"y" * 5 + b"\rnext\r", 0.0) == [b"next"]
    assert framer.overlong == 1


@given(st.lists(st.binary(max_size=MOST_LINE), max_size=10))
def test_no_bytes_make_it_hold_more_than_one_line(pieces):
    framer = Framer(GAP)
    for piece in pieces:
        for code in framer.feed(piece, 0.0):
            assert len(code) <= MOST_LINE
        assert len(framer._line) <= MOST_LINE


def test_what_an_unplugged_scanner_left_unfinished_is_dropped(framer):
    framer.feed(b"half of a co", 0.0)
    framer.forget()
    assert framer.feed(b"whole\r", 0.01) == [b"whole"]


@pytest.mark.parametrize(
    "around", [b"]Q1%b", b"\x02%b\x03", b"\t%b ", b"\x00%b", b"\x02]Q3%b\x03"], ids=repr
)
def test_what_a_leaflet_puts_around_a_code_is_taken_off(around):
    assert codes_in(around % b"T-100") == [b"T-100"]


@pytest.mark.parametrize("escape", [rb"\000001", rb"\000003", rb"\000026", rb"]Q2\000027"])
def test_the_escape_of_a_character_set_is_taken_off(escape):
    assert codes_in(escape + b"T-100") == [b"T-100"]
    assert codes_in(b"\x02" + escape + ONE) == [ONE]


@pytest.mark.parametrize("code", [rb"\000020T-100", rb"T\000026", rb"\00026T"])
def test_what_only_looks_like_such_an_escape_is_left(code):
    assert codes_in(code) == [code]


def test_nothing_is_no_code():
    assert codes_in(b"") == codes_in(b"\x02\x03") == codes_in(b"]Q1") == []


def test_two_tickets_sent_as_one_are_two():
    assert codes_in(ONE + TWO) == [ONE, TWO]


def test_a_trigger_pulled_twice_is_one_ticket():
    assert codes_in(ONE + ONE) == [ONE]


def test_a_live_code_sent_twice_is_two_drawings_of_it():
    """The phone has drawn anew between the two."""
    drawings = [to_live_text(draw(SEED, LIVE, 1_795_000_000 + late)).encode() for late in (0, 3)]
    assert codes_in(b"".join(drawings)) == drawings
    assert codes_in(ONE + drawings[0]) == [ONE, drawings[0]]


def test_a_ticket_whose_own_text_holds_the_prefix_is_not_cut():
    """Base45 has all four characters: 1 in 20,000 tickets holds them by chance."""
    text = ticket(54791)
    assert b"AD1:" in text[4:]
    assert codes_in(text) == [text]


def test_what_is_half_a_ticket_stays_one_code_to_be_refused():
    assert codes_in(ONE + b"AD1:ABC") == [ONE + b"AD1:ABC"]
