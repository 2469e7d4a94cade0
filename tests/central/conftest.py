"""A real server's application over a real database, and two gates enrolled with it.

Every test that uses them runs on SQLite, and with the heavy ones on a PostgreSQL of its own.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admission.clock import FakeClock
from central.app import create_app
from tests.rigs.central_rig import CentralRig, Device, make_event
from tests.rigs.postgres_rig import Cluster, cluster

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about the HTTP library that the test client is built on
    from starlette.testclient import TestClient


@pytest.fixture
def clock() -> FakeClock:
    """The server's clock."""
    return FakeClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server."""
    with cluster() as made:
        yield made


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.heavy)])
def db(request: pytest.FixtureRequest) -> str:
    """The address of an empty database; empty itself: an SQLite file of the event's."""
    if request.param == "sqlite":
        return ""
    made: Cluster = request.getfixturevalue("postgres")
    return made.emptied_database()


ON_SQLITE = pytest.mark.parametrize("db", ["sqlite"], indirect=True)
"""For what is SQLite's alone, what never reaches a database, and orders that Python judges."""


@pytest.fixture
def rig(tmp_path: Path, clock: FakeClock, db: str) -> Iterator[CentralRig]:
    """An event with keys, policy and tickets."""
    rig = make_event(tmp_path, now=lambda: clock.at, database=db)
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
