"""The power goes at any moment: what was acknowledged is on the card, and the gate starts again."""

import os
import sys
from pathlib import Path

import pytest

from store.journal import Journal, read_journal, verify_chain
from tests.rigs.journal_writer import EVENT
from tests.rigs.torn_writes import Report, cut_power

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
RECORDS = 300


def whole(directory: Path, acknowledged: list[str]) -> str:
    """What is wrong with the journal after a cut, or ""."""
    path = directory / "journal.db"
    if not path.exists():
        return "the journal is gone" if acknowledged else ""
    count, wrong = verify_chain(read_journal(path))
    if wrong:
        return wrong
    promised = int(acknowledged[-1]) if acknowledged else 0
    if count < promised:
        return f"{promised - count} of {promised} acknowledged records lost"
    if count % 3 == 1:
        return "half a transaction"
    journal = Journal(path, EVENT)
    started = journal.seq == count
    journal.close()
    return "" if started else "the gate does not start with what is there"


def cuts(directory: Path, number: int, *synchronous: str) -> Report:
    """Cut the power of a gate that records as fast as it can."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    code += "from tests.rigs.journal_writer import write; from pathlib import Path; "
    code += "write(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])"
    command = [sys.executable, "-P", "-c", code, "{dir}", str(RECORDS), *synchronous]
    report = cut_power(directory, command, whole, cuts=number)
    print(f"{report.acknowledged} acknowledged, {report.flushes} flushes, {report.cuts} cuts: "
          f"{len(report.wrong)} wrong {report.wrong[:3]}")  # fmt: skip
    return report


@pytest.fixture(autouse=True)
def _root() -> None:
    assert os.geteuid() == 0, "loop devices need root"


def test_no_power_cut_loses_an_acknowledged_record(tmp_path):
    """I1 on a real file system: also while the journal is being made, and at checkpoints."""
    report = cuts(tmp_path, 150)
    assert report.cuts == 150
    assert report.wrong == []


def test_the_cuts_would_find_a_journal_that_does_not_wait_for_the_disk(tmp_path):
    """The control: the same cuts with synchronous=NORMAL lose records."""
    report = cuts(tmp_path, 150, "NORMAL")
    assert any("acknowledged records lost" in wrong for wrong in report.wrong)
