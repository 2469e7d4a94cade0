"""The threads of sync at a pretix server, before a scanner: claims, uploads, what is shown."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from store.records import Kind
from sync.pretix.codes import Codes
from sync.pretix.roles import PretixRoles
from tests.rigs.fake_pretix import FakePretix
from tests.rigs.pretix_gate import PretixGate
from tests.rigs.sync_scanner import SyncScanner

P, Q = b"P" * 16, b"Q" * 16


class Bench:
    """A gate whose sync runs in threads of this process, and its scanner."""

    def __init__(self, directory: Path) -> None:
        self.server = FakePretix()
        self.order = self.server.order("A", self.server.position("s1"))
        self.scanner = SyncScanner(directory)
        self.gate = PretixGate(directory, self.server.url, self.server.token)
        self.gate.poll()
        self._over = threading.Event()
        self.roles = PretixRoles(
            directory / "sync.sock",
            self.gate.server,
            self.gate.server.authority(),
            self.gate.mirror,
            self.gate.puller,
            wait=self._wait,
        )
        for name in ("claims", "tell", "journal", "push", "settle"):
            threading.Thread(target=self.roles.all()[name], daemon=True).start()

    def _wait(self, seconds: float) -> None:
        self._over.wait(min(seconds, 0.01))
        if self._over.is_set():
            threading.Event().wait()  # for ever, as a thread that the process takes along

    def scan(self, presentation: bytes, outcome: Kind, key: bytes | None = None) -> None:
        """An admitted scan and what became of it."""
        facts: dict[str, Any] = {"ticket_key": key or self.gate.key("s1"), "list": "main (demo)"}
        way = {"direction": "entry"}
        self.scanner.write(Kind.SCAN, presentation, verdict="admitted", **facts, **way)
        self.scanner.write(outcome, presentation, **facts, **way)

    def end(self) -> None:
        self._over.set()
        self.scanner.die()
        self.server.stop()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.end()


def answered(bench: Bench, up_to: int) -> None:
    def told(message: dict[str, Any]) -> bool:
        return bool(message.get("acknowledged", {}).get("up_to") == up_to)

    bench.scanner.wait_told(told)


def test_a_claim_is_granted_and_its_entry_is_one_check_in(bench):
    claim = {"presentation": P.hex(), "ticket_key": bench.gate.key("s1").hex()}
    claim |= {"list": "main (demo)", "direction": "entry", "at": 1000.0, "budget": 5.0}
    bench.scanner.ask({"claim": claim})
    said = bench.scanner.wait_told(lambda m: m.get("answer", {}).get("presentation") == P.hex())
    assert said["answer"]["result"] == "granted"
    bench.scan(P, Kind.PASSAGE)
    answered(bench, 2)
    assert len(bench.order["positions"][0]["checkins"]) == 1


def test_scanner_hears_which_codes_it_may_forget(bench):
    bench.scan(P, Kind.PASSAGE)
    bench.scan(Q, Kind.NO_PASSAGE)
    answered(bench, 4)
    rows = bench.order["positions"][0]["checkins"]
    assert [bench.server.scans.nonces[row["id"]][0] for row in rows] == [P.hex()]


def test_a_scan_that_was_not_taken_is_a_fault_with_the_reason(bench, monkeypatch):
    monkeypatch.setattr(Codes, "of", lambda self, epoch, seqs: {})
    bench.scan(P, Kind.PASSAGE, key=bench.gate.key("never sold"))

    def shown(message: dict[str, Any]) -> bool:
        fault = message.get("server", {}).get("fault") or {}
        return "did not take 1 scan" in fault.get("cause", "")

    said = bench.scanner.wait_told(shown)
    assert "admit pretix parked" in said["server"]["fault"]["remedy"]
    assert said["server"]["parked"] == 1
