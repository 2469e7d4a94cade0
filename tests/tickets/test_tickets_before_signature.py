"""Nothing is decoded before a signature holds: what nobody we trust has signed stays bytes.

cbor2 runs code for tags (dates, regular expressions, e-mail, shared values), allocates what a
length says and nests as deep as it is told. Each of these traps is sent here without a good
signature, and the decoder must not even be called; with one, it must refuse (test_tickets_cbor.py).
"""

import cbor2
import pytest

from tickets import ad1, ad2, base45, cose
from tickets.attacks import StatementRejected
from tickets.credential import Rejection
from tickets.keyring import pinned
from tickets.parse import parse
from tickets.statements import read_statement
from tickets.trust import trust_of

SEED, THIEF = b"\x41" * 32, b"\x42" * 32
PUBLIC = cose.public_key_of(SEED)
KID = cose.key_id(PUBLIC)
TRUST = trust_of("FEST26", {KID: PUBLIC})
KEYRING = pinned([PUBLIC])

TRAPS = {
    "a date that is parsed": "c074323032302d30312d30315430303a30303a30305a",
    "a number of a gigabyte": "c5821a7fffffff01",
    "a big number": "c249010000000000000000",
    "a regular expression that runs for ever": "d82368286128612b292b29242c",
    "an e-mail": "d8246178",
    "a shared value within itself": "d81c81d81d00",
    "a reference to nothing": "d81d00",
    "a key twice": "a201010102",
    "a float as a key": "a1fb3ff8000000000000" + "00",
    "a list as a key": "a1810100",
    "nested a thousand deep": "81" * 1000 + "00",
    "an array of 2^64": "9bffffffffffffffff",
    "bytes of 2^63": "5b7fffffffffffffff",
    "a map of 2^32": "baffffffff",
    "without end": "9f",
    "not in the shortest form": "1b0000000000000001",
    "bytes after it": "00" * 2,
    "nothing": "",
}


@pytest.fixture(autouse=True)
def decoder_calls(monkeypatch):
    """How often any decoder of CBOR is called; by which name it is imported makes no difference."""
    calls = []
    monkeypatch.setattr("tickets.cbor.decode", lambda *_: calls.append("tickets.cbor"))
    monkeypatch.setattr(cbor2, "loads", lambda *_, **__: calls.append("cbor2"))
    return calls


def shapes(payload: bytes) -> dict[str, bytes]:
    """Everything that can hold a payload, none of it signed by whom it must be."""
    forged = cose.sign1(THIEF, KID, payload)
    stranger = cose.sign1(THIEF, cose.key_id(cose.public_key_of(THIEF)), payload)
    header = bytes.fromhex("a10127")
    return {
        "the payload alone": payload,
        "AD1, our key's name, another's signature": forged,
        "AD1 in text": b"AD1:" + base45.encode(forged),
        "AD1 of a stranger": stranger,
        "AD1, signature cut short": forged[:-1],
        "AD2 around a forged ticket": ad2.to_qr_text(
            ad2.sign(THIEF, forged, 1_790_000_000)
        ).encode(),
        "AD2 of nothing but the trap": b"AD2:"
        + base45.encode(cose.sign1_under(THIEF, header, payload)),
    }


@pytest.mark.parametrize("trap", TRAPS)
def test_a_code_that_we_did_not_sign_is_never_decoded(trap, decoder_calls):
    for shape, data in shapes(bytes.fromhex(TRAPS[trap])).items():
        found = parse(data[:1024], TRUST)
        assert isinstance(found, Rejection) or found.format == "opaque", shape
    assert decoder_calls == []


@pytest.mark.parametrize("trap", TRAPS)
def test_a_statement_that_no_root_signed_is_never_decoded(trap, decoder_calls):
    payload = bytes.fromhex(TRAPS[trap])
    wires = [payload, b"\x81" + cose.sign1(THIEF, KID, payload), b"\x81" + payload]
    wires.append(b"\x82" + cose.sign1(THIEF, KID, payload) + cose.sign1(SEED, KID, b"other"))
    for wire in wires:
        with pytest.raises(StatementRejected):
            read_statement(wire, "FEST26", KEYRING)
    assert decoder_calls == []


def test_a_good_signature_is_what_calls_the_decoder(decoder_calls):
    """Else the tests above would pass whatever came."""
    parse(ad1.sign(SEED, KID, "FEST26", bytes(16)), TRUST)
    assert decoder_calls == ["tickets.cbor"]
