"""I10: a stranger cannot stop a lane: not at a reader, not at a socket, not with a code."""

import json
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.gate_client import GateClient, GateNotRunning
from store.records import Kind
from tests.integration.conftest import Venue
from tests.rigs.real_gate import RealGate, until
from tests.rigs.tcp_wire import Wire

pytestmark = pytest.mark.heavy


@pytest.fixture
def twin(venue: Venue, tmp_path: Path) -> Iterator[RealGate]:
    """A gate whose lane has two readers, at the venue's central."""
    wire = Wire(int(venue.central.url.rsplit(":", 1)[1]))
    with RealGate(tmp_path, f"twin-{os.urandom(3).hex()}", venue.central, wire.url, readers=2) as g:
        g.start()
        g.ready()
        until(lambda: states(g) == ["ok", "ok"], "both readers see")
        yield g
    wire.close()


def states(gate: RealGate) -> list[str]:
    """How each reader of the first lane is."""
    return [reader["state"] for reader in gate.status()["lanes"][0]["readers"]]


def entered_by(gate: RealGate, code: str, reader: int) -> None:
    """A ticket shown as pixels to one reader gets its holder in."""
    since = gate.mark()
    gate.show(code, number=reader)
    verdict = gate.wait(since, kind="verdict", verdict="admitted", medium="qr")
    gate.wait(since, kind="outcome", presentation=verdict["presentation"])


@pytest.mark.parametrize(
    "blow", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.heavy)]
)
def test_a_reader_that_dies_or_hangs_is_replaced_while_the_other_reads_on(
    twin: RealGate, venue: Venue, blow: signal.Signals
) -> None:
    """The fault is shown, the lane goes on, and the reader comes back by itself."""
    victim, other = twin.children()
    since = twin.mark()
    os.kill(victim, blow)
    fault = twin.wait(since, kind="fault", name="reader 1")
    assert "camera-entry-1" in fault["cause"]
    assert fault["remedy"]
    entered_by(twin, venue.code(), 2)
    twin.wait(since, kind="recovered", name="reader 1")
    until(lambda: states(twin) == ["ok", "ok"], "both readers see")
    assert other in twin.children()
    assert victim not in twin.children()
    entered_by(twin, venue.code(), 1)
    assert twin.faults() == {}


@pytest.mark.heavy
def test_a_camera_that_vanishes_is_said_and_found_again(twin: RealGate, venue: Venue) -> None:
    """Its directory goes and comes back, like a cable that is pulled and put in."""
    since = twin.mark()
    folder, aside = twin.camera("entry", 1), twin.directory / "aside"
    folder.rename(aside)
    fault = twin.wait(since, kind="fault", lane="entry")
    assert fault["name"].startswith("reader 1")
    entered_by(twin, venue.code(), 2)
    (aside if aside.exists() else folder).rename(folder)
    until(lambda: not twin.faults(), "the fault is over", 30)
    entered_by(twin, venue.code(), 1)


def hostile_messages() -> list[bytes]:
    """What a client should never send."""
    noise = random.Random(7)
    deep = b"[" * 60_000
    sent = [noise.randbytes(size) for size in (1, 7, 64, 1000, 60_000, 70_000, 150_000)]
    sent += [b"null", b"[]", b"7", b'""', b"{}", deep, b'{"op":' * 9000, b"\xff\xfe{}"]
    bodies: list[object] = [
        {"op": ["status"]},
        {"op": {}},
        {"op": "events", "after": "x"},
        {"op": "events", "after": 1e308},
        {"op": "events", "after": [1]},
        {"op": "records", "after": -(10**30), "limit": 10**30},
        {"op": "records", "after": None},
        {"answer": 7},
        {"answer": {"presentation": "zz", "result": "granted"}},
        {"answer": {"presentation": "00", "result": "open"}},
        {"answer": {"presentation": "00" * 16, "result": "granted", "at": "NaN"}},
        {"probed": "x"},
        {"probed": [1], "ok": True},
        {"beat": {"nonce": 5, "time": 5, "commands": 5}},
        {"beat": {"commands": [7]}},
        {"beat": {"commands": [{"do": "release", "lane": "left"}]}},
        {"beat": []},
        {"server": 5},
        {"server": {"online": [], "waiting": "x" * 60_000}},
        {"op": "mode", "lane": "left", "mode": "open sesame"},
        {"op": "mode", "lane": ["left"]},
        {"op": "annul", "lane": "left", "presentation": "zz"},
        {"op": "annul", "lane": "left"},
        {"op": "person", "lane": "left", "person": "a" * 60_000},
        {"op": "judge", "lane": "left", "payload": "%%%"},
        {"op": "judge", "lane": "left"},
        {"op": "type", "lane": "left"},
        {"op": "type", "lane": "left", "code": {"a": 1}},
        {"op": "type", "lane": "left", "code": "\ud800"},
        {"op": "release", "lane": "left"},
    ]
    return sent + [json.dumps(body).encode() for body in bodies]


@pytest.mark.parametrize("door", ["events", "sync", "control"])
def test_no_message_at_a_socket_stops_the_gate(venue: Venue, door: str) -> None:
    """Each from a client of its own; scanner is the same process afterwards and admits."""
    gate = venue.south
    pid = gate.parts["scanner"].pid
    for message in hostile_messages():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(gate.run / f"{door}.sock"))
            client.settimeout(5)
            with suppress(OSError):  # too large for the kernel, or we were put out: as it should
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
                client.send(message)
    assert gate.parts["scanner"].poll() is None
    gate.ready()
    assert gate.parts["scanner"].pid == pid
    assert gate.enter(venue.code())["outcome"] == "passage"


def test_random_bytes_at_all_sockets_leave_the_gate_answering(venue: Venue) -> None:
    """Three hundred messages of noise through one connection each."""
    gate, noise = venue.south, random.Random(11)
    for door in ("events", "sync", "control"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.settimeout(5)
            client.connect(str(gate.run / f"{door}.sock"))
            for _ in range(100):
                client.send(noise.randbytes(noise.randrange(1, 2000)))
                answer = json.loads(client.recv(65_536))
                assert {"error", "cause", "remedy"} <= answer.keys()
    assert gate.enter(venue.code())["outcome"] == "passage"


def test_a_subscriber_that_never_reads_is_dropped_and_the_lane_goes_on(venue: Venue) -> None:
    """It is sent nothing more once its buffer is full, and nobody waits for it."""
    gate = venue.south
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as lazy:
        lazy.connect(str(gate.run / "events.sock"))
        # As good as a hundred admissions: what is asked for and not fetched fills the buffer.
        lazy.setblocking(False)
        end = time.monotonic() + 20
        gone = False
        while not gone and time.monotonic() < end:
            try:
                lazy.send(b'{"op": "status"}')
                lazy.send(b'{"op": "events", "after": 0}')
            except BlockingIOError:
                continue
            except OSError:
                gone = True
        assert gone
        assert gate.enter(venue.code())["outcome"] == "passage"


def test_more_clients_than_there_is_room_for_stop_nobody_who_is_there(venue: Venue) -> None:
    """Two hundred connections to the events; the gate admits, and is reachable afterwards."""
    gate = venue.south
    crowd = []
    try:
        for _ in range(200):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            client.setblocking(False)
            crowd.append(client)
            with suppress(BlockingIOError):  # the queue of those who wait to be let in is full
                client.connect(str(gate.run / "events.sock"))
        with suppress(GateNotRunning), GateClient(gate.run, "control") as control:
            control.ask(op="clear_sensor", lane="entry")
    finally:
        for client in crowd:
            client.close()
    gate.ready()
    assert gate.enter(venue.code())["outcome"] == "passage"


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_flood_of_strange_codes_folds_and_does_not_stop_a_ticket(
    twin: RealGate, venue: Venue
) -> None:
    """Sixty pictures of strange codes at one reader, typed noise besides; a ticket gets in."""
    noise = random.Random(3)
    for number in range(60):
        twin.show(f"HTTPS://EXAMPLE.COM/{number}-{noise.random()}", number=1)

    def folded() -> bool:
        twin.order(op="type", lane="entry", code=str(noise.random()))
        return bool(twin.records(Kind.FOLDED))

    until(folded, "what is above the rate is counted in a folded record", 60)
    entered_by(twin, venue.code(), 2)
    strange = [e for e in twin.records(Kind.SCAN) if e.record.verdict == "refused"]
    assert len(strange) <= 41  # twenty a minute
