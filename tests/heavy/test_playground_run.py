"""The playground as it is started, through its HTTP alone; the gate's own journal is the judge."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from playground.tray import KINDS
from store.journal import read_journal, verify_chain

ROOT = Path(__file__).parents[2]
WITHIN = 40.0
TAPPED = ("valid", "used", "forged", "group")
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), pytest.mark.xdist_group("playground")]


class Visitor:
    """One `admit demo`, and a page that hears its events."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        command = [sys.executable, "-P", "-m", "cli", "demo", "--directory", str(directory)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self.url = self._address()
        self.http = httpx.Client(base_url=self.url, timeout=WITHIN)
        self.events: list[tuple[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()
        self.until(lambda: self.of("hello"))

    @classmethod
    def at_its_best(cls, directory: Path) -> Self:
        """With the server asked, and the used ticket used."""
        visitor = cls(directory)
        visitor.until(lambda: visitor.expected("used") == "already_redeemed")
        return visitor

    def _address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"open: +(http://127\.0\.0\.1:\d+)/", line):
                return found[1]
        raise AssertionError("the playground ended before it was open")

    def _listen(self) -> None:
        kind = ""
        with (
            httpx.Client(base_url=self.url, timeout=None) as http,
            http.stream("GET", "/api/events") as stream,
        ):
            try:
                for line in stream.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data":
                        self.events.append((kind, json.loads(value)))
            except httpx.HTTPError:
                return  # the playground ended

    def of(self, kind: str) -> list[Any]:
        """The data of every event of a kind so far."""
        return [data for name, data in list(self.events) if name == kind]

    def until(self, fact: Callable[[], Any]) -> Any:
        """Wait for something to come true."""
        end = time.monotonic() + WITHIN
        while not (found := fact()):
            assert time.monotonic() < end, f"it did not come true; last: {self.events[-5:]}"
            time.sleep(0.05)
        return found

    def stage(self) -> dict[str, Any]:
        return self.http.get("/api/stage").raise_for_status().json()

    def expected(self, ticket: str) -> str:
        """What the stage says that a ticket will meet."""
        return next(t["expected"] for t in self.stage()["tickets"] if t["id"] == ticket)

    def bring(self, ticket: str, look: str = "none", medium: str = "show") -> dict[str, Any]:
        """Show or tap; the event of its end."""
        body = {"ticket": ticket} | ({"look": look} if medium == "show" else {})
        number = self.http.post(f"/api/{medium}", json=body).raise_for_status().json()["showing"]
        return self.until(
            lambda: next(
                (s for s in self.of("showing") if (s["showing"], s["state"]) == (number, "down")),
                None,
            )
        )

    def switch(self, name: str, value: Any = None) -> None:
        answer = self.http.post("/api/switch", json={"id": name, "value": value})
        assert answer.status_code == 200, answer.text

    def meets(self, ticket: str, expected: str, look: str = "none", medium: str = "show") -> str:
        """A ticket meets what the stage promised and the test expects; its presentation."""
        down = self.bring(ticket, look, medium)
        assert (ticket, look, down["found"]) == (ticket, look, expected)
        assert down["expected"] == expected
        return str(down["presentation"])

    def outcome(self, presentation: str) -> str:
        """What became of an admission."""
        return self.until(
            lambda: next(
                (
                    event["outcome"]
                    for event in self.of("gate")
                    if event["kind"] == "outcome" and event["presentation"] == presentation
                ),
                None,
            )
        )

    def end(self) -> list[int]:
        """Ctrl-C; the processes that are left."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(WITHIN)
        return [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdigit() and str(self.directory) in _command(path)
        ]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    found = Visitor.at_its_best(tmp_path_factory.mktemp("h") / "p")
    yield found
    found.end()


def test_every_ticket_meets_what_the_journal_says(visitor: Visitor) -> None:
    """Shown and tapped: the page's verdict, the promise and the journal's row are one."""
    met: dict[str, str] = {}
    for kind, place in KINDS.items():
        presentation = visitor.meets(kind, place.expected)
        if place.expected != "nothing":
            met[presentation] = place.expected
        if kind in TAPPED:
            met[visitor.meets(kind, place.expected, medium="tap")] = place.expected
    scans = {
        entry.record.presentation.hex(): entry.record.reason or entry.record.verdict
        for entry in read_journal(visitor.directory / "state/scanner/journal.db")
        if entry.record.kind == "scan" and entry.record.presentation
    }
    assert {presentation: scans[presentation] for presentation in met} == met
    told = {row["presentation"] for row in visitor.of("journal") if row["kind"] == "scan"}
    assert set(met) <= told
    arrived = visitor.until(
        lambda: (
            {row["seq"] for row in visitor.of("journal")}
            <= {event["seq"] for event in visitor.of("central")}
            | set(range(min(e["seq"] for e in visitor.of("central"))))
        )
    )
    assert arrived


@pytest.mark.parametrize("look", ["blur", "tilt", "glare", "dim"])
def test_a_ticket_is_admitted_under_every_look(visitor: Visitor, look: str) -> None:
    visitor.outcome(visitor.meets("valid", "admitted", look))


def test_people(visitor: Visitor) -> None:
    """Nobody went through: the ticket works again. Late through the locked arm: it counts."""
    visitor.switch("people", "refuse")
    first = visitor.meets("concession", "admitted")
    assert visitor.outcome(first) == "no_passage"
    visitor.switch("people", "walk")
    again = visitor.meets("concession", "admitted")
    assert visitor.outcome(again) == "passage"
    tickets = {
        e["ticket"]
        for e in visitor.of("gate")
        if e.get("presentation") in (first, again) and e["kind"] == "verdict"
    }
    assert len(tickets) == 1
    visitor.switch("people", "late")
    assert visitor.outcome(visitor.meets("valid", "admitted")) == "passage"
    visitor.switch("people", "walk")


def test_internet(visitor: Visitor) -> None:
    """Cut, guests go on in and records pile up; mended, all arrive."""
    visitor.switch("internet", True)
    for _ in range(2):
        visitor.outcome(visitor.meets("valid", "admitted"))
    newest = max(row["seq"] for row in visitor.of("journal"))
    assert newest not in {event["seq"] for event in visitor.of("central")}
    visitor.switch("internet", False)
    visitor.until(lambda: newest in {event["seq"] for event in visitor.of("central")})


def test_server(visitor: Visitor) -> None:
    for speed in ("stuck", "slow", "normal"):
        visitor.switch("server", speed)
        visitor.outcome(visitor.meets("valid", "admitted"))


def test_camera(visitor: Visitor) -> None:
    """Unplugged, it is named, and a card still opens the lane; plugged in, it reads by itself."""
    visitor.switch("camera", True)
    visitor.until(lambda: [e for e in visitor.of("gate") if "unplugged" in e.get("cause", "")])
    visitor.meets("forged", "nothing")
    visitor.outcome(visitor.meets("valid", "admitted", medium="tap"))
    visitor.switch("camera", False)
    visitor.outcome(visitor.meets("valid", "admitted"))


@pytest.mark.parametrize(
    ("clock", "found"), [("unknown", "admitted"), ("wrong", "too_early"), ("held", "too_early")]
)
def test_clock(visitor: Visitor, clock: str, found: str) -> None:
    visitor.switch("clock", clock)
    presentation = visitor.bring("tomorrow")
    assert (presentation["found"], presentation["expected"]) == (found, found)
    visitor.switch("clock", "normal")


def test_fire(visitor: Visitor) -> None:
    """Every lane opens by its contact and looks at no ticket, until a supervisor ends it."""
    visitor.switch("fire", True)
    held = {e["lane"] for e in visitor.of("device") if e["did"] == "hold_open"}
    assert held == {"entry", "exit"}
    visitor.meets("valid", "nothing")
    visitor.switch("fire", False)
    visitor.outcome(visitor.meets("valid", "admitted"))


def test_training(visitor: Visitor) -> None:
    """Test tickets, and no row of theirs in the journal that is uploaded."""
    visitor.switch("mode", "training")
    visitor.until(lambda: visitor.expected("used") == "already_redeemed")
    known = len([row for row in visitor.of("journal") if row["kind"] == "scan"])
    for kind in ("valid", "used", "forged", "wrong_gate", "concession"):
        visitor.meets(kind, KINDS[kind].expected)
    assert len([row for row in visitor.of("journal") if row["kind"] == "scan"]) == known
    visitor.switch("mode", "normal")
    visitor.outcome(visitor.meets("valid", "admitted"))


def test_plug(visitor: Visitor) -> None:
    """kill -9, and it comes back by itself and goes on where it was."""
    ups = len(visitor.of("gate_up"))
    visitor.switch("plug")
    visitor.until(lambda: [e["up"] for e in visitor.of("gate_up")][ups:] == [False, True])
    visitor.until(lambda: visitor.expected("valid") == "admitted")
    visitor.meets("used", "already_redeemed")


def test_restart_puts_every_switch_back(visitor: Visitor) -> None:
    visitor.switch("internet", True)
    visitor.switch("people", "late")
    visitor.switch("restart")
    values = {switch["id"]: switch["value"] for switch in visitor.stage()["switches"]}
    assert (values["internet"], values["people"]) == (False, "walk")
    visitor.until(lambda: visitor.expected("valid") == "admitted")
    visitor.outcome(visitor.meets("valid", "admitted"))


def test_a_second_playground_takes_nothing_of_the_first(visitor: Visitor) -> None:
    """It rehearses every ticket on ports of its own, while the first goes on."""
    command = [sys.executable, "-P", "-m", "cli", "demo", "--once"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "EXPECTED" not in done.stdout
    visitor.outcome(visitor.meets("valid", "admitted"))


def test_it_ends_without_a_process_left_and_its_journal_is_whole(visitor: Visitor) -> None:
    assert visitor.end() == []
    assert visitor.process.returncode == 0
    count, fault = verify_chain(read_journal(visitor.directory / "state/scanner/journal.db"))
    assert (count > 50, fault) == (True, "")
