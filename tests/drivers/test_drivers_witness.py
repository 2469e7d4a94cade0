"""What simulated devices tell a spectator, and the contact made of a file."""

import json
import queue
import socket
from pathlib import Path

from admission.direction import Direction
from drivers.protocols import Lamp
from drivers.registry import open_input, open_lights, open_turnstile
from drivers.scheduler import FakeScheduler
from drivers.uri import DriverUri


def spectator(path: Path) -> socket.socket:
    """A socket that devices tell what was done to them."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.setblocking(False)
    return listener


def told(listener: socket.socket) -> list[tuple[str, str, str]]:
    """All that was told so far: device, name, what was done."""
    found = []
    while True:
        try:
            message = json.loads(listener.recv(4096))
        except BlockingIOError:
            return found
        found.append((message["device"], message["name"], message["did"]))


def test_a_turnstile_tells_what_moves(tmp_path: Path) -> None:
    scheduler = FakeScheduler()
    with spectator(tmp_path / "s") as listener:
        uri = DriverUri.parse(f"turnstile:sim:entry?passage=0.4&tell={tmp_path}/s")
        turnstile = open_turnstile(uri, scheduler)
        turnstile.release(Direction.ENTRY)
        scheduler.advance(2.0)
        did = [what for _, _, what in told(listener)]
        turnstile.close()
    assert did == ["open", "release entry", "passage_in", "home"]


def test_lights_tell_every_lamp(tmp_path: Path) -> None:
    with spectator(tmp_path / "s") as listener:
        lights = open_lights(DriverUri.parse(f"lights:sim:entry?tell={tmp_path}/s"))
        lights.show(Lamp.GREEN)
        lights.close()
        assert told(listener) == [("lights", "entry", "green"), ("lights", "entry", "off")]


def test_a_device_works_without_its_spectator(tmp_path: Path) -> None:
    lights = open_lights(DriverUri.parse(f"lights:sim:entry?tell={tmp_path}/nobody"))
    lights.show(Lamp.RED)
    assert lights.lamp is Lamp.RED


def test_a_contact_is_closed_while_its_file_exists(tmp_path: Path) -> None:
    file, changes = tmp_path / "fire", queue.SimpleQueue[bool]()
    contact = open_input(DriverUri.parse(f"input:file:{file}"))
    contact.watch(changes.put)
    assert not contact.active
    file.touch()
    assert changes.get(timeout=10)
    file.unlink()
    assert not changes.get(timeout=10)
    contact.close()


def test_a_contact_closed_before_it_was_watched_is_seen(tmp_path: Path) -> None:
    """A level, not an edge: a restart in between loses no alarm."""
    (tmp_path / "fire").touch()
    contact = open_input(DriverUri.parse(f"input:file:{tmp_path}/fire"))
    assert contact.active
    contact.close()
