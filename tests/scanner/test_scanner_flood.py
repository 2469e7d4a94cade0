"""A flood of invalid codes: the steward hears of it once, and no ticket waits for it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.journal import Journal
from store.records import Kind
from tests.rigs.gate_rig import GateRig, code, row
from tickets.parse import parse

ADMITTED = ("admitted", None)


def flood(gate: GateRig, seconds: float, guest: bytes = b"") -> None:
    """Twenty codes a second, none like another; in the middle of it a guest, in one frame."""
    number = round(seconds * 20)
    for index in range(number):
        gate.sight(bytes([200, index % 256, index // 256]) + b"\xff" * 20)
        gate.advance(0.05)
        if guest and index == number // 2:
            gate.sight(guest)


def alerts(gate: GateRig) -> list[str]:
    return [event["cause"] for event in gate.events if event["kind"] == "alert"]


def test_a_flood_alerts_the_steward_once_and_its_end_is_told(tmp_path: Path) -> None:
    """At its first folded code, not once in ten seconds for as long as it lasts."""
    gate = GateRig(tmp_path)
    gate.show(b"https://example.org/menu", 1.0)
    assert alerts(gate) == []
    flood(gate, 5)
    assert len(alerts(gate)) == 1
    assert "many invalid codes" in alerts(gate)[0]
    flood(gate, 12)
    gate.advance(45)
    flood(gate, 5)
    assert len(alerts(gate)) == 1
    gate.advance(62)
    begun, ended = alerts(gate)
    counted = sum(record.counter or 0 for record in gate.records(Kind.FOLDED))
    assert ended == f"The invalid codes have stopped: {counted} more than were noted, in 2 minutes"
    flood(gate, 4)
    assert len(alerts(gate)) == 3, "the next one is told of again"
    assert begun == alerts(gate)[2]


def test_a_ticket_amid_a_flood_is_admitted_at_its_first_frame(tmp_path: Path) -> None:
    """It waits for none of the codes around it: released within the call that sighted it."""
    gate = GateRig(tmp_path, [row("anna")])
    flood(gate, 3)
    assert gate.releases() == 0
    gate.sight(code("anna"))
    assert gate.releases() == 1
    flood(gate, 3)
    assert gate.scans().count(ADMITTED) == 1


def test_a_ticket_amid_a_flood_is_recorded_in_its_place(tmp_path: Path) -> None:
    gate = GateRig(tmp_path, [row("anna")])
    flood(gate, 60, code("anna"))
    gate.advance(15)
    told = [
        record.verdict or record.kind.value
        for record in gate.records(Kind.SCAN, Kind.PASSAGE, Kind.FOLDED)
    ]
    at = told.index("admitted")
    assert told[:20] == ["refused"] * 20
    assert told[at + 1] == "passage"
    assert "folded" in told[20:at]
    assert "folded" in told[at + 1 :]


def test_what_a_flooding_code_costs_is_bounded(tmp_path: Path, monkeypatch) -> None:
    """Counted, not timed: 1200 codes a minute are read once each and write 20 records and some."""
    gate = GateRig(tmp_path, [row("anna")])
    work: Counter[str] = Counter()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **named: Any) -> Any:
            work[name] += 1
            return call(*args, **named)

        return counting

    monkeypatch.setattr("scanner.books.parse", counted("parse", parse))
    monkeypatch.setattr(Journal, "append", counted("append", Journal.append))
    flood(gate, 60)
    assert work["parse"] == 1200
    assert work["append"] <= 20 + 6
    work.clear()
    gate.sight(code("anna"))
    assert work == {"parse": 1, "append": 1}, "a ticket amid them costs what it always does"
