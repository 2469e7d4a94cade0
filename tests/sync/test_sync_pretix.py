"""A pretix server as the source of the list: what is fetched, kept, published and dropped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.pretix.notary import LIST_AFTER
from tests.rigs.fake_pretix import EVENT, GUEST, FakePretix
from tests.rigs.pretix_gate import PretixGate
from tickets.rows import Status


@pytest.fixture
def server() -> Iterator[FakePretix]:
    made = FakePretix()
    yield made
    made.stop()


@pytest.fixture
def gate(server: FakePretix, tmp_path: Path) -> PretixGate:
    return PretixGate(tmp_path, server.url, server.token)


def flags(gate: PretixGate, code: str) -> Status | None:
    row = gate.row(code)
    return None if row is None else row.flags


def test_a_paid_ticket_is_on_the_list(server, gate):
    server.order("A", server.position("s1"))
    gate.poll()
    assert flags(gate, "s1") == Status(0)
    assert gate.row("s2") is None
    assert gate.puller.fault is None


def test_scanner_believes_keys_rules_and_list(server, gate):
    server.order("A", server.position("s1"))
    gate.poll()
    believed = gate.believed
    assert believed.has_keys
    assert len(believed.keyring.pretix) == 1
    assert believed.policy.lists["main"].members == ("main (demo)",)
    product = believed.policy.product(gate.row("s1").product)
    assert (product.name, product.pretix.item) == ("Standard", 11)


@pytest.mark.parametrize(
    ("case", "held", "expected"),
    [
        ("paid", ({}, {}), Status(0)),
        ("cancelled order", ({"status": "c"}, {}), Status.CANCELLED),
        ("expired order", ({"status": "e"}, {}), Status.CANCELLED),
        ("cancelled position", ({}, {"canceled": True}), Status.CANCELLED),
        ("blocked", ({}, {"blocked": ["admin"]}), Status.BLOCKED),
        ("pending", ({"status": "n"}, {}), Status.UNPAID),
        ("pending, but valid", ({"status": "n", "valid_if_pending": True}, {}), Status(0)),
        (
            "awaiting approval",
            ({"status": "n", "require_approval": True}, {}),
            Status.UNPAID | Status.UNAPPROVED,
        ),
        ("approved and paid", ({"require_approval": True}, {}), Status(0)),
        ("to be looked at", ({"checkin_attention": True}, {}), Status.ATTENTION),
        ("with a word for the steward", ({"checkin_text": "VIP"}, {}), Status.ATTENTION),
    ],
)
def test_what_is_held_against_a_ticket_is_in_its_row(server, gate, case, held, expected):
    order, position = held
    server.order("A", server.position("s1", **position), **order)
    gate.poll()
    assert flags(gate, "s1") == expected


def test_validity_is_in_the_row(server, gate):
    window = {"valid_from": "2026-12-01T10:00:00Z", "valid_until": "2026-12-01T12:00:00Z"}
    server.order("A", server.position("s1", **window))
    gate.poll()
    row = gate.row("s1")
    assert row.valid_until - row.valid_from == 7200


def test_a_question_that_was_not_answered_is_told(server, gate):
    asked = {"id": 5, "items": [11], "ask_during_checkin": True}
    server.events[EVENT]["questions"] = [asked, {"id": 6, "items": [11]}]
    answer = {"question": 5, "answer": GUEST}
    server.order("A", server.position("open"), server.position("done", answers=[answer]))
    gate.poll()
    assert flags(gate, "open") == Status.NEEDS_ANSWERS
    assert flags(gate, "done") == Status(0)


def test_a_question_added_later_is_asked_of_tickets_already_here(server, gate):
    server.order("A", server.position("s1"))
    gate.poll()
    event = server.events[EVENT]
    event["questions"] = [{"id": 5, "items": [11], "ask_during_checkin": True}]
    event["modified"] = "Thu, 02 Jan 2026 00:00:00 GMT"
    gate.poll()
    assert flags(gate, "s1") == Status.NEEDS_ANSWERS


# What changes afterwards


def test_a_cancellation_is_a_delta_and_acts(server, gate):
    server.order("A", server.position("s1"))
    gate.poll()
    before = gate.believed.newest_chain.head.serial
    server.order("A", status="c")
    gate.poll(seldom=False)
    assert flags(gate, "s1") == Status.CANCELLED
    assert gate.believed.newest_chain.head.serial == before


def test_a_position_that_vanished_from_its_order_is_gone(server, gate):
    first, second = server.position("s1"), server.position("s2")
    server.order("A", first, second)
    gate.poll()
    server.order("A", first)
    gate.poll(seldom=False)
    assert gate.row("s2") is None
    assert gate.row("s1") is not None


def test_a_swapped_code_takes_its_uses_along_and_leaves_the_old_one_revoked(server, gate):
    position = server.position("old")
    order = server.order("A", position)
    server.check_in(order)
    gate.poll()
    assert len(gate.uses("old")) == 1
    server.order("A", position | {"secret": "new"})
    server.withdraw("old")
    gate.poll(seldom=False)
    assert flags(gate, "old") == Status.REVOKED
    assert flags(gate, "new") == Status(0)
    assert [use.stands for use in gate.uses("new")] == [True]


def test_a_position_moved_to_another_order_stays(server, gate):
    moved, other = server.position("moved"), server.position("other")
    server.order("A", moved, other)
    gate.poll()
    server.order("A", other)
    server.order("B", moved)
    gate.poll(seldom=False)
    assert flags(gate, "moved") == Status(0)


def test_blocked_and_unblocked_is_one_row_that_changes(server, gate):
    server.block("signed")
    gate.poll()
    assert flags(gate, "signed") == Status.BLOCKED
    server.block("signed", blocked=False)
    gate.poll(seldom=False)
    assert gate.row("signed") is None


def test_the_word_of_a_known_ticket_goes_before_that_of_a_withdrawn_code(server, gate):
    server.order("A", server.position("s1"))
    server.withdraw("s1")
    gate.poll()
    assert flags(gate, "s1") == Status(0)


def test_nothing_new_publishes_nothing(server, gate):
    server.order("A", server.position("s1"))
    gate.poll()
    before = [row.digest for row in gate.mirror.statements()]
    gate.poll()
    gate.poll(seldom=False)
    assert [row.digest for row in gate.mirror.statements()] == before


def test_a_scan_at_another_gate_changes_no_row(server, gate):
    order = server.order("A", server.position("s1"))
    gate.poll()
    before = [row.digest for row in gate.mirror.statements()]
    server.check_in(order)
    gate.poll(seldom=False)
    assert [row.digest for row in gate.mirror.statements()] == before
    assert len(gate.uses("s1")) == 1


def test_many_changes_make_a_new_list(server, gate, monkeypatch):
    monkeypatch.setattr("sync.pretix.notary.LIST_AFTER", 3)
    assert LIST_AFTER > 3
    server.order("A", server.position("s1"))
    gate.poll()
    first = gate.believed.newest_chain.head.serial
    server.order("B", *(server.position(f"b{n}") for n in range(4)))
    gate.poll(seldom=False)
    assert gate.believed.newest_chain.head.serial > first
    assert gate.row("b3") is not None


# Add-ons, media, two events


def test_add_ons_hang_on_their_ticket(server, gate):
    ticket = server.position("ticket")
    extra = server.position("extra", addon_to=ticket["id"])
    server.order("A", ticket, extra)
    gate.poll()
    assert flags(gate, "ticket") == Status.ADDONS
    assert gate.linked("ticket") == (gate.key("extra"),)
    server.order("A", ticket)
    gate.poll(seldom=False)
    assert flags(gate, "ticket") == Status(0)
    assert gate.linked("ticket") == ()


def test_an_add_on_with_a_new_code_is_found_under_it(server, gate):
    ticket = server.position("ticket")
    extra = server.position("extra", addon_to=ticket["id"])
    server.order("A", ticket, extra)
    gate.poll()
    server.order("A", ticket, extra | {"secret": "other"})
    gate.poll(seldom=False)
    assert gate.linked("ticket") == (gate.key("other"),)


def test_an_add_on_that_was_cancelled_alone_makes_no_other_ambiguous(server, gate):
    ticket = server.position("ticket")
    extras = [server.position(f"extra-{n}", addon_to=ticket["id"]) for n in range(2)]
    server.order("A", ticket, *extras)
    gate.poll()
    server.order("A", ticket, extras[0] | {"canceled": True}, extras[1])
    gate.poll(seldom=False)
    assert gate.linked("ticket") == (gate.key("extra-1"),)
    server.order("A", status="c")
    gate.poll(seldom=False)
    assert gate.linked("ticket") == (gate.key("extra-0"), gate.key("extra-1"))


def test_test_orders_count_as_long_as_the_event_is_in_test_mode(server, gate):
    """As long as the shop is tried; what was tried opens no gate of a live one."""
    server.events[EVENT]["testmode"] = True
    server.order("A", server.position("tried"), testmode=True)
    gate.poll()
    assert flags(gate, "tried") == Status(0)
    server.events[EVENT]["testmode"] = False
    server.order("B", server.position("bought"))
    gate.poll()
    assert gate.row("tried") is None
    assert flags(gate, "bought") == Status(0)


def test_a_medium_stands_for_its_tickets(server, gate):
    position = server.position("s1")
    server.order("A", position)
    server.medium("wristband", position["id"], expires="2026-12-31T00:00:00Z")
    gate.poll()
    row = gate.row("wristband")
    assert row.flags == Status.MEDIUM
    assert row.valid_until > 0
    assert gate.linked("wristband") == (gate.key("s1"),)
    assert flags(gate, "s1") == Status.EXCHANGED
    server.medium("wristband", position["id"], active=False)
    gate.poll()
    assert gate.row("wristband") is None


def test_of_a_medium_that_no_code_reader_reads_only_the_exchange_is_told(server, gate):
    position = server.position("s1")
    server.order("A", position)
    server.medium("0A0B0C", position["id"], type="nfc_uid")
    gate.poll()
    assert gate.row("0A0B0C") is None
    assert flags(gate, "s1") == Status.EXCHANGED


def test_one_code_in_two_events_is_ambiguous(server, tmp_path):
    server.add_event("second")
    server.order("A", server.position("same"))
    server.order("B", server.position("same"), event="second")
    gate = PretixGate(tmp_path, server.url, server.token, events=("demo", "second"))
    gate.poll()
    assert flags(gate, "same") == Status.AMBIGUOUS
    assert gate.policy.lists["main"].members == ("main (demo)", "main (second)")


def test_the_suggested_event_is_taken_where_none_is_named(server, tmp_path):
    server.order("A", server.position("s1"))
    gate = PretixGate(tmp_path, server.url, server.token, events=())
    gate.poll()
    assert gate.row("s1") is not None


# Check-ins


def test_a_check_in_that_was_annulled_stands_no_more(server, gate):
    order = server.order("A", server.position("s1"))
    server.check_in(order)
    gate.poll()
    order["positions"][0]["checkins"].clear()
    server.order("A")
    gate.poll(seldom=False)
    assert [use.stands for use in gate.uses("s1")] == [False]


def test_our_own_check_in_comes_back_under_its_own_name(server, gate):
    """So that a ticket for several entries, scanned here and synced back, is counted once."""
    order = server.order("A", server.position("s1"))
    gate.poll()
    at = server.now.timestamp() + 1
    gate.server.intake.sent(b"p" * 16, 1, "entry", at)
    server.check_in(order, device_id=7)
    gate.poll(seldom=False)
    (use,) = gate.uses("s1")
    assert use.presentation == b"p" * 16


def test_another_devices_check_in_at_the_same_moment_is_not_ours(server, gate):
    order = server.order("A", server.position("s1"))
    gate.poll()
    gate.server.intake.sent(b"p" * 16, 1, "entry", server.now.timestamp() + 1)
    server.check_in(order, device_id=8)
    gate.poll(seldom=False)
    (use,) = gate.uses("s1")
    assert use.presentation != b"p" * 16


def test_check_ins_of_other_lists_are_not_told(server, gate):
    order = server.order("A", server.position("s1"))
    server.check_in(order, list=999)
    gate.poll()
    assert gate.uses("s1") == ()


# Nothing of a guest


def test_no_name_code_or_mail_reaches_a_file(server, gate, tmp_path):
    order = server.order("ORDERCODE", server.position("secretcode1"), checkin_text=GUEST)
    server.check_in(order)
    server.medium("mediumcode1", order["positions"][0]["id"])
    server.withdraw("secretcode2")
    server.block("secretcode3")
    gate.poll()
    found = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    traces = ("Zwiebel", "zwiebel", "Ottilie", "ORDERCODE", "secretcode", "mediumcode")
    assert [trace for trace in traces if trace.encode() in found] == []


def test_the_server_is_asked_for_no_more_than_is_needed(server, gate):
    gate.poll()
    asked = next(path for path in server.asked if "/orders/" in path)
    assert "include=positions.secret" in asked
    assert not [word for word in ("name", "email", "phone", "address") if word in asked]
