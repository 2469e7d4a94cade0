"""A gate as its doors see it: real parts, no lane running, time moved by hand."""

from collections.abc import Iterable
from pathlib import Path

from admission.errors import GateError
from admission.rules import GatePolicy
from scanner.bookkeeper import Bookkeeper
from scanner.claims import ClaimDesk
from scanner.clock import SystemClock
from scanner.events import EventLog
from scanner.gate import Gate
from scanner.journal_keeper import JournalKeeper
from scanner.lane_thread import LaneThread
from scanner.unsent import Unsent
from tests.rigs.gate_rig import EVENT
from tickets.cose import public_key_of

ROOT = b"\x01" * 32
START = 1_795_000_000.0


class DoorRig:
    """Hands `gate` to the doors under test."""

    def __init__(self, directory: Path, lanes: Iterable[LaneThread] = ()) -> None:
        self.wall, self.at = START, 1000.0
        self.clock = SystemClock(
            kernel=lambda: 0.01, wall=lambda: self.wall, monotonic=lambda: self.at
        )
        events = EventLog(self.clock, "start", lambda: None)
        state = directory / "state"
        self.sync = state / "sync"
        for name in ("sync", "scanner"):
            (state / name).mkdir(parents=True)
        journal = JournalKeeper(state / "scanner/journal.db", EVENT, self.clock.monotonic)
        self.gate = Gate(
            name="north",
            event=EVENT,
            policy=GatePolicy("north"),
            lanes={lane.lane.settings.name: lane for lane in lanes},
            books=Bookkeeper(
                event=EVENT,
                root_keys=(public_key_of(ROOT),),
                threshold=1,
                directory=state / "sync",
                own=state / "scanner",
                clock=self.clock,
                report=self._report,
            ),
            journal=journal,
            unsent=Unsent(journal),
            claims=ClaimDesk(self.clock, lambda message: True, 0.4, "none"),
            clock=self.clock,
            events=events,
            start="start",
        )

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.at += seconds

    def causes(self) -> dict[str, str]:
        """The faults of the gate that stand now."""
        return {name: error.cause for name, (error, _) in self.gate.faults.items()}

    def _report(self, name: str, error: GateError | None) -> None:
        self.gate.report(name, error)
