"""The visitor page in a real Chromium, on a real demo: what a click shows is in the journal.

`make pictures` runs this with PICTURES=docs/pictures and so renews the README's screenshots.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from admission.verdict import NEXT_STEP, Reason
from cli.gate_client import GateClient
from drivers.decoders import zxing
from tests.rigs.small_png import shrink
from tickets.cose import key_id
from tickets.credential import Credential
from tickets.key_files import Role, load_key
from tickets.keys import event_key_of, ticket_key
from tickets.parse import parse
from tickets.trust import trust_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FLAGS += ["--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
README = {"width": 1280, "height": 720}
PATIENCE = 60_000
"""Milliseconds after which a test gives up; nothing takes this long unless it is broken."""
LARGEST_PICTURE = 200_000
TOUR = json.loads((ROOT / "playground/static/tour.json").read_text("utf-8"))

Row = dict[str, Any]


class Demo:
    """`admit demo` as a person starts it, and the truth about it: its gate's own journal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        command = [sys.executable, "-P", "-m", "cli", "demo", "--port", "0"]
        command += ["--directory", str(directory)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        found = None
        while not found:
            line = self._process.stdout.readline()
            assert line, "the demo ended before it told its address"
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
        self.address = found[0]

    def stage(self) -> dict[str, Any]:
        """What the stage tells pages."""
        with urlopen(f"{self.address}/api/stage") as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def status(self) -> dict[str, Any]:
        """What the gate says of itself."""
        with GateClient(self.directory / "run", "events") as gate:
            told: dict[str, Any] = gate.ask(op="status")["status"]
        return told

    def rows(self) -> list[Row]:
        """The whole journal, oldest first, from the gate's own socket."""
        rows: list[Row] = []
        with GateClient(self.directory / "run", "sync") as gate:
            while more := gate.ask(op="records", after=len(rows), limit=100)["records"]:
                rows += more
        return rows

    def about(self, presentation: str) -> dict[str, Row]:
        """The rows of one presentation, by kind."""
        return {row["kind"]: row for row in self.rows() if row.get("presentation") == presentation}

    def pictured(self, ticket: str, look: str = "none") -> str | None:
        """The ticket key, hex, in what the camera will see; a flaw; None: there is no code."""
        import cv2
        import numpy

        with urlopen(f"{self.address}/api/picture/{ticket}?look={look}") as answer:
            pixels = numpy.frombuffer(answer.read(), numpy.uint8)
        found = zxing(cv2.imdecode(pixels, cv2.IMREAD_GRAYSCALE), False)
        if not found:
            return None
        issuer, event = (
            load_key(self.directory / "keys", role) for role in (Role.ISSUER, Role.EVENT)
        )
        read = parse(found[0].payload, trust_of("DEMO", {key_id(issuer.public): issuer.public}))
        if isinstance(read, Credential):
            return ticket_key(event_key_of(event.secret), read).hex()
        return str(read.flaw.value)

    def end(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(20) in (0, 128 + signal.SIGINT)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("d") / "demo")
    yield demo
    demo.end()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


WITNESS = """() => { window.seen_ = document.getElementById('seen');
  const scene = document.getElementById('scene'); window.seen = [];
  new MutationObserver(() => seen.push({...scene.dataset})).observe(scene, {attributes: true}); }"""
"""Lamps and arms may show for less time than a test takes to look."""


class Visitor:
    """Somebody at the page."""

    def __init__(self, page: Any, demo: Demo) -> None:
        self.page, self.demo = page, demo

    def wait(self, met: str, argument: object = None) -> None:
        """Until this JavaScript is true."""
        self.page.wait_for_function(met, arg=argument, timeout=PATIENCE)

    def text(self, name: str) -> str:
        """What an element says."""
        said: str = self.page.inner_text(f"#{name}")
        return said

    def show(self, ticket: str, how: str = "ticket") -> str:
        """Click a ticket of the tray, or `tap` it; returns the presentation the page tells of."""
        before = self.page.get_attribute("#verdict", "data-presentation")
        self.page.evaluate("window.seen = []")
        self.page.click(f"[data-{how}={ticket}]")
        self.wait(
            "(before) => (verdict.dataset.presentation || '') !== before",
            before or "",
        )
        presentation: str = self.page.get_attribute("#verdict", "data-presentation")
        return presentation

    def look(self, look: str) -> None:
        """Choose how the next ticket looks, and see it."""
        self.page.locator(f"#looks input[value={look}]").check(force=True)
        self.wait(
            "(look) => seen_.src.includes(`look=${look}&`) && seen_.complete && seen_.naturalWidth",
            look,
        )

    def picture(self, path: Path) -> None:
        """What the visitor sees, as a file small enough for a repository."""
        self.page.screenshot(path=path)
        shrink(path)
        assert path.stat().st_size <= LARGEST_PICTURE

    def row(self, seq: int) -> str:
        """What the page says of one row of the journal."""
        place = f".row[data-seq='{seq}']"
        self.page.wait_for_selector(place, timeout=PATIENCE)
        said: str = self.page.inner_text(f"{place} .here .what")
        return said

    def arrived(self, seq: int) -> None:
        """Wait until the page shows that the server has it."""
        self.page.wait_for_selector(f".row.arrived[data-seq='{seq}']", timeout=PATIENCE)

    def saw(self, fact: str, value: str) -> None:
        """Wait until the drawn gate shows this, or has shown it since the last ticket."""
        self.wait("([fact, value]) => seen.some((told) => told[fact] === value)", [fact, value])

    def outcome(self, presentation: str, kind: str) -> Row:
        """Wait for the row that closes an admission."""
        return until(lambda: self.demo.about(presentation).get(kind))

    def toggle(self, switch: str, on: bool) -> None:
        """Turn a switch and wait until the stage has."""
        self.page.click(f"[data-switch={switch}] [role=switch]")
        self.page.wait_for_selector(
            f"[data-switch={switch}] [aria-checked={str(on).lower()}]", timeout=PATIENCE
        )

    def choose(self, switch: str, value: str) -> None:
        """Choose an option and wait until the stage has."""
        self.page.locator(f"[data-switch={switch}] input[value={value}]").check(force=True)
        self.page.wait_for_selector(
            f"[data-switch={switch}][aria-busy=false] input[value={value}]:checked",
            timeout=PATIENCE,
            state="attached",
        )

    def press(self, switch: str) -> None:
        """Press a button that makes the gate die and come back."""
        self.page.click(f"[data-switch={switch}] .press")
        self.wait("() => document.getElementById('scene').dataset.down === 'yes'")
        self.wait("() => document.getElementById('scene').dataset.down === 'no'")


def until(found: Callable[[], Any]) -> Any:
    """The first true answer; gives up in the end."""
    end = time.monotonic() + PATIENCE / 1000
    while not (answer := found()):
        assert time.monotonic() < end, "not met in time"
        time.sleep(0.05)
    return answer


@pytest.fixture
def visit(chromium: Any, demo: Demo) -> Iterator[Callable[..., Visitor]]:
    """Open the page; at the end no page may have logged an error."""
    errors: list[str] = []
    contexts = []

    def open_page(viewport: dict[str, int] = LAPTOP, **options: object) -> Visitor:
        context = chromium.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(demo.address)
        page.wait_for_selector(".card")
        page.evaluate(WITNESS)
        return Visitor(page, demo)

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go: PICTURES, or a directory of this run."""
    wanted = os.environ.get("PICTURES")
    place = tmp_path_factory.mktemp("pictures") if wanted is None else Path(wanted)
    place.mkdir(parents=True, exist_ok=True)
    return place


# -- every ticket ---------------------------------------------------------------------------------

SAYS = {
    "admitted": "Admitted",
    "already_redeemed": "Refused: already used",
    "forged": "Refused: forged ticket",
    "cancelled": "Refused: cancelled ticket",
    "too_early": "Refused: too early",
    "wrong_list": "Refused: wrong entrance",
    "wrong_event": "Refused: for another event",
}


def test_every_ticket_of_the_tray_meets_on_the_page_what_the_journal_says(
    visit: Callable[..., Visitor], demo: Demo, pictures: Path
) -> None:
    """Each with another look, so that every look is read, too."""
    visitor = visit(README)
    stage = demo.stage()
    for ticket, look in zip(stage["tickets"], itertools.cycle(stage["looks"])):
        visitor.look(look["id"])
        if ticket["expected"] == "nothing":
            nothing_is_decided(visitor, ticket["id"])
        else:
            page_and_journal_agree(visitor, ticket)
    presentation = visitor.show("cancelled", "tap")
    assert until(lambda: demo.about(presentation).get("scan"))["medium"] == "nfc"
    visitor.look("none")
    visitor.show("valid")
    visitor.wait("() => new DOMMatrix(getComputedStyle(person).transform).m41 > 500")
    visitor.picture(pictures / "playground.png")


def nothing_is_decided(visitor: Visitor, ticket: str) -> None:
    before = len(visitor.demo.rows())
    assert visitor.demo.pictured(ticket) is None
    visitor.page.click(f"[data-ticket={ticket}]")
    visitor.wait("() => document.getElementById('verdict-big').textContent === 'No ticket seen'")
    assert len(visitor.demo.rows()) == before


def page_and_journal_agree(visitor: Visitor, ticket: dict[str, Any]) -> None:
    """Words, lamp, arm, row and arrival."""
    expected, page = ticket["expected"], visitor.page
    pictured = visitor.demo.pictured(ticket["id"])
    turns = turns_of(visitor)
    presentation = visitor.show(ticket["id"])
    scan = until(lambda: visitor.demo.about(presentation).get("scan"))
    assert (scan.get("reason") or scan["verdict"]) == expected
    said = visitor.text("verdict-big")
    if expected == "admitted" and ticket["lane"] == "exit":
        assert said == "Goodbye"
    elif expected == "admitted":
        assert said == ("Admitted, but look" if ticket["id"] == "concession" else "Admitted")
    else:
        assert said == SAYS[expected]
    assert visitor.row(scan["seq"]).startswith("Let out" if said == "Goodbye" else said[:8])
    assert pictured == scan.get("ticket_key", scan.get("reason"))
    if scan.get("ticket_key"):
        assert f"ticket …{scan['ticket_key'][-4:]}" in visitor.row(scan["seq"])
    if expected == "admitted":
        visitor.saw("lamp", "look" if ticket["id"] == "concession" else "go")
        visitor.saw("metal", "released")
        passage = visitor.outcome(presentation, "passage")
        visitor.arrived(passage["seq"])
        assert turns_of(visitor) != turns
        visitor.wait("() => document.getElementById('scene').dataset.metal === 'locked'")
    else:
        visitor.saw("lamp", "stop")
        assert NEXT_STEP[Reason(expected)] in visitor.text("verdict-next")
        assert page.is_hidden("#exercise")  # that is for training
        assert set(visitor.demo.about(presentation)) == {"scan"}
        assert page.evaluate("seen.every((told) => told.metal === 'locked')")
    visitor.arrived(scan["seq"])


def turns_of(visitor: Visitor) -> str:
    """How often the drawn arm of the watched lane has turned."""
    turned: str = visitor.page.evaluate("scene.style.getPropertyValue('--turns')")
    return turned


# -- every switch ---------------------------------------------------------------------------------


def test_a_slow_server_holds_nobody_up(visit: Callable[..., Visitor], demo: Demo) -> None:
    visitor = visit()
    for value in ("slow", "stuck"):
        visitor.choose("server", value)
        assert visitor.page.get_attribute("#cable", "data-state") == "slow"
    presentation = visitor.show("valid")
    visitor.outcome(presentation, "passage")
    assert demo.about(presentation)["scan"]["claim"] == "unclaimed"
    visitor.choose("server", "normal")
    visitor.arrived(visitor.outcome(presentation, "passage")["seq"])


def test_a_guest_who_comes_late_still_counts(visit: Callable[..., Visitor], demo: Demo) -> None:
    visitor = visit()
    visitor.choose("people", "late")
    before = turns_of(visitor)
    passage = visitor.outcome(visitor.show("valid"), "passage")
    visitor.row(passage["seq"])
    assert turns_of(visitor) != before
    visitor.choose("people", "walk")


def test_an_unplugged_camera_is_told_with_its_remedy_and_comes_back(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit()
    visitor.toggle("camera", True)
    visitor.page.wait_for_selector("#faults:not([hidden]) p", timeout=PATIENCE)
    assert visitor.page.get_attribute("#scene", "data-camera") == "out"
    visitor.toggle("camera", False)
    visitor.page.wait_for_selector("#faults", state="hidden", timeout=PATIENCE)
    visitor.outcome(visitor.show("valid"), "passage")


def test_a_gate_without_the_time_decides_as_the_stage_says(
    visit: Callable[..., Visitor], demo: Demo
) -> None:
    visitor = visit()
    for value in ("held", "wrong", "unknown", "normal"):
        visitor.choose("clock", value)
    presentation = visitor.show("tomorrow")
    assert demo.about(presentation)["scan"]["reason"] == "too_early"


def test_training_asks_the_steward_first_and_sends_nothing(
    visit: Callable[..., Visitor], demo: Demo
) -> None:
    visitor = visit()
    visitor.choose("mode", "training")
    visitor.page.wait_for_selector("#training:not([hidden])", timeout=PATIENCE)
    before = len(demo.rows())
    visitor.show("cancelled")
    visitor.page.wait_for_selector("#exercise:not([hidden]) button", timeout=PATIENCE)
    assert "box office" not in visitor.text("verdict-next")
    visitor.page.click("#exercise button:has-text('box office')")
    assert visitor.page.inner_text("#exercise").startswith("Right")
    assert "box office" in visitor.text("verdict-next")
    assert [row for row in demo.rows()[before:] if row["kind"] == "scan"] == []
    visitor.choose("mode", "normal")
    visitor.page.wait_for_selector("#training", state="hidden", timeout=PATIENCE)


def test_a_restarted_gate_puts_every_switch_back_and_admits(
    visit: Callable[..., Visitor], demo: Demo
) -> None:
    visitor = visit()
    visitor.toggle("internet", True)
    assert "Offline" in visitor.text("status")
    visitor.press("restart")
    visitor.page.wait_for_selector("[data-switch=internet] [aria-checked=false]", timeout=PATIENCE)
    visitor.outcome(visitor.show("valid"), "passage")


# -- the tour -------------------------------------------------------------------------------------


def test_the_tour_is_walked_to_its_end_by_doing_what_it_says(
    visit: Callable[..., Visitor], demo: Demo, pictures: Path
) -> None:
    """And uses the switches that the tests above leave out."""
    visitor = visit(README, color_scheme="dark")
    visitor.page.click("#tour-start")
    used = {"server", "people", "camera", "clock", "mode", "restart"}
    for number, step in enumerate(TOUR, 1):
        for part_number, part in enumerate(step["parts"]):
            visitor.wait(REACHED, [number, part_number])
            if part["at"] != "#records":  # that part is the gate's to do, and may be over by now
                assert visitor.text("tour-title") == step["title"]
                assert visitor.page.locator(".pointed").count() == 1
            follow(visitor, part)
            used.add(part["at"].split("'")[1] if "switch" in part["at"] else "")
        if number == 5:
            visitor.page.wait_for_selector("body[data-tour='6']", timeout=PATIENCE)
            visitor.picture(pictures / "playground-tour.png")
    visitor.wait("() => document.body.dataset.tour === 'end'")
    assert used - {""} == {switch["id"] for switch in demo.stage()["switches"]}
    visitor.page.click("#tour-end")
    visitor.page.wait_for_selector("#tour", state="hidden")


REACHED = """([step, part]) => { const now = document.body.dataset.tour;
  return now === 'end' || now > step || now == step && tour.dataset.part >= part; }"""


def follow(visitor: Visitor, part: dict[str, Any]) -> None:
    """Do what one part of a step asks for."""
    at, until_ = part["at"], part["until"]
    name = (re.findall(r"'(\w+)'", at) or [""])[0]
    if at == "#looks":
        visitor.page.locator("#looks input[value=glare]").check(force=True)
    elif "ticket" in at:
        visitor.page.click(at)
    elif name == "people":
        visitor.choose(name, until_["with"]["people"])
    elif name == "plug":
        visitor.page.click(f"{at} .press")
    elif name == "fire":
        alarm(visitor, "value" not in until_)
    elif name:
        visitor.toggle(name, until_["with"][name])


def alarm(visitor: Visitor, on: bool) -> None:
    """Close the fire contact, or open it and end the evacuation."""
    visitor.toggle("fire", on)
    if on:
        visitor.wait("() => scene.dataset.state === 'evacuation' && scene.dataset.metal === 'open'")
    else:
        visitor.wait("() => scene.dataset.state === 'locked' && scene.dataset.metal === 'locked'")


def test_page_journal_and_server_tell_the_same_at_last(
    visit: Callable[..., Visitor], demo: Demo
) -> None:
    visitor = visit()
    visitor.arrived(visitor.outcome(visitor.show("valid"), "passage")["seq"])
    told = until(
        lambda: (told := demo.status())["server"]["waiting"] == 0 and told  # sync tells it in turn
    )
    assert told["server"]["parked"] == 0
    assert visitor.page.is_hidden("#waiting")


# -- for everybody --------------------------------------------------------------------------------


def test_a_ticket_is_shown_and_a_switch_turned_by_keys_alone(
    visit: Callable[..., Visitor], demo: Demo
) -> None:
    visitor = visit()
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.className") == "skip"
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.dataset.ticket") == "valid"
    visitor.page.keyboard.press("Enter")
    visitor.wait("() => document.getElementById('verdict-big').textContent === 'Admitted'")
    visitor.wait("() => !document.getElementById('seen').src.includes('valid-0')")  # the next guest
    assert visitor.page.evaluate("document.activeElement.dataset.ticket") == "valid"
    visitor.page.focus("[data-switch=internet] button")
    visitor.page.keyboard.press("Space")
    visitor.page.wait_for_selector("[data-switch=internet] [aria-checked=true]")
    visitor.page.keyboard.press("Space")
    visitor.page.wait_for_selector("[data-switch=internet] [aria-checked=false]")


SOUNDS = """() => { window.tones = []; const made = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (at) {
    window.tones.push(this.frequency.value); return made.call(this, at); }; }"""


def test_sound_is_off_until_asked_for_and_nothing_moves_for_those_who_ask(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit(reduced_motion="reduce")
    visitor.page.evaluate(SOUNDS)
    visitor.show("forged")
    assert visitor.page.evaluate("tones") == []
    assert visitor.page.evaluate("document.getAnimations().length") == 0
    visitor.page.click("#sound")
    visitor.wait("() => tones.length === 2")
    visitor.page.evaluate("tones.length = 0")
    visitor.show("cancelled")
    visitor.wait("() => tones.join() === '233,233'")


def test_everything_fits_and_has_a_name_on_every_screen(
    visit: Callable[..., Visitor], pictures: Path
) -> None:
    for shape, scheme in ((LAPTOP, "dark"), (PHONE, "light")):
        page = visit(shape, color_scheme=scheme).page
        page.click("#tour-start")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(SMALL) == []
        page.screenshot(path=pictures / f"tour-{shape['width']}-{scheme}.png")


NAMELESS = """() => [...document.querySelectorAll('button, a, input, progress, img')]
  .filter((one) => one.checkVisibility() && !(one.ariaLabel || one.innerText?.trim() || one.alt
    || one.labels?.[0]?.innerText || one.alt === ''))
  .map((one) => one.outerHTML)"""
SMALL = """() => [...document.querySelectorAll('button, .chip, header a')]
  .filter((one) => one.checkVisibility()).map((one) => [one.outerHTML, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24).map(([told]) => told)"""
"""Targets under 24 pixels. Source: WCAG 2.2, 2.5.8."""
