"""A code that pretix has signed is a ticket without a list; any other is left to the list."""

import json
from base64 import b64encode
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rigs.pretix_codes import (
    KEY,
    PLAIN,
    SEED,
    VALID_KEY,
    VECTOR,
    code,
    field,
    payload,
    varint,
    wrapped,
)
from tickets import cose
from tickets.credential import Credential, Format, PretixRight, Rejection
from tickets.keys import ticket_key
from tickets.parse import MAX_CREDENTIAL, parse
from tickets.pretix_sig1 import InvalidPretixKey, key_from_valid_keys, read_sig1
from tickets.protobuf import ProtobufError, message
from tickets.trust import MAX_PRETIX_KEYS, trust_of

OTHER = cose.public_key_of(b"\x55" * 32)
TRUST = trust_of("FEST26", {}, pretix_keys=[OTHER, KEY])
SIGNATURE = bytes(64)


def read(secret, trust=TRUST):
    found = parse(secret, trust)
    assert isinstance(found, Credential), found
    return found


def is_opaque(secret):
    return read(secret).format is Format.OPAQUE


def test_a_code_made_by_pretix_is_read():
    """Vector of pretix' own generator, see tests/rigs/pretix_codes.py."""
    assert read(VECTOR) == Credential(
        Format.PRETIX_SIG1,
        VECTOR,
        product=1234,
        valid_from=1795284000,
        valid_until=1795312800,
        issuer=cose.key_id(KEY),
        pretix=PretixRight(1234, variation=56),
    )


def test_zero_is_no_limit_no_variation_and_no_subevent():
    assert read(PLAIN) == Credential(
        Format.PRETIX_SIG1,
        PLAIN,
        product=7,
        issuer=cose.key_id(KEY),
        pretix=PretixRight(7),
    )


RECORDED = Path(__file__).parents[1] / "pretix" / "recorded" / "exchanges.json"


def sold():
    """(keys of its event, position) of all tickets that a real pretix told of (tests/pretix)."""
    told = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    bodies = [(each["path"].split("/"), each["body"]) for each in told if each["method"] == "GET"]
    keys = {
        body["slug"]: tuple(map(key_from_valid_keys, body["valid_keys"]["pretix_sig1"]))
        for _, body in bodies
        if "valid_keys" in body
    }
    for path, body in bodies:
        if path[-1].startswith("?") and path[-2] == "orders":
            for order in body["results"]:
                yield from ((keys[path[6]], position) for position in order["positions"])


def unix(text):
    return None if text is None else int(datetime.fromisoformat(text).timestamp())


def test_every_code_that_a_real_pretix_sold_says_what_its_api_says():
    """Signed ones of two events with keys of their own; a third event sells plain ones."""
    signed = plain = 0
    for keys, position in sold():
        found = read(position["secret"].encode(), trust_of("FEST26", {}, pretix_keys=keys))
        if not keys:
            plain += 1
            assert found.format is Format.OPAQUE
            continue
        signed += 1
        right = PretixRight(position["item"], position["variation"], position["subevent"])
        assert found.pretix == right, position["secret"]
        assert found.valid_from == unix(position["valid_from"])
        assert found.valid_until == unix(position["valid_until"])
    assert signed >= 70
    assert plain >= 5


def test_our_rig_makes_the_same_codes_as_pretix():
    assert code(payload(1234, 56, valid_from=1795284000, valid_until=1795312800)) == VECTOR
    assert code(payload(7)) == PLAIN


def test_each_key_of_the_event_is_tried():
    seeds = [bytes((n,)) * 32 for n in range(MAX_PRETIX_KEYS)]
    trust = trust_of("FEST26", {}, pretix_keys=[cose.public_key_of(seed) for seed in seeds])
    for seed in seeds:
        found = read(code(seed=seed), trust)
        assert found.issuer == cose.key_id(cose.public_key_of(seed))


def test_there_is_a_most_of_keys():
    with pytest.raises(ValueError, match="more than 8"):
        trust_of("FEST26", {}, pretix_keys=[bytes((n,)) * 32 for n in range(9)])
    with pytest.raises(ValueError, match="32 bytes"):
        trust_of("FEST26", {}, pretix_keys=[b"short"])


def test_a_key_that_was_withdrawn_signs_no_more():
    trust = trust_of("FEST26", {}, revoked=[cose.key_id(KEY)], pretix_keys=[KEY])
    assert read(PLAIN, trust).format is Format.OPAQUE


def test_without_keys_a_signed_code_is_a_plain_one():
    assert read(PLAIN, trust_of("FEST26", {})).format is Format.OPAQUE


def test_a_code_has_one_name_whether_its_signature_was_checked_or_not():
    """Else a ticket on the list could enter once by its row and once by its signature."""
    event_key = bytes(32)
    names = {ticket_key(event_key, read(PLAIN, trust)) for trust in (TRUST, trust_of("FEST26", {}))}
    assert len(names) == 1


def test_lengths_have_sixteen_bits():
    long = payload(seed=b"x" * 300)
    assert len(long) > 255
    assert read(code(long)).pretix == PretixRight(7)


def test_what_pretix_does_not_sign_is_left_to_the_list():
    assert is_opaque(b"2p5jxf7c8rfg7hsbhx5wxvbnxxxphyzw")
    assert is_opaque(wrapped(payload(), SIGNATURE))


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_a_changed_code_is_never_a_signed_one(at, change):
    changed = bytearray(PLAIN)
    changed[at] ^= change
    found = parse(bytes(changed), TRUST)
    assert isinstance(found, Rejection) or found.format is Format.OPAQUE


GOOD = payload()


@pytest.mark.parametrize(
    ("case", "secret"),
    [
        ("nothing", b""),
        ("not reversed", PLAIN[::-1]),
        ("of another version", wrapped(GOOD, SIGNATURE, version=2)),
        ("longer than it says", wrapped(GOOD, SIGNATURE, lengths=(len(GOOD) - 1, 64))),
        ("shorter than it says", wrapped(GOOD, SIGNATURE, lengths=(len(GOOD) + 256, 64))),
        ("signature of another length", wrapped(GOOD, bytes(63))),
        ("no signature", wrapped(GOOD, b"")),
        ("only a head", b64encode(b"\1\0\0\0\0")[::-1]),
        ("padding at the end", PLAIN.lstrip(b"=") + b"="),
        ("without its padding", PLAIN.lstrip(b"=")),
        ("URL alphabet", PLAIN.replace(b"+", b"-").replace(b"/", b"_")),
        ("a blank within", PLAIN[:40] + b" " + PLAIN[40:]),
        ("bytes after it", PLAIN + b"AAAA"),
        ("bytes before it", b"AAAA" + PLAIN),
    ],
)
def test_any_other_form_is_no_signed_code(case, secret):
    assert read_sig1(secret, (KEY,)) is None, case


def test_one_signature_makes_one_code():
    """Base64 leaves bits over that its readers pass over: a second code would be a second entry."""
    unused = b"ABCD"  # the last characters before the padding that decode to the same bytes
    assert VECTOR[2:3] == b"A"
    twins = [b"==" + bytes((last,)) + VECTOR[3:] for last in unused]
    assert [read_sig1(twin, (KEY,)) is not None for twin in twins] == [True, False, False, False]


@pytest.mark.parametrize(
    ("case", "signed"),
    [
        ("no item", field(1, b"seed")),
        ("item 0", payload(0)),
        ("a field twice", GOOD + field(2, 8)),
        ("the text twice", field(1, b"x") + GOOD),
        ("a long form", field(1, b"x") + b"\x10\x87\x00"),
        ("below zero", field(1, b"x") + b"\x10" + b"\xff" * 9 + b"\x01"),
        ("a number without end", field(1, b"x") + b"\x10" + b"\x80" * 40),
        ("the item as text", field(2, b"7")),
        ("the text as a number", field(1, 5) + field(2, 7)),
        ("cut within a number", b"\x10\x80"),
        ("cut within a text", b"\x0a\x09Gate"),
        ("a text that says it is huge", b"\x0a" + varint(2**62) + b"x"),
        ("no UTF-8", field(1, b"\xff") + field(2, 7)),
        ("field 0", b"\x00\x01" + GOOD),
        ("a group", b"\x3b" + GOOD),
        ("a fixed number cut short", GOOD + b"\x39\0\0"),
    ],
)
def test_signed_fields_that_no_pretix_writes_are_left_to_the_list(case, signed):
    assert read_sig1(code(signed), (KEY,)) is None, case


def test_fields_of_a_later_pretix_are_passed_over():
    """Protobuf's rule: else the next version's tickets would be refused at every gate."""
    later = GOOD + field(7, 1) + field(8, b"more") + b"\x4d\0\0\0\0" + b"\x51" + bytes(8)
    assert read(code(later)).pretix == PretixRight(7)


def test_times_beyond_what_a_row_can_hold_are_later_than_anything():
    found = read(code(payload(valid_from=1, valid_until=2**62)))
    assert (found.valid_from, found.valid_until) == (1, 2**32 - 1)


def test_a_code_longer_than_any_credential_is_not_looked_at():
    assert isinstance(parse(code(payload(seed=b"x" * MAX_CREDENTIAL)), TRUST), Rejection)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data):
    read_sig1(data, (KEY,))
    read_sig1(b64encode(b"\1\0" + data)[::-1], (KEY,))


@given(st.binary(max_size=120))
def test_no_signed_bytes_crash_the_reader(data):
    found = read_sig1(code(data), (KEY,))
    assert found is None or found.pretix.item > 0


@given(
    st.integers(1, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.text(max_size=20),
)
def test_every_right_comes_back(item, variation, subevent, seed):
    found = read_sig1(code(payload(item, variation, subevent, seed=seed.encode())), (KEY,))
    assert found.pretix == PretixRight(item, variation or None, subevent or None)


@given(st.binary(max_size=60))
def test_a_message_is_read_or_refused(data):
    try:
        fields = message(data, {1: 2, 2: 0})
    except ProtobufError:
        return
    assert fields.keys() <= {2}
    assert all(0 <= value < 2**63 for value in fields.values())


def test_the_key_of_an_event_is_that_of_pretix_api():
    assert key_from_valid_keys(VALID_KEY) == KEY == cose.public_key_of(SEED)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("empty", ""),
        ("no Base64", "key"),
        ("no ASCII", "schlüssel"),
        ("Base64 of something", b64encode(b"hello").decode()),
        ("the raw key", b64encode(KEY).decode()),
        ("cut short", VALID_KEY[:-8]),
        (
            "an RSA key",
            b64encode(
                b"-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQ==\n-----END PUBLIC KEY-----\n"
            ).decode(),
        ),
        ("far too long", VALID_KEY * 50),
    ],
)
def test_any_other_text_is_no_key(case, text):
    with pytest.raises(InvalidPretixKey, match="valid_keys"):
        key_from_valid_keys(text)
