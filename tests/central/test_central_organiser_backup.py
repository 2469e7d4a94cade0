"""Copies of the database, and a server that goes on from one: nothing lost, doubled or refused."""

import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, select

from admission.clock import FakeClock
from central import imports
from central.app import create_app
from central.enrolment import new_token
from central.organiser import accounts, overview
from central.organiser.backup import backup, put_back, serving
from central.organiser.errors import BackupFault
from central.restored import AHEAD, MOST_AHEAD, catch_up, go_on
from central.schema import organiser_session
from central.setup import open_central
from central.statements import SERIALS_FROM
from tests.rigs.central_rig import CentralRig, Device, reopen
from tests.rigs.organiser_rig import Browser, Member, TestClient
from tickets.errors import GateError


@pytest.fixture
def db() -> str:
    """SQLite alone: PostgreSQL has its own tools."""
    return ""


@pytest.fixture
def copy(rig: CentralRig, tmp_path: Path) -> Callable[[], Path]:
    """Make a copy of the database as it is."""

    def make() -> Path:
        target = tmp_path / "copy.backup"
        backup(rig.db, target)
        return target

    return make


def restored(rig: CentralRig, copy: Path) -> Any:
    """A client of the server that goes on from a copy."""
    rig.central.database.close()
    put_back(rig.db, copy, rig.central.now())
    rig.central = open_central(rig.db, rig.keys, rig.central.now)
    go_on(rig.central)
    return TestClient(create_app(rig.central))


def entered(gate: Device, rig: CentralRig, ticket: str, number: int) -> list[dict[str, Any]]:
    presentation = bytes([number]) * 16
    return [gate.scan(presentation, rig.key(ticket)), gate.outcome(presentation)]


def test_a_copy_is_whole_and_private(rig: CentralRig, copy: Callable[[], Path]) -> None:
    made = copy()
    assert made.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(made) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert base.execute("SELECT count(*) FROM ticket").fetchone() == (7,)
    assert [path.name for path in made.parent.iterdir() if path.name.startswith(".")] == []


def test_a_copy_made_while_gates_work_is_of_one_moment(
    rig: CentralRig, north: Device, copy: Callable[[], Path]
) -> None:
    """Every record in the copy has its redemption, however many are taken meanwhile."""
    done = threading.Event()

    def upload() -> None:
        number = 0
        while not done.is_set():
            number += 1
            presentation = number.to_bytes(16, "big")
            north.upload(north.scan(presentation, rig.key("U0")), north.outcome(presentation))

    worker = threading.Thread(target=upload)
    worker.start()
    try:
        for _ in range(5):
            with sqlite3.connect(copy()) as base:
                (records,) = base.execute("SELECT count(*) FROM record").fetchone()
                (entries,) = base.execute("SELECT count(*) FROM redemption").fetchone()
                assert records == 2 * entries
    finally:
        done.set()
        worker.join()


def test_records_acknowledged_after_the_copy_come_again_and_count_once(
    rig: CentralRig, north: Device, south: Device, copy: Callable[[], Path]
) -> None:
    """Gates send their journals once more: what the copy has is a duplicate, the rest is new."""
    before, after = entered(north, rig, "A1", 1), entered(north, rig, "A2", 2)
    north.upload(*before)
    made = copy()
    north.upload(*after)
    north.client = south.client = restored(rig, made)
    answer = north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": {}}).json()
    assert {"do": "resync"} in answer["commands"]
    results = [told["result"] for told in north.upload(*before, *after)]
    assert results == ["duplicate", "duplicate", "stored", "stored"]
    assert overview.counts(rig.central)["entries"] == 2
    assert overview.conflicts(rig.central) == []
    assert overview.alarms(rig.central) == []


def test_gates_see_what_is_new_after_a_restore(
    rig: CentralRig, north: Device, south: Device, copy: Callable[[], Path]
) -> None:
    """Their cursors are ahead of the copy's numbers: the new ones are ahead of every cursor."""
    made = copy()
    for number in range(1, 4):
        north.upload(*entered(north, rig, "U0", number))
    imports.cancel(rig.central, "A3")
    feeds = ("redemptions", "statements")
    cursors = {name: south.get(f"/v1/{name}?after=0").json()["next"] for name in feeds}
    north.client = south.client = restored(rig, made)
    north.upload(*entered(north, rig, "A1", 9))
    found = {name: south.get(f"/v1/{name}?after={cursors[name]}").json()[name] for name in feeds}
    assert [row["presentation"] for row in found["redemptions"]] == ["09" * 16]
    assert {row["type"] for row in found["statements"]} == {"policy", "list"}


def test_serials_after_a_restore_are_above_all_that_were_published(
    rig: CentralRig, north: Device, copy: Callable[[], Path], clock: FakeClock
) -> None:
    """Many statements in one second run ahead of the clock; the restored server runs further."""
    made = copy()
    for _ in range(20):
        imports.cancel(rig.central, "A3")
        imports.restore(rig.central, "A3")
    highest = serial_of(north)
    assert highest > clock.at - SERIALS_FROM
    north.client = restored(rig, made)
    assert serial_of(north) > highest


def serial_of(gate: Device) -> int:
    found = gate.get("/v1/statements").json()["statements"]
    return max(one["serial"] for one in found if one["type"] in ("list", "delta"))


@pytest.mark.parametrize(
    ("ahead", "follows"), [(AHEAD, True), (2 * MOST_AHEAD, False)], ids=["newer", "beyond belief"]
)
def test_the_server_overtakes_what_gates_report(
    rig: CentralRig, north: Device, clock: FakeClock, ahead: int, follows: bool
) -> None:
    """A database that was put back by hand; but no hacked gate may use all numbers up."""
    serial = int(clock.at) - SERIALS_FROM + ahead
    health = {"list": {"serial": serial}}
    north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": health})
    assert catch_up(rig.central) is follows
    assert (serial_of(north) > serial) is follows
    assert catch_up(rig.central) is False


def test_nobody_is_logged_in_by_a_copy(
    rig: CentralRig, client: Any, copy: Callable[[], Path]
) -> None:
    """Who logged out since, and a token that was used since: neither comes back to life."""
    member, browser = Member(rig.central), Browser(rig.central)
    member.welcome(browser)
    token = new_token(rig.central, "west")
    made = copy()
    again = restored(rig, made)
    with rig.central.database.reading() as connection:
        assert connection.execute(select(organiser_session)).all() == []
    assert accounts.count(rig.central) == 1
    body = {"token": token, "public_key": "00" * 32, "gate": "west", "software": "x"}
    assert again.post("/v1/enrol", json=body).status_code == 403


def test_the_database_before_is_kept(rig: CentralRig, copy: Callable[[], Path]) -> None:
    made = copy()
    imports.cancel(rig.central, "A1")
    rig.central.database.close()
    before = put_back(rig.db, made, rig.central.now())
    assert before is not None
    kept = replace(rig, directory=before.parent)
    before.rename(before.parent / "kept.db")
    with sqlite3.connect(before.parent / "kept.db") as base:
        query = "SELECT flags FROM ticket WHERE reference = 'A1'"
        assert base.execute(query).fetchone() == (1,)
    assert reopen(kept).central.event == rig.central.event


def test_a_database_that_is_served_is_not_replaced(
    rig: CentralRig, copy: Callable[[], Path]
) -> None:
    made = copy()
    with serving(rig.directory / "central.db"), pytest.raises(BackupFault, match="being served"):
        put_back(rig.db, made)


@pytest.mark.parametrize(
    ("case", "content"),
    [("empty", b""), ("text", b"id\nA1\n"), ("cut off", None), ("another database", b"SQLite")],
)
def test_what_is_no_copy_is_not_put_back(
    rig: CentralRig, copy: Callable[[], Path], case: str, content: bytes | None
) -> None:
    """The database stays as it is, and the fault names what is wrong."""
    made = copy()
    made.write_bytes(made.read_bytes()[:20_000] if content is None else content)
    if case == "another database":
        made.unlink()
        with sqlite3.connect(made) as base:
            base.execute("CREATE TABLE meta (name, value)")
    with pytest.raises(BackupFault):
        put_back(rig.db, made)
    assert overview.counts(rig.central)["tickets"] == 7


@pytest.mark.parametrize("work", [backup, put_back])
def test_for_postgresql_its_own_command_is_named(work: Any, tmp_path: Path) -> None:
    """Without the password, which would be on a screen and in a history."""
    with pytest.raises(BackupFault) as told:
        work("postgresql+psycopg://admit:secret@db/admit", tmp_path / "x.dump")
    assert "--dbname=postgresql://admit@db/admit" in told.value.remedy
    assert "secret" not in told.value.remedy


def test_a_copy_over_the_database_itself_is_refused(rig: CentralRig) -> None:
    with pytest.raises(BackupFault):
        backup(rig.db, rig.directory / "central.db")


def test_a_copy_that_cannot_be_written_is_a_named_fault(rig: CentralRig, tmp_path: Path) -> None:
    with pytest.raises(BackupFault):
        backup(rig.db, tmp_path / "nowhere" / "copy")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BackupFault):
        put_back(rig.db, tmp_path / "fifo")


@pytest.mark.parametrize("name", ["fest#2", "fest?2", "fest%41", "a b"])
def test_a_path_is_taken_as_it_is_written(rig: CentralRig, tmp_path: Path, name: str) -> None:
    """SQLite reads an address in it, else: of another file, and writable."""
    place = tmp_path / name
    place.mkdir()
    assert backup(rig.db, place / f"{name}.backup") > 0
    url = URL.create("sqlite", database=str(place / "central.db"))
    put_back(url, place / f"{name}.backup")
    assert backup(url, place / "again") > 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.name in ("fest", "festA")) == []


def test_two_databases_before_are_both_kept(rig: CentralRig, copy: Callable[[], Path]) -> None:
    """Two restores in one second."""
    made = copy()
    rig.central.database.close()
    first, second = (put_back(rig.db, made, 1e9) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first != second
    assert first.is_file()


def test_a_copy_that_cannot_be_made_fit_is_not_put_in_place(
    rig: CentralRig, copy: Callable[[], Path]
) -> None:
    """For instance that of another event: the database stays as it is."""
    made = copy()
    imports.cancel(rig.central, "A1")
    rig.central.database.close()

    def refuse(_url: str) -> None:
        raise BackupFault("it is of another event", "Take another")

    with pytest.raises(BackupFault, match="another event"):
        put_back(rig.db, made, prepare=refuse)
    with sqlite3.connect(rig.directory / "central.db") as base:
        query = "SELECT flags FROM ticket WHERE reference = 'A1'"
        assert base.execute(query).fetchone() == (1,)


@pytest.mark.parametrize("name", ["/", "."])
def test_a_copy_without_a_name_is_a_named_fault(rig: CentralRig, name: str) -> None:
    with pytest.raises(BackupFault):
        backup(rig.db, Path(name))


@pytest.mark.parametrize("work", [backup, put_back])
@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://"])
def test_an_address_of_no_database_is_not_called_postgresql(
    work: Any, url: str, tmp_path: Path
) -> None:
    with pytest.raises(GateError) as told:
        work(url, tmp_path / "x")
    assert "PostgreSQL is copied" not in told.value.cause
