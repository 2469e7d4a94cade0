"""Outcomes that found the journal out of reach are owed, and written once, in order, later."""

import threading
from pathlib import Path

import pytest

from admission.lane_table import State
from store.journal import Journal, JournalUnavailable, read_journal, verify_chain
from store.records import Kind
from tests.rigs.gate_rig import GateRig, code, row


class Loose:
    """A journal that can be out of reach."""

    def __init__(self) -> None:
        self.out_of_reach = False
        self.gate: GateRig | None = None

    def __call__(self) -> Journal:
        assert self.gate is not None
        if self.out_of_reach:
            raise JournalUnavailable("the card is gone", "Put it back")
        return self.gate.journal


class LooseRig(GateRig):
    """A gate on a bench whose journal can be out of reach."""

    def __init__(self, directory: Path, *names: str, person: str = "never") -> None:
        self.loose = Loose()
        self.loose.gate = self
        super().__init__(
            directory, [row(name) for name in names], person=person, journal=self.loose
        )


@pytest.fixture
def gate(tmp_path: Path) -> LooseRig:
    return LooseRig(tmp_path, "anna", "bert")


def test_nothing_is_released_without_a_journal(gate):
    """I1: no record, no admission; the lane says why it is out of service."""
    gate.loose.out_of_reach = True
    gate.show(code("anna"))
    assert gate.releases() == 0
    assert gate.lane.state is State.OUT
    assert gate.lane.faults.now["journal"].error.cause == "the card is gone"


def test_an_outcome_that_is_owed_is_written_before_the_lane_opens_again(gate):
    """The guest who was let in and went through is not let in twice."""
    gate.person("1.0")
    gate.sight(code("anna"))
    gate.loose.out_of_reach = True
    gate.advance(2)
    assert gate.lane.state is State.OUT
    assert gate.outcomes() == []
    gate.loose.out_of_reach = False
    gate.advance(3)
    assert gate.outcomes() == [Kind.PASSAGE]
    assert gate.lane.state is State.LOCKED
    gate.show(code("anna"))
    assert gate.scans()[-1] == ("refused", "already_redeemed")


def test_what_is_owed_is_written_in_the_order_in_which_it_happened(gate):
    """Forced passages while the journal was gone, each once."""
    gate.loose.out_of_reach = True
    for number in range(5):
        gate.admissions.note(Kind.FORCED, counter=number)
    gate.loose.out_of_reach = False
    gate.admissions.settle_debts()
    gate.admissions.settle_debts()
    assert [record.counter for record in gate.records(Kind.FORCED)] == [0, 1, 2, 3, 4]


def test_lanes_that_come_back_at_once_write_what_is_owed_once(gate):
    """Two lanes settle the same debts: none twice, none dropped (I9)."""
    gate.loose.out_of_reach = True
    for number in range(200):
        gate.admissions.note(Kind.FORCED, counter=number)
    gate.loose.out_of_reach = False
    lanes = [threading.Thread(target=gate.admissions.settle_debts) for _ in range(4)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    assert [record.counter for record in gate.records(Kind.FORCED)] == list(range(200))
    gate.journal.close()
    assert verify_chain(read_journal(gate.directory / "journal.db"))[1] == ""
