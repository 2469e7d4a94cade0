"""A release until a browser has the green face: real scanner, sync, server and screen.

A client holds the attendee page's event stream as a browser does; another hears the gate's own
events. Guests type their codes, so that no picture's time is in it.
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import Figures, summary
from cli.gate_client import GateClient
from tests.rigs.central_rig import make_event
from tests.rigs.real_gate import RealGate, code_of

ROUNDS = 60
TARGET_MS = 100
SEEN_WITHIN = 10.0
WALKS_AFTER = "0.3"
"""Seconds the simulated guest stands in the released turnstile: the green face must be seen."""


def measure(directory: Path, rounds: int = ROUNDS) -> Figures:
    """Time `rounds` releases until the stream says so, and from the typed code on."""
    (directory / "central").mkdir(parents=True)
    rows = "".join(f"T{number},1,1,valid\n" for number in range(rounds + 1))
    event = make_event(directory / "central", csv="id,product,entries,status\n" + rows)
    event.start()
    port = _free_port()
    try:
        with RealGate(directory, "north", event, event.url, screen=port) as gate:
            gate.start("scanner", "sync", "screen")
            gate.ready()
            gate.order(op="person", lane="entry", person=WALKS_AFTER)
            times = _Times(gate.run, f"http://127.0.0.1:{port}")
            codes = [code_of(event, f"T{number}") for number in range(rounds + 1)]
            shown = [_guest(gate, times, code) for code in codes]
    finally:
        event.kill()
    return {
        "admitted": len(shown),
        "release_to_browser_ms": summary([browser - told for _, told, browser in shown[1:]]),
        "typed_to_browser_ms": summary([browser - typed for typed, _, browser in shown[1:]]),
        "target_ms": TARGET_MS,
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _guest(gate: RealGate, times: "_Times", code: str) -> tuple[float, float, float]:
    """Monotonic seconds: code typed, release told by scanner, green in the browser."""
    times.clear()
    typed = time.monotonic()
    gate.order(op="type", lane="entry", code=code)
    told, browser = times.wait("told"), times.wait("browser")
    since = time.monotonic()
    while gate.status()["lanes"][0]["state"] != "locked":
        if time.monotonic() - since > SEEN_WITHIN:
            raise AssertionError("the guest did not walk")
        time.sleep(0.02)
    return typed, told, browser


class _Times:
    """When each listener first heard of the release."""

    def __init__(self, run: Path, page: str) -> None:
        self._at: dict[str, float] = {}
        self._heard = threading.Condition()
        self._opened = threading.Event()
        for listen in (self._listen_told, self._listen_browser):
            threading.Thread(target=listen, args=(run, page), daemon=True).start()
        if not self._opened.wait(SEEN_WITHIN):
            raise AssertionError("the screen did not open its stream")

    def clear(self) -> None:
        """Before the next guest."""
        with self._heard:
            self._at.clear()

    def wait(self, who: str) -> float:
        """When `who` heard."""
        with self._heard:
            if not self._heard.wait_for(lambda: who in self._at, SEEN_WITHIN):
                raise AssertionError(f"{who}: no release within {SEEN_WITHIN:.0f} s")
            return self._at[who]

    def _note(self, who: str) -> None:
        at = time.monotonic()
        with self._heard:
            self._at.setdefault(who, at)
            self._heard.notify_all()

    def _listen_told(self, run: Path, _: str) -> None:
        with GateClient(run, "events") as client:
            for event in client.events(-1, patience=None):
                if event["kind"] == "state" and event["state"] == "released":
                    self._note("told")

    def _listen_browser(self, _: Path, page: str) -> None:
        for face in _faces(page):
            self._opened.set()
            if face == "admitted":
                self._note("browser")


def _faces(page: str) -> Iterator[str]:
    """The faces that the stream of lane `entry` shows, as they come."""
    answer, name = _opened(page), ""
    while line := answer.readline().decode("utf-8"):
        if line.startswith("event: "):
            name = line.removeprefix("event: ").strip()
        elif line.startswith("data: ") and name == "face":
            yield str(json.loads(line.removeprefix("data: "))["face"])


def _opened(page: str) -> http.client.HTTPResponse:
    """The event stream, as soon as the screen serves it."""
    end = time.monotonic() + SEEN_WITHIN
    while True:
        wire = http.client.HTTPConnection(urlsplit(page).netloc, timeout=60)
        try:
            wire.request("GET", "/stream?lane=entry")
            return wire.getresponse()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
