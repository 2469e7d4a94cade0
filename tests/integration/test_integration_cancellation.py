"""A cancellation at central is known at the lanes within thirty seconds."""

import os
import subprocess
import sys

import pytest

from tests.integration.conftest import Venue
from tests.rigs.central_rig import ROOT
from tests.rigs.real_gate import RealGate, until


def wait_for_list_after(gate: RealGate, serial: int) -> None:
    """Wait until a gate's books are newer than a serial."""
    until(lambda: gate.status()["list"]["serial"] > serial, f"news at {gate.name}", 30)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_ticket_that_the_organiser_cancels_is_refused_at_every_gate(venue: Venue) -> None:
    """`admit central cancel` while the gates run; `reinstate` takes it back."""
    ticket = venue.ticket()
    code = venue.code(ticket)

    def organiser(order: str) -> None:
        command = [sys.executable, "-P", "-m", "cli", "central", order, ticket]
        command += ["--db", venue.central.db, "--keys", str(venue.central.keys)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=60)

    before = venue.north.status()["list"]["serial"]
    organiser("cancel")
    for gate in (venue.north, venue.south):
        wait_for_list_after(gate, before)
        assert gate.present(code)["reason"] == "cancelled"
    before = venue.north.status()["list"]["serial"]
    organiser("reinstate")
    wait_for_list_after(venue.north, before)
    assert venue.north.enter(code)["outcome"] == "passage"
