"""Sealed codes at the gate: given to sync, deleted when it was answered for, without a hurry."""

from pathlib import Path

import pytest

from scanner.sync_door import SyncDoor
from scanner.unsent import NO_LONGER_THAN
from store.records import Kind, Record
from tests.rigs.gate_doors import DoorRig


@pytest.fixture
def bench(tmp_path: Path) -> DoorRig:
    rig = DoorRig(tmp_path)
    journal = rig.gate.journal.journal()
    with journal.transaction():
        for number in range(1, 5):
            journal.append(Record(kind=Kind.SCAN, at=float(number)), sealed=b"code %d" % number)
    return rig


def left(rig: DoorRig) -> list[int]:
    return sorted(rig.gate.journal.journal().sealed([1, 2, 3, 4]))


def told(rig: DoorRig, **message: object) -> object:
    door = SyncDoor(rig.gate, lambda _: True)
    return door.answer(object(), message)  # type: ignore[arg-type]


def epoch(rig: DoorRig) -> str:
    return rig.gate.journal.journal().epoch.hex()


def test_sync_gets_the_codes_it_asks_for(bench: DoorRig) -> None:
    answer = told(bench, op="sealed", epoch=epoch(bench), seqs=[2, 9])
    assert answer == {"sealed": {"2": b"code 2".hex()}}
    assert told(bench, op="sealed", epoch="00" * 8, seqs=[2]) == {"sealed": {}}


def test_what_was_answered_for_is_deleted_once_the_lanes_rest(bench: DoorRig) -> None:
    told(bench, acknowledged={"epoch": epoch(bench), "up_to": 1, "seqs": [3]})
    bench.gate.unsent.tend(idle=False)
    assert left(bench) == [1, 2, 3, 4]
    bench.gate.unsent.tend(idle=True)
    assert left(bench) == [2, 4]


def test_a_gate_that_never_rests_deletes_all_the_same(bench: DoorRig) -> None:
    told(bench, acknowledged={"epoch": epoch(bench), "up_to": 4})
    for _ in range(NO_LONGER_THAN):
        bench.gate.unsent.tend(idle=False)
    assert left(bench) == []


def test_acknowledgements_of_another_journal_delete_nothing(bench: DoorRig) -> None:
    told(bench, acknowledged={"epoch": "00" * 8, "up_to": 4})
    bench.gate.unsent.tend(idle=True)
    assert left(bench) == [1, 2, 3, 4]


def test_the_log_is_emptied_of_what_an_earlier_run_deleted(bench: DoorRig, tmp_path: Path) -> None:
    """Killed between the two: the first rest of the next run makes up for it."""
    bench.gate.journal.journal().forget(4, ())
    bench.gate.unsent.tend(idle=True)
    data = b"".join(path.read_bytes() for path in tmp_path.rglob("journal.db*"))
    assert not any(b"code %d" % number in data for number in range(1, 5))
