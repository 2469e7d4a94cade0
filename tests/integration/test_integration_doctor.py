"""`admit doctor` beside a gate that runs, and with a ticket in the hand."""

import json
import subprocess
import sys
import threading

import pytest

from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.real_gate import ROOT, RealGate, until


def doctor(gate: RealGate, *more: str) -> subprocess.Popen[str]:
    places = "--config", str(gate.config), "--state", str(gate.state), "--run", str(gate.run)
    command = [sys.executable, "-P", "-m", "cli", "doctor", "--json", *places, *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_running_gate_is_asked_and_its_readers_are_tried_with_nothing_redeemed(
    venue: Venue,
) -> None:
    """The lane judges a ticket held up to its lens, and is back in its mode afterwards."""
    gate, code = venue.south, venue.code()
    asked = doctor(gate, "--live", "--seconds", "30")
    until(lambda: gate.status()["lanes"][0]["mode"] == "check", "the lane to be in mode check")
    shown = threading.Timer(0.5, gate.show, [code])
    shown.start()
    found = json.loads(asked.communicate(timeout=60)[0])["findings"]
    shown.join()
    judged = [f["found"] for f in found if f["found"].startswith("seen and judged: admitted")]
    assert len(judged) == 1
    assert [f for f in found if f["what"] == "server" and f["level"] == "good"]
    assert gate.status()["lanes"][0]["mode"] == "normal"
    assert gate.records(Kind.SCAN)[-1].record.verdict == "checked"
    assert gate.present(code)["verdict"] == "admitted"  # the check has used nothing up


@pytest.mark.heavy
def test_an_evacuation_is_not_ended_by_trying_the_readers(venue: Venue) -> None:
    """Neither one that stands, nor one that begins while somebody holds a ticket to the lens."""
    gate = venue.south

    def mode() -> str:
        return str(gate.status()["lanes"][0]["mode"])

    asked = doctor(gate, "--live", "--seconds", "3")
    until(lambda: mode() == "check", "the lane to be in mode check")
    try:
        gate.order(op="mode", lane="entry", mode="evacuation")
        asked.communicate(timeout=60)
        assert mode() == "evacuation"
        found = json.loads(doctor(gate, "--live", "--seconds", "1").communicate(timeout=60)[0])
        assert "in evacuation: not tried" in {f["found"] for f in found["findings"]}
        assert mode() == "evacuation"
    finally:
        gate.order(op="mode", lane="entry", mode="normal")
