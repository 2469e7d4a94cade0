"""A reader at a desk: an empty directory with the files that a page speaks of, and its commands.

monkeypatch.chdir(tmp_path)
run_desk("docs/organiser.md")
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from cli.__main__ import main
from tests.rigs.shown_commands import ROOT, commands_for, lay_out, words_of

CSV = "id,name\nA1,Ada Lovelace\nA2,\nA3,\n"


def run_desk(page: str) -> None:
    """Run what a page has for a desk, in the current directory; each has to work."""
    commands = commands_for("desk", page)
    _have_what_a_reader_has(page, commands)
    for command in commands:
        if command.startswith("admit ") and ">" not in command:
            run_ours(command)
        else:
            subprocess.run(["bash", "-euc", command], check=True, env=with_admit())


def run_ours(command: str) -> None:
    """Run a command of ours in this process: all of them together import its parts once."""
    try:
        main(words_of(command))
    except SystemExit as ended:
        assert not ended.code, command


def with_admit() -> dict[str, str]:
    """The environment of a shell in which `. .venv/bin/activate` was said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path}


def _have_what_a_reader_has(page: str, commands: list[str]) -> None:
    """An example of a gate's file, tickets, a stick; keys where the page has none."""
    Path("config").mkdir()
    shutil.copy(ROOT / "config" / "admit.example.toml", "config")
    Path("tickets.csv").write_text(CSV)
    Path("stick").mkdir()
    lay_out(page, Path())
    text = "\n".join(commands)
    if "--keys keys" in text and "admit keys new" not in text:
        run_ours("admit keys new --out keys --event FEST2026")
