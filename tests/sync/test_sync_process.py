"""sync as a process: killed at its worst moments between a real scanner socket and a server."""

import base64
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store.mirror import MirrorReader
from store.records import Kind
from tests.rigs.server import EVENT, ROOT_SEED, Mode, Server
from tests.rigs.sync_scanner import SyncScanner
from tickets.cose import public_key_of
from tickets.rows import Ticket

KEY = (7).to_bytes(16, "big")
ROOT = Path(__file__).parents[2]


def presentation(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Gate:
    """scanner's socket, sync's process and what it keeps."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.state, self.run = directory / "state", directory / "run"
        self.run.mkdir()
        self.server, self.scanner = server, SyncScanner(self.run)
        self.config = directory / "admit.toml"
        root = base64.b64encode(public_key_of(ROOT_SEED)).decode()
        self.config.write_text(
            f"""
            gate = {{name = "north", event = "{EVENT}"}}
            trust = {{root_keys = ["{root}"]}}
            server = {{url = "{server.url}", token = "token-123"}}
            [[lane]]
            name = "entry-1"
            direction = "entry"
            check_in_list = "main"
            readers = ["camera:files:/tmp/none"]
            turnstile = "turnstile:sim"
            """
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "sync", "--config", str(self.config)]
        command += ["--state", str(self.state), "--run", str(self.run)]
        self.process = subprocess.Popen(command, cwd=ROOT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def until_it_answers(self) -> None:
        """Probe as scanner does, until a bearer is at hand."""
        number = 0
        while True:
            number += 1
            self.scanner.ask({"probe": number})
            told = self.scanner.wait_told(lambda m, n=number: m.get("probed") == n)
            if told["ok"]:
                return

    def closed(self, number: int) -> str | None:
        path = self.state / "sync" / "mirror.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
            query = "SELECT closed FROM intent WHERE presentation = ?"
            row = base.execute(query, (presentation(number),)).fetchone()
        return row[0] if row else None


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for another process to get there; the bound only ends a test that fails."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def gate(tmp_path: Path, server: Server) -> Iterator[Gate]:
    made = Gate(tmp_path, server)
    yield made
    made.kill()
    made.scanner.die()


@pytest.mark.heavy
def test_a_gate_enrols_pulls_claims_and_pushes(gate, server):
    server.publish_keyset()
    server.publish_list(5, [Ticket(KEY)])
    server.redeem(presentation(90), KEY)
    gate.start()
    gate.until_it_answers()
    assert gate.scanner.claim(presentation(1), KEY, 5.0)["result"] == "granted"
    assert gate.scanner.claim(presentation(2), KEY, 5.0)["result"] == "taken"
    gate.scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    until(lambda: gate.closed(1) == "stands" and len(server.received) == 2)
    reader = MirrorReader(gate.state / "sync" / "mirror.db")
    until(lambda: len(reader.statements(0)) == 2 and reader.redemptions(KEY).rows)
    assert (gate.state / "sync" / "list-5.db").exists()
    gate.scanner.wait_told(lambda m: m.get("server", {}).get("online") is True)


@pytest.mark.heavy
def test_killed_between_intent_and_answer_the_claim_is_given_back(gate, server):
    """The server has granted; nobody was let in; the next life of sync annuls."""
    gate.start()
    gate.until_it_answers()
    server.mode, server.only = Mode.HANG, "claims"
    gate.scanner.ask(
        {"claim": {"presentation": presentation(1).hex(), "ticket_key": KEY.hex(), "list": "main",
                   "direction": "entry", "at": 1.0, "budget": 5.0}}
    )  # fmt: skip
    until(lambda: ("POST", "/v1/claims") in server.asked)
    gate.kill()
    server.claims[presentation(1).hex()] = KEY.hex()  # it had arrived
    server.mode = Mode.GOOD
    gate.start()
    until(lambda: presentation(1).hex() in server.tombstones)
    until(lambda: gate.closed(1) == "annulled")
    assert server.claims == {}


@pytest.mark.heavy
def test_killed_after_the_lane_acted_the_entry_keeps_its_claim(gate, server):
    gate.start()
    gate.until_it_answers()
    assert gate.scanner.claim(presentation(1), KEY, 5.0)["result"] == "granted"
    gate.kill()
    gate.scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    gate.start()
    until(lambda: gate.closed(1) == "stands")
    assert server.tombstones == set()


@pytest.mark.heavy
def test_killed_between_answer_and_store_a_record_counts_once(gate, server):
    gate.start()
    gate.until_it_answers()
    for number in range(3):
        server.mode, server.only = Mode.HANG, "records"
        gate.scanner.admit(presentation(10 + number), KEY, Kind.PASSAGE)
        asked = len(server.asked)
        until(lambda asked=asked: ("POST", "/v1/records") in server.asked[asked:])
        gate.kill()
        server.mode = Mode.GOOD
        gate.start()
        until(lambda number=number: len(server.records) == 2 * (number + 1))
    gate.scanner.wait_told(lambda m: m.get("server", {}).get("waiting") == 0)
    assert sorted(seq for _, seq in server.records) == list(range(1, 7))


@pytest.mark.heavy
def test_a_lost_mirror_is_built_again_and_its_claims_are_settled(gate, server):
    gate.start()
    gate.until_it_answers()
    gate.scanner.claim(presentation(1), KEY, 5.0)
    gate.kill()
    for part in (gate.state / "sync").glob("mirror.db*"):
        part.write_bytes(os.urandom(8192))
    gate.start()
    until(lambda: presentation(1).hex() in server.tombstones)
    assert (gate.state / "sync" / "mirror.db.damaged").exists()


@pytest.mark.heavy
def test_a_scanner_that_restarts_is_found_again(gate, server):
    gate.start()
    gate.until_it_answers()
    gate.scanner.restart()
    gate.until_it_answers()
    gate.scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    until(lambda: len(server.records) == 2)


@pytest.mark.heavy
def test_a_heartbeat_goes_up_and_comes_back_and_resync_is_obeyed(gate, server):
    server.commands = [{"do": "resync"}, {"do": "message", "text": "doors open"}]
    gate.start()
    gate.until_it_answers()
    gate.scanner.ask({"heartbeat": {"nonce": "00" * 16, "health": {"ready": True}}})
    beat = gate.scanner.wait_told(lambda m: "beat" in m)["beat"]
    assert beat["commands"] == server.commands
    assert beat["nonce"] == "00" * 16


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["used token", "no configuration"])
def test_what_cannot_be_cured_ends_with_cause_and_remedy(gate, server, how):
    if how == "used token":
        server.enrolled["token-123"] = "another gate's key"
    else:
        gate.config.unlink()
    command = [sys.executable, "-m", "sync", "--config", str(gate.config)]
    command += ["--state", str(gate.state), "--run", str(gate.run)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) >= 2
    assert "Traceback" not in done.stderr
