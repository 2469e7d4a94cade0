"""The gate's sockets: whatever a peer sends or does not read, the gate goes on."""

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.sockets import MOST_MESSAGE, Answer, Handler, Peer, PeerMessage, Server


def echo(peer: Peer, message: dict[str, Any]) -> Answer:
    """Answers `say`, refuses the rest."""
    if "say" not in message:
        raise PeerMessage("say what?", "Say something")
    return {"said": message["say"], "uid": peer.uid}


class Bench:
    """A server with all doors, stepped by the test."""

    def __init__(self, directory: Path, handler: Handler = echo) -> None:
        self.directory, self.path = directory, directory / "events.sock"
        self.server = Server(directory, dict.fromkeys(("events", "sync", "control"), handler))

    def connect(self, door: str = "events") -> socket.socket:
        """A peer."""
        peer = self.knock(door)
        self.step()
        return peer

    def knock(self, door: str = "events") -> socket.socket:
        """A peer that is not accepted yet."""
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer.settimeout(5)
        peer.connect(str(self.directory / f"{door}.sock"))
        return peer

    def step(self) -> None:
        """Let the server look around once."""
        self.server.step(lambda peer: True, timeout=1.0)

    def ask(self, peer: socket.socket, data: bytes) -> dict[str, Any] | None:
        """Send bytes and read the answer; None: hung up."""
        peer.send(data)
        self.step()
        answer = peer.recv(MOST_MESSAGE)
        return json.loads(answer) if answer else None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One, in a directory of its own."""
    return Bench(tmp_path)


def test_an_answer_knows_who_asked(bench: Bench) -> None:
    """SO_PEERCRED, not what the peer says of itself."""
    assert bench.ask(bench.connect(), b'{"say": 1}') == {"said": 1, "uid": os.getuid()}


def test_a_socket_is_the_gates_own(bench: Bench) -> None:
    """Where its group does not exist, nobody else may connect."""
    assert stat.S_IMODE(bench.path.stat().st_mode) & 0o007 == 0


def test_a_named_error_is_answered(bench: Bench) -> None:
    """Cause and remedy, and the connection stays."""
    peer = bench.connect()
    answer = bench.ask(peer, b"{}")
    assert answer == {"error": "PeerMessage", "cause": "say what?", "remedy": "Say something"}
    assert bench.ask(peer, b'{"say": 2}') is not None


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (b"{", "it is not JSON"),
        (b"\xff{}", "it is not JSON"),
        (b"[" * 20_000, "it is not JSON"),
        (b'{"say": {}}', "hex is missing"),
        (b'{"say": {"hex": "xy"}}', "non-hexadecimal number found in fromhex() arg at position 0"),
        (b'{"say": {"hex": 7}}', "a value of another type or size than its field has"),
    ],
)
def test_what_is_wrong_with_a_message_is_told_in_words(
    tmp_path: Path, message: bytes, cause: str
) -> None:
    """A person reads it: no name of a class."""

    def reads_hex(_: Peer, message: dict[str, Any]) -> Answer:
        return {"said": list(bytes.fromhex(message["say"]["hex"]))}

    bench = Bench(tmp_path, reads_hex)
    answer = bench.ask(bench.connect(), message)
    assert answer is not None
    assert answer["cause"] == f"the message cannot be read: {cause}"


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=2000) | st.just(b"[" * 20_000))
def test_no_bytes_stop_the_server(bench: Bench, data: bytes) -> None:
    """Anything is answered with an error, and the next peer is served."""
    stranger = bench.connect()
    answer = bench.ask(stranger, data)
    assert answer is None or "error" in answer or "said" in answer
    stranger.close()
    bench.step()
    friend = bench.connect()
    assert bench.ask(friend, b'{"say": 3}') is not None
    friend.close()
    bench.step()


def test_a_message_over_the_limit_ends_the_connection(bench: Bench) -> None:
    """64 KiB, as the contract says."""
    peer = bench.connect()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    assert bench.ask(peer, b" " * (MOST_MESSAGE + 1)) is None


def test_a_subscriber_that_never_reads_is_dropped(bench: Bench) -> None:
    """It fills its own socket, then it is gone; nobody waits for it."""
    stuck = bench.connect()
    before = len(bench.server._peers)
    for _ in range(10_000):
        bench.server.wake()
        bench.server.step(lambda peer: peer.send({"event": "x" * 1000}), timeout=1.0)
        if len(bench.server._peers) < before:
            break
    assert len(bench.server._peers) == before - 1
    assert bench.ask(bench.connect(), b'{"say": 4}') is not None
    stuck.close()


def test_there_is_a_most_of_peers(bench: Bench) -> None:
    """A stranger who connects for ever takes no place from those who are in."""
    first = bench.connect()
    crowd = [bench.connect() for _ in range(80)]
    assert bench.ask(first, b'{"say": 5}') is not None
    assert crowd[-1].recv(10) == b""


def test_a_crowd_at_one_door_locks_nobody_out_of_another(bench: Bench) -> None:
    """I7: a hacked screen must not keep sync out, or the supervisor."""
    crowd = [bench.connect("events") for _ in range(80)]
    for door in ("sync", "control"):
        assert bench.ask(bench.connect(door), b'{"say": 6}') is not None
    assert len(crowd) == 80


def test_many_may_knock_at_once(bench: Bench) -> None:
    """Every screen of a venue, while the gate is busy for a moment: none is turned away."""
    crowd = [bench.knock() for _ in range(60)]
    for _ in crowd:
        bench.step()
    assert all(bench.ask(peer, b'{"say": 7}') is not None for peer in crowd)


def test_names_go_to_those_alone_who_asked_for_them(tmp_path: Path) -> None:
    """A follower that did not ask, such as a log of events, never gets one."""

    def asks(peer: Peer, message: dict[str, Any]) -> Answer:
        peer.wants_names = message.get("names") is True
        return {"heard": True}

    bench = Bench(tmp_path, asks)
    steward, log = bench.connect(), bench.connect()
    bench.ask(steward, b'{"names": true}')
    bench.ask(log, b"{}")
    bench.server.to_stewards({"guest": {"name": "Ada Lovelace"}})
    assert json.loads(steward.recv(MOST_MESSAGE)) == {"guest": {"name": "Ada Lovelace"}}
    log.setblocking(False)
    with pytest.raises(BlockingIOError):
        log.recv(MOST_MESSAGE)


def test_a_steward_who_does_not_read_misses_a_name_and_holds_up_nobody(bench: Bench) -> None:
    bench.connect()
    for peer in bench.server._peers:
        peer.wants_names = True
    for _ in range(5000):
        bench.server.to_stewards({"guest": {"name": "x" * 1000}})
