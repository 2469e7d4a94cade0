"""What a gate does beside its work: shown when it fails, and never the end of the gate."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.housekeeping import Housekeeper
from store.journal import Journal, JournalUnavailable
from store.records import Kind, Record
from tests.rigs.gate_doors import START, DoorRig


class Bench(DoorRig):
    """A gate without lanes, and its housekeeper."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.run, self.notes = directory / "run", list[str]()
        self.run.mkdir()
        self.house = Housekeeper(
            status=self.gate.status,
            path=self.run / "status.json",
            journal=self.gate.journal,
            clock=self.clock,
            note=self.notes.append,
            unsent=self.gate.unsent,
            report=self.gate.report,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One."""
    bench = Bench(tmp_path)
    yield bench


def test_the_status_is_written_for_a_screen_that_outlives_scanner(bench: Bench) -> None:
    """Whole, by rename."""
    bench.house.round()
    assert json.loads((bench.run / "status.json").read_text())["gate"] == "north"


def test_a_status_that_cannot_be_written_is_a_fault_until_it_can(bench: Bench) -> None:
    """/run is full, or gone: no reason to stop a gate."""
    bench.run.rmdir()
    bench.house.round()
    assert "status.json cannot be written" in bench.causes()["status"]
    bench.run.mkdir()
    bench.house.round()
    assert "status" not in bench.causes()


def test_a_synchronised_clock_that_goes_back_makes_one_record(bench: Bench) -> None:
    """Design, section 7: the journal says why its times are not in order."""
    bench.house.round()
    bench.wall -= 3600
    bench.house.round()
    bench.house.round()
    assert bench.notes == ["went back by 3600.0 s, 11:06:40 UTC to 10:06:40 UTC"]


def test_a_time_server_that_contradicts_the_server_is_a_fault(bench: Bench) -> None:
    """The server's time is used."""
    bench.clock.pin(START + 60, 1000.0, 1000.0)
    bench.house.round()
    assert "differ by 60 s" in bench.causes()["clock"]


def test_the_journal_is_checkpointed_once_when_the_gate_is_idle(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while records come, and not again before there are new ones."""
    done: list[int] = []
    journal = bench.gate.journal.journal()
    monkeypatch.setattr(Journal, "checkpoint", lambda self: done.append(self.seq))
    for record, expected in [(True, 0), (True, 0), (False, 1), (False, 1), (True, 1), (False, 2)]:
        if record:
            journal.record(Record(Kind.MODE, at=bench.wall))
        bench.house.round()
        assert len(done) == expected


def test_a_checkpoint_that_fails_is_a_fault_and_no_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log stays; the card is looked at."""

    def fail(_: Journal) -> None:
        raise JournalUnavailable("the journal cannot be written: disk I/O error", "Check the card")

    bench.gate.journal.journal().record(Record(Kind.MODE, at=bench.wall))
    monkeypatch.setattr(Journal, "checkpoint", fail)
    bench.house.round()
    bench.house.round()
    assert "disk I/O error" in bench.causes()["checkpoint"]
