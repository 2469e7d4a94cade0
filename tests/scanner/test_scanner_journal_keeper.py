"""The journal of a running gate: opened late, moved away, damaged; never written to unseen."""

from pathlib import Path

import pytest

from scanner.journal_keeper import RETRY_EVERY, JournalKeeper
from store.journal import JournalDamaged, JournalUnavailable, read_journal
from store.records import Kind, Record


class Bench:
    """A keeper and its time."""

    def __init__(self, directory: Path) -> None:
        self.at, self.path = 100.0, directory / "journal.db"
        self.keeper = JournalKeeper(self.path, "FEST2026", lambda: self.at)

    def record(self, number: int) -> None:
        """Record something."""
        self.keeper.journal().record(Record(Kind.MODE, at=float(number)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One."""
    return Bench(tmp_path)


def test_a_journal_moved_away_is_followed_by_a_new_one(bench: Bench) -> None:
    """The organiser took it along: what comes now must not go into their file."""
    for number in range(1, 4):
        bench.record(number)
    epoch = bench.keeper.journal().epoch
    moved = bench.path.rename(bench.path.with_name("evidence.db"))
    bench.record(9)
    assert bench.keeper.journal().epoch != epoch
    assert bench.keeper.head() == 1
    assert [entry.record.at for entry in read_journal(moved)] == [1.0, 2.0, 3.0]


def test_another_file_in_its_place_is_opened(bench: Bench) -> None:
    """A journal that was put back."""
    bench.record(1)
    epoch = bench.keeper.journal().epoch
    aside = bench.path.rename(bench.path.with_name("aside.db"))
    bench.record(2)
    bench.path.unlink()
    for leftover in bench.path.parent.glob("journal.db-*"):
        leftover.unlink()
    aside.rename(bench.path)
    assert bench.keeper.journal().epoch == epoch
    assert bench.keeper.head() == 1


def test_a_damaged_journal_moved_away_is_followed_by_a_new_one(bench: Bench) -> None:
    """As its remedy says, and without a restart."""
    bench.path.write_bytes(b"no journal" * 1000)
    with pytest.raises(JournalDamaged):
        bench.keeper.journal()
    bench.path.rename(bench.path.with_name("evidence.db"))
    bench.at += RETRY_EVERY
    bench.record(1)
    assert bench.keeper.head() == 1


def test_a_journal_damaged_while_open_is_left_when_it_is_moved(bench: Bench) -> None:
    """The log cannot be moved into it; that stops nobody."""
    bench.record(1)
    with bench.path.open("r+b") as file:
        file.write(b"\0" * 4096)
    bench.path.rename(bench.path.with_name("evidence.db"))
    bench.record(2)
    assert bench.keeper.head() == 1


def test_a_journal_is_opened_once_as_long_as_it_stays(bench: Bench) -> None:
    """Looked at before every record, opened anew for none."""
    bench.record(1)
    assert bench.keeper.journal() is bench.keeper.journal()


def test_without_a_journal_it_is_tried_every_two_seconds(bench: Bench) -> None:
    """A card that refuses is not asked a hundred times a second."""
    bench.path.write_bytes(b"no journal" * 1000)
    with pytest.raises(JournalDamaged):
        bench.keeper.journal()
    bench.path.unlink()
    with pytest.raises(JournalDamaged):
        bench.keeper.journal()
    bench.at += RETRY_EVERY
    bench.record(1)


def test_who_still_holds_the_journal_that_was_moved_is_refused_by_name(bench: Bench) -> None:
    """Another lane, in the middle of an admission: nothing is recorded, nothing released."""
    held = bench.keeper.journal()
    bench.record(1)
    bench.path.rename(bench.path.with_name("evidence.db"))
    bench.record(2)
    with pytest.raises(JournalUnavailable):
        held.record(Record(Kind.MODE, at=3.0))
    with pytest.raises(JournalUnavailable):
        held.uses(b"k" * 16)
    with pytest.raises(JournalUnavailable):
        held.after(0, 10)
