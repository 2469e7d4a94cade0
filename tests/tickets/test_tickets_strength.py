"""Codes that a thief could guess are told from those nobody can."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.credential import Credential, Format
from tickets.strength import STRONG_BITS, WeakCodes, code_bits, is_strong, weak_codes

LETTERS = string.ascii_uppercase + string.digits


def random_code(seed: int, length: int = 18, signs: str = LETTERS) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(signs) for _ in range(length))


@pytest.mark.parametrize(
    ("case", "code", "before"),
    [
        ("a number", "100023", ""),
        (
            "a long number in a series",
            "4006381333931000012345678901",
            "4006381333931000012345678902",
        ),
        (
            "a prefix and a number",
            "SUMMERFESTIVAL2026-GENERAL-000017",
            "SUMMERFESTIVAL2026-GENERAL-000016",
        ),
        (
            "a number and a suffix",
            "000017-SUMMERFESTIVAL2026-GENERAL",
            "000016-SUMMERFESTIVAL2026-GENERAL",
        ),
        ("twelve random letters", random_code(1, 12), random_code(2, 12)),
        ("one character again and again", "A" * 60, ""),
        ("the alphabet", string.ascii_lowercase, ""),
        (
            "a UUID of time and machine",
            "8a1b2c3d-7e4f-11f0-9c2b-0242ac120002",
            "8a1b2c3e-7e4f-11f0-9c2b-0242ac120002",
        ),
        (
            "the same prefix before ten random ones",
            "F26-" + random_code(1, 10),
            "F26-" + random_code(2, 10),
        ),
    ],
)
def test_what_can_be_guessed_is_weak(case, code, before):
    assert code_bits(code, before) < STRONG_BITS, case


@pytest.mark.parametrize(
    ("case", "length", "signs"),
    [
        ("letters and digits", 18, LETTERS),
        ("pretix secrets", 32, "abcdefghjklmnpqrstuvwxyz23789"),
        ("128 bits in hexadecimal", 32, "0123456789abcdef"),
        ("both cases and digits", 16, string.ascii_letters + string.digits),
        ("digits", 28, string.digits),
    ],
)
def test_random_codes_of_some_length_are_strong_whatever_stands_around_them(case, length, signs):
    for seed in range(200):
        code, before = (f"FEST-{random_code(n, length, signs)}-26" for n in (seed, -seed - 1))
        assert code_bits(code, before) >= STRONG_BITS, (case, code, before)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_have_an_estimate(code, before):
    assert 0 <= code_bits(code, before) <= len(code) * 7


def test_signed_tickets_are_strong_and_uids_of_cards_are_not():
    assert is_strong(Credential(Format.AD1, bytes(16)))
    assert not is_strong(Credential(Format.NTAG424, bytes(7)))


def test_the_first_of_a_series_is_weak_too():
    """Judged by the one behind it."""
    weak = WeakCodes()
    first, second = (f"SUMMERFESTIVAL2026-{number:08}" for number in (1, 2))
    assert weak.meet(2, Credential(Format.OPAQUE, first.encode()), second)
    assert weak.meet(3, Credential(Format.OPAQUE, second.encode()))
    assert (weak.count, weak.lines) == (2, [2, 3])


def test_the_first_weak_lines_are_named_and_all_are_counted():
    weak = WeakCodes()
    for line in range(2, 12):
        weak.meet(line, Credential(Format.OPAQUE, f"{line}".encode()))
    told = weak_codes(weak.count, weak.lines)
    assert "10 codes are" in told and "line 2, 3, 4, 5, 6, …" in told
