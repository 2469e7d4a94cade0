"""Every command that docs/central.md shows in a console block is run, in the order of the page."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cli.__main__ import main
from tests.rigs.central_rig import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

PAGE = (ROOT / "docs" / "central.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def words_of(command: str) -> list[str]:
    words = shlex.split(command)
    assert words[0] == "admit", "only our own commands are shown there"
    return words[1:]


def serve(command: str) -> None:
    """Start the server as shown (on a free port), open its page, end it."""
    program = [sys.executable, "-P", "-m", "cli", *words_of(command), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]
            assert "Log in" in httpx.get(url, follow_redirects=True).text
        finally:
            server.kill()


def test_the_commands_of_the_page_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the page's own policy, and a file of three tickets."""
    monkeypatch.chdir(tmp_path)
    (policy,) = blocks("toml")
    Path("policy.toml").write_text(policy)
    Path("tickets.csv").write_text("id\nA1\nA2\nA3\n")
    Path("stick").mkdir()
    commands = [line for block in blocks("console") for line in block.splitlines()]
    assert len(commands) > 15
    for command in commands:
        if command == "admit central serve":
            serve(command)
            continue
        with pytest.raises(SystemExit) as ended:
            main(words_of(command))
        assert not ended.value.code, command
