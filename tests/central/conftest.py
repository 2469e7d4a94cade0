"""A real server's application over a real SQLite file, and two gates enrolled with it."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admission.clock import FakeClock
from central.app import create_app
from tests.rigs.central_rig import CentralRig, Device, make_event

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about the HTTP library that the test client is built on
    from starlette.testclient import TestClient


@pytest.fixture
def clock() -> FakeClock:
    """The server's clock."""
    return FakeClock()


@pytest.fixture
def rig(tmp_path: Path, clock: FakeClock) -> Iterator[CentralRig]:
    """An event with keys, policy and tickets."""
    rig = make_event(tmp_path, now=lambda: clock.at)
    yield rig
    rig.central.database.close()


@pytest.fixture
def client(rig: CentralRig) -> Any:
    """Calls into the application; a fault of the server is an answer, as over a socket."""
    return TestClient(create_app(rig.central), raise_server_exceptions=False)


@pytest.fixture
def north(rig: CentralRig, client: Any) -> Device:
    """A gate."""
    return Device(client, rig.enrol_token("north"), "north")


@pytest.fixture
def south(rig: CentralRig, client: Any) -> Device:
    """Another gate."""
    return Device(client, rig.enrol_token("south"), "south")
