"""A cancellation at central is known at the lanes within thirty seconds."""

import os
import subprocess
import sys

import pytest

from tests.integration.conftest import Venue
from tests.rigs.central_rig import ROOT
from tests.rigs.real_gate import until


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_ticket_that_the_organiser_cancels_is_refused_at_every_gate(venue: Venue) -> None:
    """`admit central cancel` while the gates run; `restore` takes it back."""
    ticket = venue.ticket()
    code = venue.code(ticket)

    def organiser(order: str) -> None:
        command = [sys.executable, "-P", "-m", "cli", "central", order, ticket]
        command += ["--db", venue.central.db, "--keys", str(venue.central.keys)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=60)

    serial = venue.north.status()["list"]["serial"]
    organiser("cancel")
    for gate in (venue.north, venue.south):
        until(lambda gate=gate: gate.status()["list"]["serial"] > serial, "the news", 30)
        assert gate.present(code)["reason"] == "cancelled"
    serial = venue.north.status()["list"]["serial"]
    organiser("restore")
    until(lambda: venue.north.status()["list"]["serial"] > serial, "the news", 30)
    assert venue.north.enter(code)["outcome"] == "passage"
