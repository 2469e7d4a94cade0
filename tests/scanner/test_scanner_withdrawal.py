"""A withdrawn gate keeps its journals, and what no hacked sync may make it forget; no more."""

from pathlib import Path

import pytest

from scanner.admissions import NotReady
from scanner.withdrawal import wipe_when_withdrawn
from store.withdrawn import MARK, Withdrawn, write_mark
from tests.rigs.books_rig import Bench
from tests.rigs.gate_rig import row
from tickets.bodies import Delta
from tickets.rows import Status, pack


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A gate's state directory after an evening."""
    for name in ("sync", "scanner/lists", "scanner/statements"):
        (tmp_path / name).mkdir(parents=True)
    own = tmp_path / "scanner"
    for name in ("journal.db", "journal.db-wal", "journal-0001-aa.db", "lock", "contact.json"):
        (own / name).write_text("x")
    for name in ("lists/list-7.db", "statements/rows-7-7.cbor", "statements/serials.json"):
        (own / name).write_text("x")
    return tmp_path


def files(state: Path) -> set[str]:
    own = state / "scanner"
    return {str(path.relative_to(own)) for path in own.rglob("*") if path.is_file()}


def test_nothing_is_wiped_of_a_gate_that_was_not_withdrawn(state: Path) -> None:
    before = files(state)
    wipe_when_withdrawn(state)
    assert files(state) == before


def test_a_withdrawn_gate_keeps_its_journals_and_how_new_its_lists_were(state: Path) -> None:
    """The mark is in sync's hands: were the serials wiped with the rest, a hacked sync could set
    it, take it away again, and have older lists believed.
    """
    write_mark(state / "sync", Withdrawn("ab" * 8, "hash"))
    wipe_when_withdrawn(state)
    kept = {"journal.db", "journal.db-wal", "journal-0001-aa.db", "lock"}
    assert files(state) == kept | {"statements/serials.json"}


def test_a_mark_set_and_taken_away_rolls_no_list_back(tmp_path: Path) -> None:
    """As a hacked sync may, which then hands out the list from before a cancellation."""
    bench = Bench(tmp_path)
    bench.publish(row("anna"))
    delta = Delta(1, pack(row("anna", flags=Status.CANCELLED)), b"")
    base = bench.last
    bench.put(delta, 2, previous=base)
    bench.poll()
    (tmp_path / "sync").mkdir()
    write_mark(tmp_path / "sync", Withdrawn("", ""))
    wipe_when_withdrawn(tmp_path)
    (tmp_path / "sync" / MARK).unlink()
    bench.forget(newer_than=3)
    bench.restart()
    with pytest.raises(NotReady, match="roll_back"):
        bench.keeper.books()
    bench.put(delta, 2, previous=base)
    bench.poll()
    assert bench.keeper.books().serial == 2
