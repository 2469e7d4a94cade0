"""A lane whose parts fail, and one that is shown too much at once."""

from pathlib import Path

import pytest

from admission.direction import Direction
from admission.errors import GateError
from admission.lane_table import State
from drivers.protocols import Lamp, Signal
from scanner.lane import LaneSettings
from scanner.showing import Showing
from store.records import Kind
from tests.rigs.gate_rig import GateRig, code, row

ADMITTED = ("admitted", None)


def fail(*_: object) -> None:
    """What a broken relay does."""
    raise GateError("the relay does not answer", "Check its cable")


def test_a_release_that_fails_is_no_entry_and_shows_no_green(tmp_path: Path) -> None:
    """The admission is aborted, the lane is out of service and says so, the ticket works again."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.turnstile.release = fail  # type: ignore[assignment,method-assign]
    gate.show(code("anna"), 0.3)
    assert gate.outcomes() == [Kind.ABORTED]
    assert gate.lane.state is State.OUT
    assert Lamp.GREEN not in gate.lights["entry-1"].log
    assert gate.lights["entry-1"].lamp is Lamp.FAULT


def test_a_lock_that_fails_loses_no_passage(tmp_path: Path) -> None:
    """The guest is in, and is recorded so, whatever the arm does afterwards."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    gate.turnstile.lock = fail  # type: ignore[method-assign]
    gate.sensor(Signal.PASSAGE_IN)
    assert gate.outcomes() == [Kind.PASSAGE]
    assert gate.lane.state is State.OUT
    assert gate.lights["entry-1"].lamp is Lamp.FAULT


@pytest.mark.parametrize("mode", ["locked", "free_flow", "evacuation"])
def test_a_fault_that_began_in_another_mode_is_there_when_it_ends(
    tmp_path: Path, mode: str
) -> None:
    """Back to normal is not back in service."""
    gate = GateRig(tmp_path, [row("anna")])
    gate.lane.set_mode(mode, "supervisor")
    gate.turnstile.fault(True)
    gate.lane.set_mode("normal", "supervisor")
    assert gate.lane.state is State.OUT
    gate.show(code("anna"))
    assert gate.scans() == []
    gate.advance(2)
    gate.turnstile.fault(False)
    gate.show(code("anna"))
    assert gate.scans() == [ADMITTED]


def test_a_ticket_that_waits_is_not_forgotten_for_any_number_of_other_codes(
    tmp_path: Path,
) -> None:
    """I10: a wall of codes beside it costs nobody their entry."""
    gate = GateRig(tmp_path, [row("anna"), row("bert")], person="never")
    gate.sight(code("bert"))
    gate.sight(code("anna"))
    for number in range(200):
        gate.sight(b"poster %d" % number)
    gate.sensor(Signal.PASSAGE_IN)
    gate.sensor(Signal.PASSAGE_IN, False)
    gate.advance(0.1)
    assert gate.scans() == [ADMITTED, ADMITTED]


def test_a_lane_without_a_sensor_counts_on_release_and_reports_no_fault(tmp_path: Path) -> None:
    """Nobody is told to clean what is not there."""
    guests = [f"guest {number}" for number in range(5)]
    lanes = [LaneSettings("entry-1", "main", sensor_fitted=False)]
    gate = GateRig(tmp_path, map(row, guests), lanes=lanes, person="never")
    for name in guests:
        gate.show(code(name), 0.3)
        gate.advance(8)
    assert gate.outcomes() == [Kind.PASSAGE] * len(guests)
    assert gate.lane.faults.now == {}


def test_an_evacuation_opens_before_the_abort_is_recorded(tmp_path: Path) -> None:
    """I5: not even the journal comes first."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.sight(code("anna"))
    order: list[str] = []
    opened, closed = gate.turnstile.hold_open, gate.admissions.close

    def hold_open() -> None:
        order.append("open")
        opened()

    def close(showing: Showing, kind: Kind, detail: str = "") -> bool:
        order.append("record")
        return closed(showing, kind, detail)

    gate.turnstile.hold_open = hold_open  # type: ignore[method-assign]
    gate.admissions.close = close  # type: ignore[method-assign]
    gate.lane.set_mode("evacuation", "supervisor")
    assert order == ["open", "record"]


def test_an_exit_is_open_while_the_same_ticket_enters(tmp_path: Path) -> None:
    """I11, at two lanes of one gate."""
    lanes = [LaneSettings("entry-1", "main"), LaneSettings("exit-1", "main", direction="exit")]
    gate = GateRig(tmp_path, [row("family", entries=4)], lanes=lanes, person="never")
    gate.sight(code("family"), "entry-1")
    gate.sight(code("family"), "exit-1", Direction.EXIT)
    assert gate.scans() == [ADMITTED, ADMITTED]
    assert gate.releases("exit-1") == 1


def test_a_ticket_still_held_up_after_its_annulment_is_looked_at_again(tmp_path: Path) -> None:
    """Three seconds after the turnstile settled; the guest need not take it away first."""
    gate = GateRig(tmp_path, [row("anna")], person="never")
    gate.show(code("anna"), 8)
    assert gate.outcomes() == [Kind.NO_PASSAGE]
    assert gate.scans() == [ADMITTED]
    gate.show(code("anna"), 2)
    assert gate.scans() == [ADMITTED, ADMITTED]
