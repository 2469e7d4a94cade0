"""Pulling: only what is signed, in order and whole is kept; the rest is named and asked again."""

import errno
import gzip
import io
import tempfile
from functools import partial

import pytest

from store.listfile import ListFile, ListNotWritten, list_path, list_serials
from store.mirror import MirrorReader
from sync.errors import ServerFault, ServerUnreachable
from sync.lists import ListRefused
from sync.pull import Puller
from tests.rigs.server import EVENT, LIST_SEED, STRANGER_SEED, Mode, roots, rows_of, signer
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Delta
from tickets.rows import Status, Ticket, pack


def ticket(number: int, **changes) -> Ticket:
    return Ticket(number.to_bytes(16, "big"), **changes)


gz = partial(gzip.compress, mtime=0)
"""The same bytes at every run: a test's name holds them."""

TICKETS = [ticket(number) for number in range(1, 101)]
CANCELLED = Delta(5, pack(ticket(7, flags=Status.CANCELLED)), b"")


@pytest.fixture
def puller(gate, mirror, tmp_path):
    return Puller(gate, mirror, roots(), EVENT, tmp_path)


@pytest.fixture
def published(server):
    server.publish_keyset()
    server.publish({"lists": {}, "products": {}}, 1)
    server.publish_list(5, TICKETS)
    return server


def kinds(mirror) -> list[tuple[str, int]]:
    return [(row.type, row.serial) for row in mirror.statements()]


def test_a_new_gate_gets_keys_policy_and_list(published, puller, mirror, tmp_path):
    puller.poll()
    assert kinds(mirror) == [("keyset", 1), ("policy", 1), ("list", 5)]
    opened = ListFile(list_path(tmp_path, 5))
    assert (opened.rows, opened.get(ticket(7).key)) == (100, ticket(7))
    assert puller.fault is None


def test_a_delta_follows_its_list(published, puller, mirror):
    puller.poll()
    published.publish(CANCELLED, 6)
    puller.poll()
    assert kinds(mirror)[-1] == ("delta", 6)
    published.publish(CANCELLED, 7)
    puller.poll()
    assert kinds(mirror)[-1] == ("delta", 7)


def test_scanner_reads_the_wire_bytes_as_signed(published, puller, mirror):
    puller.poll()
    wires = [wire for _, _, wire in MirrorReader(mirror.path).statements(0)]
    assert wires == [row.wire for row in mirror.statements()]


def test_the_same_again_is_no_news(published, puller, mirror):
    puller.poll()
    before = kinds(mirror)
    puller.resync()
    puller.poll()
    assert kinds(mirror) == before
    assert puller.fault is None


def test_a_restart_goes_on_where_it_was(published, puller, gate, mirror, tmp_path):
    puller.poll()
    published.publish(CANCELLED, 6)
    Puller(gate, mirror, roots(), EVENT, tmp_path).poll()
    assert kinds(mirror)[-1] == ("delta", 6)


@pytest.mark.parametrize(
    ("attack", "serial", "changes"),
    [
        (Attack.FORGERY, 6, {"signers": [signer(STRANGER_SEED)]}),
        (Attack.WRONG_EVENT, 6, {"event": "OTHER"}),
        (Attack.ROLL_BACK, 5, {}),
        (Attack.MIX_AND_MATCH, 6, {"previous": b"x" * 32}),
        (Attack.FAST_FORWARD, 2**40, {}),
    ],
)
def test_an_attack_is_named_and_changes_nothing(published, puller, attack, serial, changes):
    mirror = puller._mirror
    puller.poll()
    before = kinds(mirror)
    published.publish(CANCELLED, serial, **changes)
    puller.poll()
    assert isinstance(puller.fault, StatementRejected)
    assert puller.fault.attack is attack
    assert kinds(mirror) == before
    assert mirror.position("statements") == 3, "it is asked for again"


def test_an_older_list_does_not_undo_a_cancellation(published, puller, mirror):
    puller.poll()
    published.publish(CANCELLED, 9)
    puller.poll()
    published.publish_list(8, TICKETS)
    puller.poll()
    assert puller.fault.attack is Attack.ROLL_BACK
    assert kinds(mirror)[-1] == ("delta", 9)


def test_noise_among_statements_does_not_hold_up_the_others(published, puller, mirror):
    published.serve("policy", 2, b"\x81noise")
    published.publish(CANCELLED, 6)
    puller.poll()
    assert puller.fault.attack is Attack.MALFORMED
    assert kinds(mirror)[-1] == ("delta", 6)


@pytest.mark.parametrize(
    ("case", "body"),
    [
        ("not compressed", rows_of(TICKETS)),
        ("cut short", gz(rows_of(TICKETS))[:-20]),
        ("other rows", gz(rows_of([*TICKETS[:-1], ticket(200)]))),
        ("a row less", gz(rows_of(TICKETS[:-1]))),
        ("endless once unpacked", gz(bytes(5_000_000))),
        ("followed by more", gz(rows_of(TICKETS)) + b"more"),
        ("empty", b""),
    ],
)
def test_a_list_body_that_was_not_signed_is_refused(server, puller, mirror, case, body):
    server.publish_keyset()
    server.publish_list(5, TICKETS, body)
    puller.poll()
    assert isinstance(puller.fault, ListRefused), case
    assert list_serials(mirror.path.parent) == []
    assert kinds(mirror) == [("keyset", 1)], "no statement without its file"


def test_a_list_replaced_between_statement_and_body_is_got_at_the_next_poll(
    published, puller, mirror
):
    published.lists.clear()
    puller.poll()
    assert "404" in puller.fault.cause
    published.publish_list(6, TICKETS[:50])
    puller.poll()
    assert ("list", 6) in kinds(mirror)


def test_a_damaged_list_file_is_kept_aside_and_fetched_again(
    published, puller, gate, mirror, tmp_path
):
    puller.poll()
    path = list_path(tmp_path, 5)
    path.write_bytes(path.read_bytes()[:5000])
    Puller(gate, mirror, roots(), EVENT, tmp_path).poll()
    assert ListFile(path).rows == 100
    assert path.with_name("list-5.db.damaged").exists()


def test_a_list_damaged_while_the_server_is_away_is_fetched_when_it_is_back(
    published, puller, gate, mirror, tmp_path
):
    puller.poll()
    path = list_path(tmp_path, 5)
    path.write_bytes(b"damaged")
    again = Puller(gate, mirror, roots(), EVENT, tmp_path)
    published.mode, published.only = Mode.FAIL, "lists"
    again.poll()
    assert isinstance(again.fault, ServerFault)
    assert again.completed is None, "its statements alone are not enough"
    published.mode = Mode.GOOD
    again.poll()
    assert ListFile(path).rows == 100
    assert again.fault is None
    assert again.completed is not None


def test_a_list_damaged_later_is_looked_into_when_scanner_starts_anew(published, puller, tmp_path):
    puller.poll()
    path = list_path(tmp_path, 5)
    path.write_bytes(b"damaged")
    puller.suspect_lists()
    puller.poll()
    assert ListFile(path).rows == 100


def test_a_list_file_that_was_removed_is_fetched_again(published, puller, tmp_path):
    puller.poll()
    list_path(tmp_path, 5).unlink()
    puller.poll()
    assert ListFile(list_path(tmp_path, 5)).rows == 100


def test_a_refused_body_is_not_downloaded_at_every_poll(server, gate, mirror, tmp_path):
    """The pause doubles; a newer list, or the organiser's resync, is fetched at once."""
    now = [0.0]
    puller = Puller(gate, mirror, roots(), EVENT, tmp_path, monotonic=lambda: now[0])
    downloads = lambda: sum(path.startswith("/v1/lists/") for _, path in server.asked)  # noqa: E731
    server.publish_keyset()
    server.publish_list(5, TICKETS, b"other rows")
    for seconds, wanted in [(0, 1), (50, 1), (60, 2), (170, 2), (180, 3)]:
        now[0] = seconds
        puller.poll()
        assert isinstance(puller.fault, ListRefused), "as long as it is not cured"
        assert downloads() == wanted, seconds
    puller.resync()
    puller.poll()
    assert downloads() == 4
    server.statements.pop()
    server.publish_list(6, TICKETS[:50])
    puller.poll()
    assert puller.fault is None
    assert downloads() == 5


class FullFile(io.BytesIO):
    """A file on a card without room."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def no_file() -> io.BytesIO:
    raise OSError(errno.EROFS, "Read-only file system")


@pytest.mark.parametrize("make", [FullFile, no_file])
def test_a_card_without_room_for_the_rows_is_named(published, puller, monkeypatch, make):
    """And not taken for a server that is away."""
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: make())
    puller.poll()
    assert isinstance(puller.fault, ListNotWritten)


def test_a_poll_is_complete_when_nothing_of_it_was_refused(published, gate, mirror, tmp_path):
    now = [100.0]
    puller = Puller(gate, mirror, roots(), EVENT, tmp_path, monotonic=lambda: now[0])
    assert puller.completed is None
    puller.poll()
    assert puller.completed == 100.0
    now[0] = 110.0
    published.publish(CANCELLED, 6, signers=[signer(STRANGER_SEED)])
    puller.poll()
    assert puller.completed == 100.0
    published.go_offline()
    with pytest.raises(ServerUnreachable):
        puller.poll()
    assert puller.completed == 100.0
    assert isinstance(puller.fault, ServerUnreachable)


def test_a_statement_changed_on_the_card_is_passed_over(published, puller, gate, mirror, tmp_path):
    puller.poll()
    mirror._base.execute("UPDATE statement SET wire = x'00' WHERE type = 'list'")
    again = Puller(gate, mirror, roots(), EVENT, tmp_path)
    again.resync()
    again.poll()
    assert again.fault is None


def test_roots_that_were_changed_believe_nothing_stored(published, puller, gate, mirror, tmp_path):
    from tickets.cose import public_key_of
    from tickets.keyring import pinned

    puller.poll()
    strangers = pinned([public_key_of(STRANGER_SEED)])
    again = Puller(gate, mirror, strangers, EVENT, tmp_path)
    again.resync()
    again.poll()
    assert again.fault.attack is Attack.FORGERY


def test_redemptions_come_page_by_page_each_with_its_cursor(published, puller, mirror):
    for number in range(8):
        published.redeem(number.to_bytes(16, "big"), ticket(1).key)
    puller.poll()
    assert mirror.position("redemptions") == 8
    assert len(MirrorReader(mirror.path).redemptions(ticket(1).key).rows) == 8
    published.redeem((3).to_bytes(16, "big"), ticket(1).key, stands=False)
    puller.poll()
    rows = MirrorReader(mirror.path).redemptions(ticket(1).key).rows
    assert [row.stands for row in rows].count(False) == 1


def test_a_conflict_found_later_is_told_and_taken_back_when_it_is_none(published, puller, mirror):
    published.contest(b"P" * 16, b"Q" * 16)
    puller.poll()
    (found,) = MirrorReader(mirror.path).conflicts()
    assert (found.presentation, found.other, found.gate) == (b"P" * 16, b"Q" * 16, "south")
    published.contest(b"P" * 16, b"Q" * 16, stands=False)
    puller.poll()
    assert MirrorReader(mirror.path).conflicts() == []


def test_offline_is_a_named_fault_and_nothing_is_lost(published, puller, mirror):
    puller.poll()
    published.go_offline()
    with pytest.raises(ServerUnreachable):
        puller.poll()
    assert len(kinds(mirror)) == 3


def test_a_policy_is_signed_by_a_list_key(published, puller):
    published.publish({"lists": {}, "products": {}}, 2, signers=[signer(LIST_SEED)])
    puller.poll()
    assert puller.fault is None


def test_a_card_s_counter_is_kept_with_its_redemption(published, puller, mirror):
    published.redeem(bytes(16), ticket(1).key, counter=7)
    published.redeem(bytes(15) + b"1", ticket(1).key)
    puller.poll()
    rows = MirrorReader(mirror.path).redemptions(ticket(1).key).rows
    assert {row.counter for row in rows} == {None, 7}
