"""A signed journal head: only the device's own, of this journal, at this place, holds."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from store.heads import (
    HeadMalformed,
    head_from_json,
    head_holds,
    head_text,
    head_to_json,
    sign_head,
)

KEY = SigningKey(bytes(32))
PUBLIC = KEY.verify_key.encode()
DEVICE = "ab" * 8
HEAD = sign_head(KEY, DEVICE, b"E" * 8, (7, b"h" * 32), 1000)
TOLD = head_to_json(HEAD)


def test_a_head_holds_for_the_device_that_signed_it() -> None:
    assert head_holds(head_from_json(TOLD), DEVICE, PUBLIC)


@pytest.mark.parametrize(
    ("what", "head", "device", "key"),
    [
        ("another journal", replace(HEAD, epoch=b"F" * 8), DEVICE, PUBLIC),
        ("another place", replace(HEAD, seq=8), DEVICE, PUBLIC),
        ("another past", replace(HEAD, hash=b"i" * 32), DEVICE, PUBLIC),
        ("another time", replace(HEAD, at=1001), DEVICE, PUBLIC),
        ("another device", HEAD, "cd" * 8, PUBLIC),
        ("another key", HEAD, DEVICE, SigningKey(b"1" * 32).verify_key.encode()),
        ("no key", HEAD, DEVICE, b""),
        ("no signature", replace(HEAD, signature=bytes(64)), DEVICE, PUBLIC),
    ],
)
def test_a_changed_head_does_not_hold(what: str, head: object, device: str, key: bytes) -> None:
    assert not head_holds(head, device, key), what  # type: ignore[arg-type]


@pytest.mark.parametrize("tip", [(0, b"h" * 32), (7, bytes(32))])
def test_an_empty_journal_has_no_hash_and_no_other_has_none(tip: tuple[int, bytes]) -> None:
    assert not head_holds(sign_head(KEY, DEVICE, b"E" * 8, tip, 1000), DEVICE, PUBLIC)


def test_no_other_text_of_a_device_key_passes_for_a_head() -> None:
    """Requests for a bearer and files of records begin with other words."""
    text = head_text(DEVICE, b"E" * 8, 7, b"h" * 32, 1000)
    assert text.startswith(b"admit-head\n")
    stolen = KEY.sign(text.replace(b"admit-head", b"admit-token", 1)).signature
    assert not head_holds(replace(HEAD, signature=stolen), DEVICE, PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "00"},
        {"epoch": "AB" * 8},
        {"epoch": None},
        {"seq": -1},
        {"seq": True},
        {"seq": 2**53},
        {"hash": 7},
        {"at": 1.5},
        {"at": 10**11},
        {"signature": "A" * 88},
        {"signature": base64.b64encode(bytes(63)).decode()},
        {"signature": "ä" * 88},
    ],
)
def test_what_is_no_head_is_named(change: dict[str, object]) -> None:
    with pytest.raises(HeadMalformed, match="head"):
        head_from_json(TOLD | change)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(sorted(TOLD)),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(TOLD)), inner),
    )
)
def test_no_json_makes_the_parser_raise_anything_else(value: object) -> None:
    try:
        head_from_json(value)
    except HeadMalformed:
        return
