"""What others have published holds here: each vector with its source.

Base45 of RFC 9285 is in test_tickets_base45.py, pretix in test_tickets_pretix_sig1.py, Ed25519 of
RFC 8032 in test_tickets_cose.py, NTAG 424 of AN12196 in test_tickets_ntag424.py. Signing and
reading both ways with another implementation: tests/heavy/test_interop_cwt.py.
"""

import json
import zlib
from pathlib import Path

import cbor2
import pytest

from tickets import base45, cbor, cose

EU_DCC = json.loads((Path(__file__).parent / "golden" / "eu_dcc.json").read_text())


@pytest.mark.parametrize("vector", EU_DCC, ids=lambda vector: vector["source"].split(",")[1])
def test_certificates_of_the_european_union_are_base45_of_the_same_bytes(vector):
    """EU Digital COVID Certificates, member states' test data of invented people."""
    data = base45.decode(vector["text"].encode())
    assert data.hex() == vector["bytes"]
    assert base45.encode(data).decode() == vector["text"]
    assert zlib.decompress(data).startswith(cose.MAGIC)


# github.com/cose-wg/Examples, eddsa-examples/eddsa-sig-01.json (key "11" is that of RFC 8032, 7.1).
COSE_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
COSE_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
COSE_SIGN1 = bytes.fromhex(
    "d28445a201270300a10442313154546869732069732074686520636f6e74656e742e58407142fd2ff96d56db85bee9"
    "05a76ba1d0b7321a95c8c4d3607c5781932b7afb8711497dfa751bf40b58b3bcc32300b1487f3db34085eef013bf08"
    "f4a44d6fef0d"
)


def test_the_cose_working_groups_signature_is_made_and_verified():
    protected, unprotected, payload, signature = cbor2.loads(COSE_SIGN1).value
    assert (payload, unprotected) == (b"This is the content.", {4: b"11"})
    ours = cose.sign1_under(COSE_SEED, protected, payload)
    assert ours.endswith(signature)
    envelope = cose.split(ours)
    assert cose.verifies(envelope, COSE_KEY)
    assert not cose.verifies(envelope, cose.public_key_of(bytes(32)))


def test_its_message_with_an_unprotected_header_is_no_ticket():
    """What is not signed is not read: ours has none that somebody could change."""
    with pytest.raises(cose.CoseError, match="empty map"):
        cose.split(COSE_SIGN1)


# github.com/cose-wg/Examples, sign1-tests: what was changed in each message that must fail.
CHANGED = {
    "sign-fail-01: wrong tag": b"\xd1" + COSE_SIGN1[1:],
    "sign-fail-02: signature changed": COSE_SIGN1[:-1] + b"\x0e",
    "sign-fail-03: algorithm changed": COSE_SIGN1.replace(b"\x01\x27", b"\x01\x26"),
    "sign-fail-06: a protected attribute more": COSE_SIGN1.replace(
        bytes.fromhex("45a201270300"), bytes.fromhex("47a3012703000400")
    ),
    "sign-fail-07: a protected attribute less": COSE_SIGN1.replace(
        bytes.fromhex("45a201270300"), bytes.fromhex("43a10127")
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_the_changes_that_must_be_noticed_are(case):
    plain = CHANGED[case].replace(bytes.fromhex("a104423131"), b"\xa0")  # the one shape of ours
    try:
        envelope = cose.split(plain)
    except cose.CoseError:
        return
    assert not cose.verifies(envelope, COSE_KEY)


def test_without_the_change_the_same_message_verifies():
    """Else the test above would pass whatever was changed."""
    assert cose.verifies(
        cose.split(COSE_SIGN1.replace(bytes.fromhex("a104423131"), b"\xa0")), COSE_KEY
    )


def test_the_claims_of_the_cwt_standard_are_of_the_one_form():
    """RFC 8392, appendix A.1. Its signed examples are ECDSA, which no gate reads."""
    example = bytes.fromhex(
        "a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818636f61703a2f2f6c69676874"
        "2e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b71"
    )
    claims = cbor.decode(example)
    assert claims == {
        1: "coap://as.example.com",
        2: "erikw",
        3: "coap://light.example.com",
        4: 1444064944,
        5: 1443944944,
        6: 1443944944,
        7: bytes.fromhex("0b71"),
    }
    assert cbor.encode(claims) == example


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1_000_000),
        ("1bffffffffffffffff", 2**64 - 1),
        ("20", -1),
        ("3903e7", -1000),
        ("f4", False),
        ("f6", None),
        ("f90000", 0.0),
        ("f93e00", 1.5),
        ("fb3ff199999999999a", 1.1),
        ("4401020304", b"\x01\x02\x03\x04"),
        ("6449455446", "IETF"),
        ("62c3bc", "ü"),
        ("83010203", [1, 2, 3]),
        ("a201020304", {1: 2, 3: 4}),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ],
)
def test_the_examples_of_the_cbor_standard_hold(wire, value):
    """RFC 8949, appendix A: those of plain values in their shortest form."""
    assert cbor.decode(bytes.fromhex(wire)) == value
    assert cbor.encode(value).hex() == wire


@pytest.mark.parametrize(
    "wire",
    [
        *("c249010000000000000000", "c11a514b67b0", "d74401020304", "d818456449455446"),
        *(
            "5f42010243030405ff",
            "7f657374726561646d696e67ff",
            "9fff",
            "bf61610161629f0203ffff",
        ),
        *("fb3ff8000000000000", "f97e00ff"),
    ],
)
def test_the_standards_examples_of_all_other_forms_are_refused(wire):
    """RFC 8949, appendix A: tags, indefinite lengths; and longer forms of floats."""
    with pytest.raises(cbor.CborError):
        cbor.decode(bytes.fromhex(wire))
