"""Whatever arrives, the server answers with a name, a cause and a remedy, and never with 500."""

import asyncio
import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central import app as app_module
from central.bodies import flaw, read_json
from central.database import Turns
from central.errors import ProtocolError
from central.organiser import overview
from store.records import Kind
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import CentralRig, Device

CALLS = ["/v1/enrol", "/v1/token", "/v1/records", "/v1/claims", "/v1/heartbeat"]
BODIES = {
    "nothing": b"",
    "no JSON": b"<html>",
    "cut short": b'{"presentation": "00',
    "not UTF-8": b'{"token": "\xff"}',
    "a list": b"[]",
    "a number": b"1",
    "nested deep": b"[" * 60_000,
    "nested a little": b'{"health": ' + b"[" * 40 + b"]" * 40 + b"}",
    "endless number": b'{"at": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"at": NaN}',
    "many values": b"[" + b"0," * 30_000 + b"0]",
    "no fields": b"{}",
    "all null": json.dumps(
        dict.fromkeys(["token", "public_key", "gate", "device", "epoch", "records", "nonce"])
    ).encode(),
}


@ON_SQLITE
@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("case", BODIES)
def test_a_malformed_body_is_named(north: Device, path: str, case: str) -> None:
    """400 with the three lines, for every call and every kind of noise."""
    answer = north.client.post(path, content=BODIES[case], headers=north.headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "body_malformed")
    assert answer.json()["cause"]
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nothing", "expecting value at character 1"),
        ("no JSON", "expecting value at character 1"),
        ("not UTF-8", "byte 12 is not UTF-8"),
        ("nested deep", "it nests too deep"),
        ("endless number", "a number that JSON has not, or with thousands of digits"),
        ("not a number", "a number that JSON has not, or with thousands of digits"),
    ],
)
def test_what_is_no_json_is_told_in_words(case: str, words: str) -> None:
    """The gate shows the server's words to a steward: no name of a class."""
    with pytest.raises(ProtocolError) as caught:
        read_json(BODIES[case])
    assert caught.value.cause == f"the body is not JSON: {words}"


CLAIM = {"presentation": "01" * 16, "ticket_key": "02" * 16, "list": "main"} | {
    "direction": "entry",
    "at": 1000,
}


@ON_SQLITE
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("presentation", "01" * 15),
        ("presentation", "zz" * 16),
        ("presentation", "AB" * 16),
        ("presentation", 7),
        ("ticket_key", None),
        ("list", ""),
        ("list", "x" * 1000),
        ("list", "a\0b"),
        ("list", "half \ud800"),
        ("list", ["main"]),
        ("direction", "up"),
        ("at", "now"),
        ("at", True),
        ("at", -1),
        ("at", 10**30),
        ("at", {}),
    ],
)
def test_a_wrong_field_is_named(north: Device, field: str, value: Any) -> None:
    """One field of another type, length or range refuses the call before the database sees it."""
    raw = json.dumps(CLAIM | {field: value})
    answer = north.client.post("/v1/claims", content=raw, headers=north.headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "body_malformed")


def test_infinity_in_disguise_is_named(north: Device) -> None:
    """JSON may spell a number that no float holds."""
    raw = json.dumps(CLAIM).replace("1000", "1e999")
    answer = north.client.post("/v1/claims", content=raw, headers=north.headers)
    assert answer.status_code == 400


@ON_SQLITE
@pytest.mark.parametrize(("path", "most"), [("/v1/records", 4 << 20), ("/v1/claims", 64 << 10)])
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(
    north: Device, path: str, most: int, announced: bool
) -> None:
    """By what it announces, or as soon as more has come than is allowed."""
    content = b" " * (most + 1) if announced else (b" " * 65_536 for _ in range(most // 65_536 + 1))
    answer = north.client.post(path, content=content, headers=north.headers)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_a_strangers_body_is_not_read(client: Any) -> None:
    """Who has no bearer is refused before the body is taken in."""
    answer = client.post("/v1/records", content=b" " * (5 << 20))
    assert (answer.status_code, answer.json()["error"]) == (401, "bearer_missing")


def test_a_body_that_does_not_come_is_given_up(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow client costs seconds, not a connection for good."""
    monkeypatch.setattr(app_module, "BODY_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/enrol", "headers": []}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http"}
    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 408


@ON_SQLITE
@pytest.mark.parametrize("after", ["-1", "x", "", "1e9", "9" * 40, "²"])
@pytest.mark.parametrize("path", ["statements", "redemptions", "conflicts"])
def test_a_cursor_that_is_no_number_is_named(north: Device, path: str, after: str) -> None:
    """A page of nothing would look like no news."""
    answer = north.client.get(f"/v1/{path}", params={"after": after}, headers=north.headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "cursor_malformed")


def test_a_call_that_does_not_exist_is_named(north: Device) -> None:
    """Wrong path, wrong method, wrong id: three names."""
    assert north.get("/v1/release").json()["error"] == "no_such_call"
    assert north.post("/v1/ping", {}).json()["error"] == "wrong_method"
    assert north.get("/v1/lists/..%2f..%2fetc").json()["error"] in (
        "body_malformed",
        "no_such_call",
    )


BAD_RECORDS: list[object] = [
    None,
    "text",
    {},
    {"seq": -1},
    {"seq": 10**400},
    {"seq": 1, "prev": "00" * 32, "hash": "00" * 32, "kind": "scan", "at": 10**400},
    {"seq": 1, "prev": "00" * 32, "hash": "00" * 32, "kind": "scan", "monotonic": 10**30},
    {"seq": 1, "prev": "00" * 32, "hash": "00" * 32, "kind": "release"},
    {"seq": 1, "prev": "00" * 32, "hash": "00" * 32, "kind": "scan", "detail": "a\0b"},
    {"seq": 1, "prev": "00" * 32, "hash": "00" * 32, "kind": "scan", "detail": "\ud800"},
    {"seq": 1, "prev": "00" * 32, "hash": "00" * 32, "kind": "scan", "__class__": "x"},
    {"seq": 1, "prev": [], "hash": {}, "kind": []},
]


def test_a_bad_record_does_not_hold_up_the_good_ones(rig: CentralRig, north: Device) -> None:
    """Each bad one is parked with its reason and kept; what is around it is stored."""
    good = north.record(Kind.MODE)
    answers = north.client.post(
        "/v1/records",
        content=json.dumps(
            {
                "epoch": north.epoch.hex(),
                "head": north.signed_head(),
                "records": [*BAD_RECORDS, good],
            }
        ),
        headers=north.headers,
    ).json()["answers"]
    assert [answer["result"] for answer in answers] == ["parked"] * len(BAD_RECORDS) + ["stored"]
    assert all(answer["reason"] for answer in answers[:-1])
    assert len(overview.parked_records(rig.central)) == len(BAD_RECORDS)


def test_a_batch_has_a_bound(north: Device) -> None:
    """501 records are refused as a whole, and nothing of them is stored."""
    body = {"epoch": north.epoch.hex(), "records": [{}] * 501}
    assert north.post("/v1/records", body).status_code == 400
    assert north.upload() == []


@ON_SQLITE
def test_a_locked_database_is_busy_not_broken(
    rig: CentralRig, north: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds the write lock: 503, ask again; afterwards all works."""
    with rig.central.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=20")
    other = sqlite3.connect(rig.directory / "central.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = north.post("/v1/claims", CLAIM)
    other.execute("ROLLBACK")
    other.close()
    assert (answer.status_code, answer.json()["error"]) == (503, "busy")
    assert north.post("/v1/claims", CLAIM).status_code == 200


@ON_SQLITE
def test_a_damaged_database_is_named(rig: CentralRig, north: Device) -> None:
    """Reads and writes say that the storage is at fault; no trace is shown to the gate."""
    rig.central.database.close()
    for name in ("central.db-wal", "central.db-shm"):
        (rig.directory / name).unlink(missing_ok=True)
    (rig.directory / "central.db").write_bytes(b"noise" * 4096)
    answer = north.post("/v1/claims", CLAIM)
    assert (answer.status_code, answer.json()["error"]) == (503, "storage")


def test_a_turn_that_does_not_come_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call waits for ever behind another."""
    monkeypatch.setattr("central.database.TURN_BUDGET", 0.01)
    turns = Turns()
    with (
        turns.turn(urgent=False),
        pytest.raises(ProtocolError, match="no free turn"),
        turns.turn(urgent=True),
    ):
        pass
    with turns.turn(urgent=False):
        pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_crash_the_reader(raw: bytes) -> None:
    """A value or a named refusal, and what passes as clean can be kept."""
    try:
        value = read_json(raw)
    except ProtocolError as refusal:
        assert refusal.status == 400
        return
    if flaw(value) is None:
        assert "\0" not in json.dumps(value, allow_nan=False, ensure_ascii=False)


@settings(max_examples=30)
@given(records=st.lists(JSON, max_size=5))
def test_no_records_crash_the_server(records: list[object]) -> None:
    """Property: every element of a batch gets an answer of its own."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from central.records import take_batch
    from central.tokens import Caller
    from tests.rigs.central_rig import make_event

    with TemporaryDirectory() as directory:
        rig = make_event(Path(directory), csv=None)
        Device(_client(rig), rig.enrol_token("north"), "north")
        caller = Caller(overview.gates(rig.central)[0]["device"], "north")
        try:
            found = take_batch(rig.central, caller, bytes(8), [], records)
        except ProtocolError as refusal:
            assert refusal.status == 400
        else:
            told = [answer["result"] for answer in found["answers"]]  # type: ignore[attr-defined]
            assert told == ["parked"] * len(records)
        rig.central.database.close()


def _client(rig: CentralRig) -> Any:
    from tests.central.conftest import TestClient

    return TestClient(app_module.create_app(rig.central))
