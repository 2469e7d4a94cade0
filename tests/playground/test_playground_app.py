"""Who may ask the stage for what, and how much. Contract: docs/playground.md."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from drivers.pictures import decode_picture
from playground.app import make_app
from playground.errors import NotNow
from playground.pictures import LOOKS
from playground.props import Props, make_props
from playground.purse import Purse
from playground.stage import Stage
from playground.tray import KINDS, Tray

CONTRACT = (Path(__file__).parents[2] / "docs" / "playground.md").read_text("utf-8")
OURS = "http://127.0.0.1:8400"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A stage whose curtain is down: no process runs."""
    return Stage(make_props(tmp_path_factory.mktemp("p")))


@pytest.fixture
def page(stage: Stage) -> Iterator[TestClient]:
    """A page that looks at it."""
    with TestClient(make_app(stage), base_url=OURS) as client:
        yield client


def test_the_stage_is_told_as_the_contract_says(page: TestClient) -> None:
    told = page.get("/api/stage").json()
    for names, part in (
        ({"name", "direction"}, told["lanes"][0]),
        ({"id", "label", "story", "lane", "expected", "turn", "media"}, told["tickets"][0]),
        ({"id", "label"}, told["looks"][0]),
        ({"id", "label", "story", "kind", "value"}, told["switches"][0]),
        ({"steward", "attendee", "central"}, told["screens"]),
    ):
        assert names <= set(part)
    assert set(told["screens"]["attendee"]) == {"entry", "exit"}


def test_the_contract_names_every_ticket_look_and_switch(page: TestClient) -> None:
    told = page.get("/api/stage").json()
    documented = set(re.findall(r"^\| `(\w+)` \|", CONTRACT, re.MULTILINE))
    names = {ticket["id"] for ticket in told["tickets"]} | {s["id"] for s in told["switches"]}
    assert names <= documented
    assert all(f"`{look['id']}`" in CONTRACT for look in told["looks"])
    for switch in told["switches"]:
        assert all(f"`{option['id']}`" in CONTRACT for option in switch.get("options", []))


def test_whoever_only_taps_has_guests_without_end_too(
    stage: Stage, page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tap uses a guest's ticket up as a showing does."""
    sold: list[bool] = []
    monkeypatch.setattr(Tray, "few_left", True)
    monkeypatch.setattr(Purse, "ready", True)
    monkeypatch.setattr(Props, "add_guests", lambda _: sold.append(True))
    monkeypatch.setattr(stage, "queues", {"entry": asyncio.Queue()})
    monkeypatch.setattr(asyncio.Queue, "join", lambda *_: None)
    assert page.post("/api/tap", json={"ticket": "valid"}).status_code == 202
    assert sold == [True]


def test_before_the_server_is_there_its_page_is_a_named_fault(page: TestClient) -> None:
    """And no traceback."""
    answer = page.get("/central", follow_redirects=False)
    assert (answer.status_code, answer.json()["error"]) == (409, "NotNow")


def test_while_the_gate_is_away_nothing_is_decided(page: TestClient) -> None:
    tickets = page.get("/api/stage").json()["tickets"]
    assert {ticket["expected"] for ticket in tickets} == {"nothing"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_ticket_has_its_picture(page: TestClient, kind: str) -> None:
    answer = page.get(f"/api/picture/{kind}?look=tilt&size=100")
    assert answer.headers["content-type"] == "image/png"
    assert decode_picture(answer.content).shape == (100, 100)


@pytest.mark.parametrize(
    ("case", "path", "status"),
    [
        ("no such ticket", "/api/picture/gold", 404),
        ("no such look", "/api/picture/valid?look=upside-down", 404),
        ("too small", "/api/picture/valid?size=63", 400),
        ("too large", "/api/picture/valid?size=721", 400),
        ("no number", "/api/picture/valid?size=²", 400),
        ("endless", f"/api/picture/valid?size={'9' * 5000}", 400),
        ("no such page", "/api/nothing", 404),
        ("outside", "/static/../app.py", 404),
        ("a press by looking", "/api/show", 405),
    ],
)
def test_what_is_not_there_is_named(page: TestClient, case: str, path: str, status: int) -> None:
    answer = page.get(path)
    assert answer.status_code == status
    if path.startswith("/api"):
        assert {"error", "cause", "remedy"} == answer.json().keys()


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("case", "headers", "body", "status"),
    [
        ("a form of a foreign page", {"content-type": "text/plain"}, b'{"ticket":"valid"}', 415),
        ("another page's script", JSON | {"origin": "http://evil.example"}, b"{}", 403),
        ("a page in a sandbox", JSON | {"origin": "null"}, b"{}", 403),
        ("our address, another port", JSON | {"origin": "http://127.0.0.1:1"}, b"{}", 403),
        ("another name for us", JSON | {"host": "evil.example"}, b"{}", 421),
        ("no JSON", JSON, b"{", 400),
        ("deep", JSON, b"[" * 4000, 400),
        ("no object", JSON, b"[]", 400),
        ("nothing named", JSON, b"{}", 400),
        ("something unknown", JSON, b'{"ticket":"valid","gate":1}', 400),
        ("no such ticket", JSON, b'{"ticket":"gold"}', 404),
        ("a ticket that is a list", JSON, b'{"ticket":["valid"]}', 404),
        ("no such look", JSON, b'{"ticket":"valid","look":"x"}', 404),
        ("no such lane", JSON, b'{"ticket":"valid","lane":"x"}', 404),
        ("too much", JSON, b" " * 5000, 413),
    ],
)
def test_a_request_that_is_not_ours_is_refused(
    page: TestClient, case: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = page.post("/api/show", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert {"error", "cause", "remedy"} == answer.json().keys()


def test_our_own_page_may_ask(page: TestClient, stage: Stage) -> None:
    answer = page.post("/api/show", json={"ticket": "valid"}, headers={"origin": OURS})
    assert answer.status_code == 202
    assert answer.json().keys() == {"showing"}


def test_a_full_queue_asks_for_patience(page: TestClient) -> None:
    codes = [page.post("/api/show", json={"ticket": "leaving"}).status_code for _ in range(9)]
    assert codes == [202] * 8 + [409]


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("internet", "yes"),
        ("internet", 1),
        ("server", True),
        ("server", "dead"),
        ("people", ["walk"]),
        ("plug", True),
        ("fire", None),
    ],
)
def test_a_switch_takes_its_own_values_alone(page: TestClient, switch: str, value: Any) -> None:
    answer = page.post("/api/switch", json={"id": switch, "value": value})
    assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")


@pytest.mark.parametrize("switch", ["doors", None, ["fire"], 7])
def test_a_switch_that_is_not_there_is_named(page: TestClient, switch: Any) -> None:
    answer = page.post("/api/switch", json={"id": switch, "value": True})
    assert answer.status_code == 404
    assert "internet" in answer.json()["remedy"]


def test_a_cut_internet_is_told_and_mended(page: TestClient, stage: Stage) -> None:
    for cut in (True, False):
        answer = page.post("/api/switch", json={"id": "internet", "value": cut})
        assert answer.json() == {"id": "internet", "value": cut}
        assert stage.relay.cut is cut


def test_a_tap_where_no_reader_is_asks_for_patience(page: TestClient) -> None:
    answer = page.post("/api/tap", json={"ticket": "valid"})
    assert (answer.status_code, answer.json()["error"]) == (409, NotNow.__name__)


def test_a_photo_cannot_be_tapped(page: TestClient) -> None:
    assert page.post("/api/tap", json={"ticket": "photo"}).status_code == 404


def test_every_answer_forbids_what_a_page_needs_not(page: TestClient) -> None:
    for path in ("/", "/api/stage", "/api/nothing", "/static/main.js"):
        headers = page.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"


def test_every_look_has_its_words() -> None:
    assert all(label for label, _ in LOOKS.values())
