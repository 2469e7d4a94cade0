"""The fire contact opens every lane."""

import queue
from pathlib import Path

from admission.errors import GateError
from drivers.uri import DriverUri
from scanner.fire import watch_fire
from scanner.lane_thread import LaneThread
from tests.rigs.gate_rig import GateRig


class Bench:
    """One lane whose thread the test runs by hand, and a contact made of a file."""

    def __init__(self, directory: Path) -> None:
        self.rig = GateRig(directory)
        self.file = directory / "fire"
        self.thread = LaneThread(self.rig.lane, self.rig.clock, self.rig.turnstile, [])
        self.faults: dict[str, GateError | None] = {}

    def watch(self, uri: str) -> None:
        """Open the contact."""
        self.contact = watch_fire(DriverUri.parse(uri), [self.thread], self.faults.__setitem__)

    def run_lane(self) -> str:
        """The lane hears what there is to hear; its state then."""
        self.rig.lane.handle(self.thread.queue.get(timeout=10))
        return self.rig.lane.state.value


def test_a_closed_contact_opens_the_lane(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.watch(f"input:file:{bench.file}")
    bench.file.touch()
    assert bench.run_lane() == "evacuation"
    assert not bench.rig.turnstile.locked
    bench.contact.close()


def test_a_contact_closed_at_the_start_opens_the_lane(tmp_path: Path) -> None:
    """A gate that starts in a fire does not lock anybody in."""
    bench = Bench(tmp_path)
    bench.file.touch()
    bench.watch(f"input:file:{bench.file}")
    assert bench.run_lane() == "evacuation"
    bench.contact.close()


def test_an_alarm_is_latched(tmp_path: Path) -> None:
    """An opened contact locks nothing: a supervisor ends the evacuation."""
    bench = Bench(tmp_path)
    bench.file.touch()
    bench.watch(f"input:file:{bench.file}")
    bench.run_lane()
    opened: queue.SimpleQueue[bool] = queue.SimpleQueue()
    bench.contact.watch(opened.put)
    bench.file.unlink()
    assert opened.get(timeout=10) is False
    bench.rig.advance(5.0)
    assert bench.thread.queue.empty()
    assert bench.rig.lane.state.value == "evacuation"
    bench.contact.close()


def test_a_gate_without_a_contact_watches_none(tmp_path: Path) -> None:
    assert watch_fire(None, [], lambda *_: None) is None


def test_a_contact_that_cannot_be_opened_is_a_fault_and_no_exit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.watch("turnstile:sim")
    assert bench.contact is None
    assert bench.faults["fire contact"] is not None
