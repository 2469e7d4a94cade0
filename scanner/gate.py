"""One gate as a whole: its parts, the faults that are no lane's, and its status."""

from dataclasses import dataclass, field
from typing import Any

from admission.errors import GateError
from admission.rules import GatePolicy
from drivers.protocols import Input
from scanner.admissions import NotReady
from scanner.bookkeeper import Bookkeeper
from scanner.claims import ClaimDesk
from scanner.clock import SystemClock
from scanner.events import EventLog
from scanner.journal_keeper import JournalKeeper
from scanner.lane import Lane
from scanner.lane_thread import LaneThread
from scanner.readers import Reader
from scanner.unsent import Unsent


@dataclass(slots=True)
class Gate:
    """What the doors and the main thread share. Holds no decision of its own."""

    name: str
    event: str
    policy: GatePolicy
    lanes: dict[str, LaneThread]
    books: Bookkeeper
    journal: JournalKeeper
    unsent: Unsent
    claims: ClaimDesk
    clock: SystemClock
    events: EventLog
    start: str
    """Names this run of the process; events are numbered within it."""
    faults: dict[str, tuple[GateError, float]] = field(default_factory=dict)
    """Faults of the gate as a whole, by name, and since when (Unix seconds)."""
    server: dict[str, Any] = field(default_factory=lambda: {"online": False})
    """What sync last said of the server."""
    fire: Input | None = None
    """The contact of the fire alarm."""

    def report(self, name: str, error: GateError | None) -> None:
        """A fault of the gate as a whole began, changed or (None) ended."""
        if error is None:
            if self.faults.pop(name, None):
                self.events.publish("recovered", name=name)
            return
        known = self.faults.get(name)
        if known is None or known[0].cause != error.cause:
            self.faults[name] = (error, self.clock.reading().at)
            self.events.publish("fault", name=name, cause=error.cause, remedy=error.remedy)

    def status(self) -> dict[str, Any]:
        """Everything a steward's page shows; nothing personal."""
        reading = self.clock.reading()
        return {
            "gate": self.name,
            "event": self.event,
            "at": reading.at,
            "clock": {
                "state": reading.state.value,
                "uncertainty": None if reading.uncertainty == float("inf") else reading.uncertainty,
            },
            "boot": self.start,
            "ready": all(
                thread.started and not thread.lane.faults.blocked for thread in self.lanes.values()
            ),
            "lanes": [self._lane_status(thread) for thread in self.lanes.values()],
            "list": self._list_status(),
            "authority": self._authority_status(),
            "server": self.server | {"conflicts": self.books.conflicts()},
            "journal": self.journal.status(),
            "events": self.events.seq,
            "faults": self._fault_status(),
        }

    def _lane_status(self, thread: LaneThread) -> dict[str, Any]:
        lane = thread.lane
        status: dict[str, Any] = {
            "name": lane.settings.name,
            "direction": lane.settings.direction,
            "state": lane.state.value,
            "mode": lane.mode,
            "list": lane.settings.check_in_list,
            "sensor": _sensor(lane),
            "readers": [_reader(reader) for reader in thread.readers],
            "entered": lane.tally.entered,
            "left": lane.tally.left,
            "refused": lane.tally.refused,
            "rate": lane.tally.rate(self.clock.monotonic()),
        }
        if question := lane.questions.newest:
            status["question"] = {"presentation": question.presentation.hex(), "at": question.at}
        return status

    def _list_status(self) -> dict[str, Any]:
        try:
            books = self.books.books()
        except NotReady as error:
            return {
                "serial": None,
                "rows": 0,
                "age": None,
                "state": "missing",
                "cause": error.cause,
            }
        age = self.books.age()
        limits = {"old": self.policy.old_list_after, "aging": self.policy.warn_list_after}
        state = next((name for name, limit in limits.items() if (age or 0.0) > limit), "ok")
        return {"serial": books.serial, "rows": books.rows, "age": age, "state": state}

    def _authority_status(self) -> dict[str, Any]:
        state, since = self.claims.state
        ago = self.clock.monotonic() - since
        return {"state": state, "since": self.clock.reading().at - ago}

    def _fault_status(self) -> list[dict[str, Any]]:
        found = [("gate", name, *fault) for name, fault in list(self.faults.items())]
        for lane_name, thread in self.lanes.items():
            for name, fault in list(thread.lane.faults.now.items()):
                found.append((lane_name, name, fault.error, fault.since))
        return [
            {"name": name, "where": where, "cause": e.cause, "remedy": e.remedy, "since": since}
            for where, name, e, since in found
        ]


def _reader(reader: Reader) -> dict[str, Any]:
    told = {"uri": reader.uri, "state": reader.state}
    return told | ({"counters": dict(reader.counters)} if reader.counters else {})


def _sensor(lane: Lane) -> str:
    """What is wrong with the lane's passage sensors; `ok`, or `none` where none is fitted."""
    sensors = lane.sensors.values()
    wrong = next((sensor.why for sensor in sensors if sensor.why), "")
    return wrong or ("ok" if all(sensor.fitted for sensor in sensors) else "none")
