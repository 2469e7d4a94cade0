"""I2: one entry per entry right, whoever is asked at the same time. I6: one scanner a state."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from central.organiser.overview import entries
from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.central_rig import ROOT
from tests.rigs.real_gate import RealGate, until

Place = tuple[RealGate, str]


def present_at_once(code: str, *places: Place) -> list[dict[str, Any]]:
    """The verdicts on one code that is presented at all places together."""
    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(lambda place: place[0].present(code, place[1]), places))


def one_admitted(verdicts: list[dict[str, Any]]) -> bool:
    """Whether exactly one of them admits, and the others say that the ticket is used."""
    words = sorted(str(v["reason"] or v["verdict"]) for v in verdicts)
    others = {"taken_elsewhere", "already_redeemed"}
    return words.count("admitted") == 1 and set(words) <= others | {"admitted"}


def test_one_ticket_at_two_gates_at_once_admits_one_person(venue: Venue) -> None:
    """Eight tickets, each at both gates in the same moment, with one central."""
    for _ in range(8):
        both = present_at_once(venue.code(), (venue.north, "left"), (venue.south, "entry"))
        assert one_admitted(both), both
        assert [v["claim"] for v in both if v["verdict"] == "admitted"] == ["granted"]


def test_one_ticket_at_two_lanes_of_a_gate_at_once_admits_one_person(venue: Venue) -> None:
    """Eight tickets, each at both lanes of one gate in the same moment."""
    for _ in range(8):
        both = present_at_once(venue.code(), (venue.north, "left"), (venue.north, "right"))
        assert one_admitted(both), both


def test_without_central_two_lanes_of_a_gate_still_admit_one_person(venue: Venue) -> None:
    """The reservation and the journal alone hold the rule on one gate."""
    venue.wires["north"].cut()
    for _ in range(5):
        both = present_at_once(venue.code(), (venue.north, "left"), (venue.north, "right"))
        assert one_admitted(both), both


@pytest.mark.heavy
@pytest.mark.timeout(240)
def test_sixty_tickets_at_three_lanes_at_once_admit_sixty_people(venue: Venue) -> None:
    """Three places, sixty tickets: sixty admissions in all three journals and at central."""
    places = (venue.north, "left"), (venue.north, "right"), (venue.south, "entry")
    admitted = []
    for _ in range(60):
        verdicts = present_at_once(venue.code(), *places)
        assert one_admitted(verdicts), verdicts
        admitted += [v["presentation"] for v in verdicts if v["verdict"] == "admitted"]
    gates = venue.north, venue.south
    until(
        lambda: (
            set(admitted)
            <= {
                record.presentation.hex()
                for gate in gates
                for record in (entry.record for entry in gate.records(Kind.PASSAGE))
                if record.presentation
            }
        ),
        "a passage for each in a journal",
    )
    until(
        lambda: set(admitted) <= {row["presentation"] for row in entries(venue.central.central)},
        "all entries at central",
    )


def test_a_second_scanner_on_the_same_state_refuses_to_start(venue: Venue) -> None:
    """Exit code 1 with cause and remedy; the first goes on admitting."""
    gate = venue.south
    command = [sys.executable, "-P", "-m", "scanner", "--config", str(gate.config)]
    command += ["--state", str(gate.state), "--run", str(gate.directory / "other-run")]
    second = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    cause, remedy = second.stderr.strip().splitlines()[-2:]
    assert second.returncode == 1
    assert "another scanner is running" in cause
    assert "Stop it first" in remedy
    assert gate.enter(venue.code())["outcome"] == "passage"
