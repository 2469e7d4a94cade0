"""I1: the record is on disk before anything is released, seen from outside the process."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from store.journal import Journal
from store.records import Kind, Record
from tests.integration.conftest import Venue
from tests.rigs.central_rig import EVENT


def test_the_record_can_be_read_from_outside_when_the_verdict_is_heard(venue: Venue) -> None:
    """Ten admissions at two lanes: each has its committed scan when its event arrives."""
    for number in range(10):
        verdict = venue.north.present(venue.code(), ("left", "right")[number % 2])
        scans = venue.north.records(Kind.SCAN, presentation=verdict["presentation"])
        assert [scan.record.verdict for scan in scans] == ["admitted"]
    assert venue.north.chain_holds()


def test_the_head_that_sync_is_told_can_be_read_by_it(tmp_path: Path) -> None:
    """Within a transaction the head stays where it was; a rolled back one never moves it."""
    journal = Journal(tmp_path / "journal.db", EVENT)
    record = Record(Kind.MODE, at=1.0, event=EVENT)
    with journal.transaction():
        journal.append(record)
        journal.append(record)
        assert (journal.seq, journal.after(0, 10)) == (0, [])
    assert journal.seq == len(journal.after(0, 10)) == 2
    with pytest.raises(RuntimeError), journal.transaction():
        journal.append(record)
        raise RuntimeError("the card is gone")
    assert journal.seq == len(journal.after(0, 10)) == 2
    journal.record(record)
    assert journal.after(2, 10)[0].hash == journal.head
    journal.close()


def test_a_gate_killed_at_its_verdict_has_the_record_and_resumes_the_guest_once(
    venue: Venue,
) -> None:
    """The scan survives the kill, is interrupted, and the same ticket is let in once more."""
    gate, code = venue.north, venue.code()
    gate.order(op="person", lane="left", person="never")
    verdict = gate.present(code, "left")
    gate.kill("scanner")
    kinds = [e.record.kind for e in gate.records(presentation=verdict["presentation"])]
    assert verdict["verdict"] == "admitted"
    assert kinds == [Kind.SCAN]
    gate.start("scanner")
    gate.ready(authority=None)
    outcome = gate.enter(code, "left")
    assert outcome["outcome"] == "passage"
    kinds = [e.record.kind for e in gate.records(presentation=verdict["presentation"])]
    assert kinds == [Kind.SCAN, Kind.INTERRUPTED, Kind.RESUMED]
    assert gate.present(code, "left")["reason"] == "already_redeemed"
    assert gate.chain_holds()


def test_a_journal_that_cannot_be_written_releases_nobody_and_says_why(venue: Venue) -> None:
    """A foreign lock on the journal: the lane goes out of service, and comes back by itself."""
    gate = venue.north
    since = gate.mark()
    with closing(sqlite3.connect(gate.state / "scanner" / "journal.db", timeout=10)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        gate.order(op="type", lane="left", code=venue.code())
        fault = gate.wait(since, kind="fault", lane="left")
        heard = list(gate.events[since:])
        foreign.execute("ROLLBACK")
    assert "journal" in fault["cause"]
    assert [e for e in heard if e["kind"] == "verdict" or e.get("state") == "released"] == []
    gate.wait(since, kind="state", lane="left", state="out_of_service")
    gate.wait(since, kind="recovered", lane="left")
    assert gate.enter(venue.code(), "left")["outcome"] == "passage"
