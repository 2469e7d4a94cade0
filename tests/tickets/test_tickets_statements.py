"""What a gate believes is signed, of its event, well-formed and newer than what it has."""

import hashlib
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets import cbor, cose
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Delta, Keyset, ListHead, ServerTime, Type, to_plain
from tickets.chain import MAX_JUMP, follows, is_expired
from tickets.keyring import Keyring, pinned
from tickets.rows import Status, Ticket, pack
from tickets.statements import (
    MAX_PAYLOAD,
    MAX_WIRE,
    Statement,
    keyring_from,
    read_statement,
    sign_statement,
)

EVENT = "FEST26"
NOW = 1_790_000_000


def seed(name):
    return hashlib.sha256(name.encode()).digest()


def public(name):
    return cose.public_key_of(seed(name))


def kid(name):
    return cose.key_id(public(name))


def signer(name):
    return kid(name), seed(name)


def keys(*names):
    return {kid(name): public(name) for name in names}


def keyset(**changes):
    whole = Keyset(keys("root1", "root2", "root3"), 2, keys("issuer"), keys("list"), ())
    return replace(whole, **changes)


POLICY = {"lists": {"main": {"entries": 1}}, "products": {}}
HEAD = ListHead(2, 60, bytes(32))
DELTA = Delta(7, pack(Ticket(b"a" * 16, flags=Status.CANCELLED)), b"b" * 16 + b"c" * 16)
TIME = ServerTime(bytes(16), NOW * 1000)
BODIES = [keyset(), POLICY, HEAD, DELTA, TIME]


def wire(body=POLICY, *signers, **changes):
    named = {"event": EVENT, "serial": 1, "issued": NOW, "expires": NOW + 3600} | changes
    if not signers:
        signers = ("root1", "root2") if isinstance(body, Keyset) else ("list",)
    return sign_statement(body, signers=[signer(name) for name in signers], **named)


def resign(payload, *signers):
    """Sign any payload, also one that `sign_statement` would not."""
    envelopes = [cose.sign1(seed(name), kid(name), payload) for name in signers]
    return bytes((0x80 + len(envelopes),)) + b"".join(envelopes)


def fields(**changes):
    whole = {"type": "policy", "event": EVENT, "serial": 1, "previous": b""}
    return whole | {"issued": NOW, "expires": NOW + 1, "body": POLICY} | changes


PINNED = pinned([public("root1"), public("root2"), public("root3")], threshold=2)
KEYRING = keyring_from(PINNED, read_statement(wire(keyset()), EVENT, PINNED))


def attack_on(wire_bytes, keyring=KEYRING, event=EVENT):
    with pytest.raises(StatementRejected) as rejected:
        read_statement(wire_bytes, event, keyring)
    return rejected.value.attack


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_signed_statement_is_read_back_whole(body):
    statement = read_statement(wire(body, serial=9, previous=b"p" * 32), EVENT, KEYRING)
    assert to_plain(statement.body) == to_plain(body)
    assert (statement.serial, statement.previous, statement.issued) == (9, b"p" * 32, NOW)


def test_signing_twice_gives_the_same_bytes():
    assert wire(POLICY) == wire(POLICY)


def test_the_keyring_trusts_the_issuers_of_the_keyset_less_the_revoked():
    assert KEYRING.trust(EVENT).issuers == {cose.protected_header(kid("issuer")): public("issuer")}
    revoked = KEYRING.with_keyset(keyset(revoked=(kid("issuer"),)))
    assert not revoked.trust(EVENT).issuers


@pytest.mark.parametrize(
    ("case", "bytes_", "attack"),
    [
        ("signed by a stranger", wire(POLICY, "stranger"), Attack.FORGERY),
        ("policy signed by a root", wire(POLICY, "root1"), Attack.FORGERY),
        ("policy signed by a ticket issuer", wire(POLICY, "issuer"), Attack.FORGERY),
        ("keyset signed by a list key", wire(keyset(), "list"), Attack.FORGERY),
        ("one root where two are needed", wire(keyset(), "root1"), Attack.FORGERY),
        ("one root twice", wire(keyset(), "root1", "root1"), Attack.FORGERY),
        ("a root and a stranger", wire(keyset(), "root1", "stranger"), Attack.FORGERY),
        (
            "a root that the keyset itself revokes",
            wire(keyset(revoked=(kid("root2"),)), "root1", "root2"),
            Attack.FORGERY,
        ),
        ("another event", wire(event="OTHER"), Attack.WRONG_EVENT),
        ("empty", b"", Attack.MALFORMED),
        ("no envelope", b"\x80", Attack.MALFORMED),
        ("nine envelopes", b"\x89" + wire()[1:] * 9, Attack.MALFORMED),
        ("bytes after the end", wire() + b"\0", Attack.MALFORMED),
        ("cut short", wire()[:-1], Attack.MALFORMED),
        ("two payloads", b"\x82" + wire()[1:] + wire(serial=2)[1:], Attack.MALFORMED),
        ("a page of HTML", b"<!doctype html><title>502</title>", Attack.MALFORMED),
        ("endless", bytes(MAX_WIRE + 1), Attack.OVERSIZED),
        (
            "a policy as large as a delta",
            resign(cbor.encode(fields(body={"x": bytes(1 << 18)})), "list"),
            Attack.OVERSIZED,
        ),
        ("payload no CBOR", resign(b"\xff", "list"), Attack.MALFORMED),
        ("payload no map", resign(cbor.encode([1]), "list"), Attack.MALFORMED),
        ("field missing", resign(cbor.encode({"type": "policy"}), "list"), Attack.MALFORMED),
        ("field unknown", resign(cbor.encode(fields(x=1)), "list"), Attack.MALFORMED),
        ("type unknown", resign(cbor.encode(fields(type="rules")), "list"), Attack.MALFORMED),
        ("type a list", resign(cbor.encode(fields(type=["x"])), "list"), Attack.MALFORMED),
        ("serial zero", resign(cbor.encode(fields(serial=0)), "list"), Attack.MALFORMED),
        ("serial true", resign(cbor.encode(fields(serial=True)), "list"), Attack.MALFORMED),
        ("serial 1.0", resign(cbor.encode(fields(serial=1.0)), "list"), Attack.MALFORMED),
        ("serial too large", resign(cbor.encode(fields(serial=2**63)), "list"), Attack.MALFORMED),
        ("previous short", resign(cbor.encode(fields(previous=b"x")), "list"), Attack.MALFORMED),
        ("expires first", resign(cbor.encode(fields(expires=NOW)), "list"), Attack.MALFORMED),
        ("body no map", resign(cbor.encode(fields(body=[])), "list"), Attack.MALFORMED),
    ],
)
def test_a_statement_is_refused_by_the_name_of_the_attack(case, bytes_, attack):
    assert attack_on(bytes_) is attack, case


def test_a_changed_byte_anywhere_is_refused():
    whole = wire()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1
        assert attack_on(bytes(changed)) in (Attack.FORGERY, Attack.MALFORMED), at


def test_a_bad_signature_of_a_known_key_spoils_the_others():
    spoiled = bytearray(wire(keyset(), "root1", "root2", "root3"))
    spoiled[-1] ^= 1
    assert attack_on(bytes(spoiled)) is Attack.FORGERY


def test_an_extra_signature_by_an_unknown_key_does_no_harm():
    """New roots sign along while gates still have only the old ones pinned."""
    assert read_statement(wire(keyset(), "root9", "root1", "root2"), EVENT, PINNED)


def test_dropping_a_signature_on_the_way_does_not_change_the_digest():
    """Else whoever carries a keyset could make the next one seem to follow another."""
    three = read_statement(wire(keyset(), "root1", "root2", "root3"), EVENT, PINNED)
    two = read_statement(wire(keyset(), "root3", "root1"), EVENT, PINNED)
    assert two.digest == three.digest


def test_a_root_revoked_before_does_not_help_to_sign():
    without = KEYRING.with_keyset(keyset(revoked=(kid("root2"),)))
    assert attack_on(wire(keyset(), "root1", "root2"), without) is Attack.FORGERY
    assert read_statement(wire(keyset(), "root1", "root3"), EVENT, without)


def test_a_withdrawn_key_is_named():
    without = KEYRING.with_keyset(keyset(lists=keys("list2"), revoked=(kid("list"),)))
    assert attack_on(wire(), without) is Attack.WITHDRAWN_KEY
    still_listed = KEYRING.with_keyset(keyset(revoked=(kid("list"),)))
    assert attack_on(wire(), still_listed) is Attack.WITHDRAWN_KEY


def test_a_gate_with_only_its_roots_takes_nothing_but_a_keyset():
    assert attack_on(wire(), PINNED) is Attack.FORGERY


def bad_body(body, **changes):
    return cbor.encode(fields(type=body[0], body=to_plain(body[1]) | changes))


ROW_A, ROW_B = pack(Ticket(b"a" * 16)), pack(Ticket(b"b" * 16))
SETS, DELTAS, HEADS, TIMES = (
    ("keyset", keyset()),
    ("delta", DELTA),
    ("list", HEAD),
    ("time", TIME),
)


def test_the_organiser_says_which_pretix_may_sign_tickets():
    """The keys come under the root's signature: who holds pretix' TLS cannot add one."""
    named = keyset(pretix=(public("pretix"), public("older")))
    ring = keyring_from(PINNED, read_statement(wire(named), EVENT, PINNED))
    assert ring.trust(EVENT).pretix_keys == (public("pretix"), public("older"))
    withdrawn = ring.with_keyset(replace(named, revoked=(kid("older"),)))
    assert withdrawn.trust(EVENT).pretix_keys == (public("pretix"),)


def test_a_keyset_without_pretix_is_written_as_before():
    assert "pretix" not in to_plain(keyset())
    assert to_plain(keyset(pretix=(public("p"),)))["pretix"] == (public("p"),)


@pytest.mark.parametrize(
    ("case", "payload"),
    [
        ("key under another id", bad_body(SETS, issuers={bytes(8): public("issuer")})),
        ("short key", bad_body(SETS, issuers={kid("issuer"): b"x"})),
        ("one key in two roles", bad_body(SETS, lists=keys("issuer"))),
        ("threshold zero", bad_body(SETS, threshold=0)),
        ("threshold above the roots", bad_body(SETS, threshold=4)),
        ("revoked no list", bad_body(SETS, revoked={})),
        ("revoked id short", bad_body(SETS, revoked=[b"x"])),
        ("keys of pretix no list", bad_body(SETS, pretix={})),
        ("too many keys of pretix", bad_body(SETS, pretix=[public(str(n)) for n in range(9)])),
        ("short key of pretix", bad_body(SETS, pretix=[b"x"])),
        ("a key of pretix twice", bad_body(SETS, pretix=[public("p"), public("p")])),
        ("issuer and pretix with one key", bad_body(SETS, pretix=[public("issuer")])),
        ("keys no map", bad_body(SETS, roots=[])),
        ("size is not rows of 30", bad_body(HEADS, size=61)),
        ("hash short", bad_body(HEADS, hash=b"")),
        ("rows negative", bad_body(HEADS, rows=-1)),
        ("extra field", bad_body(HEADS, url="http://elsewhere")),
        ("rows out of order", bad_body(DELTAS, rows=ROW_B + ROW_A)),
        ("row twice", bad_body(DELTAS, rows=ROW_A + ROW_A)),
        ("row cut short", bad_body(DELTAS, rows=ROW_A[:-1])),
        ("row with an unknown flag", bad_body(DELTAS, rows=b"a" * 20 + b"\x80\0" + bytes(8))),
        ("removed cut short", bad_body(DELTAS, removed=b"x")),
        ("removed out of order", bad_body(DELTAS, removed=b"c" * 16 + b"b" * 16)),
        ("changed and removed", bad_body(DELTAS, removed=b"a" * 16)),
        ("base missing", cbor.encode(fields(type="delta", body={"rows": b"", "removed": b""}))),
        ("nonce short", bad_body(TIMES, nonce=b"")),
        ("time a float", bad_body(TIMES, at=1.5)),
        (
            "policy with a date",
            cbor.encode(fields(body={"at": cbor2.CBORTag(1, NOW)})),
        ),
        ("policy with a number for a key", cbor.encode(fields(body={"at": {1: 2}}))),
        ("policy with undefined", cbor.encode(fields(body={"at": float("nan")}))[:-3] + b"\xf7"),
    ],
)
def test_a_body_off_its_schema_is_malformed(case, payload):
    signers = ("root1", "root2", "list")
    assert attack_on(resign(payload, *signers)) is Attack.MALFORMED, case


def test_what_no_gate_would_read_is_not_signed():
    with pytest.raises(StatementRejected):
        wire(Delta(0, b"", b""))
    with pytest.raises(StatementRejected) as too_large:
        wire({"x": bytes(MAX_PAYLOAD[Type.POLICY])})
    assert too_large.value.attack is Attack.OVERSIZED


@pytest.mark.parametrize("signers", [[], ["list"] * 9])
def test_a_statement_has_one_to_eight_signatures(signers):
    with pytest.raises(ValueError, match="1 to 8"):
        sign_statement(
            POLICY,
            event=EVENT,
            serial=1,
            issued=0,
            expires=1,
            signers=[signer(name) for name in signers],
        )


def test_only_a_keyset_makes_a_keyring():
    with pytest.raises(TypeError):
        keyring_from(PINNED, read_statement(wire(), EVENT, KEYRING))


@pytest.mark.parametrize(("roots", "threshold"), [([], 1), (["root1", "root1"], 2), (["root1"], 0)])
def test_a_threshold_that_cannot_be_reached_is_refused(roots, threshold):
    with pytest.raises(ValueError, match="cannot be"):
        pinned([public(name) for name in roots], threshold)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_by_name(noise):
    assert attack_on(noise) in Attack


@given(st.binary(max_size=100))
def test_random_payloads_are_refused_by_name_even_when_signed(noise):
    assert attack_on(resign(noise, "list", "root1", "root2")) is Attack.MALFORMED


def test_a_remedy_goes_with_every_attack():
    for attack in Attack:
        assert StatementRejected(attack, "x").remedy


# How statements follow each other


def statement(body=POLICY, *, previous=None, **changes) -> Statement:
    before = previous.digest if previous else b""
    return read_statement(wire(body, previous=before, **changes), EVENT, KEYRING)


def chain_attack(previous, new):
    with pytest.raises(StatementRejected) as rejected:
        follows(previous, new)
    return rejected.value.attack


FIRST = statement(serial=5)
LIST = statement(HEAD, serial=7)
DELTA_8 = statement(DELTA, serial=8, previous=LIST)
DELTA_9 = statement(DELTA, serial=9, previous=DELTA_8)


@pytest.mark.parametrize(
    ("case", "previous", "new"),
    [
        ("the first", None, FIRST),
        ("the same again", FIRST, FIRST),
        ("the direct successor", FIRST, statement(serial=6, previous=FIRST)),
        ("a later one, those between not seen", FIRST, statement(serial=9, previous=LIST)),
        ("a delta on its list", LIST, DELTA_8),
        ("a delta on a delta", DELTA_8, DELTA_9),
        ("a new list", LIST, statement(HEAD, serial=12)),
    ],
)
def test_news_is_taken(case, previous, new):
    follows(previous, new)


@pytest.mark.parametrize(
    ("case", "previous", "new", "attack"),
    [
        ("older", FIRST, statement(serial=4), Attack.ROLL_BACK),
        ("same serial, other content", FIRST, statement(serial=5, expires=NOW + 9), "roll_back"),
        ("a far jump", FIRST, statement(serial=6 + MAX_JUMP), Attack.FAST_FORWARD),
        ("a far first", None, statement(serial=1 + MAX_JUMP), Attack.FAST_FORWARD),
        ("successor of another", FIRST, statement(serial=6, previous=LIST), "mix_and_match"),
        ("another type", FIRST, LIST, Attack.MIX_AND_MATCH),
        ("a delta without a list", None, DELTA_8, Attack.MIX_AND_MATCH),
        ("a delta on a policy", FIRST, DELTA_8, Attack.MIX_AND_MATCH),
        ("a delta with one missing between", LIST, DELTA_9, Attack.MIX_AND_MATCH),
        (
            "a successor of another event",
            FIRST,
            read_statement(wire(event="OTHER", serial=6, previous=FIRST.digest), "OTHER", KEYRING),
            Attack.MIX_AND_MATCH,
        ),
        (
            "a delta of another list",
            LIST,
            statement(replace(DELTA, base=6), serial=8, previous=LIST),
            Attack.MIX_AND_MATCH,
        ),
    ],
)
def test_old_skipped_and_mixed_news_is_refused(case, previous, new, attack):
    assert chain_attack(previous, new) == attack, case


def test_a_statement_is_old_news_from_its_last_second():
    assert not is_expired(FIRST, NOW + 3599.9)
    assert is_expired(FIRST, NOW + 3600)


def test_a_keyring_is_a_value():
    assert pinned([public("root1")]) == Keyring(keys("root1"), 1)
