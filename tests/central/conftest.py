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


PAGES_ON_POSTGRESQL = frozenset(
    "test_" + name
    for name in (
        "a_new_person_chooses_a_password_with_the_one_time_secret_once",
        "a_code_works_once",
        "guessing_slows_down",
        "nobody_ends_the_sessions_of_others",
        "a_ticket_is_found_by_part_of_its_id",
        "what_is_searched_for_is_text_alone",
        "tickets_are_filtered_by_state",
        "paging_shows_every_ticket_once",
        "a_cancelled_ticket_is_refused_and_can_be_taken_back",
        "every_change_is_in_the_log_with_the_person",
        "a_conflict_shows_both_sides",
        "a_parked_record_says_why_and_what_to_do",
        "good_rows_are_taken_and_bad_ones_named_by_line",
        "an_import_says_how_far_it_is",
        "a_database_without_a_free_turn_is_said_to_be_busy",
        "records_that_are_missing_are_an_alarm_on_the_first_page",
        "a_name_that_is_no_text_can_be_in_the_log",
        "a_list_that_is_cut_says_so",
    )
)
"""Of the organiser's pages, those whose queries the engine may answer otherwise; all run on SQLite.
The rest is Python above the database."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the repeats on PostgreSQL that ask the engine nothing new."""
    left_out = [item for item in items if _asks_nothing_new(item)]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


def _asks_nothing_new(item: pytest.Item) -> bool:
    if not (isinstance(item, pytest.Function) and "[postgresql" in item.name):
        return False
    is_page = item.path.name.startswith("test_central_organiser")
    return is_page and item.originalname not in PAGES_ON_POSTGRESQL
