"""A card that is really full, or went read-only: no admission without a record, nothing lost."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from admission.lane_table import State
from drivers.protocols import Signal
from store.journal import Journal, JournalUnavailable, read_journal, verify_chain
from store.journal_file import INDEX_SPACE, LEAST_SPACE, make, named
from store.records import Kind, Record
from tests.rigs.gate_rig import EVENT, GateRig, code, row

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(120)]

GUESTS = [f"g{number}" for number in range(300)]
SIZE = 4 << 20


class Card:
    """A small file system of its own."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.path, self.kind = directory / "card", kind
        self.path.mkdir()
        if kind == "tmpfs":
            _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.path))
        else:
            image = directory / "image"
            _run("truncate", "-s", str(SIZE), str(image))
            _run("mke2fs", "-q", "-t", "ext4", "-m", "0", str(image))
            _run("mount", "-o", "loop", str(image), str(self.path))

    @property
    def ballast(self) -> Path:
        """What others have put on the card."""
        return self.path / "logs-of-others"

    def fill(self, leaving: int = 0) -> None:
        """Take all space but `leaving` bytes, rounded up to blocks."""
        handle = os.open(self.ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        os.write(handle, b"x" * size)
                except OSError as error:
                    assert error.strerror == "No space left on device"
            os.ftruncate(handle, max(0, os.fstat(handle).st_size - leaving))
            os.fsync(handle)
        finally:
            os.close(handle)

    def free(self) -> None:
        """Somebody deletes what is not ours."""
        self.ballast.unlink()
        os.sync()  # ext4 gives blocks back with its next commit

    def read_only(self) -> None:
        """What ext4 does when the card answers with errors: no write is taken any more."""
        _run("mount", "-o", "remount,abort", str(self.path))

    def pull(self) -> None:
        """Gone, whoever still has files open."""
        _run("umount", "--lazy", str(self.path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture(params=["tmpfs", "ext4"])
def card(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Card]:
    card = Card(request.param, tmp_path)
    yield card
    card.pull()


def gate_on(card: Card, person: str = "0.4") -> GateRig:
    return GateRig(card.path, [row(name) for name in GUESTS], person=person)


def test_a_full_card_takes_the_lane_out_of_service_until_space_is_free(card):
    """Each release has its record; the lane says why it is out, and opens again by itself."""
    gate = gate_on(card)
    gate.show(code("g0"))
    card.fill()
    guests = iter(GUESTS[1:])
    while gate.lane.state is not State.OUT:
        gate.show(code(next(guests)), seconds=3)
    fault = gate.lane.faults.now["journal"].error
    assert "full" in fault.cause
    assert fault.remedy.startswith("Free space")
    assert gate.scans() == [("admitted", None)] * gate.releases()
    gate.show(code(next(guests)), seconds=10)
    gate.advance(2)
    assert gate.lane.state is State.OUT

    card.free()
    released = gate.releases()
    gate.advance(3)
    assert gate.lane.state is State.LOCKED
    assert gate.lane.faults.now == {}
    gate.show(code(next(guests)), seconds=3)
    assert gate.releases() == released + 1
    assert gate.outcomes() == [Kind.PASSAGE] * gate.releases()
    gate.journal.close()
    assert verify_chain(read_journal(card.path / "journal.db"))[1] == ""


def test_an_outcome_that_found_the_card_full_is_written_when_it_can_be(card):
    """Released, then no space: the passage is owed, and nobody enters twice on that ticket."""
    gate = gate_on(card, person="never")
    gate.sight(code("g0"))
    assert gate.releases() == 1
    card.fill()
    while gate.journal.seq:  # what the log has room for already
        try:
            gate.journal.record(Record(Kind.MODE, detail="x" * 500))
        except JournalUnavailable:
            break
    gate.sensor(Signal.PASSAGE_IN)
    assert gate.lane.state is State.OUT
    assert gate.outcomes() == []
    card.free()
    gate.advance(3)
    assert gate.outcomes() == [Kind.PASSAGE]
    assert gate.lane.state is State.LOCKED
    gate.show(code("g0"))
    assert gate.scans()[-1] == ("refused", "already_redeemed")
    gate.journal.close()
    assert verify_chain(read_journal(card.path / "journal.db"))[1] == ""


def test_a_journal_is_made_whole_or_not_at_all_whatever_space_is_left(card):
    """With every amount of free space from none to plenty; once there is some, it works."""
    path, refused = card.path / "journal.db", 0
    for leaving in range(0, 200_000, 4096):
        card.fill(leaving)
        try:
            with named(path):
                make(path, EVENT)
        except JournalUnavailable as error:
            refused += 1
            assert "full" in error.cause or "No space" in error.cause
            assert not path.exists()
        card.free()
        journal = Journal(path, EVENT)
        journal.record(Record(Kind.MODE))
        journal.close()
        assert verify_chain(read_journal(path)) == (1, "")
        for file in card.path.glob("*journal.db*"):
            file.unlink()
    assert 2 < refused < 45


def test_a_journal_is_not_opened_on_a_card_too_full_to_work_on(card):
    """Named, and in time: SQLite maps its index into memory, where a full disk kills."""
    Journal(card.path / "journal.db", EVENT).close()
    card.fill(LEAST_SPACE // 2)
    with pytest.raises(JournalUnavailable, match="the card is full") as caught:
        Journal(card.path / "journal.db", EVENT)
    assert caught.value.remedy.startswith("Free space")
    card.free()
    Journal(card.path / "journal.db", EVENT).close()


def test_a_journal_that_is_open_has_all_the_room_its_index_needs(card):
    """Its blocks are taken: on a card that fills up later, none of it is a hole."""
    journal = Journal(card.path / "journal.db", EVENT)
    index = (card.path / "journal.db-shm").stat()
    assert index.st_blocks * 512 >= index.st_size >= INDEX_SPACE
    journal.close()


def test_a_card_that_went_read_only_takes_the_lane_out_of_service(tmp_path):
    """ext4 stops taking writes; the lane stops admitting, the process lives."""
    card = Card("ext4", tmp_path)
    try:
        gate = gate_on(card)
        gate.show(code("g0"))
        card.read_only()
        gate.show(code("g1"), seconds=5)
        assert gate.lane.state is State.OUT
        assert gate.releases() == 1
        assert "card" in gate.lane.faults.now["journal"].error.remedy
    finally:
        card.pull()


def test_a_read_only_card_is_read_with_what_a_killed_gate_left_in_the_log(tmp_path):
    """An organiser looks at a card without changing it; a gate on it says that it cannot write."""
    card = Card("ext4", tmp_path)
    try:
        path = card.path / "journal.db"
        if (child := os.fork()) == 0:
            journal = Journal(path, EVENT)
            for _ in range(5):
                journal.record(Record(Kind.MODE))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        (card.path / "journal.db-shm").unlink()
        _run("mount", "-o", "remount,ro", str(card.path))
        assert verify_chain(read_journal(path)) == (5, "")
        with pytest.raises(JournalUnavailable) as caught:
            Journal(path, EVENT)
        assert "read-only" in caught.value.remedy
    finally:
        card.pull()
