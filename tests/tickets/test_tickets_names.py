"""A guest's name opens with the code of its own ticket, and with nothing a thief has."""

import secrets

from hypothesis import given
from hypothesis import strategies as st

from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.names import MOST_NAME, SEALED_BYTES, fragment, open_name, seal_name

KEY = bytes(range(32))
TICKET = Credential(Format.AD1, b"\x07" * 16)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(NAMES)
def test_a_name_opens_with_its_ticket_and_every_sealed_name_is_as_long(name):
    sealed = seal_name(KEY, TICKET, name)
    opened = open_name(KEY, TICKET, sealed)
    assert len(sealed) == SEALED_BYTES
    if len(name.encode()) <= MOST_NAME:
        assert opened == name
    else:
        assert opened is not None and opened.endswith("…") and name.startswith(opened[:-1])


def test_it_opens_with_no_other_ticket_key_or_event():
    """The names of a thief: the ticket key, the event key, another ticket, another event."""
    sealed = seal_name(KEY, TICKET, "Ada Lovelace")
    for other in (ticket_key(KEY, TICKET), KEY[:16], b"\x08" * 16):
        assert open_name(KEY, Credential(Format.AD1, other), sealed) is None
    assert open_name(bytes(32), TICKET, sealed) is None


@given(st.binary(max_size=120))
def test_bytes_that_nobody_sealed_are_no_name(sealed):
    assert open_name(KEY, TICKET, sealed) is None


@given(st.integers(0, SEALED_BYTES * 8 - 1))
def test_a_changed_bit_is_no_name(bit):
    changed = bytearray(seal_name(KEY, TICKET, "Ada Lovelace"))
    changed[bit // 8] ^= 1 << bit % 8
    assert open_name(KEY, TICKET, bytes(changed)) is None


def test_the_row_of_one_ticket_does_not_open_as_that_of_another():
    """Who can write the file cannot give one guest the name of another."""
    sealed = seal_name(KEY, TICKET, "Ada Lovelace")
    assert open_name(KEY, Credential(Format.AD1, b"\x08" * 16), sealed) is None
    assert open_name(KEY, Credential(Format.OPAQUE, TICKET.ticket_id), sealed) is None


def test_the_same_import_again_seals_the_same_and_another_name_shares_no_nonce():
    """What changed nothing is sent to no gate; what changed is not laid over what was there."""
    first, again = (seal_name(KEY, TICKET, "Ada Lovelace") for _ in range(2))
    assert first == again
    assert seal_name(KEY, TICKET, "Ada Lovelacf")[:24] != first[:24]


def test_a_fragment_is_enough_to_compare_and_never_the_name():
    cases = {
        "Ada Lovelace": "A. Lov…",
        "Ada King Lovelace": "A. Lov…",
        "Madonna": "Mad…",
        "Bo Li": "B. L…",
        "X": "X…",
        "": "",
    }
    assert {name: fragment(name) for name in cases} == cases


@given(NAMES)
def test_no_name_has_a_fragment_with_more_than_three_letters_in_a_row(name):
    longest = max((len(part) for part in fragment(name).split(". ")), default=0)
    assert longest <= 4  # with the ellipsis


def test_a_sealed_name_looks_like_chance():
    """Nothing of the name is in it."""
    name = secrets.token_hex(20)
    assert name.encode()[:4] not in seal_name(KEY, TICKET, name)
