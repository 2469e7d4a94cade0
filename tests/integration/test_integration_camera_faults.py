"""What goes wrong with a camera reaches the steward by name, with a remedy, and blocks no lane.

The cameras are simulated (`camera:sim`); reader children, scanner and sockets are the real ones.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.camera_sim import HEADER, MAGIC
from drivers.watch import BLACK_AFTER, COVERED_AFTER
from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.real_gate import PATIENCE, Event, RealGate, until
from tests.rigs.tcp_wire import Wire

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]
CAP, TAPE = 2, 140
"""Grey levels in a camera under its cap, and under tape that lets light through."""


class Lens:
    """What one simulated camera is plugged into, and what covers it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._view = HEADER.pack(MAGIC, 0, 0, 0)
        self._camera: socket.socket | None = None
        self.plug()

    @property
    def uri(self) -> str:
        return f"camera:sim:{self.path}?fps=5"

    def plug(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self.path))
        self._socket.listen()
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        with suppress(OSError):  # wakes the thread that accepts
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def cover(self, grey: int) -> None:
        """Nothing but one grey; the camera adds its sensor's noise."""
        self._put(HEADER.pack(MAGIC, 1, 1280, 720) + bytes([grey]) * (1280 * 720))

    def uncover(self) -> None:
        self._put(HEADER.pack(MAGIC, 0, 0, 0))

    def _put(self, view: bytes) -> None:
        self._view = view
        if self._camera is not None:
            self._camera.sendall(view)

    def _serve(self, listening: socket.socket) -> None:
        with suppress(OSError):  # unplugged
            while True:
                camera, _ = listening.accept()
                camera.sendall(self._view)
                self._camera = camera


@pytest.fixture
def lenses(tmp_path: Path) -> Iterator[list[Lens]]:
    found = [Lens(tmp_path / f"eye{number}") for number in (2, 3, 4)]
    yield found
    for lens in found:
        lens.unplug()


@pytest.fixture
def gate(venue: Venue, tmp_path: Path, lenses: list[Lens]) -> Iterator[RealGate]:
    """A gate whose lane has four cameras: pictures from files, and three behind a lens each."""
    wire = Wire(int(venue.central.url.rsplit(":", 1)[1]))
    name, eyes = f"eyes-{os.urandom(3).hex()}", [lens.uri for lens in lenses]
    with RealGate(tmp_path, name, venue.central, wire.url, more_readers=eyes) as found:
        found.start()
        found.ready()
        until(lambda: states(found) == ["ok"] * 4, "all four cameras see")
        yield found
    wire.close()


def states(gate: RealGate) -> list[str]:
    """How the steward's status says each reader of the lane is."""
    return [reader["state"] for reader in gate.status()["lanes"][0]["readers"]]


def shown(gate: RealGate, name: str, within: float = PATIENCE) -> Event:
    """The fault of that name in the steward's status; waits for it."""

    def look() -> Event | None:
        return next((f for f in gate.status()["faults"] if f["name"] == name), None)

    found: Event = until(look, f"{name} among the faults", within)
    return found


def enters(gate: RealGate, code: str) -> None:
    """A ticket shown to the lane's first camera gets its holder in."""
    since = gate.mark()
    gate.show(code)
    verdict = gate.wait(since, kind="verdict", verdict="admitted", medium="qr")
    gate.wait(since, kind="outcome", presentation=verdict["presentation"])


def test_covered_black_and_unplugged_cameras_are_told_apart_to_the_steward_and_block_no_lane(
    gate: RealGate, lenses: list[Lens], venue: Venue
) -> None:
    """Each has its own name, cause and remedy in status, events and journal; so has its end."""
    black, taped, pulled = lenses
    since = gate.mark()
    pulled.unplug()
    black.cover(CAP)
    taped.cover(TAPE)

    lost = shown(gate, "reader 4: device lost")
    assert "unplugged" in lost["cause"]
    assert "Plug it in" in lost["remedy"]
    capped = shown(gate, "reader 2: picture black", BLACK_AFTER + PATIENCE)
    assert "black" in capped["cause"]
    assert "lamp" in capped["remedy"]
    covered = shown(gate, "reader 3: picture covered", COVERED_AFTER + PATIENCE)
    assert "covered" in covered["cause"]
    assert "lens" in covered["remedy"]
    until(lambda: states(gate)[1:3] == ["black", "covered"], "the readers' own word for it")
    enters(gate, venue.code())

    black.uncover()
    taped.uncover()
    pulled.plug()
    until(lambda: states(gate) == ["ok"] * 4, "all four cameras see again")
    until(lambda: not any(name.startswith("reader") for name in gate.faults()), "no fault stays")
    for name in (capped["name"], covered["name"]):
        assert gate.wait(since, kind="fault", name=name)["remedy"]
        assert any(name in str(entry.record.detail) for entry in gate.records(Kind.FAULT))
