"""Tickets on phones, from the page in a real Chromium to the cameras of two real gates.

What a camera sees is the screenshot of the page, pixel by pixel; of lens and light, other tests.
"""

import base64
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segno
import zxingcpp
from PIL import Image

from central.wallet import binding
from central.wallet.links import Settings, make_links
from tests.rigs.central_rig import CentralRig, make_event
from tests.rigs.real_gate import Event, RealGate, until
from tickets.base45 import ALPHABET

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FLAGS += ["--disable-background-networking"]
TELEPHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
NO_ED25519 = """
const make = crypto.subtle.generateKey.bind(crypto.subtle);
crypto.subtle.generateKey = (kind, ...rest) => (kind.name ?? kind) === "Ed25519"
  ? Promise.reject(new DOMException("Unrecognized name.", "NotSupportedError"))
  : make(kind, ...rest);
"""
"""A browser from before 2023 to 2025, whichever it is."""
KEEPS_NO_KEY = """
IDBObjectStore.prototype.put = () => { throw new DOMException("no clone", "DataCloneError"); };
"""
"""A private window of a browser that forgets keys there."""
USELESS = {"replayed", "stale_code"}
AN_HOUR_SLOW = """
const Now = Date;
Date = class extends Now {
  constructor(...given) { given.length ? super(...given) : super(Now.now() - 3600000); }
  static now() { return Now.now() - 3600000; }
};
"""
TAKE_THE_KEY = """async () => {
  const database = await new Promise((done) => {
    const asked = indexedDB.open("admit-wallet", 1);
    asked.onsuccess = () => done(asked.result);
  });
  const [kept] = await new Promise((done) => {
    const asked = database.transaction("tickets").objectStore("tickets").getAll();
    asked.onsuccess = () => done(asked.result);
  });
  const key = kept.pair.privateKey;
  const forms = ["raw", "pkcs8", "jwk"].map((form) => crypto.subtle.exportKey(form, key));
  const taken = await Promise.allSettled(forms);
  return [key.extractable, ...taken.map((one) => one.status)];
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CentralRig]:
    """A server with its wallet."""
    rig = make_event(tmp_path_factory.mktemp("wallet"))
    rig.start()
    yield rig
    rig.kill()
    rig.central.database.close()


@pytest.fixture(scope="module")
def links(rig: CentralRig) -> dict[str, str]:
    """The link of each ticket, as the organiser mails it."""
    settings = Settings(time.time() + 3600, "Summer Fair 2026")
    return dict(make_links(rig.central, rig.url, settings))


@pytest.fixture(scope="module")
def gates(rig: CentralRig) -> Iterator[tuple[RealGate, RealGate]]:
    """Two gates that share the server."""
    with (
        RealGate(rig.directory, "north", rig, rig.url) as north,
        RealGate(rig.directory, "south", rig, rig.url) as south,
    ):
        for gate in (north, south):
            gate.start()
        for gate in (north, south):
            gate.ready()
        yield north, south


@pytest.fixture
def phone(chromium: Any) -> Iterator[Callable[..., Any]]:
    """A telephone of its own that opens a link; no page may make an error of its own."""
    errors: list[str] = []
    contexts = []

    def open_page(address: str, script: str = "", **options: Any) -> Any:
        context = chromium.new_context(**TELEPHONE, locale="en-GB", **options)
        if script:
            context.add_init_script(script)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def look(page: Any, directory: Path, name: str) -> bytes:
    """A picture of the page, kept for whoever wants to see it."""
    picture: bytes = page.screenshot(path=directory / f"{name}.png")
    return picture


def put_on_phone(page: Any) -> None:
    page.click("#do")
    page.wait_for_selector("#code:visible")


def read(page: Any, directory: Path) -> str:
    """The text of the code that the page shows, by its pixels."""

    def seen() -> str:
        look(page, directory, "read")
        grey = np.array(Image.open(directory / "read.png").convert("L"))
        found = zxingcpp.read_barcodes(grey)
        return found[0].text if found else ""

    text: str = until(seen, "a code on the page")
    return text


def judged(gate: RealGate, code: str) -> tuple[str, str | None]:
    """What a gate would say of a code; changes nothing."""
    payload = base64.b64encode(code.encode()).decode()
    answer = gate.order(op="judge", lane="entry", payload=payload)
    return answer["verdict"], answer["reason"]


def show(gate: RealGate, picture: bytes) -> Event:
    """Hold a picture to a gate's camera until there is a verdict: a code that was just there is
    the same showing still.
    """
    since = gate.mark()

    def seen() -> Event | None:
        gate.show(picture)
        try:
            return gate.wait(since, within=3.0, kind="verdict", medium="qr")
        except AssertionError:
            return None

    verdict: Event = until(seen, "a verdict")
    return verdict


def test_a_screenshot_enters_once_and_at_no_other_gate(
    links: dict[str, str],
    gates: tuple[RealGate, RealGate],
    phone: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """A ticket for four, so that nothing but the picture itself is used up."""
    north, south = gates
    page = phone(links["G4"])
    page.wait_for_selector("#do:visible")
    look(page, tmp_path, "before")
    put_on_phone(page)
    assert page.evaluate(TAKE_THE_KEY) == [False, "rejected", "rejected", "rejected"]
    for gate in gates:  # both have heard of the move
        until(lambda g=gate: judged(g, read(page, tmp_path))[0] == "admitted", "the move is known")

    for _ in range(3):  # once, unless the machine is so busy that south hears of it too late
        picture = look(page, tmp_path, "live")
        text = read_picture(tmp_path / "live.png")
        since = north.mark()
        entered = show(north, picture)
        assert (entered["verdict"], entered["medium"]) == ("admitted", "qr"), entered
        north.wait(since, kind="outcome", presentation=entered["presentation"])
        until(lambda t=text: judged(south, t)[1] in USELESS, "south has heard of it")
        elsewhere = show(south, picture)
        if elsewhere["reason"] != "stale_code":
            break
    assert (elsewhere["verdict"], elsewhere["reason"]) == ("refused", "replayed"), elsewhere

    north.kill("scanner")
    north.start("scanner")
    north.ready()
    assert judged(north, text)[1] in USELESS
    live = show(south, look(page, tmp_path, "a new drawing"))
    assert live["verdict"] == "admitted", live

    until(lambda: judged(north, text)[1] == "stale_code", "the picture is old", within=60)
    old = show(north, picture)
    assert (old["verdict"], old["reason"]) == ("refused", "stale_code"), old
    assert "live ticket" in old["next_step"]


def read_picture(path: Path) -> str:
    found = zxingcpp.read_barcodes(np.array(Image.open(path).convert("L")))
    return str(found[0].text)


def test_a_ticket_that_moves_on_leaves_a_worthless_code_behind(
    links: dict[str, str],
    gates: tuple[RealGate, RealGate],
    phone: Callable[..., Any],
    tmp_path: Path,
) -> None:
    north, _ = gates
    first = phone(links["A1"])
    put_on_phone(first)
    until(lambda: judged(north, read(first, tmp_path))[0] == "admitted", "the move is known")
    second = phone(links["A1"])
    second.wait_for_selector("text=on another phone")
    look(second, tmp_path, "elsewhere")
    put_on_phone(second)
    until(lambda: judged(north, read(first, tmp_path))[1] == "revoked", "the first is revoked")
    assert judged(north, read(second, tmp_path)) == ("admitted", None)
    first.reload()
    first.wait_for_selector("text=moved to another phone")
    look(first, tmp_path, "gone")


def test_the_page_draws_codes_without_a_network(
    links: dict[str, str],
    gates: tuple[RealGate, RealGate],
    phone: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Loaded once, closed, opened again in a dead spot."""
    north, _ = gates
    page = phone(links["A2"])
    put_on_phone(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.close()
    page = page.context.new_page()
    page.goto(links["A2"])
    page.wait_for_selector("#code:visible")
    until(lambda: judged(north, read(page, tmp_path))[0] == "admitted", "the move is known")
    first = read(page, tmp_path)
    until(lambda: read(page, tmp_path) != first, "another drawing")
    look(page, tmp_path, "offline")


def test_a_browser_without_ed25519_shows_a_copyable_ticket(
    links: dict[str, str],
    gates: tuple[RealGate, RealGate],
    phone: Callable[..., Any],
    tmp_path: Path,
) -> None:
    page = phone(links["A3"], NO_ED25519)
    page.wait_for_selector("text=cannot keep a ticket safe")
    look(page, tmp_path, "old-browser")
    put_on_phone(page)
    picture = look(page, tmp_path, "copyable")
    assert read(page, tmp_path).startswith("AD1:")
    assert show(gates[0], picture)["verdict"] == "admitted"


def test_a_window_that_keeps_nothing_moves_no_ticket_and_says_where_to_open_it(
    rig: CentralRig, phone: Callable[..., Any], tmp_path: Path
) -> None:
    rig.import_csv("id\nP1\n")
    settings = Settings(time.time() + 3600, "Summer Fair 2026")
    link = dict(make_links(rig.central, rig.url, settings))["P1"]
    page = phone(link, KEEPS_NO_KEY)
    page.click("#do")
    page.wait_for_selector("text=This window keeps nothing")
    look(page, tmp_path, "private")
    assert binding.look(rig.central, link.partition("#")[2]).moves == 0
    put_on_phone(page)
    assert read(page, tmp_path).startswith("AD1:")


def test_a_phone_with_a_wrong_clock_draws_by_the_server_s(
    links: dict[str, str],
    gates: tuple[RealGate, RealGate],
    phone: Callable[..., Any],
    tmp_path: Path,
) -> None:
    page = phone(links["U0"], AN_HOUR_SLOW)
    put_on_phone(page)
    page.wait_for_selector("text=clock is 3600 s slow")
    look(page, tmp_path, "slow-clock")
    until(lambda: judged(gates[0], read(page, tmp_path))[0] == "admitted", "drawn in time")


def test_a_broken_link_and_a_server_that_is_gone_say_what_to_do(
    links: dict[str, str], phone: Callable[..., Any], tmp_path: Path
) -> None:
    page = phone(links["S1"][:-3])
    page.wait_for_selector("text=This link is not whole")
    page = phone(links["S1"])
    page.wait_for_selector("#do:visible")
    page.context.set_offline(True)
    page.click("#do")
    page.wait_for_selector("text=server cannot be reached")
    look(page, tmp_path, "no-server")
    page.context.set_offline(False)
    page.click("text=Try again")
    page.wait_for_selector("#do:visible")
    put_on_phone(page)
    page.goto(links["X9"])
    page.wait_for_selector("text=was cancelled")


def test_a_family_has_its_tickets_on_one_phone(
    rig: CentralRig, phone: Callable[..., Any], tmp_path: Path
) -> None:
    """Without a link the page opens the first; a tap leads to the next."""
    rig.import_csv("id\nF1\nF2\n")
    made = dict(make_links(rig.central, rig.url, Settings(time.time() + 3600, "Summer Fair 2026")))
    page = phone(made["F1"])
    put_on_phone(page)
    page.goto(made["F2"])
    page.wait_for_selector("#do:visible")
    put_on_phone(page)
    page.goto("about:blank")
    page.goto(f"{rig.url}/wallet/")
    page.wait_for_selector("#code:visible")
    page.wait_for_selector("#others a[aria-current]")
    look(page, tmp_path, "family")
    codes = []
    for name in ("F1", "F2"):
        page.click(f"#others >> text={name}")
        page.wait_for_selector(f"#about:has-text('{name}')")
        page.wait_for_selector("#code:visible")
        codes.append(read(page, tmp_path))
    assert codes[0] != codes[1]


def test_two_windows_of_one_phone_make_one_move(
    rig: CentralRig, phone: Callable[..., Any], tmp_path: Path
) -> None:
    """Each would make a key of its own, and one of them would lose its ticket to the other."""
    rig.import_csv("id\nW1\n")
    settings = Settings(time.time() + 3600, "Summer Fair 2026")
    link = dict(make_links(rig.central, rig.url, settings))["W1"]
    first = phone(link)
    second = first.context.new_page()
    second.goto(link)
    press = "(at) => { setTimeout(() => document.getElementById('do').click(), at - Date.now()); }"
    for page in (first, second):
        page.wait_for_selector("#do:visible")
    at = time.time() * 1000 + 1000
    for page in (first, second):
        page.evaluate(press, at)
    for page in (first, second):
        page.wait_for_selector("#code:visible")
    assert binding.look(rig.central, link.partition("#")[2]).moves == 1


SIGNED_BY_A_KEY_BEFORE = """async () => {
  const database = await new Promise((done) => {
    const asked = indexedDB.open("admit-wallet", 1);
    asked.onsuccess = () => done(asked.result);
  });
  const store = database.transaction("tickets", "readwrite").objectStore("tickets");
  const [kept] = await new Promise((done) => {
    const asked = store.getAll();
    asked.onsuccess = () => done(asked.result);
  });
  kept.issuer = "0123456789abcdef";
  kept.ticket[kept.ticket.length - 1] ^= 1;
  await new Promise((done) => { store.put(kept).onsuccess = done; });
}"""


def test_a_page_gets_its_ticket_signed_by_another_key_of_the_server(
    rig: CentralRig,
    gates: tuple[RealGate, RealGate],
    phone: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Of a key that was withdrawn: its signature is `forged` by now, the phone's ticket is not."""
    rig.import_csv("id\nK1\n")
    settings = Settings(time.time() + 3600, "Summer Fair 2026")
    page = phone(dict(make_links(rig.central, rig.url, settings))["K1"])
    put_on_phone(page)
    page.evaluate(SIGNED_BY_A_KEY_BEFORE)
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("#code:visible")
    assert judged(gates[0], read(page, tmp_path)) == ("refused", "forged")
    page.context.set_offline(False)  # the page hears of it, and asks
    until(lambda: judged(gates[0], read(page, tmp_path))[0] == "admitted", "the ticket is renewed")


def test_the_drawn_modules_are_those_of_the_standard(
    rig: CentralRig, phone: Callable[..., Any]
) -> None:
    """As segno draws them, and as zxing-cpp reads them, at every version up to 12."""
    dice = random.Random(26)
    lengths = [*range(1, 60), *range(60, 419, 5), 419]
    letters = ALPHABET.decode()
    texts = ["".join(dice.choices(letters, k=length)) for length in lengths]
    script = """async (texts) => {
      const { qrCode } = await import("/wallet/qr.js");
      const drawn = texts.map((text) => qrCode(text).map((row) => row.map(Number)));
      const refused = ["a", "A".repeat(420)].map((text) => {
        try { return qrCode(text) && ""; } catch (error) { return error.name; }
      });
      return [drawn, refused];
    }"""
    drawn, refused = phone(f"{rig.url}/wallet/").evaluate(script, texts)
    assert refused == ["RangeError", "RangeError"]
    for text, rows in zip(texts, drawn, strict=True):
        picture = np.pad(np.array(rows, np.uint8) ^ 1, 4, constant_values=1).repeat(4, 0)
        (found,) = zxingcpp.read_barcodes(picture.repeat(4, 1) * np.uint8(255))
        assert (found.text, found.ec_level) == (text, "M")
        if not _ends_on_a_byte(len(text)):
            made = segno.make_qr(text, error="m", mode="alphanumeric", mask=3, boost_error=False)
            assert [list(row) for row in made.matrix] == rows, len(text)


def _ends_on_a_byte(length: int) -> bool:
    """There segno adds a byte of zeros before the padding, which the standard has not (7.4.9)."""
    count = 9 if length <= 262 else 11  # version 9 at level M holds 262 characters
    return (4 + count + length // 2 * 11 + length % 2 * 6 + 4) % 8 == 0
