"""The pages over a real server: what is served, to whom, and how fast a change arrives."""

import asyncio
import json
import re
import socket

import httpx
import pytest

import screen.stream
from screen.__main__ import CONNECTIONS, listen
from screen.app import HEADERS
from screen.errors import ScreenUnavailable
from screen.stream import LiveStream
from tests.rigs.fake_scanner import FakeScanner, lane
from tests.rigs.screen_rig import serving

PAGES = ["/", "/steward", "/lane/entry-1", "/lane/exit-1?lang=de&arrow=left&kiosk=1"]
FILES = ["lane.js", "lane.css", "steward.js", "steward.css", "live.js", "icon.svg"]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def scanner(tmp_path):
    scanner = FakeScanner(tmp_path, lane("entry-1"), lane("exit-1", direction="exit"))
    yield scanner
    scanner.die()


@pytest.fixture
def site(tmp_path, scanner):
    with serving(tmp_path, "entry-1", "exit-1") as address:
        yield address


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A client of a screen whose gate is not there; what it serves does not depend on that."""
    with (
        serving(tmp_path_factory.mktemp("run"), "entry-1", "exit-1") as address,
        httpx.Client(base_url=address, timeout=10) as client,
    ):
        yield client


class Stream:
    """An open event stream: `of(section)` waits for its next value."""

    def __init__(self, response):
        self._lines = response.iter_lines()

    def of(self, section, met=lambda value: True):
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == section:
                value = json.loads(line.removeprefix("data: "))
                if met(value):
                    return value
        raise AssertionError("the stream ended")


@pytest.fixture
def stream(site):
    with httpx.Client(base_url=site, timeout=10) as client:
        open_streams = []

        def start(query=""):
            context = client.stream("GET", f"/stream{query}")
            open_streams.append(context)
            response = context.__enter__()
            assert response.headers["content-type"].startswith("text/event-stream")
            return Stream(response)

        yield start
        for context in open_streams:
            context.__exit__(None, None, None)


@pytest.mark.parametrize("path", [*PAGES, *(f"/static/{name}" for name in FILES), "/nowhere"])
def test_every_answer_carries_the_security_headers(pages, path):
    answer = pages.get(path)
    assert answer.status_code == (404 if path == "/nowhere" else 200)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(pages, path):
    page = pages.get(path).text
    assert not re.search(r"https?://", page)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\s(on[a-z]+|style)=", page)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_pages_can_only_be_read(pages, method):
    answer = pages.request(method, "/steward")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", ""])
@pytest.mark.parametrize("path", ["/", "/steward", "/stream", "/static/lane.js"])
def test_foreign_host_names_are_refused(pages, host, path):
    assert pages.get(path, headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize(
    "path", ["/lane/x", "/lane/%3Cb%3E", "/stream?lane=x", "/lane/", "/lane/a/b"]
)
def test_an_unknown_lane_is_not_found(pages, path):
    answer = pages.get(path)
    assert answer.status_code == 404
    assert "html" not in answer.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/",
        "/static//etc",
    ],
)
def test_only_the_assets_are_served(pages, path):
    assert pages.get(path).status_code == 404


def test_the_language_is_the_first_configured_unless_asked_for(pages):
    assert "Please wait" in pages.get("/lane/entry-1").text
    assert "Bitte warten" in pages.get("/lane/entry-1?lang=de").text
    assert "Patientez" in pages.get("/lane/entry-1?lang=fr").text
    assert "Please wait" in pages.get("/lane/entry-1?lang=../../etc").text


def test_a_page_starts_without_a_verdict(site, scanner):
    """What is printed into the page would outlive the moment: only the stream tells a face."""
    scanner.admit()
    assert 'data-face="down"' in httpx.get(site + "/lane/entry-1").text


def test_a_verdict_reaches_the_attendee_in_their_language(scanner, stream):
    german = stream("?lane=entry-1&lang=de")
    german.of("face", lambda face: face["face"] == "idle")
    scanner.refuse("unpaid", detail="order of Ada Lovelace")
    told = german.of("face", lambda face: face["face"] == "refused")
    assert (told["word"], told["hint"]) == ("Nicht bezahlt", "Bitte an das Personal wenden")
    assert "Ada" not in str(told)


def test_a_verdict_reaches_the_steward_with_its_detail(scanner, stream):
    steward = stream()
    steward.of("link", lambda link: link["up"])
    scanner.refuse("already_redeemed", detail="entered at 18:02:07 UTC")
    top = steward.of("top", bool)
    assert top["detail"] == "entered at 18:02:07 UTC"
    assert top["next"].startswith("Already used")


def test_hostile_text_stays_text(scanner, stream):
    """Sent as JSON data, one line, for `textContent`; no page ever contains it."""
    steward = stream()
    steward.of("link", lambda link: link["up"])
    scanner.refuse("unpaid", detail=f"{EVIL}\n\nevent: top\ndata: null")
    assert steward.of("top", bool)["detail"].startswith(EVIL)


def test_the_death_of_the_gate_reaches_the_page(scanner, stream):
    page = stream("?lane=entry-1")
    page.of("face", lambda face: face["face"] == "idle")
    scanner.admit()
    page.of("face", lambda face: face["face"] == "admitted")
    scanner.die()
    page.of("face", lambda face: face["face"] == "down")


def test_a_quiet_stream_beats(stream):
    page = stream("?lane=entry-1")
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", page.of("beat")) for _ in range(2))


def test_only_what_changed_is_sent_again(scanner, stream):
    steward = stream()
    steward.of("lanes")
    scanner.tell("alert", cause="Someone jumped", remedy="Look")
    steward.of("alerts", bool)
    scanner.refuse("unpaid")
    steward.of("scans", bool)


def test_a_browser_that_takes_nothing_is_dropped(monkeypatch, caplog):
    monkeypatch.setattr(screen.stream, "SLOW", 0.05)
    caplog.set_level("INFO")

    async def endless():
        while True:
            yield "event: beat\ndata: 1\n\n"

    async def run():
        async def send(message):
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def receive():
            await asyncio.Event().wait()

        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        async with asyncio.timeout(5):
            await LiveStream(endless())(scope, receive, send)

    asyncio.run(run())
    assert "dropped" in caplog.text


def test_streams_of_browsers_that_left_end(site, scanner):
    """More visits than the server has places leave none taken: a later page is still served."""
    address = ("127.0.0.1", int(site.rsplit(":", 1)[1]))
    for _ in range(CONNECTIONS + 20):
        with socket.create_connection(address, timeout=10) as visit:
            visit.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert visit.recv(15) == b"HTTP/1.1 200 OK"
    with httpx.stream("GET", site + "/stream", timeout=10) as response:
        page = Stream(response)
        page.of("link", lambda link: link["up"])
        scanner.refuse("unpaid")
        assert page.of("top", bool)["reason"] == "unpaid"


def test_a_taken_port_is_named():
    with listen("127.0.0.1", 0) as listener, pytest.raises(ScreenUnavailable) as caught:
        listen("127.0.0.1", listener.getsockname()[1])
    assert "port" in caught.value.remedy


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("127.0.0.1", 70_000)])
def test_an_impossible_address_is_named(host, port):
    with pytest.raises(ScreenUnavailable):
        listen(host, port)


def test_a_hundred_events_a_moment_do_not_delay_the_next(scanner, stream):
    steward = stream()
    steward.of("link", lambda link: link["up"])
    for number in range(100):
        scanner.refuse("unknown", detail=str(number))
    steward.of("top", lambda top: top and top["detail"] == "99")
