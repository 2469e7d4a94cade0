"""Roots follow from roots: old and new ones sign, each up to their threshold, as in TUF 5.3."""

from dataclasses import replace

import pytest

from tests.tickets.test_tickets_statements import (
    EVENT,
    PINNED,
    attack_on,
    keys,
    keyset,
    kid,
    public,
    wire,
)
from tickets.attacks import Attack
from tickets.bodies import Keyset
from tickets.keyring import Keyring, pinned
from tickets.statements import digest_of, keyring_from, read_statement

NEW = keyset(roots=keys("root4", "root5", "root6"))
"""Other roots, two of which must sign."""


def believed(ring: Keyring, body: Keyset, *names: str) -> Keyring:
    """The keyring after `body`, signed by the keys of these names."""
    return keyring_from(ring, read_statement(wire(body, *names), EVENT, ring))


def test_old_and_new_roots_together_hand_over() -> None:
    """Each up to its own threshold; what follows needs the new ones alone."""
    ring = believed(PINNED, NEW, "root1", "root3", "root4", "root6")
    assert ring.roots == keys("root4", "root5", "root6")
    assert believed(ring, NEW, "root5", "root6") == ring
    assert attack_on(wire(keyset(), "root1", "root2", "root3"), ring) is Attack.FORGERY


@pytest.mark.parametrize(
    "signers",
    [
        ("root1", "root2"),
        ("root4", "root5", "root6"),
        ("root1", "root4", "root5"),
        ("root1", "root2", "root4"),
        ("root1", "root2", "root4", "list"),
    ],
    ids=["old alone", "new alone", "too few old", "too few new", "a list key for a root"],
)
def test_neither_side_hands_over_alone(signers: tuple[str, ...]) -> None:
    """A thief of fewer roots than the threshold can neither take the event over nor lock it out."""
    assert attack_on(wire(NEW, *signers), PINNED) is Attack.FORGERY


def test_a_spoilt_signature_of_a_new_root_spoils_the_keyset() -> None:
    """As one of an old root does."""
    spoilt = bytearray(wire(NEW, "root1", "root2", "root4", "root5"))
    spoilt[-1] ^= 1
    assert attack_on(bytes(spoilt), PINNED) is Attack.FORGERY


@pytest.mark.parametrize("threshold", [1, 3])
def test_another_threshold_is_a_rotation_too(threshold: int) -> None:
    """Lowering it takes the old one, raising it as many as will be needed from then on."""
    changed = keyset(threshold=threshold)
    assert believed(PINNED, changed, "root1", "root2", "root3").threshold == threshold
    assert attack_on(wire(changed, "root1"), PINNED) is Attack.FORGERY
    if threshold == 3:
        assert attack_on(wire(changed, "root1", "root2"), PINNED) is Attack.FORGERY


def test_a_stolen_root_is_withdrawn_by_the_others() -> None:
    """It signs neither its own withdrawal nor anything after it."""
    without = keyset(roots=keys("root2", "root3"), revoked=(kid("root1"),))
    ring = believed(PINNED, without, "root2", "root3")
    assert attack_on(wire(keyset(), "root1", "root2"), ring) is Attack.FORGERY
    assert attack_on(wire(without, "root1", "root2"), PINNED) is Attack.FORGERY


def test_a_gate_that_was_away_walks_from_rotation_to_rotation() -> None:
    """Skipping one, it would believe what no root it knows has signed."""
    third = keyset(roots=keys("root7"), threshold=1)
    handed = wire(third, "root4", "root5", "root7")
    assert attack_on(handed, PINNED) is Attack.FORGERY
    ring = believed(PINNED, NEW, "root1", "root2", "root4", "root5")
    assert believed(ring, third, "root4", "root5", "root7").roots == keys("root7")


def test_a_gate_set_up_later_begins_with_the_newer_roots() -> None:
    """The keyset by which they came is signed by them as well."""
    later = pinned([public(name) for name in ("root4", "root5", "root6")], 2)
    assert believed(later, NEW, "root1", "root2", "root4", "root5").roots == NEW.roots


def test_a_keyset_names_roots() -> None:
    """Without any, nothing could follow it."""
    body = keyset()
    assert body.roots
    with pytest.raises(Exception, match="threshold"):
        wire(replace(body, roots={}, threshold=1))


def test_what_was_believed_is_known_again_by_its_digest() -> None:
    """Of whatever signatures it comes with; bytes that are no statement have none."""
    statement = read_statement(wire(keyset(), "root1", "root2"), EVENT, PINNED)
    assert digest_of(wire(keyset(), "root2", "root3")) == statement.digest
    assert statement.signers == {kid("root1"), kid("root2")}
    for noise in (b"", b"\x81", wire()[:40], bytes(9 << 20)):
        assert digest_of(noise) is None
