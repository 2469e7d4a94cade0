"""The code under the picture names its ticket, and no typing error names another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.typed import (
    ALPHABET,
    CODE_CHARACTERS,
    MISTYPED,
    _checks,
    read_typed,
    typed_code,
)

IDS = st.binary(min_size=16, max_size=16)
PLACES = st.integers(0, CODE_CHARACTERS - 1)
GOLDEN = "0004-1061-050R-3GG2-8A1C-60T3-GF99"


def named(ticket_id):
    return Credential(Format.AD1, ticket_id)


def is_mistyped(found):
    return (
        isinstance(found, Rejection)
        and found.flaw is Flaw.UNREADABLE
        and found.detail.startswith(MISTYPED)
    )


@given(IDS)
def test_a_code_names_its_ticket_without_an_issuer(ticket_id):
    code = typed_code(ticket_id)
    assert read_typed(code) == named(ticket_id)
    assert [len(group) for group in code.split("-")] == [4] * 7


def test_a_code_once_printed_stays_that_code():
    assert typed_code(bytes(range(16))) == GOLDEN


@given(IDS, PLACES, st.sampled_from(ALPHABET))
def test_every_wrong_character_is_caught(ticket_id, place, wrong):
    right = typed_code(ticket_id).replace("-", "")
    typed = right[:place] + wrong + right[place + 1 :]
    assert typed == right or is_mistyped(read_typed(typed))


@given(IDS, PLACES, PLACES)
def test_every_two_swapped_characters_are_caught(ticket_id, first, second):
    right = list(typed_code(ticket_id).replace("-", ""))
    typed = right.copy()
    typed[first], typed[second] = typed[second], typed[first]
    assert typed == right or is_mistyped(read_typed("".join(typed)))


@given(IDS, PLACES, PLACES, st.sampled_from(ALPHABET), st.sampled_from(ALPHABET))
def test_every_two_wrong_characters_are_caught(ticket_id, first, second, one, other):
    right = list(typed_code(ticket_id).replace("-", ""))
    typed = right.copy()
    typed[first], typed[second] = one, other
    assert typed == right or is_mistyped(read_typed("".join(typed)))


@given(IDS, PLACES)
def test_a_character_lost_or_typed_twice_is_caught(ticket_id, place):
    right = typed_code(ticket_id).replace("-", "")
    lost, twice = right[:place] + right[place + 1 :], right[:place] + right[place] + right[place:]
    assert is_mistyped(read_typed(lost))
    assert is_mistyped(read_typed(twice))


@pytest.mark.parametrize(
    "typed",
    [
        GOLDEN.lower(),
        GOLDEN.replace("-", ""),
        GOLDEN.replace("-", " "),
        GOLDEN.replace("-", "\u2013"),
        f"  {GOLDEN}\n",
        GOLDEN.replace("0", "O").replace("1", "l"),
        GOLDEN.replace("0", "o").replace("1", "I"),
    ],
)
def test_how_people_type_it_does_not_matter(typed):
    assert read_typed(typed) == named(bytes(range(16)))


def test_a_letter_that_no_code_has_is_caught():
    assert is_mistyped(read_typed("U" + GOLDEN[1:]))


def test_a_code_above_an_id_is_caught():
    """The two bits in front are zero in every code, also where the check characters are right."""
    data = [31, *[0] * 25]
    assert is_mistyped(read_typed("".join(ALPHABET[v] for v in [*data, *_checks(data)])))


@pytest.mark.parametrize(
    "typed", ["", "A-1", "XY-123", "hello, world", "9" * 21, "9" * 35, "?" * 28]
)
def test_what_is_not_meant_as_such_a_code_is_left_to_others(typed):
    assert read_typed(typed) is None


@given(st.text(max_size=400))
def test_no_text_crashes_it(typed):
    assert isinstance(read_typed(typed), Credential | Rejection | None)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_only_ids_have_codes(length):
    with pytest.raises(ValueError, match="16 bytes"):
        typed_code(bytes(length))
