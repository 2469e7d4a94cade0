"""The screen as a process: started as the service manager does, stopped by a kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.rigs.fake_scanner import FakeScanner

ROOT = Path(__file__).parents[2]
CONFIG = """
[gate]
name = "north-1"
event = "FEST2026"
[trust]
root_keys = ["11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]  # RFC 8032, section 7.1, test 1
[server]
kind = "none"
[screen]
port = 1
languages = ["fr"]
[[lane]]
name = "entry-1"
direction = "entry"
check_in_list = "main"
readers = ["camera:files:tickets"]
turnstile = "turnstile:sim"
"""


def start(config, run, *options):
    command = [sys.executable, "-P", "-m", "screen", "--config", config, "--run", run, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}  # also where Admit is not installed
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "admit.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_it_serves_until_it_is_stopped(config, tmp_path, end):
    scanner = FakeScanner(tmp_path)
    process = start(config, tmp_path, "--host", "127.0.0.1", "--port", "0")
    address = process.stderr.readline().split()[-1]
    with httpx.stream("GET", f"{address}/stream?lane=entry-1", timeout=10) as response:
        assert any("votre billet" in line for line in response.iter_lines())
        process.send_signal(end)
        process.wait(10)
    scanner.die()


@pytest.mark.parametrize(
    ("case", "change", "options"),
    [
        ("no file", lambda path: path.unlink(), []),
        ("no gate in it", lambda path: path.write_text("[screen]"), []),
        ("no such address", lambda path: None, ["--host", "192.0.2.1"]),
    ],
)
def test_a_start_that_fails_names_cause_and_remedy(config, tmp_path, case, change, options):
    change(config)
    process = start(config, tmp_path, *options)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in told
    assert len(told.splitlines()) >= 2
