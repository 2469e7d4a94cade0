"""What goes back and forth on a stick is read only as what it was signed for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from store.heads import head_to_json, sign_head
from store.stick_records import (
    NotTheOrganisers,
    RecordsTorn,
    read_records,
    read_signed,
    signed_json,
    signed_records,
)
from tickets.attacks import StatementRejected
from tickets.cose import key_id
from tickets.keyring import Keyring
from tickets.statements import read_statement

KEY = SigningKey(bytes(range(32)))
PUBLIC = KEY.verify_key.encode()
KEYS = {key_id(PUBLIC): PUBLIC}
RECORDS = [{"seq": 1, "kind": "scan"}, {"seq": 2, "kind": "passage"}]
HEAD = sign_head(KEY, "ab" * 8, bytes(8), (2, b"h" * 32), 1000)
SIGNED = signed_records(KEY, HEAD, RECORDS)
ANSWERS = signed_json("answers", {"event": "FEST", "up_to": 7}, key_id(PUBLIC), bytes(KEY))


def test_what_was_signed_is_read():
    told = {"epoch": "00" * 8, "head": head_to_json(HEAD), "records": RECORDS}
    assert read_records("r", SIGNED, PUBLIC) == told
    assert read_signed("answers", "a", ANSWERS, "FEST", KEYS)["up_to"] == 7


@pytest.mark.parametrize(("kind", "event"), [("enrolment", "FEST"), ("answers", "OTHER")])
def test_a_file_of_another_kind_or_event_is_refused(kind, event):
    with pytest.raises(NotTheOrganisers):
        read_signed(kind, "a", ANSWERS, event, KEYS)


def test_a_key_that_counts_no_more_is_refused():
    with pytest.raises(NotTheOrganisers):
        read_signed("answers", "a", ANSWERS, "FEST", {})


def test_what_the_list_key_signs_here_passes_for_no_statement():
    """Though the key and the envelope are the same."""
    keyring = Keyring({}, 1, lists=KEYS)
    with pytest.raises(StatementRejected):
        read_statement(b"\x81" + ANSWERS, "FEST", keyring)


@given(st.data())
def test_no_change_of_a_byte_goes_unseen(data):
    for signed, read in (
        (SIGNED, lambda bad: read_records("r", bad, PUBLIC)),
        (ANSWERS, lambda bad: read_signed("answers", "a", bad, "FEST", KEYS)),
    ):
        at = data.draw(st.integers(0, len(signed) - 1))
        bad = bytearray(signed)
        bad[at] ^= data.draw(st.integers(1, 255))
        with pytest.raises((RecordsTorn, NotTheOrganisers)):
            read(bytes(bad))
        with pytest.raises((RecordsTorn, NotTheOrganisers)):
            read(signed[:at])


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_readers(noise):
    with pytest.raises(RecordsTorn):
        read_records("r", noise, PUBLIC)
    with pytest.raises(NotTheOrganisers):
        read_signed("answers", "a", noise, "FEST", KEYS)
