"""Old and doubtful data stay in force and are shown; a freeze is seen; no key's end rolls back."""

from dataclasses import replace
from pathlib import Path

import pytest

from admission.clock import ClockState
from scanner import bookkeeper
from scanner.freshness import CONFIRMED_WITHIN
from store.listfile import build_list
from tests.rigs.books_rig import (
    ISSUED,
    ISSUER,
    LIST,
    POLICY,
    ROOT,
    THIEF,
    Bench,
    keys_of,
    rows_hash,
)
from tests.rigs.gate_rig import key_of, row
from tickets.bodies import Delta, Keyset, ListHead, NamesHead
from tickets.cose import key_id, public_key_of
from tickets.rows import Status, pack

NEW_LIST, NEW_ROOT = b"\x12" * 32, b"\x11" * 32
KEYSET = Keyset(keys_of(ROOT), 1, keys_of(ISSUER), keys_of(LIST))
BOTH = replace(KEYSET, lists=keys_of(LIST, NEW_LIST))
WITHDRAWN = replace(
    KEYSET, lists=keys_of(NEW_LIST), revoked=(key_id(public_key_of(LIST)),), roots=keys_of(ROOT)
)
EMPTY = ListHead(0, 0, rows_hash(b""))
DAY = 86_400.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """With one ticket."""
    made = Bench(tmp_path)
    made.publish(row("anna"))
    made.poll()
    return made


def admits(bench: Bench, name: str) -> bool:
    """Whether a ticket is on the list in force."""
    return bench.keeper.books().ticket(key_of(name)) is not None


# A list key that was withdrawn


def test_what_a_withdrawn_key_signed_before_stays_in_force_and_is_shown(bench: Bench) -> None:
    """I11: the organiser withdraws a key, and nobody stands before a closed gate for it."""
    bench.put(WITHDRAWN, 3, ROOT)
    bench.poll()
    for _ in range(2):
        assert admits(bench, "anna")
        assert "rules and list" in bench.faults["withdrawn"].cause
        bench.restart()


def test_nothing_more_by_a_withdrawn_key_is_taken(bench: Bench) -> None:
    """Not at once, and not by a restart: to scanner, sync's files are no memory."""
    bench.put(WITHDRAWN, 3, ROOT)
    bench.poll()
    rows = pack(row("mallory"))
    bench.put(ListHead(1, 30, rows_hash(rows)), 5)
    build_list(bench.directory, 5, rows)
    bench.poll()
    for _ in range(2):
        assert not admits(bench, "mallory")
        assert "withdrawn_key" in str(bench.faults["statement"])
        bench.restart()


def test_a_list_by_the_new_key_ends_the_fault(bench: Bench) -> None:
    """Rules too: both were by the key that went."""
    bench.put(BOTH, 3, ROOT)
    bench.put(WITHDRAWN, 5, ROOT)
    bench.put(POLICY, 4, NEW_LIST)
    bench.publish_list(row("bert"), serial=5, seed=NEW_LIST)
    for _ in range(2):
        bench.poll()
        assert admits(bench, "bert")
        assert bench.faults == {}
        bench.restart()


def test_a_delta_by_the_new_key_builds_on_the_list_of_the_old_one(bench: Bench) -> None:
    """A cancellation does not wait for a full list."""
    bench.put(WITHDRAWN, 3, ROOT)
    changed = pack(row("anna", flags=Status.CANCELLED))
    list_digest = bench.keeper._statements.newest_chain
    assert list_digest is not None
    bench.put(Delta(1, changed, b""), 2, NEW_LIST, previous=list_digest.head.digest)
    bench.poll()
    for _ in range(2):
        anna = bench.keeper.books().ticket(key_of("anna"))
        assert anna is not None
        assert anna.flags & Status.CANCELLED
        bench.restart()


# Roots


def rotate(bench: Bench) -> None:
    """The roots hand over, and the new one names another issuer."""
    bench.put(replace(KEYSET, roots=keys_of(NEW_ROOT)), 3, ROOT, NEW_ROOT)
    bench.put(replace(KEYSET, roots=keys_of(NEW_ROOT), issuers=keys_of(THIEF)), 5, NEW_ROOT)
    bench.poll()


def test_roots_hand_over_and_a_restart_knows(bench: Bench) -> None:
    """From the pinned ones through its own file, with sync's gone."""
    rotate(bench)
    bench.forget(newer_than=0)
    for _ in range(2):
        assert dict(bench.keeper.keyring.roots) == keys_of(NEW_ROOT)
        assert dict(bench.keeper.keyring.issuers) == keys_of(THIEF)
        bench.restart()
    assert bench.faults == {}


def test_a_root_that_left_does_not_come_back(bench: Bench) -> None:
    """A stolen old root signs a newer keyset, and sync hides the hand-over."""
    rotate(bench)
    bench.forget(newer_than=3)
    bench.put(replace(KEYSET, issuers=keys_of(THIEF, b"\x21" * 32)), 9, ROOT)
    for _ in range(2):
        bench.restart()
        assert dict(bench.keeper.keyring.roots) == keys_of(NEW_ROOT)
        assert "statement" in bench.faults


@pytest.mark.parametrize("damage", [b"", b"\x9f torn"])
def test_torn_roots_wait_for_what_they_had(bench: Bench, damage: bytes) -> None:
    """The gate knows that there was a newer keyset, and takes no older one for the newest."""
    rotate(bench)
    (bench.own / "statements" / "keyset.cbor").write_bytes(damage)
    bench.restart()
    assert dict(bench.keeper.keyring.roots) == keys_of(NEW_ROOT), "sync still has it"
    (bench.own / "statements" / "keyset.cbor").write_bytes(damage)
    bench.forget(newer_than=3)
    bench.restart()
    assert "roll_back" in str(bench.faults["statement"])


def test_a_gate_set_up_later_passes_over_keysets_from_before_its_roots(tmp_path: Path) -> None:
    """They are history, and no forgery, once one follows that its roots have signed."""
    bench = Bench(tmp_path)
    bench.roots = (public_key_of(NEW_ROOT),)
    bench.start()
    bench.publish(row("anna"))
    bench.poll()
    assert "statement" in bench.faults
    bench.put(replace(KEYSET, roots=keys_of(NEW_ROOT)), 2, ROOT, NEW_ROOT)
    bench.put(POLICY, 2)
    bench.publish_list(row("anna"), serial=2)
    bench.poll()
    assert admits(bench, "anna")
    assert bench.faults == {}


# Freeze


def test_a_freeze_is_seen_though_the_server_seems_in_touch(bench: Bench) -> None:
    """Contact is sync's word; what was signed, and when, is the organiser's."""
    bench.clock.advance(CONFIRMED_WITHIN + 1)
    bench.keeper.contacted(0.0)
    bench.poll()
    assert "signed nothing newer" in bench.faults["freeze"].cause
    assert bench.keeper.age() == bench.clock.at - ISSUED
    assert admits(bench, "anna")


def test_a_confirmed_list_is_as_new_as_the_contact(bench: Bench) -> None:
    """An empty delta says that nothing has changed."""
    bench.clock.advance(CONFIRMED_WITHIN + 1)
    bench.put(Delta(1, b"", b""), 2, previous=bench.last, issued=int(bench.clock.at))
    bench.poll()
    bench.keeper.contacted(0.0)
    bench.poll()
    assert bench.keeper.age() == 0.0
    assert bench.faults == {}


def test_a_clock_that_is_not_known_cries_no_freeze(bench: Bench) -> None:
    """I11: a board without a battery may be years off."""
    bench.clock.advance(400 * DAY)
    bench.clock.state = ClockState.UNKNOWN
    bench.keeper.contacted(0.0)
    bench.poll()
    assert {"freeze", "expired"}.isdisjoint(bench.faults)


@pytest.mark.parametrize(
    ("seeds", "body", "name"),
    [
        ((ROOT,), KEYSET, "keyset"),
        ((), POLICY, "rules"),
        ((), ListHead(0, 0, rows_hash(b"")), "list"),
    ],
)
def test_what_has_expired_stays_in_force_and_is_shown(
    bench: Bench, seeds: tuple[bytes, ...], body: object, name: str
) -> None:
    """Each kind with what to do; also when it arrives too late."""
    bench.put(body, 20, *seeds, expires=ISSUED + 301)  # type: ignore[arg-type]
    bench.poll()
    assert "expired" not in bench.faults
    bench.clock.advance(2.0)
    bench.poll()
    assert f"the {name} in force expired" in bench.faults["expired"].cause
    assert bench.faults["expired"].remedy
    assert admits(bench, "anna")


def test_names_by_a_withdrawn_key_are_history_once_others_follow(bench: Bench) -> None:
    """They are not replaced in the mirror: a fault over them would never end."""
    bench.put(NamesHead(0, 0, bytes(32)), 1)
    bench.put(WITHDRAWN, 9, ROOT)
    bench.put(POLICY, 9, NEW_LIST)
    bench.put(NamesHead(0, 0, bytes(32)), 9, NEW_LIST)
    bench.restart()
    assert "statement" not in bench.faults
    assert admits(bench, "anna")


# Without end


def test_news_without_end_hold_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever took over sync makes a mirror that always has one more: a look ends all the same."""
    monkeypatch.setattr(bookkeeper, "MOST_NEWS", 8)
    monkeypatch.setattr(
        bench.keeper._mirror, "statements", lambda cursor: [(cursor + 1, "list", b"\x81")]
    )
    bench.keeper.poll()
    assert "malformed" in str(bench.faults["statement"])
    assert admits(bench, "anna")
