"""Base45 as RFC 9285 says, and nothing that an encoder would not write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.base45 import ALPHABET, MAX_TEXT, Base45Error, decode, encode

RFC_9285 = [  # section 4.3 and 4.4
    (b"AB", b"BB8"),
    (b"Hello!!", b"%69 VD92EX0"),
    (b"base-45", b"UJCLQE7W581"),
    (b"ietf!", b"QED8WEX0"),
    (b"", b""),
]


@pytest.mark.parametrize(("data", "text"), RFC_9285)
def test_the_examples_of_the_standard_hold(data, text):
    assert encode(data) == text
    assert decode(text) == data


@given(st.binary(max_size=300))
def test_what_is_encoded_is_decoded(data):
    assert decode(encode(data)) == data


@given(st.text(ALPHABET.decode(), max_size=40))
def test_a_text_is_refused_or_the_only_one_of_its_bytes(text):
    try:
        data = decode(text.encode())
    except Base45Error:
        return
    assert encode(data) == text.encode()


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("65536 in three characters: RFC 9285, section 6", b"GGW"),
        ("the largest three characters", b":::"),
        ("too large in the middle", b"BB8GGWBB8"),
        ("256 in two characters", b"V5"),
        ("one character", b"B"),
        ("one left over", b"BB8B"),
        ("lower case", b"bb8"),
        ("outside the alphabet", b"BB_"),
        ("not ASCII", b"BB\xff"),
        ("NUL", b"\0\0\0"),
        ("line end", b"BB8\n"),
        ("endless", b"0" * (MAX_TEXT + 2)),
    ],
)
def test_what_no_encoder_writes_is_refused(case, text):
    with pytest.raises(Base45Error):
        decode(text)


def test_the_largest_groups_are_taken():
    assert decode(b"FGW") == b"\xff\xff"
    assert decode(b"U5") == b"\xff"


@given(st.binary(max_size=60))
def test_no_bytes_crash_it(text):
    try:
        decode(text)
    except Base45Error as error:
        assert str(error)
