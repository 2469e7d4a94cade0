"""The server as a process: started for real, killed for real, and worked with by commands."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from central.__main__ import url_of
from central.organiser import overview
from tests.rigs.central_rig import ROOT, CentralRig, Device, make_event, serving


def test_a_real_server_answers_a_real_gate(tmp_path: Path) -> None:
    """Enrolment, list, claim and record over a socket."""
    with serving(tmp_path) as rig, httpx.Client(base_url=rig.url) as client:
        gate = Device(client, rig.enrol_token("north"), "north")
        presentation = os.urandom(16)
        assert gate.claim(presentation, rig.key("A1")) == {"result": "granted"}
        gate.upload(gate.scan(presentation, rig.key("A1")), gate.outcome(presentation))
        assert gate.open_claims() == []
        assert gate.get("/v1/ping").json() == {}


@pytest.mark.heavy
def test_killed_in_mid_upload_no_acknowledged_record_is_lost(tmp_path: Path) -> None:
    """20 kills -9 at random moments: what was answered is there afterwards, and once."""
    rig = make_event(tmp_path)
    rig.start()
    gate = Device(httpx.Client(base_url=rig.url), rig.enrol_token("north"), "north")
    acknowledged: set[int] = set()
    backlog: list[dict[str, object]] = []
    for round_ in range(20):
        for _ in range(30):
            presentation = os.urandom(16)
            backlog += [gate.scan(presentation, rig.key("U0")), gate.outcome(presentation)]
        _upload_until_killed(
            rig, gate, backlog, acknowledged, random.Random(round_).uniform(0, 0.4)
        )
        rig.start()
        gate.client = httpx.Client(base_url=rig.url)
        stored = _stored(rig)
        assert acknowledged <= stored
    while backlog:
        done = {answer["seq"] for answer in gate.upload(*backlog[:500])}
        backlog[:] = [record for record in backlog if record["seq"] not in done]
    rig.kill()
    assert overview.counts(rig.central)["records"] == gate.seq
    assert overview.counts(rig.central)["entries"] == gate.seq // 2
    assert overview.alarms(rig.central) == []


def _upload_until_killed(
    rig: CentralRig,
    gate: Device,
    backlog: list[dict[str, object]],
    acknowledged: set[int],
    after: float,
) -> None:
    """Upload batches of 7 while a timer kills the server; keep what was answered for."""
    assert rig.process is not None
    timer = threading.Timer(after, rig.process.send_signal, [signal.SIGKILL])
    timer.start()
    try:
        while backlog:
            acknowledged |= {answer["seq"] for answer in gate.upload(*backlog[:7])}
            backlog[:] = [record for record in backlog if record["seq"] not in acknowledged]
    except httpx.HTTPError:
        pass  # the kill: what was not answered stays in the backlog
    timer.join()
    rig.kill()


def _stored(rig: CentralRig) -> set[int]:
    with rig.central.database.reading() as connection:
        return set(connection.exec_driver_sql("SELECT seq FROM record").scalars())


def admit(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `admit` in ``directory``."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *words],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.heavy
def test_an_organiser_sets_up_an_event_by_commands(tmp_path: Path) -> None:
    """Keys, database, policy, tickets, token, cancellation, listings."""
    (tmp_path / "policy.toml").write_text("[lists.main]\n[products.9]\nstaff = true\n")
    (tmp_path / "tickets.csv").write_bytes(b"id,product\nA1,1\nA1,1\nB\xff,1\nC1,9\n")
    assert admit(tmp_path, "keys", "new", "--out", "keys", "--event", "FEST").returncode == 0
    assert admit(tmp_path, "central", "init").returncode == 0
    assert admit(tmp_path, "central", "policy", "policy.toml").returncode == 0
    imported = admit(tmp_path, "central", "import", "tickets.csv", "--json")
    assert imported.returncode == 1
    *bad, summary = map(json.loads, imported.stdout.splitlines())
    assert [row["line"] for row in bad] == [3, 4]
    assert (summary["imported"], summary["bad"]) == (2, 2)
    assert admit(tmp_path, "central", "cancel", "A1").returncode == 0
    assert len(admit(tmp_path, "central", "token", "--gate", "north").stdout.strip()) == 43
    for listing in ("who", "gates", "conflicts", "parked", "alarms"):
        assert admit(tmp_path, "central", listing, "--json").returncode == 0


def test_a_command_without_a_database_says_what_to_do(tmp_path: Path) -> None:
    """Two lines, cause and remedy, and exit code 1."""
    done = admit(tmp_path, "central", "who")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "there is no database central.db",
        "Make it with: admit central init",
    ]


def test_plain_http_is_not_served_to_the_outside(tmp_path: Path) -> None:
    """Without a certificate only this computer is served."""
    make_event(tmp_path, csv=None)
    done = admit(tmp_path, "central", "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert "no certificate" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_address_that_is_printed_is_one_that_answers(host: str) -> None:
    """An IPv6 address without brackets is none: its parts look like a port."""
    parts = urlsplit(url_of("http", host, 8470))
    assert (parts.hostname, parts.port) == (host, 8470)
