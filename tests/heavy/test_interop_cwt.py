"""Tickets go both ways between us and PyPI's `cwt`, which has its own COSE and its own Ed25519."""

import pytest

from tests.rigs.cwt_install import ask
from tickets import ad1, cbor, cose
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.parse import parse
from tickets.trust import trust_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

SEED = b"\x31" * 32
PUBLIC = cose.public_key_of(SEED)
KID = cose.key_id(PUBLIC)
TRUST = trust_of("FEST26", {KID: PUBLIC})
KEY = {"public": PUBLIC.hex(), "kid": KID.hex()}
CTI = bytes(range(16))
CLAIMS = {3: "FEST26", 4: 4_000_000_000, 5: 1_700_000_000, 7: CTI, -65537: [2, 3]}


def ticket(**changes):
    times = {"valid_from": 1_700_000_000, "valid_until": 4_000_000_000}
    return ad1.sign(SEED, KID, "FEST26", CTI, **{"product": 2, "entries": 3} | times | changes)


def test_our_ticket_is_a_token_to_it():
    told = ask(do="verify", token=ticket().hex(), **KEY)
    assert cbor.decode(bytes.fromhex(told["claims"])) == CLAIMS


def test_our_bound_ticket_is_one_too():
    """Proof of possession, RFC 8747: the holder's key is where it looks for it."""
    holder = cose.public_key_of(b"\x32" * 32)
    told = ask(do="verify", token=ticket(holder_key=holder).hex(), **KEY)
    claims = cbor.decode(bytes.fromhex(told["claims"]))
    assert claims == CLAIMS | {8: {1: {1: 1, -1: 6, -2: holder}}}


def test_its_token_of_our_claims_is_a_ticket_byte_for_byte():
    told = ask(do="sign", claims=cbor.encode(CLAIMS).hex(), seed=SEED.hex(), **KEY)
    token = bytes.fromhex(told["token"])
    assert token == ticket()
    found = parse(token, TRUST)
    assert isinstance(found, Credential)
    assert (found.format, found.ticket_id, found.entries) == (Format.AD1, CTI, 3)


def test_both_refuse_a_changed_ticket():
    changed = bytearray(ticket())
    changed[-70] ^= 1  # the last byte of the claims
    found = parse(bytes(changed), TRUST)
    assert isinstance(found, Rejection)
    assert found.flaw is Flaw.FORGED
    assert "VerifyError" in ask(do="verify", token=bytes(changed).hex(), **KEY)["refused"]


def test_a_token_of_its_default_form_is_none_of_our_tickets():
    """By itself it puts the key id where it is not signed, and adds claims: refused, not read."""
    default = cose.MAGIC + cose.bstr(bytes.fromhex("a10127")) + b"\xa1\x04\x48" + KID
    found = parse(default + cose.bstr(cbor.encode(CLAIMS)) + b"\x58\x40" + bytes(64), TRUST)
    assert isinstance(found, Rejection)
