"""The books: what sync fetched is verified again here, and a hacked sync adds nothing."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from admission.clock import ClockState
from scanner.admissions import NotReady
from scanner.identity import Identity
from store.listfile import ListDamaged, build_list, list_path
from tests.rigs.books_rig import ISSUER, LIST, POLICY, ROOT, THIEF, Bench, keys_of, rows_hash
from tests.rigs.gate_rig import EVENT, key_of, row
from tickets.attacks import StatementRejected
from tickets.bodies import Delta, Keyset, ListHead, ServerTime
from tickets.cose import key_id, public_key_of
from tickets.rows import Status, pack


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty one."""
    return Bench(tmp_path)


def test_books_open_when_keys_policy_and_list_are_there(bench: Bench) -> None:
    """All of it signed and whole."""
    bench.publish(row("anna"))
    bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")
    assert bench.keeper.books().ticket(key_of("bert")) is None


@pytest.mark.parametrize(
    ("missing", "cause"),
    [
        (lambda bench: (bench.directory / "identity.json").unlink(), "not enrolled"),
        (lambda bench: None, "keys have not arrived"),
    ],
)
def test_what_is_missing_is_said(
    bench: Bench, missing: Callable[[Bench], None], cause: str
) -> None:
    """An admin reads what to look at."""
    missing(bench)
    bench.poll()
    with pytest.raises(NotReady, match=cause):
        bench.keeper.books()


@pytest.mark.parametrize(
    ("kind", "cause", "remedy"),
    [
        ("admit", "not enrolled", "server's address"),
        ("file", "not enrolled", "Put in the stick"),
        ("none", "stands alone", 'kind = "file"'),
    ],
)
def test_who_has_no_server_is_not_told_to_look_for_it(
    tmp_path: Path, kind: str, cause: str, remedy: str
) -> None:
    """The remedy of a missing identity fits what admit.toml says."""
    with pytest.raises(NotReady, match=cause) as raised:
        Identity.read(tmp_path / "identity.json", EVENT, kind)
    assert remedy in raised.value.remedy


def test_a_pipe_in_the_place_of_the_identity_holds_nobody_up(tmp_path: Path) -> None:
    """As a hacked sync could put there: scanner would wait for it until it is killed, for ever."""
    os.mkfifo(tmp_path / "identity.json")
    with pytest.raises(NotReady, match="no plain file"):
        Identity.read(tmp_path / "identity.json", EVENT)


def test_an_identity_without_end_is_cut_off(tmp_path: Path) -> None:
    """It is not read whole first."""
    path = tmp_path / "identity.json"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(NotReady, match="cannot be read"):
        Identity.read(path, EVENT)


def test_a_directory_that_sync_has_shut_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends no thread of scanner. (root, who runs these tests, is kept out of nothing.)"""

    def shut(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("os.stat", shut)
    monkeypatch.setattr("os.open", shut)
    with pytest.raises(NotReady, match="Permission denied"):
        Identity.read(tmp_path / "identity.json", EVENT)


def test_a_delta_changes_and_removes(bench: Bench) -> None:
    """Cancelled within one poll; a removed ticket is not on the list any more."""
    bench.publish(row("anna"), row("bert"), serial=4)
    changed = pack(row("anna", flags=Status.CANCELLED))
    bench.put(Delta(4, changed, key_of("bert")), 5, previous=bench.last)
    bench.poll()
    books = bench.keeper.books()
    anna = books.ticket(key_of("anna"))
    assert anna is not None
    assert anna.flags & Status.CANCELLED
    assert books.ticket(key_of("bert")) is None
    assert books.serial == 5


def test_a_keyset_signed_by_a_thief_is_refused(bench: Bench) -> None:
    """The root is pinned in the provisioning file."""
    bench.put(Keyset(keys_of(ROOT), 1, keys_of(ISSUER), keys_of(THIEF)), 1, THIEF)
    bench.poll()
    assert isinstance(bench.faults["statement"], StatementRejected)
    with pytest.raises(NotReady):
        bench.keeper.books()


def test_a_delta_signed_by_a_thief_adds_no_ticket(bench: Bench) -> None:
    """I7: whoever holds sync cannot add a ticket."""
    bench.publish(row("anna"))
    bench.put(Delta(1, pack(row("mallory")), b""), 2, THIEF, previous=bench.last)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("mallory")) is None
    assert isinstance(bench.faults["statement"], StatementRejected)


def test_a_list_file_with_other_rows_is_not_used(bench: Bench) -> None:
    """The rows are hashed here; the list before stays in force."""
    bench.publish(row("anna"), serial=1)
    bench.poll()
    rows = pack(row("bert"))
    bench.put(ListHead(1, len(rows), rows_hash(rows)), 3)
    build_list(bench.directory, 3, pack(row("mallory")))
    bench.poll()
    assert "list" in bench.faults
    books = bench.keeper.books()
    assert books.ticket(key_of("anna")) is not None
    assert books.ticket(key_of("mallory")) is None


def test_an_older_list_is_refused(bench: Bench) -> None:
    """Roll-back: serials only rise."""
    bench.publish(row("anna"), serial=5)
    bench.poll()
    bench.publish_list(row("anna"), row("mallory"), serial=3)
    bench.poll()
    assert bench.keeper.books().serial == 5
    assert "roll_back" in str(bench.faults["statement"])


def test_old_books_stay_in_force_until_the_new_list_is_whole(bench: Bench) -> None:
    """sync may still be building its file."""
    bench.publish(row("anna"), serial=1)
    bench.poll()
    rows = pack(row("bert"))
    bench.put(ListHead(1, len(rows), rows_hash(rows)), 3)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) is not None
    build_list(bench.directory, 3, rows)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("bert")) is not None


def test_the_servers_time_must_answer_our_nonce(bench: Bench) -> None:
    """A replayed time is no time."""
    bench.publish(row("anna"))
    bench.poll()
    wire = bench.put(ServerTime(b"n" * 16, 1_795_000_000_123), 9)
    assert bench.keeper.server_time(wire, b"n" * 16) == 1_795_000_000.123
    with pytest.raises(StatementRejected):
        bench.keeper.server_time(wire, b"m" * 16)


# The age of the list

DAY = 86_400.0


def test_the_age_counts_from_the_last_contact(bench: Bench) -> None:
    """sync says how long ago it had all statements; from then on the clock says it."""
    bench.publish(row("anna"))
    bench.poll()
    bench.keeper.contacted(20.0)
    bench.clock.advance(40.0)
    assert bench.keeper.books().age() == 60.0
    bench.keeper.contacted(100.0)  # told late: what is known already is newer
    assert bench.keeper.books().age() == 60.0


def test_a_gate_that_starts_offline_knows_how_old_its_list_is(bench: Bench) -> None:
    """I11: five minutes without power are no reason to refuse everybody."""
    bench.publish(row("anna"))
    bench.clock.advance(3 * DAY)
    bench.poll()
    bench.keeper.contacted(0.0)
    bench.poll()
    bench.clock.advance(300.0)
    bench.start()
    bench.poll()
    assert bench.keeper.books().age() == pytest.approx(300.0)


def test_without_any_contact_the_list_is_as_old_as_its_newest_statement(bench: Bench) -> None:
    """A gate whose state was prepared elsewhere: the server's own time says it."""
    bench.publish(row("anna"))
    bench.poll()
    assert bench.keeper.books().age() == 300.0


def test_a_contact_under_an_unknown_clock_is_not_kept(bench: Bench) -> None:
    """The next run could not tell how long ago it was."""
    bench.publish(row("anna"))
    bench.clock.state = ClockState.UNKNOWN
    bench.clock.at -= DAY
    bench.poll()
    bench.keeper.contacted(0.0)
    bench.poll()
    assert bench.keeper.books().age() == 0.0
    bench.clock.at += 3 * DAY
    bench.clock.state = ClockState.SYNCHRONISED
    bench.start()
    bench.poll()
    assert bench.keeper.books().age() == 300.0 + 2 * DAY


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"contact": null}', b'{"contact": 1e999}', b"[" * 5000]
)
def test_a_spoilt_memory_of_the_contact_is_passed_over(bench: Bench, content: bytes) -> None:
    """A power cut while it was written, or a bad card."""
    bench.publish(row("anna"))
    (bench.own / "contact.json").write_bytes(content)
    bench.start()
    bench.poll()
    assert bench.keeper.books().age() == 300.0


def test_the_contact_is_written_once_a_minute_at_most(bench: Bench) -> None:
    """Ten seconds are the period of sync; a card is not written that often for it."""
    bench.publish(row("anna"))
    written = set()
    for _ in range(13):
        bench.keeper.contacted(0.0)
        bench.poll()
        written.add((bench.own / "contact.json").read_bytes())
        bench.clock.advance(10.0)
    assert len(written) == 3


def test_a_card_that_takes_nothing_is_a_fault_and_no_end(bench: Bench) -> None:
    """The books stay; what cannot be kept is said."""
    bench.publish(row("anna"))
    (bench.own / "statements").write_bytes(b"in the way")
    bench.keeper.contacted(0.0)
    bench.poll()
    assert bench.keeper.books().age() == 0.0
    assert "do not restart" in bench.faults["state"].remedy


def test_while_the_newest_list_is_missing_the_one_in_force_ages(bench: Bench) -> None:
    """Contact or not: what the gate decides by stopped being current when that was issued."""
    bench.publish(row("anna"))
    bench.poll()
    rows = pack(row("bert"))
    bench.put(ListHead(1, len(rows), rows_hash(rows)), 3)
    bench.poll()
    bench.keeper.contacted(0.0)
    assert bench.keeper.books().age() == 300.0


# A list file that is not whole


def spoil(bench: Bench, serial: int) -> None:
    """Another file takes the place of a list's, as a bad card or a hacked sync leaves it."""
    path = list_path(bench.directory, serial)
    path.unlink()
    path.write_bytes(b"no list")


def test_after_a_start_the_list_before_serves_when_the_newest_is_damaged(bench: Bench) -> None:
    """I11: what was verified before is better than to refuse everybody."""
    bench.publish(row("anna"), serial=1)
    bench.put(Delta(1, pack(row("bert")), b""), 2, previous=bench.last)
    bench.publish_list(row("anna"), row("bert"), row("carl"), serial=3)
    spoil(bench, 3)
    bench.poll()
    books = bench.keeper.books()
    assert books.ticket(key_of("anna")) == row("anna")
    assert books.ticket(key_of("bert")) == row("bert")
    assert books.ticket(key_of("carl")) is None
    assert (books.serial, books.rows) == (2, 1)
    assert isinstance(bench.faults["list"], ListDamaged)


def test_a_cancellation_acts_on_the_list_before_too(bench: Bench) -> None:
    """The delta is of the newest list, whose file is damaged: the guest is cancelled anyway."""
    bench.publish(row("anna"), serial=1)
    bench.publish_list(row("anna"), serial=3)
    spoil(bench, 3)
    bench.poll()
    bench.put(Delta(3, pack(row("anna", flags=Status.CANCELLED)), b""), 4, previous=bench.last)
    bench.poll()
    anna = bench.keeper.books().ticket(key_of("anna"))
    assert anna is not None
    assert anna.flags & Status.CANCELLED


def test_an_old_delta_does_not_undo_the_newer_list(bench: Bench) -> None:
    """The ticket was cancelled, then given back by the full list: it is valid."""
    bench.publish(row("anna"), serial=1)
    bench.put(Delta(1, pack(row("anna", flags=Status.CANCELLED)), b""), 2, previous=bench.last)
    bench.publish_list(row("anna"), serial=3)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


def test_the_newest_list_serves_as_soon_as_its_file_is_whole(bench: Bench) -> None:
    """sync set the damaged file aside and fetched it again."""
    bench.publish(row("anna"), serial=1)
    bench.publish_list(row("bert"), serial=3)
    spoil(bench, 3)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("bert")) is None
    list_path(bench.directory, 3).unlink()
    build_list(bench.directory, 3, pack(row("bert")))
    bench.poll()
    assert bench.keeper.books().ticket(key_of("bert")) == row("bert")
    assert "list" not in bench.faults


def test_a_list_that_shares_a_serial_with_a_delta_is_refused(bench: Bench) -> None:
    """Lists and deltas are one sequence: an older list would undo cancellations."""
    bench.publish(row("anna"), serial=1)
    bench.put(Delta(1, pack(row("anna", flags=Status.CANCELLED)), b""), 5, previous=bench.last)
    bench.poll()
    bench.publish_list(row("anna"), serial=3)
    bench.poll()
    anna = bench.keeper.books().ticket(key_of("anna"))
    assert anna is not None
    assert anna.flags & Status.CANCELLED
    assert "roll_back" in str(bench.faults["statement"])


# News that are refused


def test_refused_news_stay_shown_until_there_is_better(bench: Bench) -> None:
    """A forgery among good news, and then none: the steward sees it."""
    bench.publish(row("anna"), serial=1)
    genuine = bench.last
    bench.put(Delta(1, pack(row("mallory")), b""), 2, THIEF, previous=genuine)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")
    bench.poll()
    assert "forgery" in str(bench.faults["statement"])
    bench.put(Delta(1, pack(row("bert")), b""), 2, previous=genuine)
    bench.poll()
    assert "statement" not in bench.faults


# Across a restart


def test_a_cancellation_survives_a_sync_that_forgets_it(bench: Bench) -> None:
    """I7: the delta is gone from the mirror; the guest stays cancelled, and the trick is named."""
    bench.publish(row("anna"))
    bench.put(Delta(1, pack(row("anna", flags=Status.CANCELLED)), b""), 2, previous=bench.last)
    bench.poll()
    bench.forget(newer_than=3)
    bench.restart()
    anna = bench.keeper.books().ticket(key_of("anna"))
    assert anna is not None
    assert anna.flags & Status.CANCELLED
    assert "roll_back" in str(bench.faults["statement"])


def test_a_revoked_key_stays_revoked(bench: Bench) -> None:
    """The older keyset, handed out again, would let a stolen issuer key sign tickets."""
    bench.publish(row("anna"))
    issuer = key_id(public_key_of(ISSUER))
    bench.put(
        Keyset(keys_of(ROOT), 1, keys_of(ISSUER), keys_of(LIST), (issuer,)),
        2,
        ROOT,
        previous=bench.first,
    )
    bench.poll()
    assert bench.keeper.keyring.revoked == {issuer}
    bench.forget(newer_than=3)
    bench.restart()
    assert bench.keeper.keyring.revoked == {issuer}
    assert "roll_back" in str(bench.faults["statement"])


def test_the_newest_rules_stay_in_force(bench: Bench) -> None:
    """An older policy may have had a list that admits everybody."""
    bench.publish(row("anna"))
    bench.put({"lists": {"other": {}}, "products": {}}, 5)
    bench.poll()
    bench.forget(newer_than=3)
    bench.restart()
    assert set(bench.keeper.books().policy.lists) == {"other"}
    assert "roll_back" in str(bench.faults["statement"])


def test_the_newest_list_stays_in_force(bench: Bench) -> None:
    """As long as its file is whole; the older one's is there too."""
    bench.publish(row("anna"), row("mallory"))
    bench.poll()
    bench.publish_list(row("anna"), serial=3)
    bench.poll()
    bench.forget(newer_than=3)
    bench.restart()
    assert bench.keeper.books().ticket(key_of("mallory")) is None
    assert bench.keeper.books().serial == 3
    assert "roll_back" in str(bench.faults["statement"])


def test_better_news_end_the_fault(bench: Bench) -> None:
    """sync got it all again from the server."""
    bench.publish(row("anna"))
    base = bench.last
    bench.put(Delta(1, pack(row("bert")), b""), 2, previous=base)
    bench.poll()
    bench.forget(newer_than=3)
    bench.restart()
    assert "statement" in bench.faults
    bench.put(Delta(1, pack(row("bert")), b""), 2, previous=base)
    bench.poll()
    assert "statement" not in bench.faults


def test_history_is_no_roll_back(bench: Bench) -> None:
    """The mirror still has the list before and its deltas, then the newest of all."""
    bench.publish(row("anna"))
    bench.put(Delta(1, pack(row("bert")), b""), 2, previous=bench.last)
    bench.publish_list(row("anna"), serial=4)
    bench.put({"lists": {"main": {}}, "products": {}}, 7)
    bench.publish_list(row("anna"), serial=6)
    bench.poll()
    bench.restart()
    assert bench.keeper.books().serial == 6
    assert bench.faults == {}


def test_without_a_mirror_the_gate_starts_on_what_it_kept(bench: Bench) -> None:
    """sync's file was damaged and is being rebuilt: that stops no gate."""
    bench.publish(row("anna"))
    bench.poll()
    bench.forget(newer_than=0)
    bench.restart()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


@pytest.mark.parametrize("wiped", [False, True])
def test_another_event_key_is_not_taken(bench: Bench, wiped: bool) -> None:
    """By it the tickets that were used would have other names, and where no list is needed they
    would work again: whoever took over sync could write another into its file."""
    bench.publish(row("anna"))
    bench.poll()
    if wiped:
        for path in (bench.own / "statements").glob("*.cbor"):
            path.unlink()
    path = bench.directory / "identity.json"
    genuine = path.read_text()
    path.write_text(json.dumps(json.loads(genuine) | {"event_key": "77" * 32}))
    for _ in range(2):
        bench.restart()
        with pytest.raises(NotReady, match="another event key"):
            bench.keeper.books()
    path.write_text(genuine)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


@pytest.mark.parametrize("name", ["keyset", "policy", "rows", "serials"])
def test_a_spoilt_memory_waits_for_what_it_had(bench: Bench, name: str) -> None:
    """The mirror's copy is as good as our own, unless it is older."""
    bench.publish(row("anna"))
    bench.put(Delta(1, pack(row("anna", flags=Status.CANCELLED)), b""), 2, previous=bench.last)
    bench.poll()
    for path in (bench.own / "statements").glob(f"{name}*"):
        path.write_bytes(b"\x9f spoilt")
    bench.restart()
    assert bench.keeper.books().serial == 2
    assert bench.faults == {}


def test_with_its_memory_spoilt_and_an_older_mirror_the_gate_admits_nobody(bench: Bench) -> None:
    """It knows that there was a newer list, and says so; with that it works again."""
    bench.publish(row("anna"))
    base = bench.last
    delta = Delta(1, pack(row("anna", flags=Status.CANCELLED)), b"")
    bench.put(delta, 2, previous=base)
    bench.poll()
    for path in (bench.own / "statements").glob("rows*"):
        path.unlink()
    bench.forget(newer_than=3)
    for _ in range(3):  # it does not forget by what it took in since
        bench.restart()
        with pytest.raises(NotReady, match="roll_back"):
            bench.keeper.books()
    bench.put(delta, 2, previous=base)
    bench.poll()
    assert bench.keeper.books().serial == 2


def test_another_event_begins_anew(bench: Bench) -> None:
    """Or other roots: serials of one organiser say nothing of another's."""
    bench.publish(row("anna"), serial=9)
    bench.poll()
    bench.forget(newer_than=0)
    other = b"\x05" * 32
    bench.roots = (public_key_of(other),)
    bench.restart()
    with pytest.raises(NotReady, match="keys have not arrived"):
        bench.keeper.books()
    bench.put(Keyset(keys_of(other), 1, keys_of(ISSUER), keys_of(LIST)), 1, other)
    bench.put(POLICY, 1)
    bench.publish_list(row("carl"), serial=1)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("carl")) == row("carl")
    assert not list((bench.own / "statements").glob("rows*9.cbor"))


def test_what_could_not_be_kept_is_kept_when_there_is_space(bench: Bench) -> None:
    """The news act at once; the fault ends when they are on the card."""
    (bench.own / "statements").write_bytes(b"in the way")
    bench.publish(row("anna"))
    bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")
    assert "state" in bench.faults
    (bench.own / "statements").unlink()
    bench.poll()
    assert "state" not in bench.faults
    bench.forget(newer_than=0)
    bench.restart()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


def test_only_what_is_of_use_is_kept(bench: Bench) -> None:
    """Two lists and their deltas; older ones go."""
    bench.publish(row("anna"))
    for serial in (4, 7, 10):
        bench.publish_list(row("anna"), serial=serial)
        delta = Delta(serial, pack(row("bert")), b"")
        bench.put(delta, serial + 1, previous=bench.last)
        bench.poll()
    kept = sorted(path.stem for path in (bench.own / "statements").glob("rows*"))
    assert [name.lstrip("rows-0").split("-")[0] for name in kept] == ["7", "10"]


def test_a_time_is_no_news(bench: Bench) -> None:
    """Signed as it is: kept as the newest word it would be waited for for ever."""
    bench.publish(row("anna"))
    bench.put(ServerTime(b"n" * 16, 1_795_000_000_123), 9)
    bench.poll()
    assert "mix_and_match" in str(bench.faults["statement"])
    bench.restart()
    assert bench.keeper.books().serial == 1
