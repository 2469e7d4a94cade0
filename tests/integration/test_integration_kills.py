"""Crashes: every process of a running gate is killed in turn; it comes back and nothing is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from central.organiser.overview import alarms, entries, parked_records
from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.central_rig import ROOT
from tests.rigs.real_gate import RealGate, until

pytestmark = pytest.mark.heavy


def everything_at_central(venue: Venue, gate: RealGate) -> None:
    """Each passage of the gate's journal stands at central, and nobody has to look into it."""
    wanted = {
        record.presentation.hex()
        for record in (entry.record for entry in gate.records(Kind.PASSAGE))
        if record.presentation
    }

    def there() -> bool:
        return wanted <= {row["presentation"] for row in entries(venue.central.central)}

    until(there, "every passage at central", 40)
    assert alarms(venue.central.central) == []
    assert parked_records(venue.central.central) == []


@pytest.mark.parametrize(
    "part", ["scanner", "sync", pytest.param("reader", marks=pytest.mark.heavy)]
)
def test_a_part_killed_among_admissions_comes_back_and_nothing_is_lost(
    venue: Venue, part: str
) -> None:
    """Guests before, during and after; the chain holds and central has every one of them."""
    gate = venue.north
    before = len(gate.records(Kind.PASSAGE))
    gate.enter(venue.code(), "left")
    gate.order(op="type", lane="right", code=venue.code())
    if part == "reader":
        os.kill(gate.children()[0], signal.SIGKILL)
    else:
        gate.kill(part)
        gate.start(part)
    gate.ready(authority=None)
    gate.enter(venue.code(), "left")
    assert len(gate.records(Kind.PASSAGE)) - before >= 2
    assert gate.chain_holds()
    everything_at_central(venue, gate)


@pytest.mark.heavy
def test_central_killed_while_records_come_has_each_once(venue: Venue) -> None:
    """Its answer is lost with it: the gate sends again, central counts once."""
    gate = venue.north
    gate.enter(venue.code(), "left")
    venue.central.kill()
    gate.enter(venue.code(), "left")
    venue.mend()
    everything_at_central(venue, gate)
    sent = [row["presentation"] for row in entries(venue.central.central)]
    assert len(sent) == len(set(sent))


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_twenty_kills_of_scanner_in_the_middle_of_admissions_lose_no_record(
    venue: Venue,
) -> None:
    """Every verdict that was heard is in the journal, whatever came after it."""
    gate, heard = venue.north, set()
    for number in range(20):
        since = gate.mark()
        gate.order(op="type", lane="left", code=venue.code())
        gate.order(op="type", lane="right", code=venue.code())
        if number % 2:
            gate.wait(since, kind="verdict")
        gate.kill("scanner")
        heard |= {e["presentation"] for e in gate.events[since:] if e["kind"] == "verdict"}
        gate.start("scanner")
        gate.ready(authority=None)
    recorded = {e.record.presentation.hex() for e in gate.records() if e.record.presentation}
    assert heard <= recorded
    assert gate.chain_holds()
    everything_at_central(venue, gate)


def test_an_interrupted_ticket_is_not_resumed_at_another_gate(venue: Venue) -> None:
    """Elsewhere it is used: whoever was in the arm at the crash may have gone through."""
    gate, code = venue.south, venue.code()
    gate.order(op="person", lane="entry", person="never")
    verdict = gate.present(code)
    gate.kill("scanner")
    gate.start("scanner")
    gate.ready(authority=None)
    kinds = [e.record.kind for e in gate.records(presentation=verdict["presentation"])]
    assert kinds == [Kind.SCAN, Kind.INTERRUPTED]
    elsewhere = venue.north.present(code, "left")
    assert elsewhere["reason"] in ("taken_elsewhere", "already_redeemed")


def _another(find: Callable[[], int], than: int) -> bool:
    return find() not in (0, than)


def _child(parent: int, part: str) -> int:
    """Process id of a part that a process started; 0 while there is none."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if words[1:4] == [b"-P", b"-m", part.encode()]:
            return int(child)
    return 0


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_admit_run_starts_again_whatever_is_killed(venue: Venue, tmp_path: Path) -> None:
    """scanner, sync and screen under one parent: each is killed, and the gate is whole again."""
    gate = RealGate(tmp_path, f"desk-{os.urandom(3).hex()}", venue.central, venue.central.url)
    command = [sys.executable, "-P", "-m", "cli", "run", str(gate.config)]
    command += ["--state", str(gate.state), "--run", str(gate.run)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "run.log").open("wb") as log, gate:
        desk = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            gate.ready()
            for part in ("scanner", "sync", "screen"):
                find = partial(_child, desk.pid, part)
                victim = until(find, part)
                os.kill(victim, signal.SIGKILL)
                until(partial(_another, find, victim), f"another {part}")
                gate.ready()
                assert gate.enter(venue.code())["outcome"] == "passage"
        finally:
            desk.terminate()
            assert desk.wait(20) is not None
        assert gate.chain_holds()
