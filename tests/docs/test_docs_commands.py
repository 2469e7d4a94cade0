"""No command is shown that nobody runs; whatever names a command or option names a real one."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.__main__ import COMMANDS, build
from tests.rigs.shown_commands import (
    BY_HAND,
    LANGUAGES,
    PAGES,
    ROOT,
    RUNNERS,
    Block,
    all_blocks,
    commands_for,
    prose_of,
    spans_of,
)

STARTS = r"sudo|make|\./install|admit|pip|python3?|systemctl|journalctl|cp|cd"
COMMAND = re.compile(rf"^ *\$? ?({STARTS}) ")
PLACEHOLDER = re.compile(r"^[A-Z…|\[(]|^…$")


@cache
def program(name: str) -> Any:
    """One command of `admit` with its options, or a group with its `commands`."""
    whole: Any = typer.main.get_command(build(name))
    return whole.commands[name]


def check_words(words: list[str], where: str) -> None:
    """Each word up to the first argument is a command, each option one that it has."""
    if not words or words[0].startswith("-") or PLACEHOLDER.match(words[0]):
        return
    assert words[0] in COMMANDS, f"{where}: admit {words[0]}"
    command, rest = program(words[0]), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if PLACEHOLDER.match(rest[0]) or "|" in rest[0]:
            return
        assert rest[0] in command.commands, f"{where}: admit {' '.join(words)}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    for word in rest:
        option = word.strip("[]").split("=")[0]
        if re.match(r"--[a-z]", option):
            assert option in known | {"--help"}, f"{where}: {option} of admit {' '.join(words)}"


@pytest.mark.parametrize("block", all_blocks(), ids=str)
def test_a_block_says_what_it_is_and_commands_who_runs_them(block: Block) -> None:
    """One runner for each command; nothing else looks like a command."""
    assert block.language in LANGUAGES, "open it with ```sh RUNNER, or ```text"
    if block.language == "sh":
        assert block.label in RUNNERS, f"who runs this? One of {sorted(RUNNERS)}"
    else:
        assert not any(COMMAND.match(line) for line in block.text.splitlines())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_command_hides_in_an_indented_block(path: Path) -> None:
    """Those have no runner."""
    hidden = [line for line in prose_of(path).splitlines() if line.startswith("    ")]
    assert not [line for line in hidden if COMMAND.match(line)]


def test_what_is_not_run_here_is_named_with_its_reason() -> None:
    """And nothing is on the list that is shown nowhere."""
    shown = set(commands_for("by-hand"))
    assert shown - BY_HAND.keys() == set()
    assert BY_HAND.keys() - shown == set()


@pytest.mark.parametrize("command", sorted(set(commands_for("ci"))))
def test_what_ci_is_said_to_run_it_runs(command: str) -> None:
    """Each target of the command stands in `.ci/run`."""
    script = (ROOT / ".ci" / "run").read_text()
    name, *targets = shlex.split(command)
    assert name == "make"
    for target in targets:
        assert re.search(rf"^(  )?make {target}$", script, re.MULTILINE), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_command_named_anywhere_exists_with_its_options(path: Path) -> None:
    """In blocks and in running text."""
    shown = [
        (str(block), command)
        for block in all_blocks()
        if block.language == "sh" and block.page == str(path.relative_to(ROOT))
        for command in block.commands
    ]
    shown += [(path.name, span) for span in spans_of(path)]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for where, command in shown:
        words = command.removeprefix("sudo ").replace("'", "").replace('"', "").split()
        if words[:1] == ["admit"]:
            check_words(words[1:], where)
        if words[:1] == ["make"]:
            for word in words[1:]:
                assert "=" in word or word in targets or PLACEHOLDER.match(word), (where, command)
