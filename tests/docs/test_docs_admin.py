"""The messages that admins are told of are messages of the program."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.rigs.shown_commands import ROOT

PACKAGES = ("admission", "cli", "config", "drivers", "scanner", "store", "sync", "tickets")


def texts(path: Path) -> Iterator[str]:
    """The texts in a module, docstrings left out."""
    tree = ast.parse(path.read_text("utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def says(path: Path, message: str) -> bool:
    """Whether a text of a module has it; most are seen not to without being parsed."""
    return message in path.read_text("utf-8") and any(message in text for text in texts(path))


def test_every_message_of_the_table_is_one_that_the_program_has() -> None:
    """Word for word, in some module."""
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    page = (ROOT / "docs" / "admin.md").read_text("utf-8")
    told = re.findall(r"^\| `([^`]+)` \|", page.split("## What it says")[1], re.MULTILINE)
    assert len(told) > 10
    assert [one for one in told if not any(says(path, one) for path in modules)] == []
