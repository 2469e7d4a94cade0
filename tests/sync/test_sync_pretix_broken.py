"""A download that breaks off anywhere goes on where it was; every fault has its name."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.errors import AnswerMalformed, ServerUnreachable
from sync.pretix.errors import (
    EventMissing,
    EventTakenAway,
    ListMissing,
    ListTwice,
    Loading,
    PretixRefused,
    ProfileForbids,
    StagingNotWritten,
    TooManyRequests,
)
from tests.rigs.fake_pretix import EVENT, FORBIDDEN, NO_PERMISSION, FakePretix
from tests.rigs.pretix_gate import PretixGate
from tickets.errors import GateError
from tickets.rows import Status


@pytest.fixture
def server() -> Iterator[FakePretix]:
    made = FakePretix()
    yield made
    made.stop()


@pytest.fixture
def gate(server: FakePretix, tmp_path: Path) -> PretixGate:
    return PretixGate(tmp_path, server.url, server.token)


def poll(gate: PretixGate, **how: bool) -> GateError | None:
    """A round; returns its fault, raised or shown."""
    try:
        gate.poll(**how)
    except GateError as error:
        return error
    return gate.puller.fault


def fill(server: FakePretix, orders: int) -> None:
    for number in range(orders):
        server.order(f"O{number}", server.position(f"s{number}"))


def missing(gate: PretixGate, orders: int) -> list[int]:
    rows = gate.listed()
    return [number for number in range(orders) if gate.key(f"s{number}") not in rows]


# Interruptions


@pytest.mark.parametrize("requests", range(1, 13))
def test_a_first_download_cut_at_any_request_is_resumed_and_complete(server, tmp_path, requests):
    fill(server, 130)
    gate = PretixGate(tmp_path, server.url, server.token)
    server.cut_at = requests
    assert isinstance(poll(gate), AnswerMalformed | ServerUnreachable)
    server.cut_at = None
    gate = PretixGate(tmp_path, server.url, "")  # a restart: only the disk remembers
    server.asked.clear()
    assert poll(gate) is None
    assert not missing(gate, 130)


def test_what_was_read_is_not_read_again(server, gate):
    fill(server, 130)
    server.cut_at = 10  # the second page of orders is on its way
    poll(gate)
    server.cut_at = None
    server.asked.clear()
    poll(gate)
    (first, *_) = [path for path in server.asked if "/orders/" in path]
    assert "created_since" in first


def test_an_order_that_changes_during_an_interrupted_download_is_not_lost(server, gate):
    """The next question begins at the server's time of the first page, not of the last."""
    fill(server, 130)
    server.cut_at = 10
    poll(gate)
    server.cut_at = None
    server.order("O3", status="c")  # on the page that was read before it was cut
    server.tick(60)
    poll(gate)
    poll(gate, seldom=False)
    row = gate.row("s3")
    assert row is not None
    assert row.flags == Status.CANCELLED


def test_an_interrupted_diff_begins_at_the_same_place_again(server, gate):
    fill(server, 60)
    poll(gate)
    for number in range(60):
        server.order(f"O{number}", status="c")
    server.cut_at = 4  # two pages of changes; the second breaks
    assert poll(gate, seldom=False) is not None
    server.cut_at = None
    assert poll(gate, seldom=False) is None
    assert [n for n in range(60) if gate.row(f"s{n}").flags != Status.CANCELLED] == []


def test_orders_bought_while_pages_are_turned_shift_nobody_past_us(server, gate):
    """Many of one moment, as an import makes them: whole pages have the same date."""
    moment = server.stamp()
    for number in range(120):
        server.order(f"O{number}", server.position(f"s{number}"), datetime=moment)
    assert poll(gate) is None
    assert not missing(gate, 120)


def test_until_all_is_there_the_gate_admits_what_it_has_and_says_how_far_it_is(
    server, gate, monkeypatch
):
    monkeypatch.setattr("sync.pretix.server.ROUND", -1.0)
    fill(server, 130)
    fault = poll(gate)
    for _ in range(3):  # codes taken back come first, then media's turn, each its own round
        if gate.believed.newest_chain and gate.rows():
            break
        fault = poll(gate, seldom=False)
    assert isinstance(fault, Loading)
    assert "of about 130" in fault.cause
    assert 0 < len(gate.listed()) < 130
    assert gate.puller.completed is None
    for _ in range(4):
        fault = poll(gate, seldom=False)
    assert not missing(gate, 130)


def test_a_resync_leaves_what_is_here_in_use_and_drops_what_is_gone(server, gate):
    fill(server, 3)
    poll(gate)
    server.events[EVENT]["orders"].pop(0)
    gate.puller.resync()
    poll(gate)
    assert gate.row("s0") is None
    assert gate.row("s1") is not None


# What is on the card


def test_a_damaged_database_is_begun_anew_and_serials_go_on_rising(server, tmp_path):
    fill(server, 3)
    gate = PretixGate(tmp_path, server.url, server.token)
    poll(gate)
    before = gate.believed.newest_chain.head.serial
    gate.staging.base.close()
    (tmp_path / "pretix.db").write_bytes(b"noise" * 1000)
    gate = PretixGate(tmp_path, server.url, "")
    assert poll(gate) is None
    assert gate.believed.newest_chain.head.serial > before
    assert not missing(gate, 3)


def test_a_list_body_that_was_lost_is_signed_anew(server, tmp_path):
    fill(server, 3)
    gate = PretixGate(tmp_path, server.url, server.token)
    poll(gate)
    for path in (*tmp_path.glob("pretix-list-*"), *tmp_path.glob("list-*.db")):
        path.unlink()
    assert poll(gate) is not None
    assert poll(gate) is None
    assert not missing(gate, 3)


def test_a_full_card_is_named_and_nothing_is_half_written(server, gate, monkeypatch):
    fill(server, 60)
    poll(gate)
    size = gate.staging.base.execute("PRAGMA page_count").fetchone()[0]
    gate.staging.base.execute(f"PRAGMA max_page_count={size}")
    server.order("BIG", *(server.position(f"b{n}") for n in range(2000)))
    assert isinstance(poll(gate, seldom=False), StagingNotWritten)
    gate.staging.base.execute("PRAGMA max_page_count=1000000")
    assert poll(gate, seldom=False) is None
    assert gate.row("b1999") is not None


def test_data_is_on_the_card_before_the_place_it_was_read_up_to(server, tmp_path):
    """At every statement written the rows that the place stands for are there."""
    fill(server, 130)
    gate = PretixGate(tmp_path, server.url, server.token)
    seen: list[tuple[int, str]] = []

    def look(statement: str) -> None:
        if statement == "COMMIT":
            with sqlite3.connect(tmp_path / "pretix.db") as other:
                count = other.execute("SELECT count(*) FROM position").fetchone()[0]
                full = other.execute("SELECT value FROM note WHERE name = 'demo/full'").fetchone()
            seen.append((count, full[0] if full else ""))

    gate.staging.base.set_trace_callback(look)
    poll(gate)
    gate.staging.base.set_trace_callback(None)
    for count, full in seen:
        if '"done": ' in full:
            done = int(full.split('"done": ')[1].split(",")[0])
            assert count >= min(done, 130) - 2  # the last order of a page is read twice


# Faults of the server


@pytest.mark.parametrize(
    ("case", "part", "status", "said", "fault"),
    [
        ("no orders for this profile", "orders/", 403, FORBIDDEN, ProfileForbids),
        ("event taken away", f"events/{EVENT}/", 403, NO_PERMISSION, EventTakenAway),
        ("event deleted", f"events/{EVENT}/", 404, {"detail": "Not found."}, EventMissing),
        ("too many requests", "orders/", 429, {}, TooManyRequests),
        ("broken server", "orders/", 500, {}, PretixRefused),
        ("a login page", "device/info", 302, {}, AnswerMalformed),
        ("another shape", "checkinlists/", 200, {"results": [{}]}, AnswerMalformed),
        ("no object", "orders/", 200, [], AnswerMalformed),
    ],
)
def test_each_refusal_has_its_name_and_a_remedy(server, gate, case, part, status, said, fault):  # noqa: PLR0917
    fill(server, 1)
    poll(gate)
    server.refuse[part] = (status, said)
    found = poll(gate)
    assert isinstance(found, fault)
    assert found.remedy
    assert gate.row("s0") is not None


def test_a_pause_that_the_server_asks_for_is_kept(server, gate):
    fill(server, 1)
    poll(gate)
    server.refuse["orders/"], server.retry_after = (429, {}), "120"
    poll(gate, seldom=False)
    server.refuse.clear()
    server.asked.clear()
    assert isinstance(poll(gate, seldom=False), TooManyRequests)
    assert server.asked == []
    gate.now += 121
    assert poll(gate) is None


@pytest.mark.parametrize("told", ["", "yesterday", "-" * 12, "0001-01-01T00:00:00+00:00"])
def test_a_time_that_is_none_is_not_asked_by_again(server, gate, told):
    """Computed with, it would end every later round, and each restart after it."""
    fill(server, 1)
    server.stamp = lambda: told
    for _ in range(2):
        assert poll(gate) is None
    assert not missing(gate, 1)


def test_a_withdrawn_code_with_a_time_that_is_none_is_named(server, gate):
    fill(server, 1)
    poll(gate)
    server.events[EVENT]["revokedsecrets"] = [{"id": 1, "secret": "x", "created": "T" * 12}]
    assert isinstance(poll(gate), AnswerMalformed)
    assert not missing(gate, 1)


@pytest.mark.parametrize("again", ["1e999", "nan", "-5", "99999999", "Thu, 01 Jan 2026"])
def test_a_pause_has_an_end_however_long_it_is_asked_for(server, gate, again):
    server.refuse["orders/"], server.retry_after = (429, {}), again
    fault = poll(gate)
    assert isinstance(fault, TooManyRequests)
    assert 1 <= fault.seconds <= 300


def test_a_server_that_says_our_token_back_or_draws_on_the_log_is_quoted_without(server, gate):
    said = f"no {server.api_token}\x1b[2J\nfine"
    server.refuse["orders/"] = (403, {"detail": said})
    fault = poll(gate)
    assert isinstance(fault, PretixRefused)
    assert "no ******** [2J fine" in fault.cause


def test_one_event_taken_away_leaves_the_others_up_to_date(server, tmp_path):
    server.add_event("second")
    gate = PretixGate(tmp_path, server.url, server.token, events=("demo", "second"))
    server.order("A", server.position("a"))
    poll(gate)
    server.refuse["events/demo/"] = (403, NO_PERMISSION)
    server.order("B", server.position("b"), event="second")
    assert isinstance(poll(gate), EventTakenAway)
    assert gate.row("b") is not None
    assert gate.row("a") is not None


def test_a_restart_while_one_event_is_taken_away_loses_none_of_its_rules(server, tmp_path):
    """Without them its tickets would be of no kind: refused at their list, or of no rule at all."""
    server.add_event("second")
    gate = PretixGate(tmp_path, server.url, server.token, events=("demo", "second"))
    server.order("A", server.position("a"))
    poll(gate)
    before = gate.policy
    server.refuse["events/demo/"] = (403, NO_PERMISSION)
    gate = PretixGate(tmp_path, server.url, "", events=("demo", "second"))
    assert isinstance(poll(gate), EventTakenAway)
    assert gate.policy == before
    assert gate.policy.product(gate.row("a").product).pretix.event == "demo"


@pytest.mark.parametrize("requests", range(2, 14))
def test_a_restart_cut_between_two_events_loses_no_rules_of_either(server, tmp_path, requests):
    server.add_event("second")
    gate = PretixGate(tmp_path, server.url, server.token, events=("demo", "second"))
    poll(gate)
    before = gate.policy
    server.cut_at = requests
    gate = PretixGate(tmp_path, server.url, "", events=("demo", "second"))
    assert poll(gate) is not None
    assert gate.policy == before
    assert len(gate.believed.keyring.pretix) == 1


def test_rules_that_name_a_kind_of_ticket_come_before_the_first_of_them(server, gate):
    fill(server, 1)
    poll(gate)
    _, cursor = gate.server.statements(0)
    server.events[EVENT]["items"].append({"id": 12, "name": {"en": "New"}, "variations": []})
    server.events[EVENT]["modified"] = "Thu, 01 Jan 2026 00:01:00 GMT"
    server.order("NEW", server.position("new", item=12))
    gate.now += 61
    told, _ = gate.server.statements(cursor)
    assert [statement.type for statement in told] == ["policy", "delta"]


def test_an_event_no_longer_chosen_is_forgotten(server, tmp_path):
    server.add_event("second")
    server.order("A", server.position("a"))
    gate = PretixGate(tmp_path, server.url, server.token, events=("demo", "second"))
    poll(gate)
    gate = PretixGate(tmp_path, server.url, "", events=("second",))
    assert poll(gate) is None
    assert gate.row("a") is None


def test_a_list_that_was_renamed_is_named_and_cancellations_still_act(server, gate):
    fill(server, 1)
    poll(gate)
    server.events[EVENT]["checkinlists"][0]["name"] = "Main entrance"
    server.order("O0", status="c")
    fault = poll(gate)
    assert isinstance(fault, ListMissing)
    assert "Main entrance" in fault.cause
    assert gate.row("s0").flags == Status.CANCELLED


def test_two_lists_of_one_name_are_named(server, gate):
    server.events[EVENT]["checkinlists"].append(server.check_in_list("main"))
    assert isinstance(poll(gate), ListTwice)


def test_signed_codes_alone_need_no_orders(server, tmp_path):
    server.device["security_profile"] = "pretixscan_online_kiosk"
    server.withdraw("signed")
    gate = PretixGate(tmp_path, server.url, server.token, signed_suffice=True)
    assert poll(gate) is None
    assert gate.row("signed").flags == Status.REVOKED
    assert not [path for path in server.asked if "/orders/" in path or "media" in path]


def test_a_profile_without_orders_is_named_where_the_list_is_required(server, tmp_path):
    server.device["security_profile"] = "pretixscan_online_noorders"
    gate = PretixGate(tmp_path, server.url, server.token)
    assert isinstance(poll(gate), ProfileForbids)


def test_what_seldom_changes_is_asked_for_under_a_condition(server, gate):
    fill(server, 1)
    poll(gate)
    before = gate.policy
    poll(gate)
    assert gate.policy == before
    event = server.events[EVENT]
    event["items"][0]["name"], event["modified"] = {"en": "VIP"}, "Fri, 02 Jan 2026 00:00:00 GMT"
    poll(gate)
    assert [p.name for p in gate.policy.products.values()] == ["VIP"]


def test_the_servers_clock_is_signed_in_answer_to_a_question(server, gate):
    poll(gate)
    beat = gate.server.heartbeat("ab" * 16, {})
    assert beat.time
    assert abs(gate.api.now() - server.now.timestamp()) < 2
