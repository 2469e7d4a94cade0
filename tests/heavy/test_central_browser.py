"""The organiser's pages in a real Chromium, with a real server and a real gate behind them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from central.organiser import accounts
from central.organiser.accounts import Credentials
from central.organiser.links import login_link
from central.organiser.web import BASE
from tests.rigs.central_rig import CentralRig, make_event
from tests.rigs.real_gate import RealGate, code_of

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FLAGS += ["--disable-background-networking"]
DESK = {"width": 1280, "height": 800}
TELEPHONE = {"width": 390, "height": 844}
PASSWORD = "four words in a row"
EVIL = "<img src=x onerror=\"document.title='broken'\">"
IN_FORCE = 30_000
"""Milliseconds in which a cancellation has to be in force at a gate in touch."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CentralRig]:
    """A server that also takes one-time links."""
    rig = make_event(tmp_path)
    rig.start()
    yield rig
    rig.kill()
    rig.central.database.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open an address in a browser of its own; at the end no page may have logged an error."""
    errors: list[str] = []
    contexts = []

    def open_page(address: str, viewport: dict[str, int] = DESK, **options: Any) -> Any:
        context = chromium.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def code(made: Credentials, ahead: float = 0) -> str:
    return pyotp.TOTP(made.secret).at(int(time.time() + ahead))


def come_in(page: Any, made: Credentials) -> None:
    """Choose the password, as a new person does."""
    page.click("text=Choose your password")
    page.fill("[name=name]", made.name)
    page.fill("[name=one_time]", made.one_time)
    page.fill("[name=code]", code(made))
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=again]", PASSWORD)
    page.click("text=Set it and log in")
    page.wait_for_selector("#figures")


def look(page: Any, directory: Path, name: str) -> None:
    """Keep a picture of the page for whoever wants to see it."""
    page.screenshot(path=directory / f"{name}.png", full_page=True)


def test_an_evening_at_the_organisers_desk(
    rig: CentralRig, visit: Callable[..., Any], tmp_path: Path
) -> None:
    """Log in with a second factor, import, let a guest in, cancel a ticket: a real gate refuses."""
    made = accounts.add(rig.central, "ada")
    page = visit(rig.url)
    look(page, tmp_path, "login")
    come_in(page, made)
    page.click("text=Log out")
    page.fill("[name=name]", "ada")
    page.fill("[name=password]", PASSWORD)
    page.fill("[name=code]", code(made, 30))  # the next one: each works once
    page.click("button:has-text('Log in')")
    page.wait_for_selector("#figures")

    csv = tmp_path / "tickets.csv"
    csv.write_text("id,entries\n" + "".join(f"T{n}\n" for n in range(1, 1200)) + "T1,x\n")
    page.click("nav >> text=Import")
    page.set_input_files("[name=file]", csv)
    page.click("button:has-text('Import')")
    page.wait_for_selector("text=/199 tickets imported/", timeout=30_000)
    assert "line" in page.inner_text("#import").lower()
    look(page, tmp_path, "import")

    with RealGate(tmp_path, "north", rig, rig.url) as gate:
        gate.start()
        gate.ready()
        assert gate.enter(code_of(rig, "T77"))["outcome"] == "passage"
        page.click("nav >> text=Who entered")
        page.wait_for_selector("#entries >> text=T77")
        page.click("text=T77")
        look(page, tmp_path, "used")

        page.fill("header [name=q]", "T1066")
        page.press("header [name=q]", "Enter")
        page.click("text=Cancel this ticket")
        look(page, tmp_path, "cancelled")
        page.wait_for_selector("text=in force at 1 of 1 gate", timeout=IN_FORCE)
        look(page, tmp_path, "in-force")
        refused = gate.present(code_of(rig, "T1066"))
        assert (refused["verdict"], refused["reason"]) == ("refused", "cancelled")

        page.click("text=FEST2026")
        page.wait_for_selector("#gates >> text=ready")
        look(page, tmp_path, "home")
        page.set_viewport_size(TELEPHONE)
        look(page, tmp_path, "home-telephone")
        page.set_viewport_size(DESK)
        page.click("#gates >> text=north")
        page.fill("[name=text] >> nth=0", EVIL)
        page.click("text=Send")
        page.wait_for_selector("text=Will be told")
        assert "broken" not in page.title()
        look(page, tmp_path, "gate")
        told = gate.wait(kind="alert")
        assert told["cause"] == EVIL


def test_a_page_of_old_figures_says_so(
    rig: CentralRig, visit: Callable[..., Any], chromium: Any
) -> None:
    """The server is gone: the page does not look as if all were well."""
    made = accounts.add(rig.central, "ada")
    context = chromium.new_context()
    page = context.new_page()  # the lost connection is an error in the console, so not by `visit`
    page.goto(rig.url)
    come_in(page, made)
    rig.kill()
    page.wait_for_selector("body.lost", timeout=20_000)
    context.close()


def test_without_scripts_everything_can_be_done(
    rig: CentralRig, visit: Callable[..., Any], tmp_path: Path
) -> None:
    """A browser that runs none: log in, find a ticket, cancel it; pages renew themselves."""
    made = accounts.add(rig.central, "ada")
    page = visit(rig.url, java_script_enabled=False)
    come_in(page, made)
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    page.fill("header [name=q]", "A1")
    page.press("header [name=q]", "Enter")
    page.click("text=Cancel this ticket")
    page.wait_for_selector("text=Take the cancellation back")
    look(page, tmp_path, "no-gate")


def test_a_link_of_the_demonstration_leads_in(tmp_path: Path, visit: Callable[..., Any]) -> None:
    rig = make_event(tmp_path)
    rig.start(options=("--demo-login",))
    try:
        page = visit(login_link(rig.central, rig.url))
        page.wait_for_selector("#figures")
        assert page.url == f"{rig.url}{BASE}/"
    finally:
        rig.kill()
        rig.central.database.close()
