"""A venue: one central server and two gates, all real processes, shared by the quick tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.rigs.central_rig import CentralRig, make_event
from tests.rigs.real_gate import RealGate, code_of
from tests.rigs.tcp_wire import Wire

TICKETS = 600
CSV = "id,product,entries,status\n" + "".join(f"T{n},1,1,valid\n" for n in range(TICKETS))
POLICY: dict[str, object] = {"lists": {"main": {}}, "products": {"1": {"name": "Day ticket"}}}


@dataclass
class Venue:
    """Gate north with two lanes, gate south with one, each at the end of its own wire."""

    central: CentralRig
    wires: dict[str, Wire]
    north: RealGate
    south: RealGate
    _fresh: Iterator[int] = field(default_factory=count)

    def ticket(self) -> str:
        """The name of a ticket that nobody has used."""
        return f"T{next(self._fresh)}"

    def code(self, name: str | None = None) -> str:
        """The QR text of a ticket; a fresh one if none is named."""
        return code_of(self.central, name or self.ticket())

    def mend(self) -> None:
        """Everything runs and is in touch again."""
        if self.central.process is None:
            self.central.start()
        port = int(self.central.url.rsplit(":", 1)[1])
        for wire in self.wires.values():
            wire.mend(port)
        gates = self.north, self.south
        for gate in gates:
            gate.revive()
        for gate in gates:
            gate.mend()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all tests of the venue: it is built once."""
    for item in items:
        if "standing_venue" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("venue"))


@pytest.fixture(scope="session")
def standing_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """The venue, built once."""
    base: Path = tmp_path_factory.mktemp("venue")
    central = make_event(base, csv=CSV, policy=POLICY)
    central.start()
    port = int(central.url.rsplit(":", 1)[1])
    wires = {name: Wire(port) for name in ("north", "south")}
    north = RealGate(base, "north", central, wires["north"].url, lanes=("left", "right"))
    south = RealGate(base, "south", central, wires["south"].url)
    with north, south:
        yield Venue(central, wires, north, south)
    for wire in wires.values():
        wire.close()
    central.kill()
    central.central.database.close()


@pytest.fixture
def venue(standing_venue: Venue) -> Venue:
    """The venue, whole again whatever the test before did to it."""
    standing_venue.mend()
    return standing_venue
