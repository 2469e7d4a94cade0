"""The visitor page as files: what it may do, what it says, and that it keeps to the contract."""

import json
import re
from pathlib import Path

import pytest

from admission.verdict import Reason
from store.records import Kind

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "playground" / "static"
PAGE = (STATIC / "index.html").read_text("utf-8")
MODULES = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.js")}
STYLES = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.css")}
TOUR = json.loads((STATIC / "tour.json").read_text("utf-8"))
CONTRACT = (ROOT / "docs" / "playground.md").read_text("utf-8")

JARGON = re.compile(
    r"\b(server|database|offline|online|api|json|sync|kill|process|cryptograph\w*|signature"
    r"|reader|central|journal|annul\w*|latency|QR|decode\w*|payload|boot|socket)\b",
    re.IGNORECASE,
)
"""Words that a promoter need not know."""


def test_nothing_is_fetched_from_elsewhere() -> None:
    for name, text in {"index.html": PAGE, **MODULES, **STYLES}.items():
        outside = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]+[\w./]*", text))
        assert outside <= {"http://www.w3.org/2000/svg"}, name


def test_no_script_or_style_stands_in_the_page() -> None:
    """The content security policy forbids both."""
    assert re.findall(r"<script[^>]*>", PAGE) == [
        '<script type="module" src="/static/main.js">',
    ]
    assert "<style" not in PAGE
    assert not re.search(r"\sstyle=|\son\w+=", PAGE)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_makes_markup_of_text(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", MODULES[name]
    )


def test_every_element_a_module_asks_for_is_there_once() -> None:
    there = re.findall(r'\bid="([\w-]+)"', PAGE)
    wanted = {found for text in MODULES.values() for found in re.findall(r'\$\("([\w-]+)"\)', text)}
    assert wanted <= set(there)
    assert len(there) == len(set(there))


def test_every_file_the_page_names_is_there() -> None:
    named = set(re.findall(r"/static/([\w.]+)", PAGE + "".join(MODULES.values())))
    imported = {
        found for text in MODULES.values() for found in re.findall(r'from "\./([\w.]+)"', text)
    }
    files = {path.name for path in STATIC.iterdir() if path.is_file()}
    assert named | imported | {"index.html"} == files


def words_of(name: str) -> dict[str, str]:
    """The table `name` of words.js."""
    body = re.search(rf"export const {name} = \{{(.*?)\n\}};", MODULES["words.js"], re.DOTALL)
    assert body
    return dict(re.findall(r'^  "(\w+)": "([^"]+)",$', body[1], re.MULTILINE))


def test_every_reason_has_words() -> None:
    assert set(words_of("REASON")) == set(Reason)


def test_every_kind_of_record_has_words() -> None:
    assert set(words_of("RECORD")) == set(Kind)


def events_of_the_contract() -> set[str]:
    """The names in the table of `GET /api/events`, and the first one, which the text tells."""
    table = CONTRACT.split("### `GET /api/events`")[1]
    return {"hello", *re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)}


def test_the_page_hears_every_event_of_the_contract() -> None:
    listed = re.search(r"const EVENTS = (\[.*?\]);", MODULES["api.js"], re.DOTALL)
    assert listed
    heard = set(json.loads(listed[1]))
    handled = re.search(r"const HEARD = \{(.*?)\n\};", MODULES["main.js"], re.DOTALL)
    assert handled
    assert events_of_the_contract() <= heard
    assert all(re.search(rf"\b{name}\b", handled[1]) for name in heard)


# -- the tour -------------------------------------------------------------------------------------


def test_the_tour_has_ten_steps() -> None:
    assert len(TOUR) == 10


@pytest.mark.parametrize("step", TOUR, ids=lambda step: step["title"])
def test_a_step_says_what_to_click_what_to_watch_and_why_without_jargon(
    step: dict[str, str],
) -> None:
    told = [step[name] for name in ("title", "click", "watch", "why", "done")]
    assert all(told)
    assert JARGON.findall(" ".join(told)) == []


@pytest.mark.parametrize("step", TOUR, ids=lambda step: step["title"])
def test_a_step_points_at_what_the_contract_knows(step: dict[str, list[dict[str, str]]]) -> None:
    known = set(re.findall(r"^\| `(\w+)` \|", CONTRACT, re.MULTILINE))
    for part in step["parts"]:
        named = re.fullmatch(r"\[data-(?:ticket|switch)='(\w+)'\]", part["at"])
        if named:
            assert named[1] in known
        else:
            assert f'id="{part["at"].removeprefix("#")}"' in PAGE


@pytest.mark.parametrize("step", TOUR, ids=lambda step: step["title"])
def test_a_step_ends_by_an_event_never_by_time(step: dict[str, list[dict[str, object]]]) -> None:
    last = step["parts"][-1]["until"]
    assert isinstance(last, dict)
    assert last["event"] in events_of_the_contract()
    assert all(
        part["until"] for part in step["parts"]
    )  # an empty condition would be met by anything
    assert "setTimeout" not in MODULES["tour.js"]


# -- colours --------------------------------------------------------------------------------------

TEXT_ON_GROUND = [
    *(("ink", ground) for ground in ("ground", "card", "sunk", "wash", "look-wash", "no-wash")),
    *(("dim", ground) for ground in ("ground", "card", "sunk", "wash")),
    *(("accent", ground) for ground in ("ground", "card", "wash")),
    *(("on-accent", "accent"), ("yes", "yes-wash"), ("no", "no-wash"), ("look", "look-wash")),
    *(("yes", "card"), ("look", "card")),
]
SHAPE_ON_GROUND = [("edge", "card"), ("edge", "sunk"), ("look", "look-wash")]


def variables(dark: bool) -> dict[str, str]:
    """The colours of `:root`, in the light or the dark."""
    roots = re.findall(r":root \{(.*?)\}", STYLES["page.css"], re.DOTALL)
    light, night = (dict(re.findall(r"--([\w-]+): #(\w{6});", root)) for root in roots)
    return night if dark else light


def luminance(colour: str) -> float:
    """Relative luminance of a hex colour. Source: WCAG 2.2, definition of relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two hex colours. Source: WCAG 2.2, definition of contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(dark: bool) -> None:
    """WCAG 2.2, 1.4.3."""
    colours = variables(dark)
    low = {
        pair: round(contrast(*(colours[name] for name in pair)), 2)
        for pair in TEXT_ON_GROUND
        if contrast(*(colours[name] for name in pair)) < 4.5
    }
    assert low == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_controls_stand_out_from_their_ground(dark: bool) -> None:
    """WCAG 2.2, 1.4.11."""
    colours = variables(dark)
    assert all(contrast(colours[one], colours[other]) >= 3 for one, other in SHAPE_ON_GROUND)
