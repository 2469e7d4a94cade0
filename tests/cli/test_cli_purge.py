"""`admit journal purge`: nothing unacknowledged is ever deleted (I9)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.journal import app
from store.journal import Journal
from store.mirror import Mirror
from store.ownership import AlreadyRunning, take_ownership
from store.purge import NotAcknowledged
from store.records import Kind, Record


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A stopped gate with five records, of which the server has answered for none."""
    for name in ("scanner", "sync"):
        (tmp_path / name).mkdir()
    journal = Journal(tmp_path / "scanner" / "journal.db", "FEST2026")
    for number in range(5):
        journal.record(Record(Kind.MODE, at=float(number), detail="normal"))
    Mirror(tmp_path / "sync" / "mirror.db")
    acknowledge(tmp_path, journal.epoch, 0)
    journal.close()
    yield tmp_path


def acknowledge(state: Path, epoch: bytes, seq: int) -> None:
    """The server has answered for every record up to `seq`."""
    with sqlite3.connect(state / "sync" / "mirror.db") as base:
        name = f"records/{epoch.hex()}"
        base.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", [name, seq])


def epoch_of(state: Path) -> bytes:
    """The journal's epoch."""
    journal = Journal(state / "scanner" / "journal.db", "FEST2026")
    journal.close()
    return journal.epoch


def purge(state: Path) -> object:
    """Run the command; returns what it raised or its output."""
    result = CliRunner().invoke(app, ["purge", "--state", str(state)])
    return result.exception or result.output


@pytest.mark.parametrize("answered", [0, 4])
def test_a_journal_with_unacknowledged_records_stays(state: Path, answered: int) -> None:
    """Not even one may be missing."""
    acknowledge(state, epoch_of(state), answered)
    error = purge(state)
    assert isinstance(error, NotAcknowledged)
    assert error.cause.startswith(f"{5 - answered} of 5 records")
    assert (state / "scanner" / "journal.db").exists()


def test_an_acknowledged_journal_is_deleted(state: Path) -> None:
    """The server has all of it."""
    acknowledge(state, epoch_of(state), 5)
    assert purge(state) == "5 records, all at the server: deleted\n"
    assert list((state / "scanner").glob("journal.db*")) == []


def test_another_epochs_acknowledgement_does_not_count(state: Path) -> None:
    """A journal from a copied card is not the one the server knows."""
    acknowledge(state, b"another!", 5)
    assert isinstance(purge(state), NotAcknowledged)


def test_a_running_gate_keeps_its_journal(state: Path) -> None:
    """The scanner owns the directory."""
    acknowledge(state, epoch_of(state), 5)
    take_ownership(state / "scanner")
    assert isinstance(purge(state), AlreadyRunning)
