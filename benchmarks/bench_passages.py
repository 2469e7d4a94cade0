"""Passages an hour of one lane: the product's lane, journal and turnstile on a simulated clock.

Time is moved by hand, so the count says what the lane adds to the people, whatever the machine:
each steps up, holds a ticket in view, waits for the release and walks.
"""

from pathlib import Path

from benchmarks.figures import Figures
from scanner.lane import LaneSettings
from store.records import Kind
from tests.rigs.gate_rig import STEP, GateRig, code, row

HOUR = 3600.0
STEP_UP = 0.6
"""Seconds from one guest's passage until the next one's ticket is in view."""
WALK = 1.0
"""Seconds from the release until the guest has passed the sensor."""
TARGET = 2100


def measure(directory: Path, hours: float = 1.0, step_up: float = STEP_UP) -> Figures:
    """Count the passages recorded in `hours` of brisk people, one ticket each."""
    possible = int(HOUR * hours / (step_up + WALK)) + 1
    names = [f"T{number}" for number in range(possible)]
    directory.mkdir(parents=True, exist_ok=True)
    rig = GateRig(
        directory,
        [row(name) for name in names],
        lanes=[LaneSettings("entry-1", "main")],
        person=str(WALK),
    )
    end = rig.clock.monotonic() + HOUR * hours
    guests = iter(names)
    while rig.clock.monotonic() < end:
        _one(rig, code(next(guests)), step_up, end)
    passed = len(rig.records(Kind.PASSAGE))
    return {
        "hours": hours,
        "step_up_s": step_up,
        "walk_s": WALK,
        "clock_step_s": STEP,
        "passages": passed,
        "passages_an_hour": round(passed / hours),
        "people_alone_an_hour": round(HOUR / (step_up + WALK)),
        "refused": rig.lane.tally.refused,
        "target": TARGET,
    }


def _one(rig: GateRig, payload: bytes, step_up: float, end: float) -> None:
    """One guest, until the passage is recorded or the hour is over."""
    rig.advance(step_up)
    before = rig.lane.tally.entered
    while rig.lane.tally.entered == before and rig.clock.monotonic() < end:
        rig.sight(payload)
        rig.advance(STEP)
