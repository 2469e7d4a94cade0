"""A signed ticket is read only in the one form its issuer wrote, and only for its event."""

import hashlib
import json
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets import ad1, base45, cbor, cose
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.parse import MAX_CREDENTIAL, parse, read_opaque
from tickets.trust import InvalidEvent, trust_of

SEED = hashlib.sha256(b"issuer").digest()
PUBLIC = cose.public_key_of(SEED)
KID = cose.key_id(PUBLIC)
TRUST = trust_of("FEST26", {KID: PUBLIC})
CTI = bytes(range(16))
HOLDER = bytes(range(32))
GOLDEN = json.loads((Path(__file__).parent / "golden" / "ad1.json").read_text())


def ticket(**changes):
    named = {"product": 2, "entries": 3, "valid_from": 1_790_000_000, "valid_until": 1_800_000_000}
    return ad1.sign(SEED, KID, "FEST26", CTI, **named | changes)


def claims(**changes):
    """The claims of a good ticket, by their names, with some changed or, None, left out."""
    numbers = {"aud": 3, "exp": 4, "nbf": 5, "cti": 7, "cnf": 8, "right": -65537}
    named = {"aud": "FEST26", "exp": 1_800_000_000, "cti": CTI, "right": [2, 3]} | changes
    return {numbers[name]: value for name, value in named.items() if value is not None}


def signed(payload):
    return cose.sign1(SEED, KID, payload)


def flaw(payload, trust=TRUST):
    result = parse(payload, trust)
    assert isinstance(result, Rejection), result
    return result.flaw


def test_a_ticket_reads_the_same_as_text_and_as_bytes():
    expected = Credential(
        Format.AD1, CTI, 2, 3, 1_790_000_000, 1_800_000_000, issuer=KID, holder_key=HOLDER
    )
    bound = ticket(holder_key=HOLDER)
    assert parse(bound, TRUST) == expected
    assert parse(ad1.to_qr_text(bound).encode(), TRUST) == expected


def test_times_may_be_left_to_the_list():
    credential = parse(ticket(valid_from=None, valid_until=None), TRUST)
    assert isinstance(credential, Credential)
    assert (credential.valid_from, credential.valid_until) == (None, None)


def test_an_unbound_ticket_fits_a_code_of_version_10_at_ecc_q():
    """221 alphanumeric characters (ISO/IEC 18004, table 7), prefix and longest name included."""
    longest = ad1.sign(
        SEED, KID, "TWELVE_BYTES", CTI, entries=65535, valid_from=2**32 - 1, valid_until=2**32 - 1
    )
    assert len(ad1.to_qr_text(longest)) <= 221


@pytest.mark.parametrize("vector", GOLDEN, ids=lambda vector: vector["case"])
def test_tickets_of_the_golden_file_are_read_and_made_the_same(vector):
    """A ticket once sold stays readable: this file only grows."""
    made = ad1.sign(
        bytes.fromhex(vector["seed"]),
        bytes.fromhex(vector["kid"]),
        vector["event"],
        bytes.fromhex(vector["cti"]),
        **{key: vector[key] for key in ("product", "entries", "valid_from", "valid_until")},
    )
    assert ad1.to_qr_text(made) == vector["text"]
    public = cose.public_key_of(bytes.fromhex(vector["seed"]))
    credential = parse(vector["text"].encode(), trust_of(vector["event"], {KID: public}))
    assert isinstance(credential, Credential)
    assert credential.ticket_id.hex() == vector["cti"]


def test_a_ticket_of_another_event_is_named_so():
    assert flaw(ad1.sign(SEED, KID, "OTHER", CTI)) is Flaw.WRONG_EVENT


def test_unknown_and_withdrawn_issuers_are_forgers():
    assert flaw(ticket(), trust_of("FEST26", {})) is Flaw.FORGED
    assert flaw(ticket(), trust_of("FEST26", {KID: PUBLIC}, revoked=[KID])) is Flaw.FORGED


def test_a_known_key_id_over_another_key_is_forged():
    assert flaw(cose.sign1(bytes(32), KID, cbor.encode(claims()))) is Flaw.FORGED


@given(st.integers(0, len(ticket()) * 8 - 1))
def test_a_ticket_with_any_bit_changed_is_never_read(bit):
    changed = bytearray(ticket())
    changed[bit // 8] ^= 1 << bit % 8
    assert isinstance(parse(bytes(changed), TRUST), Rejection)


def long_form(encoded):
    """The same claims, product 2 written in two bytes."""
    return encoded.replace(b"\x82\x02\x03", b"\x82\x18\x02\x03")


ENCODED = cbor.encode(claims())


@pytest.mark.parametrize(
    ("case", "payload"),
    [
        ("bytes after the claims", ENCODED + b"\0"),
        ("a second map after the claims", ENCODED + ENCODED),
        ("cut short", ENCODED[:-1]),
        ("empty", b""),
        ("a key twice", b"\xa5" + ENCODED[1:] + b"\x03\x66FEST26"),
        ("a key twice, as true", cbor2.dumps(claims()).replace(b"\xa4", b"\xa5") + b"\xf5\x00"),
        ("a number in a long form", long_form(ENCODED)),
        ("keys out of order", cbor2.dumps(dict(reversed(claims().items())))),
        ("indefinite map", b"\xbf" + ENCODED[1:] + b"\xff"),
        ("indefinite text", ENCODED.replace(b"\x66FEST26", b"\x7f\x66FEST26\xff")),
        ("tagged as CWT", b"\xd8\x3d" + ENCODED),
        ("self-described", b"\xd9\xd9\xf7" + ENCODED),
        ("a time as a date", cbor2.dumps(claims() | {4: cbor2.CBORTag(1, 1)}, canonical=True)),
        ("a big number", cbor2.dumps(claims(exp=2**70), canonical=True)),
        ("a power of two to fill memory", ENCODED[:1] + bytes.fromhex("c5821a7fffffff01")),
        ("a regular expression", b"\xd8\x23\x65(a+)+"),
        ("an e-mail", b"\xd8\x24\x61x"),
        ("a cycle", bytes.fromhex("d81c81d81d00")),
        ("nested deep", b"\x81" * 300 + b"\0"),
        ("an array that says it is huge", b"\x9b" + b"\xff" * 8),
        ("bytes that say they are huge", b"\x5b" + b"\xff" * 8),
        ("text that is no UTF-8", ENCODED.replace(b"FEST26", b"FEST\xff6")),
        ("not a map", cbor.encode([1, 2])),
    ],
)
def test_claims_in_any_other_form_are_unreadable_even_when_signed(case, payload):
    assert flaw(signed(payload)) is Flaw.UNREADABLE, case


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"cti": None},
        {"right": None},
        {"aud": b"FEST26"},
        {"aud": ["FEST26"]},
        {"aud": ""},
        {"aud": "THIRTEEN BYTES"},
        {"cti": bytes(15)},
        {"cti": "0123456789abcdef"},
        {"exp": -1},
        {"exp": 2**32},
        {"exp": 1.5},
        {"exp": True},
        {"nbf": "now"},
        {"right": [2]},
        {"right": [2, 3, 4]},
        {"right": [2, -1]},
        {"right": [2**16, 1]},
        {"right": [True, 1]},
        {"right": {0: 2, 1: 3}},
        {"cnf": {}},
        {"cnf": {1: {1: 1, -1: 6}}},
        {"cnf": {1: {1: 1, -1: 6, -2: b"short"}}},
        {"cnf": {1: {1: True, -1: 6, -2: HOLDER}}},
        {"cnf": {1: {1: 2, -1: 6, -2: HOLDER}}},
        {"cnf": {3: b"kid"}},
        {"cnf": HOLDER},
    ],
    ids=str,
)
def test_a_claim_off_its_type_or_range_is_unreadable(changes):
    assert flaw(signed(cbor.encode(claims(**changes)))) is Flaw.UNREADABLE


@pytest.mark.parametrize(
    ("case", "payload"),
    [
        ("a claim under 3.0", {3.0: "FEST26", 7: CTI, -65537: [2, 3]}),
        ("the holder under 1.0", claims(cnf={1.0: {1: 1, -1: 6, -2: HOLDER}})),
        ("the holder under true", claims(cnf={True: {1: 1, -1: 6, -2: HOLDER}})),
        ("the curve under -1.0", claims(cnf={1: {1: 1, -1.0: 6, -2: HOLDER}})),
    ],
)
def test_what_equals_a_number_is_no_key(case, payload):
    """Python's 3.0 and 3 are one key; in CBOR they are two ways to write a ticket."""
    assert flaw(signed(cbor.encode(payload))) is Flaw.UNREADABLE, case


@pytest.mark.parametrize("extra", [{1: "iss"}, {6: 1}, {-65538: 0}, {"x": 1}, {99: []}])
def test_an_unknown_claim_is_unreadable(extra):
    assert flaw(signed(cbor.encode(claims() | extra))) is Flaw.UNREADABLE


@pytest.mark.parametrize(
    ("case", "payload"),
    [
        ("prefix alone", b"AD1:"),
        ("text that is no Base45", b"AD1:ticket"),
        ("text with a line end", ad1.to_qr_text(ticket()).encode() + b"\n"),
        ("cut short", ad1.to_qr_text(ticket()).encode()[:-3]),
        ("Base45 of no COSE", b"AD1:" + base45.encode(b"hello")),
        ("magic alone", b"\xd2\x84"),
        ("longer than any ticket", b"AD1:" + b"0" * MAX_CREDENTIAL),
        ("a format not read here", b"AD2:BB8"),
    ],
)
def test_a_torn_ticket_is_unreadable_not_opaque(case, payload):
    assert flaw(payload) is Flaw.UNREADABLE


def test_a_code_above_the_size_limit_is_not_even_looked_at():
    by_a_stranger = cose.sign1(bytes(32), bytes(8), bytes(MAX_CREDENTIAL))
    assert flaw(by_a_stranger) is Flaw.UNREADABLE  # and not FORGED


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        ("FEST26", {"ticket_id": b"short"}),
        ("FEST26", {"entries": 65536}),
        ("FEST26", {"product": -1}),
        ("FEST26", {"valid_until": 2**32}),
        ("FEST26", {"holder_key": b"short"}),
    ],
)
def test_a_ticket_no_gate_would_read_is_not_signed(event, changes):
    with pytest.raises(ad1.InvalidTicket):
        ad1.sign(SEED, KID, event, **{"ticket_id": CTI} | changes)


@pytest.mark.parametrize("event", ["", "THIRTEEN BYTE", "ÄÖÜÄÖÜÄ", "a\nb", " FEST", "\ud800"])
def test_an_event_name_is_1_to_12_printable_bytes(event):
    with pytest.raises(InvalidEvent):
        trust_of(event, {})


def test_a_short_issuer_key_is_an_error():
    with pytest.raises(ValueError, match="32 bytes"):
        trust_of("FEST26", {KID: PUBLIC[:-1]})


# Opaque codes


@pytest.mark.parametrize("code", [b"A", b"ab-12/34 56", "Bändchen №7".encode(), b"x" * 256])
def test_a_printable_code_is_opaque(code):
    assert parse(code, TRUST) == Credential(Format.OPAQUE, code)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("nothing", b""),
        ("a blank", b" "),
        ("257 bytes", b"x" * 257),
        ("a control character", b"abc\x00def"),
        ("a line end", b"abc\r\n"),
        ("not UTF-8", b"\xff\xfe"),
        ("a character without shape", "abc\u200bdef".encode()),
        ("4 kB of noise", bytes(range(256)) * 16),
    ],
)
def test_what_is_not_printable_is_unreadable(case, code):
    assert flaw(code) is Flaw.UNREADABLE


def test_a_code_that_looks_signed_is_never_opaque():
    assert isinstance(read_opaque(ad1.to_qr_text(ticket()).encode()), Rejection)


@given(st.binary(max_size=1200))
def test_no_bytes_crash_the_parser(noise):
    for payload in (noise, b"AD1:" + noise, cose.MAGIC + noise, signed(noise[:400])):
        assert isinstance(parse(payload, TRUST), (Credential, Rejection))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.integers(-9, 9) | st.text(), inner),
        max_leaves=8,
    )
)
def test_no_signed_claims_crash_the_parser(value):
    assert flaw(signed(cbor2.dumps(value, canonical=True))) is Flaw.UNREADABLE


@given(st.data())
def test_no_change_of_a_ticket_is_read_as_one(data):
    text = bytearray(ad1.to_qr_text(ticket()).encode())
    original = bytes(text)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + 1] = data.draw(st.binary(max_size=2))
    result = parse(bytes(text), TRUST)
    if bytes(text) != original and isinstance(result, Credential):
        assert result.format is Format.OPAQUE
