"""What a sync may rely on: which calls carry what, paging, stamps, and what a change looks like."""

import base64
from typing import Any

import pytest

from tests.pretix.conftest import Evening, Everything
from tests.rigs.pretix_api import Api

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-everything")]

EVENTS = "organizers/admit/events/"
EVENING = EVENTS + "evening/"


def test_keys_are_in_the_event_detail_alone(everything: Everything) -> None:
    """valid_keys holds the base64 of a PEM; neither the list nor the settings have it."""
    api = everything.server.api()
    keys = api.get(EVENTS + "tokyo/").json()["valid_keys"]["pretix_sig1"]
    assert len(keys) == 1
    assert base64.b64decode(keys[0]).startswith(b"-----BEGIN PUBLIC KEY-----")
    assert "valid_keys" not in api.get(EVENTS + "tokyo/settings/").json()
    assert all("valid_keys" not in event for event in api.rows(EVENTS))


def test_signed_code_is_written_as_documented(everything: Everything) -> None:
    """132 characters or so, backwards: version 1, two lengths, protobuf, 64 bytes of Ed25519."""
    secret = everything.plan.event("tokyo").ticket("in-time").secret
    raw = base64.b64decode(secret[::-1])
    assert raw[0] == 1
    payload, signature = int.from_bytes(raw[1:3]), int.from_bytes(raw[3:5])
    assert signature == 64
    assert len(raw) == 5 + payload + signature
    assert raw[5:7] == b"\x0a\x09"


@pytest.mark.parametrize("path", ["items/", "questions/"])
def test_lists_of_products_are_conditional(everything: Everything, path: str) -> None:
    """Last-Modified comes out, If-Modified-Since goes in; check-in lists have neither."""
    api = everything.server.api()
    first = api.get(EVENTS + "tokyo/" + path)
    if stamp := first.headers.get("Last-Modified"):
        again = api.get(EVENTS + "tokyo/" + path, {"If-Modified-Since": stamp})
        assert again.status_code == 304
    else:
        assert path == "questions/"  # nothing about questions has been logged
    assert "Last-Modified" not in api.get(EVENTS + "tokyo/checkinlists/").headers


def test_check_in_list_carries_every_switch(everything: Everything) -> None:
    """These are the fields a decision needs."""
    rows = everything.server.api().rows(EVENTS + "tokyo/checkinlists/")
    lists = {row["name"]: row for row in rows}
    assert lists["pending"]["include_pending"]
    assert lists["multi"]["allow_multiple_entries"]
    assert not lists["single"]["allow_entry_after_exit"]
    assert lists["addon"]["addon_match"]
    assert not lists["nothing"]["all_products"]
    assert lists["nothing"]["limit_products"] == []
    assert {"rules", "subevent", "exit_all_at"} <= lists["everything"].keys()


def test_position_carries_what_a_decision_needs(everything: Everything) -> None:
    """Cancelled positions are missing, unless they are asked for."""
    api, tokyo = everything.server.api(), everything.plan.event("tokyo")
    found = _positions(api, EVENTS + "tokyo/orders/")
    wanted = {"secret", "item", "variation", "subevent", "addon_to", "blocked", "valid_from"}
    wanted |= {"valid_until", "checkins", "canceled", "id"}
    assert wanted <= found[tokyo.ticket("paid").secret].keys()
    assert found[tokyo.ticket("blocked").secret]["blocked"] == ["admin"]
    used = found[tokyo.ticket("used").secret]["checkins"]
    assert [(row["list"], row["type"]) for row in used] == [(tokyo.list("everything"), "entry")]
    gone = tokyo.ticket("left-out").secret
    assert gone not in found
    more = _positions(api, EVENTS + "tokyo/orders/", include_canceled_positions="true")
    assert more[gone]["canceled"]


def test_a_failed_scan_is_no_check_in_of_the_position(everything: Everything) -> None:
    """Only what succeeded is told, so a refusal elsewhere never counts as an entry."""
    found = _positions(everything.server.api(), EVENTS + "tokyo/orders/")
    tokyo = everything.plan.event("tokyo")
    assert found[tokyo.ticket("failed-before").secret]["checkins"] == []


def test_media_name_their_tickets(everything: Everything) -> None:
    """With identifier, type, active and expiry."""
    rows = everything.server.api().rows("organizers/admit/reusablemedia/")
    media = {row["identifier"]: row for row in rows}
    band = media[everything.plan.event("tokyo").ticket("band-two-times").secret]
    assert band["type"] == "nfc_uid"
    assert band["active"] and band["expires"] is None
    assert len(band["linked_orderpositions"]) == 2


def test_pages_hold_fifty_and_say_when_they_were_made(evening: Evening) -> None:
    """The first page's stamp is where the next sync goes on."""
    api = evening.server.api()
    pages = list(api.pages(EVENING + "orders/", page_size=100))
    assert [len(page.json()["results"]) for page in pages] == [50, 50, 20]
    assert all("X-Page-Generated" in page.headers for page in pages)
    assert pages[0].json()["count"] == 120


def test_what_changed_since_a_stamp(evening: Evening) -> None:
    """A scan, a swap and a cancellation each bring their order back; nothing else does."""
    server, api = evening.server, evening.server.api()
    scanned, swapped, cancelled = evening.ticket(), evening.ticket(), evening.ticket()
    stamp = api.get(EVENING + "orders/").headers["X-Page-Generated"]
    server.redeem(evening.event.list("door"), scanned)
    new = server.change(swapped, "swap")
    fresh = server.change(cancelled, "cancel_order")
    asked = {"modified_since": stamp, "ordering": "-last_modified"}
    found = _positions(api, EVENING + "orders/", **asked)
    assert set(found) == {scanned, new, fresh}
    revoked = {row["secret"] for row in api.rows(EVENING + "revokedsecrets/")}
    assert {swapped, cancelled} <= revoked
    assert fresh not in revoked  # the trap: a cancelled ticket gets a new valid signature


def test_unblocking_is_the_same_row_again(evening: Evening) -> None:
    """So a row of blockedsecrets is an upsert by secret, never only an addition."""
    server, api = evening.server, evening.server.api()
    secret = evening.ticket()
    for how, blocked in (("block", True), ("unblock", False)):
        server.change(secret, "block" if blocked else "unblock")
        rows = [row for row in api.rows(EVENING + "blockedsecrets/") if row["secret"] == secret]
        assert [row["blocked"] for row in rows] == [blocked], how


def test_paid_order_comes_back_as_paid(evening: Evening) -> None:
    """The rig's unpaid orders, and an organiser who marks one as paid."""
    server, items = evening.server, evening.event.items
    [unpaid] = server.bulk("evening", items["standard"], 1, paid=False)
    door = evening.event.list("door")
    assert server.simulate(door, unpaid["secret"]) == ("error", "unpaid")
    server.change(unpaid["secret"], "pay")
    assert server.simulate(door, unpaid["secret"]) == ("ok", "")


def test_changed_list_and_key_are_there_at_the_next_reading(evening: Evening) -> None:
    """Lists at once; an event's keys within the 120 s that the server may keep them."""
    server, api = evening.server, evening.server.api()
    before = api.get(EVENING).json()["valid_keys"]["pretix_sig1"]
    server.set_list(evening.event.list("bar"), include_pending=True)
    rows = {row["name"]: row for row in api.rows(EVENING + "checkinlists/")}
    assert rows["bar"]["include_pending"]
    server.new_key("evening")
    after = api.get(EVENING).json()["valid_keys"]["pretix_sig1"]
    assert len(after) == 1
    assert after != before


def _positions(api: Api, path: str, **parameters: object) -> dict[str, Any]:
    """Every position of the orders, by secret."""
    orders = api.rows(path, **parameters)
    return {found["secret"]: found for order in orders for found in order["positions"]}
