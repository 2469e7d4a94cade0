"""Scans that need more than a code: questions, several events at once, media, texts for a guest."""

from typing import Any

import pytest

from tests.pretix.conftest import Everything
from tests.rigs.pretix_plan import Answer

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-everything")]

OK = Answer("ok", "")


def _redeem(everything: Everything, **body: object) -> Any:
    """Simulate at the matrix' time, with any fields."""
    server = everything.server
    words = {"simulate": True, "datetime": everything.plan.now.isoformat()}
    return server.api().post(server.organizer_path("checkinrpc/redeem/"), words | body)


@pytest.mark.parametrize("name", ["asked", "wished"])
def test_question_is_asked_whether_required_or_not(everything: Everything, name: str) -> None:
    """The answer is "incomplete", with the questions, and no reason."""
    tokyo = everything.plan.event("tokyo")
    raw = _redeem(everything, secret=tokyo.ticket(name).secret, lists=[tokyo.list("everything")])
    assert (raw.status_code, raw.json()["status"]) == (400, "incomplete")
    assert "reason" not in raw.json()
    [question] = raw.json()["questions"]
    assert question["ask_during_checkin"]
    assert question["required"] is (name == "asked")


def test_question_is_answered_or_left_to_others(everything: Everything) -> None:
    """An answer sent along will do, so does saying that this device asks none."""
    tokyo, server = everything.plan.event("tokyo"), everything.server
    door, ticket = tokyo.list("everything"), tokyo.ticket("asked")
    raw = _redeem(everything, secret=ticket.secret, lists=[door])
    answers = {str(raw.json()["questions"][0]["id"]): "43"}
    at = everything.plan.now
    assert server.simulate(door, ticket, at=at, answers=answers) == OK
    assert server.simulate(door, ticket, at=at, questions_supported=False) == OK


def test_several_events_are_scanned_at_once(everything: Everything) -> None:
    """One list per event; the answer names the list that the ticket belongs to."""
    tokyo, berlin = everything.plan.event("tokyo"), everything.plan.event("berlin")
    lists = [tokyo.list("everything"), berlin.list("none")]
    for event, name in (("tokyo", "paid"), ("berlin", "fresh")):
        ticket = everything.plan.event(event).ticket(name)
        raw = _redeem(everything, secret=ticket.secret, lists=lists)
        assert raw.status_code == 201
        assert raw.json()["list"]["event"] == event


def test_wrong_date_is_unknown_on_a_list_of_one_date(everything: Everything) -> None:
    """The server looks among the tickets of the list's date only: 404, not "product"."""
    series = everything.plan.event("series")
    raw = _redeem(everything, secret=series.ticket("tomorrow").secret, lists=[series.list("today")])
    assert (raw.status_code, raw.json()["reason"]) == (404, "invalid")


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("paid", []),
        ("crew", ["Check the badge"]),
        ("vip-standing", ["Lift"]),
        ("noted", ["Gift at the desk"]),
    ],
)
def test_attention_comes_with_the_verdict(
    everything: Everything, name: str, texts: list[str]
) -> None:
    """Of the order, the variation or the product."""
    tokyo = everything.plan.event("tokyo")
    raw = _redeem(everything, secret=tokyo.ticket(name).secret, lists=[tokyo.list("everything")])
    assert raw.json()["checkin_texts"] == texts
    assert raw.json()["require_attention"] is bool(texts)


def test_medium_is_found_by_its_kind(everything: Everything) -> None:
    """A wristband's number is a ticket as nfc_uid, and nothing as a barcode."""
    tokyo, door = everything.plan.event("tokyo"), everything.plan.event("tokyo").list("everything")
    band = tokyo.ticket("band")
    at = everything.plan.now
    assert everything.server.simulate(door, band, at=at) == OK
    as_code = band._replace(source_type="barcode")
    assert everything.server.simulate(door, as_code, at=at) == Answer("error", "invalid")


def test_orders_can_be_resumed_where_a_full_reading_broke_off(everything: Everything) -> None:
    """created_since with ordering=datetime goes on from the last order that was seen."""
    api, path = everything.server.api(), everything.server.event_path("tokyo", "orders/")
    whole = api.rows(path, ordering="datetime")
    times = [order["datetime"] for order in whole]
    assert times == sorted(times)
    rest = api.rows(path, ordering="datetime", created_since=times[-1])
    assert whole[-1]["code"] in {order["code"] for order in rest}
