"""Every link of README.md and docs/ leads somewhere, and every page is found from the index."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.rigs.shown_commands import PAGES, ROOT, prose_of

LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")


@cache
def anchors(path: Path) -> frozenset[str]:
    """What a forge makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).lower() for heading in headings)
    return frozenset(re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in plain)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    """To a file that is there, and to a heading that it has."""
    for link in LINK.findall(prose_of(path)):
        assert not link.startswith("http"), f"{link}: nothing here depends on another site"
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert ROOT in (target, *target.parents), f"{link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_found_from_the_index() -> None:
    """docs/README.md names each."""
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_every_picture_is_shown_and_small() -> None:
    """At most 1 MB one that moves, 200 kB any other; with words for those who cannot see it."""
    shown = "".join(path.read_text("utf-8") for path in PAGES)
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert re.search(rf"!\[[^\]]{{10,}}\]\([a-z/]*{picture.name}\)", shown), picture.name
        assert picture.stat().st_size <= (1_000_000 if picture.suffix == ".gif" else 200_000)
