"""A live ticket is read only when its issuer and the phone it is bound to have both signed it."""

import hashlib
import json
from pathlib import Path

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from tickets import ad1, ad2, base45, cbor, cose
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.keys import ticket_key
from tickets.parse import MAX_CREDENTIAL, parse
from tickets.trust import trust_of

SEED = hashlib.sha256(b"issuer").digest()
PUBLIC = cose.public_key_of(SEED)
KID = cose.key_id(PUBLIC)
TRUST = trust_of("FEST26", {KID: PUBLIC})
CTI = bytes(range(16))
PHONE = hashlib.sha256(b"phone").digest()
STRANGER = hashlib.sha256(b"another phone").digest()
HOLDER = cose.public_key_of(PHONE)
DRAWN = 1_795_000_000
GOLDEN = json.loads((Path(__file__).parent / "golden" / "ad2.json").read_text())


def bound(event="FEST26", holder_key=HOLDER, **more):
    named = {"product": 2, "entries": 3, "valid_until": 1_800_000_000} | more
    return ad1.sign(SEED, KID, event, CTI, holder_key=holder_key, **named)


def text(ticket=None, seed=PHONE, drawn_at=DRAWN):
    return ad2.to_qr_text(ad2.sign(seed, ticket or bound(), drawn_at)).encode()


def enveloped(payload, seed=PHONE, protected=b"\xa1\x01\x27"):
    """A live code with any content, signed by the phone."""
    return b"AD2:" + base45.encode(cose.sign1_under(seed, protected, payload))


def content(drawn_at=DRAWN, ticket=None):
    return cbor.encode({6: drawn_at, -65538: bound() if ticket is None else ticket})


def flaw(payload, trust=TRUST):
    result = parse(payload, trust)
    assert isinstance(result, Rejection), result
    assert result.format in (Format.AD2, None)
    return result.flaw


def test_a_live_code_says_what_its_ticket_says_and_when_it_was_drawn():
    assert parse(text(), TRUST) == Credential(
        Format.AD2, CTI, 2, 3, None, 1_800_000_000, KID, HOLDER, drawn_at=DRAWN
    )


def test_a_live_code_is_deterministic_cbor_of_a_time_and_a_ticket():
    assert text() == enveloped(content())


def test_a_ticket_has_one_name_however_it_is_shown():
    live, plain = parse(text(), TRUST), parse(bound(), TRUST)
    assert ticket_key(bytes(32), live) == ticket_key(bytes(32), plain)


def test_a_bound_ticket_shown_without_the_phone_says_to_which_it_is_bound():
    """By that `decide` refuses it: a copy of the ticket is no live code."""
    plain = parse(bound(), TRUST)
    assert (plain.format, plain.holder_key, plain.drawn_at) == (Format.AD1, HOLDER, None)


def test_the_longest_live_code_fits_version_12_at_ecc_m():
    """65 modules: 0.8 mm each with the quiet zone across a phone's 60 mm."""
    longest = bound(
        event="TWELVE_BYTES", product=65535, entries=65535, valid_from=2**32 - 1, valid_until=1
    )
    shown = segno.make_qr(text(longest).decode(), error="m", mode="alphanumeric", boost_error=False)
    assert shown.version <= 12


@pytest.mark.parametrize("vector", GOLDEN, ids=lambda vector: vector["case"])
def test_codes_of_the_golden_file_are_read_and_made_the_same(vector):
    """A wallet once handed out stays good: this file only grows."""
    made = ad2.sign(
        bytes.fromhex(vector["phone"]), bytes.fromhex(vector["ticket"]), vector["drawn_at"]
    )
    assert ad2.to_qr_text(made) == vector["text"]
    credential = parse(vector["text"].encode(), TRUST)
    assert isinstance(credential, Credential)
    assert credential.drawn_at == vector["drawn_at"]


@pytest.mark.parametrize(
    ("case", "payload", "expected"),
    [
        ("of another event", text(bound("OTHER")), Flaw.WRONG_EVENT),
        ("by another phone", text(seed=STRANGER), Flaw.FORGED),
        ("over an unbound ticket", text(bound(holder_key=None)), Flaw.FORGED),
        ("of an unknown issuer", text(ad1.sign(STRANGER, KID, "FEST26", CTI)), Flaw.FORGED),
        ("by no curve's point", text(bound(holder_key=bytes(32))), Flaw.FORGED),
        ("prefix alone", b"AD2:", Flaw.UNREADABLE),
        ("text that is no Base45", b"AD2:ticket", Flaw.UNREADABLE),
        ("text with a line end", text() + b"\n", Flaw.UNREADABLE),
        ("cut short", text()[:-3], Flaw.UNREADABLE),
        ("bytes after it", text() + base45.encode(b"xx"), Flaw.UNREADABLE),
        ("longer than any", b"AD2:" + b"0" * MAX_CREDENTIAL, Flaw.UNREADABLE),
        ("with a key id", enveloped(content(), protected=b"\xa2\x01\x27\x04\x41x"), "unreadable"),
        ("of another algorithm", enveloped(content(), protected=b"\xa1\x01\x26"), "unreadable"),
        ("without a time", enveloped(cbor.encode({-65538: bound()})), Flaw.UNREADABLE),
        ("without a ticket", enveloped(cbor.encode({6: DRAWN})), Flaw.UNREADABLE),
        ("with more in it", enveloped(content() + b"\0"), Flaw.UNREADABLE),
        ("of a time in eight bytes", enveloped(content(2**40)), Flaw.UNREADABLE),
        ("of a time too early", enveloped(content(2**16 - 1)), Flaw.UNREADABLE),
        ("of a time in a long form", enveloped(content().replace(
            DRAWN.to_bytes(4, "big"), (5).to_bytes(4, "big"))), Flaw.UNREADABLE),
        ("of a time before 1970", enveloped(content(-1)), Flaw.UNREADABLE),
        ("of a time as text", enveloped(content("now")), Flaw.UNREADABLE),
        ("around text", enveloped(content(ticket=ad1.to_qr_text(bound()).encode())), "unreadable"),
        ("around another live code", enveloped(content(ticket=text())), Flaw.UNREADABLE),
        ("around a cut ticket", enveloped(content(ticket=bound()[:-1])), Flaw.UNREADABLE),
        ("around nothing", enveloped(content()[:-len(bound()) - 2] + b"\x40"), Flaw.UNREADABLE),
        ("that says it is huge", enveloped(content()[:12] + b"\x5a\xff\xff\xff\xff"), "unreadable"),
    ],
)  # fmt: skip
def test_what_is_no_live_ticket_of_this_event_is_refused_by_name(case, payload, expected):
    assert flaw(payload) == expected, case


def test_a_withdrawn_issuer_takes_its_live_codes_along():
    """A server that was broken into: its key is withdrawn, and whatever it bound."""
    assert flaw(text(), trust_of("FEST26", {KID: PUBLIC}, revoked=[KID])) is Flaw.FORGED


def test_the_issuer_is_asked_before_the_phone(monkeypatch):
    """Nothing of a ticket that no issuer has signed is believed, not even its key."""
    asked = []
    real = cose.verifies
    monkeypatch.setattr(cose, "verifies", lambda e, key: asked.append(key) or real(e, key))
    parse(text(), TRUST)
    assert asked == [PUBLIC, HOLDER]
    asked.clear()
    parse(text(ad1.sign(STRANGER, KID, "FEST26", CTI, holder_key=HOLDER)), TRUST)
    assert asked == [PUBLIC]


@given(st.integers(0, len(base45.decode(text()[4:])) * 8 - 1))
def test_a_live_code_with_any_bit_changed_is_never_read(bit):
    changed = bytearray(base45.decode(text()[4:]))
    changed[bit // 8] ^= 1 << bit % 8
    assert isinstance(parse(b"AD2:" + base45.encode(bytes(changed)), TRUST), Rejection)


@given(st.binary(max_size=600))
def test_no_bytes_crash_the_parser(noise):
    for payload in (b"AD2:" + noise, b"AD2:" + base45.encode(noise), enveloped(noise)):
        assert isinstance(parse(payload, TRUST), Rejection)


@given(st.binary(max_size=300), st.integers(2**16, 2**32 - 1))
def test_no_ticket_inside_crashes_the_parser(noise, drawn_at):
    for ticket in (noise, cose.MAGIC + noise, cose.sign1(SEED, KID, noise)):
        assert isinstance(parse(enveloped(content(drawn_at, ticket)), TRUST), Rejection)


@pytest.mark.parametrize(
    ("ticket", "at"), [(b"AD1:", DRAWN), (b"", DRAWN), (None, 2**32), (None, -1)]
)
def test_what_no_gate_would_read_is_not_drawn(ticket, at):
    with pytest.raises(ad2.NotDrawn):
        ad2.sign(PHONE, bound() if ticket is None else ticket, at)
