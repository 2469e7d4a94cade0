"""`make demo` in this clone, as the README shows it, and the pictures of the pages from that run.

`make pictures` runs this with PICTURES=docs/pictures and so renews them.
"""

import io
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from PIL import Image

from tests.rigs.machine_rig import eventually
from tests.rigs.shown_commands import ROOT, commands_for
from tests.rigs.small_png import shrink

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE = 20_000
FRAMES = 18
"""Of the moving picture, 0.2 s apart: a ticket held up, the guest through, the arm locked."""


class Demo:
    """`make demo` in a terminal of its own."""

    def __init__(self) -> None:
        (command,) = commands_for("clone")
        self.process = subprocess.Popen(
            command.split(), cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout
        found = None
        while not found:
            line = self.process.stdout.readline()
            assert line, "the demo ended before it told its address"
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
        self.address = found[0]
        with urlopen(f"{self.address}/api/stage") as answer:
            self.stage: dict[str, Any] = json.load(answer)

    def post(self, path: str, **body: str) -> None:
        """Do what a button of the page does."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        urlopen(Request(f"{self.address}/api/{path}", data, headers)).close()

    def processes(self) -> list[str]:
        """The command lines of what it started and is there still."""
        listed = subprocess.run(
            ["ps", "-o", "args=", "--sid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return listed.stdout.splitlines()

    def interrupt(self) -> None:
        """Ctrl-C: the terminal tells every process in front."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    demo = Demo()
    yield demo
    if demo.process.poll() is None:
        demo.interrupt()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures go: PICTURES, or a directory of this run."""
    return Path(os.environ.get("PICTURES") or tmp_path)


def save(page: Any, path: Path) -> None:
    """What a page shows, as a small PNG."""
    page.screenshot(path=path)
    shrink(path)
    assert path.stat().st_size <= 200_000


def test_a_ticket_goes_through_on_the_page(demo: Demo, browser: Any, pictures: Path) -> None:
    """The moving picture of the README: from the click to the arm that is locked again."""
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    page.goto(demo.address)
    page.wait_for_selector("[data-ticket=valid]", timeout=PATIENCE)
    pane = page.locator("#scene").bounding_box()
    top = page.locator("#verdict").bounding_box()
    clip = {"x": top["x"], "y": top["y"], "width": top["width"]}
    clip["height"] = pane["y"] + pane["height"] - top["y"]
    page.click("[data-ticket=valid]")
    shots, begun = [], time.monotonic()
    for number in range(FRAMES):  # at a steady pace; a slow computer makes a shorter film
        page.wait_for_timeout(max(0.0, (begun + number * 0.2 - time.monotonic()) * 1000))
        shots.append(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"))
    page.wait_for_function("verdict.innerText.includes('Admitted')", timeout=PATIENCE)
    page.wait_for_selector(".row.arrived", timeout=PATIENCE)
    page.close()
    small = [shot.resize((640, shot.height * 640 // shot.width)) for shot in shots]
    sheet = Image.new("RGB", (640, small[0].height * len(small)))
    for number, shot in enumerate(small):
        sheet.paste(shot, (0, number * shot.height))
    colours = sheet.quantize(160, dither=Image.Dither.NONE)
    film = [shot.quantize(palette=colours, dither=Image.Dither.NONE) for shot in small]
    path = pictures / "entry.gif"
    times = [200] * (len(film) - 1) + [1500]
    film[0].save(path, save_all=True, append_images=film[1:], duration=times, loop=0)
    assert path.stat().st_size <= 1_000_000


def test_a_refusal_is_on_the_stewards_page(demo: Demo, browser: Any, pictures: Path) -> None:
    """With the reason and the next step, as the page for stewards shows it."""
    page = browser.new_page(viewport={"width": 1000, "height": 760})
    page.goto(demo.stage["screens"]["steward"])
    demo.post("show", ticket="valid")
    page.wait_for_selector("#top.admitted", timeout=PATIENCE)
    demo.post("show", ticket="used")
    page.wait_for_selector("#top.refused .next", timeout=PATIENCE)
    assert "Ask if the guest just came out" in page.inner_text("#top")
    save(page, pictures / "steward.png")
    page.close()


def test_the_guest_is_inside_on_the_organisers_page(
    demo: Demo, browser: Any, pictures: Path
) -> None:
    """As the page for organisers shows it."""
    page = browser.new_page(viewport={"width": 1000, "height": 640})
    page.goto(f"{demo.address}{demo.stage['screens']['central']}")
    page.wait_for_selector("text=Inside", timeout=PATIENCE)
    save(page, pictures / "organiser.png")
    page.close()


def test_ctrl_c_leaves_no_process_behind(demo: Demo) -> None:
    """And is no fault."""
    assert len(demo.processes()) > 4
    demo.interrupt()  # make itself ends by the signal
    eventually(lambda: demo.processes() == [], within=20)
