"""PostgreSQL under many writers, two servers on one database, and its own death in between."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.exc import DBAPIError

from central import postgres
from central.app import create_app
from central.database import create_database, open_database
from central.errors import CentralFault
from central.inserts import next_number
from central.organiser import overview
from store.records import Kind
from tests.central.conftest import TestClient
from tests.rigs.central_rig import CentralRig, Device, make_event, reopen
from tests.rigs.postgres_rig import Cluster, cluster

GATES = 12
SINGLES = [f"S{number}" for number in range(30)]
GROUPS = [f"F{number}" for number in range(4)]
CSV = "id,product,entries\n" + "".join(
    f"{name},1,{1 if name in SINGLES else 4}\n" for name in SINGLES + GROUPS
)
ON_POSTGRESQL = pytest.mark.parametrize(
    "db", [pytest.param("postgresql", marks=pytest.mark.heavy)], indirect=True
)


class Gate:
    """A gate at work: claims a ticket, and lets its guest through or not."""

    def __init__(self, rig: CentralRig, device: Device, seed: int) -> None:
        self.rig, self.device, self.chance = rig, device, random.Random(seed)
        self.entered: Counter[str] = Counter()
        self.sent: list[dict[str, Any]] = []

    def work(self, together: threading.Barrier) -> None:
        """Show the same tickets as all the others, each in the same moment."""
        for ticket in SINGLES + GROUPS:
            together.wait()
            presentation = self.chance.randbytes(16)
            answer = self.device.claim(presentation, self.rig.key(ticket))
            assert answer.get("result") in ("granted", "taken"), answer
            if answer["result"] == "granted":
                self._let_in(ticket, presentation)

    def _let_in(self, ticket: str, presentation: bytes) -> None:
        if self.chance.random() < 0.3:  # turned back: the ticket works again
            assert self.device.annul(presentation) == {"result": "annulled"}
            kind = Kind.NO_PASSAGE
        else:
            self.entered[ticket] += 1
            kind = Kind.PASSAGE
        records = [
            self.device.scan(presentation, self.rig.key(ticket)),
            self.device.outcome(presentation, kind),
        ]
        self.sent += records
        if self.chance.random() < 0.2:  # the answer was lost, so it is sent again
            self.device.upload(*records)
        self.device.upload(*records)


def follow(device: Device, stop: threading.Event, seen: dict[str, bool]) -> None:
    """Read the feed as a gate does, on from the last cursor, until told to stop and at its end."""
    after, ended = 0, False
    while not ended:
        ended = stop.is_set()
        page = device.get(f"/v1/redemptions?after={after}").json()
        cursors = [row["cursor"] for row in page["redemptions"]]
        assert cursors == sorted(set(cursors))
        seen |= {row["presentation"]: row["stands"] for row in page["redemptions"]}
        after, ended = page["next"], ended and not cursors


@pytest.fixture
def two(rig: CentralRig) -> Iterator[list[CentralRig]]:
    """Two servers on one database."""
    rig.import_csv(CSV)
    other = reopen(rig)
    yield [rig, other]
    other.central.database.close()


@ON_POSTGRESQL
def test_however_many_ask_each_right_is_given_once(two: list[CentralRig]) -> None:
    """12 gates at two servers: no ticket enters too often, no record is lost or counted twice, and
    whoever reads the feed meanwhile misses nothing."""
    with ExitStack() as stack:
        # Entered: one event loop for all calls, not one for each.
        clients = [stack.enter_context(TestClient(create_app(rig.central))) for rig in two]
        gates, seen = at_work(two, clients)
    check_the_books(two[0], gates, seen)


def at_work(two: list[CentralRig], clients: list[Any]) -> tuple[list[Gate], dict[str, bool]]:
    """Gates at both servers at once, and somebody who reads the feed; what they did and saw."""
    gates = []
    for number in range(GATES):
        rig = two[number % 2]
        device = Device(clients[number % 2], rig.enrol_token(f"g{number}"), f"g{number}")
        gates.append(Gate(rig, device, number))
    stop, seen, together = (
        threading.Event(),
        dict[str, bool](),
        threading.Barrier(GATES, timeout=20),
    )
    watcher = Device(clients[0], two[0].enrol_token("watcher"), "watcher")
    with ThreadPoolExecutor(GATES + 1) as pool:
        watching = pool.submit(follow, watcher, stop, seen)
        try:
            for done in [pool.submit(gate.work, together) for gate in gates]:
                done.result()
        finally:
            stop.set()
        watching.result()
    return gates, seen


def check_the_books(rig: CentralRig, gates: list[Gate], seen: dict[str, bool]) -> None:
    """What the gates did is what the server has, to the last record."""
    entered = sum((gate.entered for gate in gates), Counter[str]())
    assert entered
    assert all(entered[ticket] <= 1 for ticket in SINGLES)
    assert all(entered[ticket] <= 4 for ticket in GROUPS)
    found = overview.counts(rig.central)
    assert found["records"] == sum(len(gate.sent) for gate in gates)
    assert found["entries"] == entered.total() == sum(seen.values())
    assert len(seen) == found["records"] // 2
    assert (found["claims_held"], found["conflicts"], found["parked"], found["alarms"]) == (0,) * 4


@pytest.mark.heavy
def test_a_database_that_dies_loses_nothing_it_confirmed(tmp_path: Path) -> None:
    """PostgreSQL is killed three times under load: a call is answered, or told `storage`; what is
    sent again is counted once."""
    with cluster() as server, ExitStack() as stack:
        rig = make_event(tmp_path, csv=CSV, database=server.new_database())
        stack.callback(rig.central.database.close)
        client = stack.enter_context(TestClient(create_app(rig.central)))
        devices = [Device(client, rig.enrol_token(f"g{n}"), f"g{n}") for n in range(4)]
        stop, told = threading.Event(), Counter[str]()
        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(keep_calling, rig, one, stop, told) for one in devices]
            for _ in range(3):
                server.stop(signal.SIGQUIT)
                server.start()
                wait_for_answers(told)
            stop.set()
            unsure = [done.result() for done in working]
        assert set(told) <= {"stored", "storage", "busy"}
        assert told["stored"] and told["storage"]
        for device, records in zip(devices, unsure, strict=True):
            assert set(results(device.upload(*records))) <= {"stored", "duplicate"}
        found = overview.counts(rig.central)
        assert found["records"] == sum(device.seq for device in devices)
        assert found["entries"] == found["records"] // 2
        assert (found["parked"], found["alarms"]) == (0, 0)


def keep_calling(
    rig: CentralRig, device: Device, stop: threading.Event, told: Counter[str]
) -> list[dict[str, Any]]:
    """Upload one entry after the other; return those that were not confirmed."""
    unsure: list[dict[str, Any]] = []
    while not stop.is_set():
        presentation = os.urandom(16)
        records = [
            device.scan(presentation, rig.key("F0"), list="again"),
            device.outcome(presentation),
        ]
        head = device.signed_head()
        body = {"epoch": device.epoch.hex(), "head": head, "records": records}
        answer = device.post("/v1/records", body)
        if answer.status_code == 200:
            told.update(set(results(answer.json()["answers"])))
        else:
            assert answer.status_code == 503
            told[answer.json()["error"]] += 1
            unsure += records
    return unsure


def results(answers: list[dict[str, Any]]) -> list[str]:
    """What became of each record."""
    return [answer["result"] for answer in answers]


def wait_for_answers(told: Counter[str]) -> None:
    """Until the server has stored something again."""
    before, tick = told["stored"], threading.Event()
    for _ in range(3000):
        if told["stored"] > before + 5:
            return
        tick.wait(0.01)
    raise AssertionError("the server did not come back")


@ON_POSTGRESQL
def test_a_lock_that_does_not_come_is_busy(
    rig: CentralRig, north: Device, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer holds the database: 503, ask again; afterwards all works."""
    monkeypatch.setattr(postgres, "alone", in_no_time(postgres.alone))
    monkeypatch.setattr(postgres, "ask", in_no_time(postgres.ask))
    beat = {"nonce": "00" * 16, "health": {}}
    with psycopg.connect(db) as other:
        other.execute("SELECT pg_advisory_xact_lock(8470, 0)")
        told = [north.claim(bytes(16), rig.key("A1")), north.post("/v1/heartbeat", beat).json()]
    assert [answer["error"] for answer in told] == ["busy", "busy"]
    assert north.claim(bytes(16), rig.key("A1")) == {"result": "granted"}


def in_no_time(lock: Any) -> Any:
    """The same lock, given up at once."""

    def wait(connection: Any, *things: Any) -> Any:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '20ms'")
        return lock(connection, *things)

    return wait


@ON_POSTGRESQL
def test_claims_of_other_tickets_pass_one_that_is_being_judged(rig: CentralRig) -> None:
    """A claim waits for its own ticket and its own presentation, and for no other's."""
    database = rig.central.database
    with database.judging([b"presentation"], [b"ticket"], asked=[]):
        with database.judging([b"another"], [b"one more"], asked=[]) as (connection, _):
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        for things in ([[b"ticket"]], [[b"x"], [b"presentation"]]):
            with pytest.raises(DBAPIError) as caught, database.engine.connect() as waiting:
                in_no_time(postgres.ask)(waiting, [], things)
            assert postgres.is_busy(caught.value)


@pytest.mark.heavy
def test_a_database_that_cannot_be_used_says_what_to_do(postgres: Cluster, tmp_path: Path) -> None:
    """No server, no database, no tables: three remedies, and never the password."""
    empty = postgres.new_database()
    cases = {
        empty: "Make it with: admit central init",
        postgres.url("nowhere"): "createdb",
        f"postgresql://admit:secret@/x?host={tmp_path}": "Check that PostgreSQL runs",
    }
    for url, remedy in cases.items():
        with pytest.raises(CentralFault) as caught:
            open_database(url)
        assert remedy in caught.value.remedy
        assert "secret" not in str(caught.value)
        assert "\n" not in caught.value.cause
    create_database(empty).close()


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql", "", "sqlite://", "postgresql:///%"])
def test_an_address_of_another_kind_is_named(url: str) -> None:
    """Two databases are tested; others are refused before anything is loaded."""
    with pytest.raises(CentralFault):
        open_database(url)


@ON_POSTGRESQL
def test_a_call_waits_for_postgresql_few_times(
    rig: CentralRig, north: Device, tmp_path: Path
) -> None:
    """Each exchange waits for another process: what is asked goes out together, and what is told
    goes out with the commit."""
    rig.import_csv("id\n" + "".join(f"T{number}\n" for number in range(12)))
    log = tmp_path / "wire"

    def cost(call: Any, *given: Any) -> int:
        log.write_bytes(b"")
        call(*given)
        return log.read_bytes().count(b"ReadyForQuery")

    with log.open("ab", buffering=0) as file:
        traced = (rig.central.database.engine, "checkout", traces_to(file.fileno()))
        sqlalchemy_event.listen(*traced)
        for number in range(12):  # until every statement is prepared
            presentation, key = os.urandom(16), rig.key(f"T{number}")
            claim = cost(north.claim, presentation, key)
            upload = cost(north.upload, north.scan(presentation, key), north.outcome(presentation))
        sqlalchemy_event.remove(*traced)
        rig.central.database.close()
    assert (claim, upload) == (6, 6)


def traces_to(fd: int) -> Any:
    """Have libpq write every message of a connection to a file."""
    return lambda raw, *_: raw.pgconn.trace(fd)


@ON_POSTGRESQL
def test_the_first_numbers_of_a_feed_are_given_once(rig: CentralRig) -> None:
    """Two that both find no counter: the second waits for the first, and counts on."""
    database, together = rig.central.database, threading.Barrier(2, timeout=20)

    def take(thing: bytes) -> int:
        with database.judging([thing], asked=[]) as (connection, _):
            together.wait()
            return next_number(connection, "a new one")

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, (b"one", b"other"))) == [1, 2]
