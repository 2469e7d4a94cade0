"""The journal's file: whole or not there, refused by name when it is not what it should be."""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from store import journal_file
from store.journal import Journal, JournalDamaged, JournalUnavailable, read_journal, verify_chain
from store.records import Kind, Record

EVENT = "FEST2026"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def filled(path: Path, records: int = 5) -> Path:
    """A journal with some records, all of them in its one file, its gate stopped."""
    journal = Journal(path, EVENT)
    for number in range(records):
        presentation = number.to_bytes(16, "big")
        journal.record(Record(Kind.SCAN, presentation, verdict="admitted", ticket_key=b"K" * 16))
    journal.close()
    return path


def left_by_a_kill(path: Path, records: int = 5) -> Path:
    """A journal whose gate was killed: its records are in the log beside it."""
    child = os.fork()
    if child == 0:
        journal = Journal(path, EVENT)
        for number in range(records):
            journal.record(Record(Kind.SCAN, number.to_bytes(16, "big"), verdict="admitted"))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.with_name("journal.db-wal").stat().st_size
    return path


def tool(path: Path, *statements: str) -> None:
    """What somebody does to the file with a database tool."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


# -- making --------------------------------------------------------------------------------------


def killed_at(line: int, path: Path) -> bool:
    """Make a journal in a process that dies before line `line` of the making is run.

    Returns:
        False when the making has fewer lines, and the process came through.
    """
    steps = {journal_file.make.__code__, journal_file._fill.__code__}
    steps.add(journal_file._set_orphans_aside.__code__)
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code not in steps:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    child = os.fork()
    if child == 0:
        sys.settrace(trace)
        Journal(path, EVENT)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def test_a_gate_killed_at_any_step_of_making_the_journal_leaves_none_or_all_of_it(path):
    """The next start makes or opens it, and no leftover stays."""
    line = 1
    while killed_at(line, path):
        if path.exists():
            assert list(read_journal(path)) == []
        journal = Journal(path, EVENT)
        journal.record(Record(Kind.MODE))
        journal.close()
        assert [file.name for file in path.parent.iterdir()] == ["journal.db"]
        path.unlink()
        line += 1
    assert line > 15


def test_the_journal_is_for_its_owner_alone(path):
    """I6: mode 0600, and the same for its log."""
    journal = Journal(path, EVENT)
    journal.record(Record(Kind.MODE))
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "journal.db": 0o600,
        "journal.db-wal": 0o600,
        "journal.db-shm": 0o600,
    }


def test_every_journal_has_an_epoch_of_its_own(tmp_path):
    """A gate whose card was replaced does not look like the one before."""
    epochs = {Journal(tmp_path / name, EVENT).epoch for name in ("a.db", "b.db")}
    assert {len(epoch) for epoch in epochs} == {8}
    assert len(epochs) == 2


def test_the_log_of_a_journal_moved_away_without_it_is_not_replayed_into_a_new_one(path):
    """It is kept beside, under another name."""
    left_by_a_kill(path)
    path.rename(path.with_name("moved.db"))
    journal = Journal(path, EVENT)
    assert journal.seq == 0
    journal.record(Record(Kind.MODE))
    assert len(list(path.parent.glob("journal.db-wal.orphan-*"))) == 1


def test_a_path_may_hold_anything(tmp_path):
    """Such as what has a meaning in an address."""
    directory = tmp_path / "a b?mode=memory#%41"
    directory.mkdir()
    filled(directory / "journal.db", 3)
    assert len(list(read_journal(directory / "journal.db"))) == 3


# -- refused by name -----------------------------------------------------------------------------


def flipped(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def zeroed(path: Path, table: str) -> None:
    """Zero the first page of a table, as a worn card gives it back."""
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        ((page,),) = db.execute(query, [table]).fetchall()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(4096))


def truncated(path: Path, size: int) -> None:
    os.truncate(path, size)


DAMAGE: list[tuple[str, Callable[[Path], object]]] = [
    ("no database", lambda p: p.write_bytes(b"#!/bin/sh\necho hello\n" * 300)),
    ("zero bytes", lambda p: p.write_bytes(b"")),
    ("one byte", lambda p: p.write_bytes(b"S")),
    ("only zeros", lambda p: p.write_bytes(bytes(8192))),
    ("half a page", lambda p: truncated(p, 2000)),
    ("its last page gone", lambda p: truncated(p, p.stat().st_size - 4096)),
    ("its table zeroed", lambda p: zeroed(p, "records")),
    ("another program's database", lambda p: (p.unlink(), tool(p, "CREATE TABLE t(a)"))),
    ("a word of the last record changed", lambda p: flipped(p, b"admitted", b"ADMITTED")),
    ("an unknown kind", lambda p: flipped(p, b"scan", b"scab")),
    ("text that is none", lambda p: flipped(p, b"scan", b"sc\xff\xfe")),
    ("its last record's hash", lambda p: tool(
        p, "DROP TRIGGER records_are_not_changed", "UPDATE records SET hash=x'00' WHERE seq=40")),
    ("its description zeroed", lambda p: zeroed(p, "meta")),
    ("no epoch", lambda p: tool(p, "DELETE FROM meta WHERE name='epoch'")),
]  # fmt: skip


@pytest.mark.parametrize(("case", "damage"), DAMAGE, ids=[case for case, _ in DAMAGE])
def test_a_damaged_journal_is_named_and_kept(path, case, damage):
    """Never opened for admissions, never overwritten: it may be all that is left of an evening."""
    damage(filled(path, 40))
    before = path.read_bytes()
    with pytest.raises(JournalDamaged) as caught:
        Journal(path, EVENT)
    assert "damaged" in caught.value.cause
    assert "USB stick" in caught.value.remedy
    assert path.read_bytes() == before


@pytest.mark.parametrize(("case", "damage"), DAMAGE[:11], ids=[case for case, _ in DAMAGE[:11]])
def test_a_damaged_file_is_read_as_far_as_it_holds(path, case, damage):
    """`admit journal verify` says what is wrong; it never fails without a name."""
    damage(filled(path, 40))
    try:
        count, wrong = verify_chain(read_journal(path))
    except JournalDamaged:
        return
    assert wrong
    assert count < 40


@pytest.mark.parametrize(
    ("case", "damage"),
    [
        ("the index of uses", lambda p: zeroed(p, "uses")),
        ("a word of each record", lambda p: flipped(p, b"scan", b"scab")),
    ],
)
def test_what_breaks_while_the_gate_runs_is_named(path, case, damage):
    """The lane goes out of service and says why; nobody enters on a ticket's lost past."""
    filled(path, 200)
    journal = Journal(path, EVENT)
    damage(path)
    with pytest.raises(JournalDamaged, match="damaged"):
        journal.uses(b"K" * 16)


def test_another_events_journal_is_refused(path):
    """Its scans are not mixed with ours, and not lost."""
    filled(path)
    with pytest.raises(JournalUnavailable, match="belongs to event FEST2026, not to FEST2027"):
        Journal(path, "FEST2027")
    assert verify_chain(read_journal(path)) == (5, "")


def test_a_missing_directory_is_named(tmp_path):
    """A state partition that was not mounted, for one."""
    with pytest.raises(JournalUnavailable, match=r"journal\.db cannot be"):
        Journal(tmp_path / "gone" / "journal.db", EVENT)


def test_a_directory_in_its_place_is_named(path):
    """Nothing is removed to make room."""
    path.mkdir()
    with pytest.raises(JournalUnavailable):
        Journal(path, EVENT)
    with pytest.raises(JournalUnavailable, match="no journal"):
        list(read_journal(path))


def test_a_journal_refused_is_not_held_open(path):
    """A gate tries again every two seconds, all night."""
    filled(path)
    errors = []
    for _ in range(10):
        with pytest.raises(JournalUnavailable) as caught:
            Journal(path, "OTHER")
        errors.append(caught.value)  # an error kept for the screen keeps what it holds
    handles = [handle for handle in Path("/proc/self/fd").iterdir() if handle.exists()]
    assert [handle for handle in handles if handle.resolve() == path] == []


# -- read without a gate -------------------------------------------------------------------------


def test_a_log_that_a_killed_gate_left_is_read_too(path):
    """All of its records, and neither file is changed by it."""
    left_by_a_kill(path)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert verify_chain(read_journal(path)) == (5, "")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_reading_a_file_leaves_nothing_beside_it(path):
    """It may be evidence, or on a card that cannot be written."""
    filled(path)
    assert len(list(read_journal(path))) == 5
    assert [file.name for file in path.parent.iterdir()] == ["journal.db"]


def test_a_torn_log_is_read_up_to_the_tear(path):
    """What a power cut leaves of the last write is not a record."""
    left_by_a_kill(path)
    log = path.with_name("journal.db-wal")
    truncated(log, log.stat().st_size - 100)
    count, wrong = verify_chain(read_journal(path))
    assert (count, wrong) == (4, "")
    assert Journal(path, EVENT).seq == 4
