"""The gate looks tickets up in a file of its own: what sync does to its files changes nothing."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from scanner import list_files
from scanner.list_files import ListNotChecked, RowsHasher
from store import listfile
from store.listfile import NOT_WRITTEN, ListDamaged, build_list, copy_list, list_path
from tests.rigs.books_rig import LIST, Bench, rows_hash
from tests.rigs.gate_rig import key_of, row
from tickets.bodies import ListHead
from tickets.rows import Ticket, pack

ANNA = pack(row("anna"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty one."""
    return Bench(tmp_path)


def packed(*tickets: Ticket) -> bytes:
    """Their rows in order."""
    return b"".join(pack(t) for t in sorted(tickets, key=lambda t: t.key))


def overwritten(path: Path, *tickets: Ticket) -> None:
    """The same file, by the same name and inode, with other rows."""
    aside = build_list(path.parent, 99, packed(*tickets))
    with path.open("r+b") as file:
        file.write(aside.read_bytes())
        file.truncate()
    aside.unlink()


def test_a_file_that_sync_changes_after_it_was_verified_changes_nothing(bench: Bench) -> None:
    """It was opened, and the rows are written over in place."""
    bench.publish(row("anna"))
    bench.poll()
    overwritten(list_path(bench.directory, 1), row("mallory"))
    books = bench.keeper.books()
    assert books.ticket(key_of("anna")) == row("anna")
    assert books.ticket(key_of("mallory")) is None
    bench.restart()
    assert bench.keeper.books().ticket(key_of("mallory")) is None
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


def test_the_gate_starts_without_the_files_of_sync(bench: Bench) -> None:
    """Its copy was verified when it was made, and is known again: no child looks at it."""
    bench.publish(row("anna"))
    bench.poll()
    list_path(bench.directory, 1).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_files, "_start", lambda job: pytest.fail(f"a child for {job}"))
        bench.restart()
        assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


def other_rows(path: Path) -> None:
    """A whole list, of others."""
    overwritten(path, row("mallory"))


@pytest.mark.parametrize(
    "spoil",
    [lambda p: p.write_bytes(b""), lambda p: p.write_bytes(b"x" * 9), Path.unlink, other_rows],
)
def test_a_copy_that_the_card_has_spoilt_is_made_anew(
    bench: Bench, spoil: Callable[[Path], object]
) -> None:
    """From sync's file, though that was found right before; what lies there is not believed."""
    bench.publish(row("anna"))
    bench.poll()
    spoil(list_path(bench.own / "lists", 1))
    bench.restart()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")
    assert bench.keeper.books().ticket(key_of("mallory")) is None


def test_the_copy_is_a_table_of_ours_whatever_sync_has_made(tmp_path: Path) -> None:
    """A view may answer a look-up otherwise than a reading of the whole, or at another time."""
    (tmp_path / "own").mkdir()
    path = build_list(tmp_path, 1, ANNA)
    with closing(sqlite3.connect(path)) as base:
        base.executescript(
            "ALTER TABLE ticket RENAME TO real; CREATE VIEW ticket AS SELECT * FROM real;"
        )
    assert copy_list(path, tmp_path / "own", 1, 1, rows_hash(ANNA)) == rows_hash(ANNA)
    with closing(sqlite3.connect(list_path(tmp_path / "own", 1))) as base:
        kinds = dict(base.execute("SELECT name, type FROM sqlite_schema"))
    assert kinds == {"meta": "table", "ticket": "table"}


def endless(path: Path) -> None:
    """Rows without end, from a file of a few kilobytes."""
    with closing(sqlite3.connect(path)) as base:
        base.executescript(
            "DROP TABLE ticket; CREATE VIEW ticket AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
            " SELECT i + 1 FROM n) SELECT CAST(printf('%016d', i) AS BLOB) AS key, 1 AS product,"
            " 1 AS entries, 0 AS flags, 0 AS valid_from, 0 AS valid_until FROM n;"
        )


def test_rows_without_end_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    """Time, memory and disk of the copying child are bounded: the gate has a fault, no full card.

    As it sorts them first, the child dies of its bounds; unsorted, of the first row too many.
    """
    (tmp_path / "own").mkdir()
    path = build_list(tmp_path, 1, ANNA)
    endless(path)
    head = ListHead(1, 30, rows_hash(ANNA))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQLITE_TMPDIR", str(tmp_path))
        found = RowsHasher().copy(path, list_path(tmp_path / "own", 1), head, 60.0)
    assert found == b""
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.parametrize("rows", [packed(row("anna"), row("mallory")), b"", pack(row("mallory"))])
def test_rows_that_were_not_signed_make_no_copy(tmp_path: Path, rows: bytes) -> None:
    """One more, none, another."""
    (tmp_path / "own").mkdir()
    path = build_list(tmp_path, 1, rows)
    assert copy_list(path, tmp_path / "own", 1, 1, rows_hash(ANNA)) != rows_hash(ANNA)
    assert list((tmp_path / "own").iterdir()) == []


def test_a_pipe_in_the_place_of_a_list_holds_nobody(tmp_path: Path) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(tmp_path / "list-1.db")
    with pytest.raises(ListDamaged, match="no file"):
        copy_list(tmp_path / "list-1.db", tmp_path, 2, 1, bytes(32))


def test_without_room_for_the_copy_the_list_before_serves(bench: Bench) -> None:
    """And the fault says what to do; when there is room, the new list acts."""
    bench.publish(row("anna"))
    bench.poll()
    lists = bench.own / "lists"
    lists.rename(bench.own / "aside")
    lists.write_bytes(b"in the way")
    bench.publish_list(row("bert"), serial=3)
    bench.poll()
    assert isinstance(bench.faults["list"], ListNotChecked)
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")
    lists.unlink()
    bench.clock.advance(list_files.AGAIN_AFTER + 1)
    bench.poll()
    assert bench.keeper.books().ticket(key_of("bert")) == row("bert")


def test_a_child_that_cannot_write_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card is full or read-only: that is not the list's fault."""
    path = build_list(tmp_path, 1, ANNA)
    told = ["copy", str(path), str(tmp_path / "nowhere"), "1", "1", rows_hash(ANNA).hex()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listfile, "_bound", lambda rows: None)
        assert listfile._main(told) == NOT_WRITTEN
    assert "could not be written" in capsys.readouterr().err


def test_a_file_that_is_written_again_and_again_does_not_wear_the_card(bench: Bench) -> None:
    """Whoever took over sync gives others' rows, anew at each look; then what was signed."""
    bench.publish(row("anna"))
    path, copies = list_path(bench.directory, 1), list[tuple[str, ...]]()
    good = path.read_bytes()
    overwritten(path, row("mallory"))
    start = list_files._start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_files, "_start", lambda job: copies.append(job) or start(job))
        for _ in range(2 * list_files.MOST_COPIES):
            path.touch()
            bench.poll()
        assert len(copies) == list_files.MOST_COPIES
        assert isinstance(bench.faults["list"], ListNotChecked)
        path.write_bytes(good)
        bench.clock.advance(list_files.COPIES_WITHIN + 1)
        bench.poll()
    assert bench.keeper.books().ticket(key_of("anna")) == row("anna")


def test_two_copies_are_kept(bench: Bench) -> None:
    """The one in force, and the one to come."""
    bench.publish(row("anna"))
    for serial in (3, 5, 7):
        bench.poll()
        bench.publish_list(row("anna"), row("bert"), serial=serial)
    bench.poll()
    assert listfile.list_serials(bench.own / "lists") == [7, 5]
    bench.put({"lists": {"main": {}}, "products": {}}, 9, LIST)
    bench.poll()
    assert bench.keeper.books().serial == 7
