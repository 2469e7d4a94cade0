"""The messages that admins are told of are messages of the program."""

import re

from tests.rigs.shown_commands import ROOT

PACKAGES = ("admission", "cli", "config", "drivers", "scanner", "store", "sync", "tickets")


def test_every_message_of_the_table_is_one_that_the_program_has() -> None:
    """Word for word, in some module."""
    source = "\n".join(
        path.read_text("utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    source = re.sub(r'""".*?"""', "", source, flags=re.DOTALL)
    page = (ROOT / "docs" / "admin.md").read_text("utf-8")
    told = re.findall(r"^\| `([^`]+)` \|", page.split("## What it says")[1], re.MULTILINE)
    assert len(told) > 10
    assert [message for message in told if message not in source] == []
