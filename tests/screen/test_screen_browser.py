"""The pages in a real Chromium: what a person sees, and that a stale verdict vanishes."""

import itertools
import json
import os
import signal
from pathlib import Path

import pytest

from tests.rigs.fake_scanner import NOW, FakeScanner, lane
from tests.rigs.screen_rig import serving
from tests.screen.test_screen_process import CONFIG, start

pytestmark = pytest.mark.heavy

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FLAGS += ["--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
KIOSK = {"width": 1280, "height": 720}
SHAPES = {"wide": KIOSK, "tall": {"width": 390, "height": 844}}
EVIL = "<script>document.title='broken'</script><img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def scanner(tmp_path):
    scanner = FakeScanner(tmp_path, lane("entry-1"), lane("exit-1", direction="exit"))
    yield scanner
    scanner.die()


@pytest.fixture
def site(tmp_path, scanner):
    with serving(tmp_path, "entry-1", "exit-1", languages=("en", "de", "fr", "es")) as address:
        yield address


@pytest.fixture
def visit(chromium, site):
    """Open a path; at the end no page may have logged an error."""
    errors, contexts = [], []

    def open_page(path, viewport=KIOSK, **options):
        context = chromium.new_context(viewport=viewport, base_url=site, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A stream that the test itself cut is reported by the browser as a network error.
    assert [error for error in errors if "net::ERR" not in error] == []


def face(page, name):
    page.wait_for_selector(f'body[data-face="{name}"]', timeout=10_000)


def test_a_verdict_is_seen_and_goes_with_the_lane(visit, scanner):
    page = visit("/lane/entry-1")
    face(page, "idle")
    scanner.admit()
    face(page, "admitted")
    assert page.inner_text("#word") == "Welcome"
    scanner.tell("outcome", state="locked")
    face(page, "idle")


def test_a_refusal_is_seen_with_its_word_and_fades_by_itself(visit, scanner):
    page = visit("/lane/entry-1?lang=de")
    face(page, "idle")
    scanner.refuse("already_redeemed", detail="entered at 18:02:07 UTC")
    face(page, "refused")
    assert page.inner_text("#word") == "Schon benutzt"
    assert "18:02" not in page.inner_text("body")
    face(page, "idle")


def test_green_disappears_when_the_gate_program_dies(visit, scanner):
    page = visit("/lane/entry-1")
    face(page, "idle")
    scanner.admit()
    face(page, "admitted")
    scanner.die()
    face(page, "down")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_green_disappears_when_the_screen_program_dies_or_hangs(chromium, tmp_path, end):
    """Nobody tells the page then: it clears itself by the silence."""
    scanner = FakeScanner(tmp_path)
    config = tmp_path / "admit.toml"
    config.write_text(CONFIG)
    process = start(config, tmp_path, "--port", "0")
    try:
        address = process.stderr.readline().split()[-1]
        page = chromium.new_page()
        page.goto(f"{address}/lane/entry-1?lang=en")
        face(page, "idle")
        scanner.admit()
        face(page, "admitted")
        process.send_signal(end)
        face(page, "down")
        assert page.is_visible("#lost")
        page.close()
    finally:
        process.kill()
        process.wait(10)
        scanner.die()


def test_no_name_stays_on_a_page_that_lost_its_gate(chromium, tmp_path):
    """The screen program tells when it is to go; dead, it tells nothing."""
    scanner = FakeScanner(tmp_path)
    config = tmp_path / "admit.toml"
    config.write_text(CONFIG.replace("[screen]", '[screen]\nnames = "full"'))
    process = start(config, tmp_path, "--port", "0")
    try:
        address = process.stderr.readline().split()[-1]
        page = chromium.new_page()
        page.goto(f"{address}/steward")
        page.wait_for_selector("#link", state="hidden")
        shown = scanner.admit(presentation="ab" * 16)["presentation"]
        told = {"lane": "entry-1", "presentation": shown, "name": "Ada Lovelace"}
        scanner.babble(json.dumps({"guest": told}).encode())
        page.wait_for_selector("text=Ada Lovelace", timeout=10_000)
        process.kill()
        page.wait_for_selector("text=This page has lost its gate", timeout=10_000)
        assert "Lovelace" not in page.content()
        page.close()
    finally:
        process.kill()
        process.wait(10)
        scanner.die()


def test_a_page_recovers_with_its_gate(visit, scanner, tmp_path):
    page, steward = visit("/lane/entry-1"), visit("/steward")
    face(page, "idle")
    scanner.die()
    face(page, "down")
    steward.wait_for_selector("#link:not([hidden])")
    again = FakeScanner(tmp_path, lane("entry-1"))
    face(page, "idle")
    steward.wait_for_selector("#link", state="hidden")
    again.die()


def test_hostile_text_is_only_text(visit, scanner):
    page = visit("/steward")
    page.wait_for_selector("#lanes article")
    scanner.status["faults"] = [{"where": EVIL, "cause": EVIL, "remedy": EVIL, "since": NOW}]
    scanner.tell("alert", cause=EVIL, remedy=EVIL)
    scanner.refuse("unpaid", detail=EVIL, attention=EVIL, next_step=EVIL)
    page.wait_for_selector("#top.refused")
    page.wait_for_selector("#faults .fault")
    assert page.inner_text("#top .detail") == EVIL
    assert page.locator("main script, main img").count() == 0
    assert page.title() != "broken"


def test_yes_and_no_sound_different_and_history_is_silent(visit, scanner):
    scanner.refuse("unpaid")
    page = visit("/lane/entry-1?kiosk=1")
    page.evaluate(
        """() => { window.tones = [];
        const made = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (at) {
          window.tones.push(this.frequency.value); return made.call(this, at); }; }"""
    )
    face(page, "idle")
    scanner.admit()
    face(page, "admitted")
    scanner.tell("outcome", state="locked")
    face(page, "idle")
    assert page.evaluate("window.tones") == [880, 1320]
    scanner.refuse("unpaid")
    face(page, "refused")
    assert page.evaluate("window.tones") == [880, 1320, 233, 233]
    assert page.is_hidden("#sound")


STATES = {
    "idle": lambda s: None,
    "admitted": lambda s: s.admit(),
    "refused": lambda s: s.refuse("already_redeemed", detail="entered at 18:02:07 UTC, south-2"),
    "checking": lambda s: s.tell("state", state="checking"),
    "waiting": lambda s: s.tell("state", state="settling"),
    "closed": lambda s: s.tell("state", state="out_of_service"),
    "free_flow": lambda s: s.tell("mode", state="free", mode="free_flow"),
    "evacuation": lambda s: s.tell("state", state="evacuation"),
    "down": lambda s: s.die(),
}


def fits(page):
    """Whether nothing is cut off or hidden behind an edge."""
    return page.evaluate(
        """() => { const box = document.querySelector('.words').getBoundingClientRect();
        return box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight
          && document.documentElement.scrollWidth <= innerWidth; }"""
    )


def go_to(state, page, scanner):
    """Bring the lane from rest to `state` and wait until it is seen."""
    scanner.tell("mode", state="locked", mode="normal")
    STATES[state](scanner)
    face(page, state)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_face_fits_every_screen(visit, scanner, pictures, language, shape):
    """And has a picture of itself, for people to judge."""
    page = visit(f"/lane/entry-1?lang={language}&kiosk=1", SHAPES[shape])
    face(page, "idle")
    for state in STATES:
        go_to(state, page, scanner)
        page.screenshot(path=pictures / f"lane-{state}-{language}-{shape}.png")
        assert fits(page), state


def contrast(page, selector):
    """The lowest contrast of text below `selector` (WCAG 2.2, 1.4.3)."""
    return page.evaluate(
        """(selector) => {
        const parse = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
          .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = (node) => { for (; node; node = node.parentElement) {
          const colour = parse(getComputedStyle(node).backgroundColor);
          if (colour.length < 4 || colour[3] > 0) return colour; } return [255, 255, 255]; };
        let lowest = 21;
        for (const node of document.querySelectorAll(selector)) {
          const own = [...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
          if (!own || !node.checkVisibility()) continue;
          const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
          lowest = Math.min(lowest, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
        }
        return lowest; }""",
        selector,
    )


def test_every_face_has_enhanced_contrast(visit, scanner):
    page = visit("/lane/entry-1")
    face(page, "idle")
    for state in STATES:
        go_to(state, page, scanner)
        assert contrast(page, "body *") >= 7, state


def busy_night(scanner):
    """Everything at once that a steward may have to read."""
    for lane_name, reason in itertools.product(("entry-1", "exit-1"), ("unpaid", "too_early")):
        scanner.refuse(reason, lane_name, detail="valid from 22:00:00 UTC")
        scanner.admit(lane_name, attention="concession: check the card")
        scanner.tell("outcome", lane_name, state="locked")
    scanner.tell("alert", cause="Someone went through without being released", remedy="Look.")
    told = scanner.status
    told["lanes"][0] |= {"entered": 1204, "refused": 31, "rate": 214, "sensor": "suspect"}
    told["lanes"][1]["question"] = {"presentation": "8f3a" * 8, "at": NOW}
    told["lanes"][1]["readers"][0]["state"] = "no_picture"
    told["server"] = {"online": False, "last_contact": NOW - 900, "waiting": 212, "parked": 2,
                      "conflicts": [{"ticket": "a1b2", "gate": "south-2"}]}  # fmt: skip
    told["list"] |= {"age": 1100, "state": "warn"}
    told["clock"] = {"state": "unknown", "uncertainty": None}
    told["faults"] = [{"name": "sensor", "where": "entry-1", "since": NOW,
                       "cause": "3 releases in a row without a passage",
                       "remedy": "Clean the passage sensor, then clear it"}]  # fmt: skip
    scanner.refuse("already_redeemed", detail="entered at 18:02:07 UTC at south-2")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_steward_sees_the_last_verdict_first(visit, scanner, pictures, shape):
    viewport = SHAPES[shape]
    page = visit("/steward", viewport)
    page.wait_for_selector("#lanes article")
    page.screenshot(path=pictures / f"steward-quiet-{shape}.png")
    busy_night(scanner)
    page.wait_for_selector("#questions .question")
    page.wait_for_selector("#faults .fault")
    page.screenshot(path=pictures / f"steward-busy-{shape}.png", full_page=True)
    top = page.locator("#top").bounding_box()
    assert top["y"] + top["height"] <= viewport["height"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert contrast(page, "body *") >= 4.5
    scanner.write_status()
    scanner.die()
    page.wait_for_selector("#link:not([hidden])")
    page.screenshot(path=pictures / f"steward-down-{shape}.png")
    assert page.locator("#top").is_hidden()


def test_an_admission_to_look_at_is_seen(visit, scanner, pictures):
    page = visit("/steward")
    page.wait_for_selector("#lanes article")
    scanner.admit(attention="concession: check the card")
    page.wait_for_selector("#top.look")
    page.screenshot(path=pictures / "steward-look.png")
    scanner.tell("outcome", state="locked")
    scanner.tell("verdict", lane="exit-1", verdict="admitted", direction="exit")


def test_a_page_that_moves_little_for_those_who_ask(visit, scanner):
    page = visit("/lane/entry-1", reduced_motion="reduce")
    face(page, "idle")
    scanner.tell("state", state="checking")
    face(page, "checking")
    assert page.evaluate("document.getAnimations().length") == 0


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Where the pictures go: SCREENSHOTS, or a directory of this run."""
    wanted = os.environ.get("SCREENSHOTS")
    place = tmp_path_factory.mktemp("pictures") if wanted is None else Path(wanted)
    place.mkdir(parents=True, exist_ok=True)
    return place
