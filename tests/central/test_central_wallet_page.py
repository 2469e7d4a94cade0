"""What the wallet's page and its calls answer: nothing moves by opening a link, no cache keeps a
call's answer, every stranger's body ends in a named error."""

import asyncio
import base64
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from starlette.testclient import TestClient

from admission.clock import FakeClock
from central.app import create_app
from central.schema import statement
from central.wallet import app as wallet_app
from central.wallet import binding
from central.wallet.app import MOST_BYTES, STATIC, make_wallet
from central.wallet.links import Settings, make_links
from tests.rigs.central_rig import EVENT, CentralRig
from tickets.key_files import Role, load_key

PHONE = SigningKey(hashlib.sha256(b"phone").digest())
KEY = bytes(PHONE.verify_key)
DEFINITION = re.compile(r'(\w+): (?="(?:[^"\\]|\\.)*")')


@pytest.fixture
def db() -> str:
    """What is tested here is above the database."""
    return ""


@pytest.fixture
def guest(rig: CentralRig) -> Any:
    """Calls into the application, as a browser makes them."""
    return TestClient(
        create_app(rig.central, wallet=make_wallet(rig.central, publish_after=0.0)),
        raise_server_exceptions=False,
    )


@pytest.fixture
def link(rig: CentralRig, clock: FakeClock) -> str:
    """The secret of the link of A1."""
    made = make_links(rig.central, "https://a.example", Settings(clock.at + 60, "Summer Fair"))
    return dict(made)["A1"].partition("#")[2]


def bind(guest: Any, link: str) -> Any:
    proof = PHONE.sign(binding.challenge(EVENT, KEY)).signature
    body = {"link": link, "key": KEY.hex(), "proof": proof.hex()}
    return guest.post("/wallet/bind", json=body)


def test_opening_the_page_moves_nothing(rig: CentralRig, guest: Any, link: str) -> None:
    """Mail scanners follow links."""
    for path in (
        "/wallet/",
        f"/wallet/?{link}",
        f"/wallet/{link}",
        "/wallet/bind",
        "/wallet/ticket",
    ):
        guest.get(path)
    assert binding.look(rig.central, link).moves == 0


def test_the_page_says_what_the_ticket_needs_and_nothing_of_the_guest(
    rig: CentralRig, guest: Any, link: str, clock: FakeClock
) -> None:
    rig.import_csv("id,name\nA1,Ada Lovelace\n")
    told = guest.post("/wallet/ticket", json={"link": link}).json()
    assert told == {
        "event": EVENT,
        "title": "Summer Fair",
        "id": "A1",
        "doors": clock.at + 60,
        "stays": False,
        "cancelled": False,
        "key": "",
        "issuer": load_key(rig.keys, Role.WALLET).kid.hex(),
        "moved": None,
        "now": clock.at,
    }


def test_a_move_answers_with_the_ticket_and_reaches_gates_by_itself(
    rig: CentralRig, guest: Any, link: str
) -> None:
    answer = bind(guest, link)
    told = answer.json()
    assert (answer.status_code, told["key"]) == (200, KEY.hex())
    assert base64.b64decode(told["ticket"], validate=True)[:2] == b"\xd2\x84"
    wait_for_delta(rig)


def wait_for_delta(rig: CentralRig) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with rig.central.database.reading() as connection:
            if "delta" in [row.type for row in connection.execute(statement.select())]:
                return
        time.sleep(0.01)
    raise AssertionError("no delta was published")


def test_a_browser_without_keys_gets_a_copyable_ticket(guest: Any, link: str) -> None:
    told = guest.post("/wallet/copyable", json={"link": link}).json()
    assert base64.b64decode(told["ticket"], validate=True)[:2] == b"\xd2\x84"
    assert told["key"] == ""


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"", 400, "body_malformed"),
        (b"[]", 400, "body_malformed"),
        (b"{}", 400, "body_malformed"),
        (b'{"link": 5, "key": 5, "proof": 5}', 400, "body_malformed"),
        (b'{"link": "%s", "key": "00", "proof": "zz"}' % (b"x" * 25), 400, "body_malformed"),
        (b"[" * 1500, 400, "body_malformed"),
        (b"\xff" * 100, 400, "body_malformed"),
        (b" " * (MOST_BYTES + 1), 413, "too_large"),
    ],
)
def test_a_strange_body_is_refused_by_name(guest: Any, body: bytes, status: int, name: str) -> None:
    for call in ("ticket", "bind", "copyable"):
        answer = guest.post(f"/wallet/{call}", content=body)
        assert (answer.status_code, answer.json()["error"]) == (status, name), call


def test_an_unknown_link_and_a_refused_move_are_told_by_name(
    guest: Any, link: str, clock: FakeClock
) -> None:
    unknown = guest.post("/wallet/ticket", json={"link": "A" * 24})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "no_such_link")
    clock.advance(61)
    late = bind(guest, link)
    assert (late.status_code, late.json()["error"]) == (409, "doors_open")
    assert guest.post("/wallet/ticket", json={"link": link}).json()["stays"] is True


def test_too_many_at_once_are_told_to_come_back(
    guest: Any, link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests wait in a line of their own, and it has an end: the gates' calls are not in it."""
    monkeypatch.setattr(wallet_app, "WAITING", 0)
    answer = guest.post("/wallet/ticket", json={"link": link})
    assert (answer.status_code, answer.json()["error"]) == (503, "busy")


def test_a_body_that_never_ends_is_given_up(
    rig: CentralRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet_app, "BODY_SECONDS", 0.01)
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/ticket", "headers": []}
    asyncio.run(make_wallet(rig.central)(scope, receive, send))  # type: ignore[arg-type]
    assert said[0]["status"] == 408
    assert json.loads(said[1]["body"])["error"] == "too_slow"


def test_every_answer_allows_this_server_s_own_files_alone(guest: Any, link: str) -> None:
    paths = ["/wallet/", "/wallet/sw.js", "/wallet/nothing", "/wallet/../central.db"]
    answers = [guest.get(path) for path in paths[:3]]
    answers.append(guest.post("/wallet/ticket", json={"link": link}))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert answers[0].headers["cache-control"] == "no-cache"
    assert answers[3].headers["cache-control"] == "no-store"


def test_the_page_asks_no_other_site(guest: Any) -> None:
    for file in STATIC.iterdir():
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]", text), file.name


def test_what_the_phone_keeps_is_named_by_what_is_in_it() -> None:
    """A phone with an older page takes the new one as a whole: VERSION changes with the files."""
    worker = (STATIC / "sw.js").read_text("utf-8")
    files = json.loads(re.search(r"FILES = (\[.*?\])", worker)[1])  # type: ignore[index]
    names = ["index.html" if name == "./" else name for name in files]
    assert sorted([*names, "sw.js"]) == sorted(path.name for path in STATIC.iterdir())
    content = b"".join((STATIC / name).read_bytes() for name in names)
    assert f'VERSION = "{hashlib.sha256(content).hexdigest()[:16]}"' in worker


def test_every_language_says_everything() -> None:
    text = (STATIC / "words.js").read_text("utf-8")
    parts = re.split(r"^const (?=[A-Z]{2} = \{)", text, flags=re.MULTILINE)[1:]
    said = {part[:2]: DEFINITION.findall(part.partition("};")[0]) for part in parts}
    assert sorted(said) == ["DE", "EN", "ES", "FR"]
    assert all(names == said["EN"] for names in said.values())
    used = re.findall(r'\b(?:word|say)\("(\w+)"', (STATIC / "wallet.js").read_text("utf-8"))
    used += ["old", "oldThen", "unkept", "unkeptThen"]
    assert set(used) <= set(said["EN"])


def test_every_refusal_of_a_move_has_words() -> None:
    text = Path(binding.__file__).read_text("utf-8")
    names = re.findall(r'40\d, "(\w+)"', text) + re.findall(r'\(.+, "(\w+)", f?"', text)
    assert {"no_such_link", "proof_refused", "doors_open", "too_often"} <= set(names)
    script = (STATIC / "wallet.js").read_text("utf-8")
    assert [name for name in names if not re.search(rf'\b{name}(:|")', script)] == []


def test_a_server_without_the_wallet_has_no_page(rig: CentralRig) -> None:
    assert TestClient(create_app(rig.central)).get("/wallet/").status_code == 404
