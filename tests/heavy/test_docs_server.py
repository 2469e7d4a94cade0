"""What the pages show of a server is run as it stands; the organiser's page to its end."""

import json
import shutil
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from central.enrolment import new_token
from central.organiser import overview
from central.setup import open_central
from tests.rigs.shown_commands import commands_for
from tests.rigs.shown_desk import run_desk, run_ours, with_admit
from tickets.key_files import Role, load_key

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

ORGANISER = "docs/organiser.md"


@contextmanager
def running(command: str, *more: str) -> Iterator[IO[str]]:
    """A command that a reader leaves running, until the block ends by Ctrl-C; what it prints."""
    with subprocess.Popen(
        [*command.split(), *more], env=with_admit(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                process.kill()


def eventually(path: Path, ticket: str, within: float = 40.0) -> None:
    """Wait until the organiser's books have this ticket inside."""
    central = open_central(f"sqlite:///{path}/central.db", path / "keys")
    end = time.monotonic() + within
    while ticket not in [row["id"] for row in overview.entries(central)]:
        assert time.monotonic() < end, f"{ticket} did not enter"
        time.sleep(0.2)


def test_the_server_of_the_page_for_central_serves_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the commands above it; on a free port."""
    monkeypatch.chdir(tmp_path)
    run_desk("docs/central.md")
    (serve,) = commands_for("server")
    with running(serve, "--port", "0") as said:
        url = json.loads(said.readline())["url"]
        assert "Log in" in httpx.get(url, follow_redirects=True).text


def fill_in(text: str, path: Path, url: str) -> str:
    """The gate's file as an organiser completes it; a folder of pictures is the webcam."""
    central = open_central(f"sqlite:///{path}/central.db", path / "keys")
    root = load_key(path / "keys", Role.ROOT).public
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    changes = {
        "PUT-YOUR-ROOT-KEY-HERE": b64encode(root).decode(),
        "PUT-YOUR-TOKEN-HERE": new_token(central, "door"),
        "http://127.0.0.1:8470": url,
        "camera:v4l2:/dev/video0": f"camera:files:{path}/webcam",
        "[clock]": f"[screen]\nport = {port}\n\n[clock]",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_from_a_csv_file_to_people_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The organiser's page to its end: an issued ticket is shown, and its guest is inside."""
    monkeypatch.chdir(tmp_path)
    run_desk(ORGANISER)
    serve, check, run = commands_for("organiser")
    Path("webcam").mkdir()
    with running(serve, "--port", "0") as said:
        url = json.loads(said.readline())["url"]
        gate = Path("admit.toml")
        gate.write_text(fill_in(gate.read_text(), tmp_path, url))
        run_ours(check)
        with running(run):
            shutil.copy("tickets/A1.png", "webcam/.A1.png")
            Path("webcam/.A1.png").rename("webcam/A1.png")
            eventually(tmp_path, "A1")
