"""Each row of the threat model names a test that is there and that is run."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.rigs.shown_commands import ROOT

PAGE = ROOT / "docs" / "threat-model.md"
ATTACKERS = (
    "A fan with a screenshot",
    "A tout with a cloned card",
    "A thief with the gate's card",
    "A rogue steward",
    "The owner of the network",
    "A hacked sync",
    "A hacked screen",
    "A stolen server",
)
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, list[str]]]:
    """(attacker, cells) of every row of every attacker's table."""
    found, attacker = [], ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            attacker = line[3:]
        elif attacker in ATTACKERS and line.startswith("| ") and not line.startswith("| ---"):
            found.append((attacker, [cell.strip() for cell in line.strip("|").split(" | ")]))
    return [row for row in found if row[1][0] != "tries"]


@cache
def names_in(path: Path) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_attacker_has_a_table() -> None:
    """And a word on the limits of what is shown."""
    assert {attacker for attacker, _ in rows()} == set(ATTACKERS)


@pytest.mark.parametrize("cells", [cells for _, cells in rows()], ids=lambda cells: cells[0][:40])
def test_a_row_names_a_test_that_exists(cells: list[str]) -> None:
    """Three cells: what is tried, what comes of it, and the tests that show it."""
    assert len(cells) == 3, cells
    named = _NAMED.findall(cells[2])
    assert named, "no test shows this"
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert test in names_in(ROOT / file), f"{file} has no {test}"
