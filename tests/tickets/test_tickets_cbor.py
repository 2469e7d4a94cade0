"""Only deterministic CBOR of plain values is read, by whoever it is signed."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets import cbor

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(PLAIN)
def test_what_is_encoded_is_decoded(value):
    assert cbor.decode(cbor.encode(value), depth=20) == value


@pytest.mark.parametrize(
    ("case", "hex_"),
    [
        ("date text", "c074323032302d30312d30315430303a30303a30305a"),
        ("date number", "c10a"),
        ("big number", "c249010000000000000000"),
        ("decimal fraction", "c4820001"),
        ("big float, 64 MB of zeros", "c5821a1dcd650001"),
        ("shared value", "d81c80"),
        ("shared value within itself", "d81c81d81d00"),
        ("reference to a shared value", "d81d00"),
        ("fraction by zero", "d81e820100"),
        ("network address", "d9010444c0000264"),
        ("string reference", "d81900"),
        ("regular expression", "d8236161"),
        ("e-mail", "d8246161"),
        ("set", "d90102810a"),
        ("self-described", "d9d9f700"),
        ("a tag without a decoder", "d9010880"),
    ],
)
def test_no_tag_is_read(case, hex_):
    with pytest.raises(cbor.CborError, match="tags are not used"):
        cbor.decode(bytes.fromhex(hex_))


@pytest.mark.parametrize(
    ("case", "hex_"),
    [
        ("nothing", ""),
        ("bytes after it", "0000"),
        ("a number in a long form", "1801"),
        ("a float that a shorter one holds", "fa3f800000"),
        ("a key twice", "a201010102"),
        ("keys out of order", "a202000100"),
        ("indefinite length", "9f00ff"),
        ("a break alone", "ff"),
        ("a key twice, once as a float", "a20100f93c0000"),
        ("a key twice, once as true", "a20100f500"),
        ("an array of 2^64", "9bffffffffffffffff"),
        ("bytes of 2^63", "5b7fffffffffffffff"),
        ("a text of 4 GB", "7affffffff"),
        ("a map of 2^32", "baffffffff"),
        ("half of a number", "19ff"),
        ("a reserved length", "1c"),
    ],
)
def test_no_other_form_is_read(case, hex_):
    with pytest.raises(cbor.CborError):
        cbor.decode(bytes.fromhex(hex_))


def test_nesting_is_bounded():
    assert cbor.decode(b"\x81" * 3 + b"\0", depth=4) == [[[0]]]
    with pytest.raises(cbor.CborError, match="depth"):
        cbor.decode(b"\x81" * 5 + b"\0", depth=4)
    with pytest.raises(cbor.CborError, match="depth"):
        cbor.decode(b"\x81" * 1_000_000 + b"\0")


@given(st.binary(max_size=100))
def test_no_bytes_crash_it(noise):
    try:
        assert cbor2.dumps(cbor.decode(noise), canonical=True) == noise
    except cbor.CborError as error:
        assert str(error)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {b"k": 1}}, [float], (1,), cbor2.undefined])
def test_a_policy_holds_plain_values_under_text_keys(value):
    assert not cbor.is_plain(value)


@given(PLAIN)
def test_plain_values_are_plain(value):
    assert cbor.is_plain(value)
