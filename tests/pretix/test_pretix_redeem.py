"""What a scan sent to pretix does: each fact of force, nonce, annul and refusals we build on."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.pretix.conftest import Evening
from tests.rigs.pretix_plan import Answer

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-evening")]

OK, USED = Answer("ok", ""), Answer("error", "already_redeemed")
MINUTE = timedelta(minutes=1)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _nonce() -> str:
    return uuid.uuid4().hex


def _rows(evening: Evening, secret: str) -> list[Any]:
    return [row for row in evening.server.checkins("evening") if row["secret"] == secret]


def test_second_entry_is_already_redeemed(evening: Evening) -> None:
    """And the answer shows the position as it was before this scan."""
    door, secret = evening.event.list("door"), evening.ticket()
    first = evening.server.raw_redeem(door, secret)
    assert first.status_code == 201
    assert first.json()["position"]["checkins"] == []
    assert {"require_attention", "checkin_texts", "list"} <= first.json().keys()
    second = evening.server.raw_redeem(door, secret)
    assert (second.status_code, second.json()["reason"]) == (400, "already_redeemed")


def test_simulate_stores_nothing(evening: Evening) -> None:
    """A verdict of the whole matrix leaves no trace."""
    door, secret = evening.event.list("door"), evening.ticket()
    assert evening.server.simulate(door, secret) == OK
    assert _rows(evening, secret) == []


@pytest.mark.parametrize("year", [2001, 2031])
def test_any_time_is_taken_as_the_time_of_the_scan(evening: Evening, year: int) -> None:
    """Past or future, to the second: an upload keeps the gate's own time."""
    secret, at = evening.ticket(), datetime(year, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert evening.server.redeem(evening.event.list("door"), secret, at=at) == OK
    [row] = _rows(evening, secret)
    assert datetime.fromisoformat(row["at"]) == at


def test_same_nonce_is_one_row_from_any_device(evening: Evening) -> None:
    """A lost answer is asked for again without a second entry."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    nonce = _nonce()
    assert server.redeem(door, secret, nonce=nonce) == OK
    assert server.redeem(door, secret, nonce=nonce) == OK
    other = server.api(server.token("full")).post(
        server.organizer_path("checkinrpc/redeem/"),
        {"secret": secret, "lists": [door], "nonce": nonce},
    )
    assert other.status_code == 201
    assert len([row for row in _rows(evening, secret) if row["successful"]]) == 1


def test_nonce_is_scoped_to_the_ticket(evening: Evening) -> None:
    """The same nonce on two tickets is two scans."""
    server, door, nonce = evening.server, evening.event.list("door"), _nonce()
    first, second = evening.ticket(), evening.ticket()
    assert server.redeem(door, first, nonce=nonce) == OK
    assert server.redeem(door, second, nonce=nonce) == OK
    assert len(_rows(evening, first)) == len(_rows(evening, second)) == 1


def test_forced_retry_is_one_row(evening: Evening) -> None:
    """Uploads carry force and nonce: two sends, one row, not marked as forced."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    nonce = _nonce()
    for _ in range(2):
        assert server.redeem(door, secret, nonce=nonce, force=True) == OK
    [row] = _rows(evening, secret)
    assert (row["forced"], row["force_sent"]) == (False, True)


def test_nonce_is_looked_at_after_the_rules(evening: Evening) -> None:
    """A retry without force is refused by the very entry that it repeats: so retries force."""
    server, bar, secret, nonce = (
        evening.server,
        evening.event.list("bar"),
        evening.ticket(),
        _nonce(),
    )
    server.set_list(bar, rules={"<": [{"var": "entries_number"}, 1]})
    assert server.redeem(bar, secret, nonce=nonce) == OK
    assert server.redeem(bar, secret, nonce=nonce) == Answer("error", "rules")
    assert server.redeem(bar, secret, nonce=nonce, force=True) == OK
    assert [row["successful"] for row in _rows(evening, secret)].count(True) == 1
    server.set_list(bar, rules={})


def test_rule_that_raises_is_refused_even_with_force(evening: Evening) -> None:
    """An upload can be refused for good: it is parked, and the steward is told."""
    server, bar, secret = evening.server, evening.event.list("bar"), evening.ticket()
    soon = {"isAfter": [{"var": "now"}, {"buildTime": ["custom", "soon"]}, None]}
    server.set_list(bar, rules=soon)
    assert server.redeem(bar, secret, force=True) == Answer("error", "rules")
    server.set_list(bar, rules={})


def test_force_passes_a_used_ticket_and_marks_it(evening: Evening) -> None:
    """The double entry between two gates is stored, and told apart."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    server.redeem(door, secret, nonce=_nonce())
    assert server.redeem(door, secret, nonce=_nonce(), force=True) == OK
    assert [row["forced"] for row in _rows(evening, secret)] == [False, True]


@pytest.mark.parametrize("how", ["swap", "cancel_order", "block"])
def test_force_passes_what_changed_meanwhile(evening: Evening, how: Any) -> None:
    """A guest who was let in before the news came is on record: revoked, cancelled or blocked."""
    server, door, old = evening.server, evening.event.list("door"), evening.ticket()
    server.change(old, how)
    assert server.redeem(door, old).status == "error"
    assert server.redeem(door, old, force=True, nonce=_nonce()) == OK


def test_force_does_not_pass_an_unknown_code(evening: Evening) -> None:
    """404, with a body that names the reason: park it."""
    raw = evening.server.raw_redeem(evening.event.list("door"), "nobodysticket", force=True)
    assert raw.status_code == 404
    assert raw.json()["reason"] == "invalid"
    assert "position" not in raw.json()


def test_partly_cancelled_order_is_unknown_by_its_new_code(evening: Evening) -> None:
    """A cancelled position cannot be found, while one of a cancelled order is "canceled"."""
    server, door = evening.server, evening.event.list("door")
    first = server.bulk("evening", evening.event.items["standard"], 1, tickets_each=2)
    new = server.change(first[0]["secret"], "cancel")
    assert server.redeem(door, new) == Answer("error", "invalid")
    assert server.redeem(door, first[0]["secret"]) == Answer("error", "revoked")
    whole = server.change(evening.ticket(), "cancel_order")
    assert server.redeem(door, whole) == Answer("error", "canceled")


def test_exit_ignores_the_used_state(evening: Evening) -> None:
    """Exits are always stored; after one, entry is free again where the list allows it."""
    server, secret = evening.server, evening.ticket()
    door, once = evening.event.list("door"), evening.event.list("once")
    for on, last in ((door, OK), (once, USED)):
        assert server.redeem(on, secret) == OK
        assert server.redeem(on, secret, "exit") == OK
        assert server.redeem(on, secret, "exit") == OK
        assert server.redeem(on, secret) == last


def test_lists_are_checked_before_anything_else(evening: Evening) -> None:
    """At most one list per event, and only lists that are there."""
    server, secret = evening.server, evening.ticket()
    path = server.organizer_path("checkinrpc/redeem/")
    door, bar = evening.event.list("door"), evening.event.list("bar")
    two = server.api().post(path, {"secret": secret, "lists": [door, bar]})
    assert (two.status_code, type(two.json())) == (400, list)
    none = server.api().post(path, {"secret": secret, "lists": [987654]})
    assert (none.status_code, list(none.json())) == (400, ["lists"])


@pytest.mark.parametrize("lead", ["\\000026", "]Q3\\000026"])
def test_reader_prefixes_are_not_stripped(evening: Evening, lead: str) -> None:
    """The gate cleans what its reader adds, or the server knows nothing of it."""
    raw = evening.server.raw_redeem(evening.event.list("door"), lead + evening.ticket())
    assert raw.status_code == 404


def test_annul_frees_the_ticket(evening: Evening) -> None:
    """Nobody walked through: the scan is withdrawn by its nonce."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    nonce = _nonce()
    server.redeem(door, secret, nonce=nonce)
    assert _annul(evening, nonce).status_code == 200
    assert server.redeem(door, secret, nonce=_nonce()) == OK
    assert [row["reason"] for row in _rows(evening, secret)] == ["annulled", ""]


def test_annul_reaches_back_fifteen_minutes_of_its_own_time(evening: Evening) -> None:
    """What counts is the time it names, so it may be sent later; after that 400."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    at, nonce = _now() - timedelta(hours=3), _nonce()
    server.redeem(door, secret, at=at, nonce=nonce)
    assert _annul(evening, nonce, at + 16 * MINUTE).status_code == 400
    assert _annul(evening, nonce, at + 14 * MINUTE).status_code == 200


def test_annul_is_for_the_device_that_scanned(evening: Evening) -> None:
    """Another device's is 404, as is a nonce that never was."""
    server, door, nonce = evening.server, evening.event.list("door"), _nonce()
    server.redeem(door, evening.ticket(), nonce=nonce)
    assert _annul(evening, nonce, token=server.token("full")).status_code == 404
    assert _annul(evening, _nonce()).status_code == 404


def test_annul_before_the_scan_leaves_no_tombstone(evening: Evening) -> None:
    """A scan that arrives after its annulment counts: wait it out and annul again."""
    server, door, nonce = evening.server, evening.event.list("door"), _nonce()
    assert _annul(evening, nonce).status_code == 404
    assert server.redeem(door, evening.ticket(), nonce=nonce) == OK
    assert _annul(evening, nonce).status_code == 200


def test_refused_scan_is_reported_with_raw_fields(evening: Evening) -> None:
    """raw_item arrives, item does not; the same nonce is one row; "exchange" is no reason."""
    door, item = evening.event.list("door"), evening.event.items["standard"]
    path = evening.server.event_path("evening", f"checkinlists/{door}/failed_checkins/")
    secret, nonce = evening.ticket(), _nonce()
    said = {"raw_barcode": secret, "error_reason": "blocked", "raw_item": item, "nonce": nonce}
    api = evening.server.api()
    for _ in range(2):
        assert api.post(path, said).status_code == 201
    assert api.post(path, {"raw_barcode": "x", "error_reason": "exchange"}).status_code == 400
    assert api.post(path, {**said, "nonce": _nonce(), "raw_item": None, "item": item}).ok
    rows = [row for row in evening.server.checkins("evening") if row["secret"] == secret]
    assert [(row["reason"], row["raw_item"]) for row in rows] == [("blocked", item), ("blocked", 0)]


def test_idempotency_key_replays_the_answer(evening: Evening) -> None:
    """The second send with the same key is the stored answer, not a second scan."""
    server, secret = evening.server, evening.ticket()
    path = server.organizer_path("checkinrpc/redeem/")
    body = {"secret": secret, "lists": [evening.event.list("door")]}
    key = {"X-Idempotency-Key": _nonce()}
    first = server.api().post(path, body, key)
    again = server.api().post(path, body, key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(_rows(evening, secret)) == 1


def test_answer_that_nobody_waited_for_is_stored_all_the_same(evening: Evening) -> None:
    """The scan of a gate that gave up counts: annul it, or ask again with its nonce."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    body, path = {"secret": secret, "lists": [door], "nonce": _nonce()}, "checkinrpc/redeem/"
    url, key = server.api().root + server.organizer_path(path), f"Device {server.token()}"
    server.pause()
    with pytest.raises(requests.Timeout):
        requests.post(url, json=body, headers={"Authorization": key}, timeout=0.2)
    server.resume()
    deadline = time.monotonic() + 60
    while not _rows(evening, secret):
        assert time.monotonic() < deadline, "the scan never arrived"
    assert server.redeem(door, secret) == USED


def test_restart_keeps_devices_and_scans(evening: Evening) -> None:
    """A server killed and started again is the same one: the rig's own promise."""
    server, door, secret = evening.server, evening.event.list("door"), evening.ticket()
    token, port = server.token(), server.port
    server.redeem(door, secret)
    server.restart()
    assert (server.token(), server.port) == (token, port)
    assert server.redeem(door, secret) == USED


def _annul(
    evening: Evening, nonce: str, at: datetime | None = None, token: str | None = None
) -> Any:
    body: dict[str, object] = {"lists": [evening.event.list("door")], "nonce": nonce}
    if at is not None:
        body["datetime"] = at.isoformat()
    api = evening.server.api(token)
    return api.post(evening.server.organizer_path("checkinrpc/annul/"), body)
