"""A journal that is an older copy, or one of two, is ended: another begins, and all of both counts.

Real files: the state directory is copied, the gate runs on, the copy is put back.
"""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.journal_keeper import MOST_OLDER, RESTORED, JournalKeeper
from store.journal import Journal, JournalUnavailable
from store.records import Entry, Kind, Record
from store.withdrawn import is_of_journal

KEY = b"K" * 16


def keeper(directory: Path) -> JournalKeeper:
    """The keeper of a gate that starts in ``directory``."""
    directory.mkdir(exist_ok=True)
    return JournalKeeper(directory / "journal.db", "FEST2026", lambda: 0.0)


def let_in(journal: Journal, key: bytes = KEY, counter: int | None = None) -> bytes:
    """Record an admission and its passage; returns its presentation."""
    presentation = os.urandom(16)
    scan = {"lane": "1", "list": "main", "ticket_key": key, "direction": "entry"}
    journal.record(
        Record(Kind.SCAN, presentation, verdict="admitted", counter=counter, **scan)  # type: ignore[arg-type]
    )
    journal.record(Record(Kind.PASSAGE, presentation, **scan))  # type: ignore[arg-type]
    return presentation


@pytest.fixture
def restored(tmp_path: Path) -> tuple[JournalKeeper, Entry]:
    """A gate on a copy that lacks the last entries; with the last record of the real one."""
    gate, copy = tmp_path / "gate", tmp_path / "copy"
    journal = keeper(gate).journal()
    let_in(journal)
    journal.close()
    shutil.copytree(gate, copy)
    journal = keeper(gate).journal()
    let_in(journal, b"L" * 16)
    (last,) = journal.after(journal.seq - 1, 1)
    journal.close()
    return keeper(copy), last


def test_a_copy_put_back_ends_its_journal(restored: tuple[JournalKeeper, Entry]) -> None:
    """The server knows record 4, the card has two: another epoch, which says why it began."""
    copy, known = restored
    before = copy.journal().epoch
    copy.seen(before, known.seq, known.hash)
    assert copy.renew() is not None
    after = copy.journal()
    assert after.epoch != before
    assert [older.epoch for older in after.older] == [before]
    (first,) = after.after(0, 10)
    assert first.record.kind is Kind.FAULT
    assert first.record.detail.startswith(f"{RESTORED} {before.hex()} ended at 2")


def test_a_clone_that_went_another_way_ends_its_journal(
    restored: tuple[JournalKeeper, Entry],
) -> None:
    """As many records as the server knows, but others: a copy that works beside the first."""
    copy, known = restored
    let_in(copy.journal(), b"M" * 16)
    before = copy.journal()
    assert before.seq == known.seq
    copy.seen(before.epoch, known.seq, known.hash)
    assert copy.renew() is not None


def test_what_the_card_bears_out_ends_nothing(tmp_path: Path) -> None:
    """Any head of its own past; another journal's; nothing at all."""
    gate = keeper(tmp_path)
    journal = gate.journal()
    let_in(journal)
    for entry in journal.after(0, 10):
        gate.seen(journal.epoch, entry.seq, entry.hash)
        gate.seen(journal.epoch, entry.seq, b"")
    gate.seen(b"another!", 99, b"h" * 32)
    gate.seen(journal.epoch, 0, bytes(32))
    assert gate.renew() is None
    assert gate.journal() is journal


def test_what_an_ended_journal_holds_still_counts(restored: tuple[JournalKeeper, Entry]) -> None:
    """Whoever makes a gate begin anew, again and again, gets nobody in twice."""
    copy, _ = restored
    presentation = let_in(copy.journal(), KEY, counter=7)
    for _ in range(3):
        copy.seen(copy.journal().epoch, 99, b"")
        assert copy.renew() is not None
        journal = copy.journal()
        uses = journal.uses(KEY)
        assert presentation in {use.presentation for use in uses}
        assert len(uses) == 2
        assert journal.highest_counter(KEY) == 7
    assert len(journal.older) == 3
    assert journal.passages() == [("1", "entry", "main", 2)]


def test_an_admission_that_was_open_is_open_in_the_next(tmp_path: Path) -> None:
    """Its outcome closes it from there; without one it is found at the next start."""
    gate = keeper(tmp_path)
    scan = {"ticket_key": KEY, "list": "main", "direction": "entry", "lane": "1"}
    for name in (b"a" * 16, b"b" * 16):
        record = Record(Kind.SCAN, name, verdict="admitted", **scan)  # type: ignore[arg-type]
        gate.journal().record(record)
    gate.seen(gate.journal().epoch, 99, b"")
    gate.renew()
    journal = gate.journal()
    assert len(journal.interrupted()) == 2
    journal.record(Record(Kind.PASSAGE, b"a" * 16, **scan))  # type: ignore[arg-type]
    assert [entry.record.presentation for entry in journal.interrupted()] == [b"b" * 16]


def test_a_start_finds_every_ended_journal_again(restored: tuple[JournalKeeper, Entry]) -> None:
    """After a power cut too; the record of why is written if it was not."""
    copy, known = restored
    copy.seen(copy.journal().epoch, known.seq, known.hash)
    copy.renew()
    epochs = [older.epoch for older in copy.journal().older]
    path = copy.journal().path
    copy.journal().close()
    path.unlink()  # as if the power had gone between the two files
    again = keeper(path.parent).journal()
    assert [older.epoch for older in again.older] == epochs
    assert again.after(0, 1)[0].record.detail.startswith(RESTORED)


@pytest.mark.parametrize("damaged", ["journal-0002", "journal.db"])
def test_trying_again_and_again_uses_up_no_files(tmp_path: Path, damaged: str) -> None:
    """One of the journals is damaged: the gate looks every 2 s until somebody has moved it away."""
    gate = keeper(tmp_path)
    for _ in range(2):
        gate.seen(gate.journal().epoch, 99, b"")
        gate.renew()
    gate.journal().close()
    next(path for path in tmp_path.iterdir() if path.name.startswith(damaged)).write_bytes(
        b"x" * 99
    )
    ticks = itertools.count(0.0, 10.0)
    again = JournalKeeper(tmp_path / "journal.db", "FEST2026", lambda: next(ticks))
    held = []
    for _ in range(3):
        with pytest.raises(JournalUnavailable):
            again.journal()
        held.append(len(list(Path("/proc/self/fd").iterdir())))
    assert held[2] <= held[0]  # fewer: those of other tests were let go


def test_lies_end_a_few_journals_and_no_more(tmp_path: Path) -> None:
    """A hacked sync can call every journal a copy: the gate stops listening and says so."""
    gate = keeper(tmp_path)
    for _ in range(MOST_OLDER):
        gate.seen(gate.journal().epoch, 99, b"")
        gate.renew()
    journal = gate.journal()
    gate.seen(journal.epoch, 99, b"")
    with pytest.raises(JournalUnavailable, match="older copy"):
        gate.renew()
    assert gate.journal() is journal
    assert gate.renew() is None


def test_who_holds_the_ended_journal_meets_a_named_error(tmp_path: Path) -> None:
    """And gets the next one by asking again: nothing is written into a file that was ended."""
    gate = keeper(tmp_path)
    journal = gate.journal()
    gate.seen(journal.epoch, 99, b"")
    gate.renew()
    with pytest.raises(JournalUnavailable):
        let_in(journal)
    let_in(gate.journal())


@given(name=st.from_regex(r"journal(-\d{4}-[0-9a-f]{16})?\.db(-wal|-shm)?", fullmatch=True))
def test_a_withdrawn_gate_keeps_every_journal(name: str) -> None:
    """Whatever else goes: the scans in them are not at the server yet."""
    assert is_of_journal(name)
    keeps: Callable[[str], bool] = is_of_journal
    assert not any(map(keeps, ("statements", "lists", "lists.json", "contact.json", "names.db")))
