"""The ceremony: a request travels, roots sign, and what comes out is what gates believe."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tickets.test_tickets_statements import EVENT, NOW, PINNED, keys, keyset, kid, seed, wire
from tickets.attacks import StatementRejected
from tickets.ceremony import (
    Request,
    RequestFault,
    finished,
    from_text,
    of_wire,
    prepare,
    signed_by,
    to_text,
)
from tickets.ceremony_words import words
from tickets.key_files import Role, SecretKey
from tickets.statements import read_statement

DAY = 86_400.0
NEW = keyset(roots=keys("root3", "root4"), lists=keys("list2"), revoked=(kid("list"),))


def root(name: str, event: str = EVENT) -> SecretKey:
    """The root key of a name."""
    return SecretKey(Role.ROOT, event, seed(name))


def signed(request: Request, *names: str) -> Request:
    """The request with these roots' signatures."""
    for name in names:
        request = signed_by(request, root(name))
    return request


FIRST = prepare(keyset(), EVENT, b"", NOW, DAY)
BEFORE = wire(keyset(), "root1", "root2")
SECOND = prepare(NEW, EVENT, BEFORE, NOW, DAY)


def test_what_enough_roots_have_signed_gates_believe() -> None:
    """The first by its own roots; the next follows it, and is newer."""
    first = read_statement(finished(signed(FIRST, "root1", "root3")), EVENT, PINNED)
    second = read_statement(
        finished(signed(SECOND, "root1", "root2", "root3", "root4")), EVENT, PINNED
    )
    assert (first.body, second.body) == (keyset(), NEW)
    assert second.serial > read_statement(BEFORE, EVENT, PINNED).serial
    assert second.expires - second.issued == DAY


@pytest.mark.parametrize("names", [("root1", "root2"), ("root3", "root4"), ("root1",)])
def test_too_few_signatures_make_nothing(names: tuple[str, ...]) -> None:
    """Old roots and new ones, each up to their threshold."""
    with pytest.raises(StatementRejected):
        finished(signed(SECOND, *names))
    with pytest.raises(RequestFault, match="nobody"):
        finished(SECOND)


@pytest.mark.parametrize(
    ("key", "cause"),
    [
        (root("root9"), "neither a root"),
        (root("root1", "OTHER"), "of event OTHER"),
        (SecretKey(Role.LIST, EVENT, seed("list")), "neither a root"),
    ],
)
def test_only_roots_of_the_event_sign(key: SecretKey, cause: str) -> None:
    """Those before, or those to come."""
    with pytest.raises(RequestFault, match=cause):
        signed_by(SECOND, key)


def test_a_root_signs_once() -> None:
    """Twice would look like two."""
    with pytest.raises(RequestFault, match="already"):
        signed(FIRST, "root1", "root1")


def test_who_signs_reads_what_changes_and_what_is_missing() -> None:
    """In words, with the ids of the keys, and a fingerprint to read out."""
    told = "\n".join(words(signed(SECOND, "root1")))
    for line in (
        f"of event {EVENT}",
        f"LEAVES   root key (signs keysets) {kid('root1').hex()}",
        f"stays    root key (signs keysets) {kid('root3').hex()}",
        f"NEW      list key (signs lists and rules) {kid('list2').hex()}",
        f"WITHDRAWN {kid('list').hex()}",
        "2 of 2 roots must sign the next keyset",
        f"Signed by: {kid('root1').hex()}",
        "Missing: 2 more of its own roots",
        "Missing: 1 more of the roots before",
        f"Fingerprint: {SECOND.fingerprint}",
    ):
        assert line in told
    assert SECOND.fingerprint != prepare(NEW, EVENT, BEFORE, NOW + 1, DAY).fingerprint


def test_a_request_comes_through_its_file() -> None:
    """With its signatures; a published keyset too."""
    request = signed(SECOND, "root1", "root4")
    assert from_text(to_text(request).encode()) == request
    whole = of_wire(finished(signed(SECOND, "root1", "root2", "root3", "root4")), BEFORE)
    assert finished(from_text(to_text(whole).encode()))


@pytest.mark.parametrize(
    "change",
    [
        {"payload": FIRST.payload},
        {"before": wire(keyset(), "root1", "root2", serial=2)},
        {"signatures": (signed(FIRST, "root1").signatures)},
        {"signatures": (b"\xd2\x84",)},
        {"payload": b"\xff"},
    ],
    ids=["another payload", "another keyset before", "signature of another", "cut", "noise"],
)
def test_a_request_that_was_changed_on_the_way_is_refused(change: dict[str, object]) -> None:
    """Who signs would be shown other words than what is signed."""
    request = replace(signed(SECOND, "root1"), **change)
    with pytest.raises(RequestFault):
        from_text(to_text(request).encode())


def test_a_keyset_before_that_no_root_has_signed_is_not_shown() -> None:
    """Whoever carries the file makes one up that holds a key of theirs: it would say `stays`."""
    widened = keyset(issuers=keys("issuer", "thief"))
    for by in ({"root1"}, {"thief"}, {"root1", "thief"}):
        made_up = wire(widened, *sorted(by), serial=3)
        request = prepare(widened, EVENT, made_up, NOW, DAY)
        with pytest.raises(RequestFault):
            from_text(to_text(request).encode())
    assert not any("FIRST" in line for line in words(SECOND))
    assert any("FIRST" in line for line in words(FIRST))


def test_only_keysets_are_signed_by_roots() -> None:
    """A request for anything else is refused before it is shown."""
    with pytest.raises(RequestFault):
        from_text(to_text(of_wire(wire())).encode())


@given(st.binary(max_size=80) | st.sampled_from([b"[" * 9000, b"{}", b"null"]))
def test_no_file_raises_anything_unnamed(data: bytes) -> None:
    """Whatever lies on the stick."""
    with pytest.raises(RequestFault):
        from_text(data)


@given(st.dictionaries(st.sampled_from(["payload", "before", "signatures"]), st.text(max_size=9)))
def test_no_field_raises_anything_unnamed(fields: dict[str, str]) -> None:
    """Of the right kind of file, too."""
    whole = json.loads(to_text(SECOND)) | fields
    try:
        from_text(json.dumps(whole).encode())
    except RequestFault:
        assert fields
