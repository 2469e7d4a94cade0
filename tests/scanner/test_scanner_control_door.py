"""A supervisor's orders: carried out by the lane, answered by the lane, waited for by nobody."""

import base64
import json
import os
import queue
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from admission.errors import GateError
from drivers.sim import SimulatedInput
from scanner.control_door import BEGIN_WITHIN, ControlDoor, OrderRefused
from scanner.lane_thread import LaneThread
from scanner.sockets import MOST_MESSAGE, Peer
from store.mirror import Conflict, Mirror
from tests.rigs.gate_doors import DoorRig
from tests.rigs.gate_rig import GateRig, code, row


class Bench(DoorRig):
    """One lane whose thread the test runs by hand, and a supervisor at the door."""

    def __init__(self, directory: Path) -> None:
        self.rig = GateRig(directory, [row("anna")])
        self.thread = LaneThread(self.rig.lane, self.rig.clock, self.rig.turnstile, [])
        super().__init__(directory, [self.thread])
        self.door = ControlDoor(self.gate)
        self.supervisor, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.supervisor.setblocking(False)
        self.peer = Peer(theirs, "control", os.getuid())

    def order(self, **message: Any) -> object:
        """Give an order to the lane; what the door says at once."""
        return self.door.answer(self.peer, {"lane": "entry-1"} | message)

    def run_lane(self) -> None:
        """The lane's thread gets its turn."""
        while True:
            try:
                self.thread.lane.handle(self.thread.queue.get_nowait())
            except queue.Empty:
                return

    def heard(self) -> dict[str, Any] | None:
        """What the supervisor was told meanwhile."""
        try:
            told: dict[str, Any] = json.loads(self.supervisor.recv(MOST_MESSAGE))
        except BlockingIOError:
            return None
        return told


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One."""
    bench = Bench(tmp_path)
    yield bench
    bench.supervisor.close()
    bench.peer.connection.close()


def test_the_lane_answers_when_it_has_carried_the_order_out(bench: Bench) -> None:
    """The door itself says nothing and waits for nothing."""
    assert bench.order(op="mode", mode="locked") is None
    assert bench.heard() is None
    bench.run_lane()
    assert bench.heard() == {"ok": True}
    assert bench.rig.lane.mode == "locked"


def test_what_the_lane_found_is_in_its_answer(bench: Bench) -> None:
    """Would this code be admitted?"""
    bench.order(op="judge", payload=base64.b64encode(code("anna")).decode())
    bench.run_lane()
    told = bench.heard()
    assert told is not None
    assert (told["ok"], told["verdict"]) == (True, "admitted")


def test_a_card_that_a_desk_has_asked_is_judged_like_a_code(bench: Bench) -> None:
    """One that is on no list is not."""
    word = {"uid": "04de5f1eacc040", "proof": "live", "detail": ""}
    bench.order(op="judge", card=word)
    bench.run_lane()
    told = bench.heard()
    assert told is not None
    assert (told["format"], told["reason"]) == ("ntag424", "unknown")


def test_an_order_the_lane_refuses_is_answered_by_name(bench: Bench) -> None:
    """No entry of this presentation is in question."""
    bench.order(op="annul", presentation="00" * 16)
    bench.run_lane()
    told = bench.heard()
    assert told is not None
    assert told["error"] == "NoSuchQuestion"
    assert told["remedy"]


def test_an_order_that_comes_too_late_to_be_begun_is_dropped(bench: Bench) -> None:
    """The supervisor was told so; the lane must not open minutes later, unexpected."""
    bench.order(op="mode", mode="free_flow")
    bench.advance(BEGIN_WITHIN + 0.1)
    bench.door.expire()
    told = bench.heard()
    assert told is not None
    assert "does not answer" in told["cause"]
    bench.run_lane()
    assert bench.rig.lane.mode == "normal"
    assert bench.heard() is None


def test_a_lane_that_went_into_another_mode_meanwhile_stays_in_it(bench: Bench) -> None:
    """Whoever puts a lane back as it was must not end an evacuation that began in between."""
    bench.order(op="mode", mode="evacuation")
    bench.run_lane()
    assert bench.heard() == {"ok": True}
    bench.order(op="mode", mode="normal", **{"from": "check"})
    bench.run_lane()
    told = bench.heard()
    assert told is not None
    assert (told["error"], bench.rig.lane.mode) == ("OrderRefused", "evacuation")
    bench.order(op="mode", mode="normal", **{"from": "evacuation"})
    bench.run_lane()
    assert bench.rig.lane.mode == "normal"


def test_an_order_that_was_begun_in_time_is_answered_once(bench: Bench) -> None:
    """However late the door looks at it again."""
    bench.order(op="mode", mode="locked")
    bench.run_lane()
    bench.advance(BEGIN_WITHIN + 0.1)
    bench.door.expire()
    assert bench.heard() == {"ok": True}
    assert bench.heard() is None


@pytest.mark.parametrize(
    "message",
    [
        {"op": "annul"},
        {"op": "annul", "presentation": "no hex"},
        {"op": "annul", "presentation": 7},
        {"op": "judge", "payload": "***"},
        {"op": "judge", "payload": None},
        {"op": "judge", "card": None},
        {"op": "judge", "card": {"uid": "04", "proof": "live", "detail": ""}},
        {"op": "mode", "mode": ["locked"]},
        {"op": "person", "person": "giant"},
        {"op": {}},
        {"op": "open_everything"},
    ],
)
def test_nonsense_never_reaches_the_lane(bench: Bench, message: dict[str, Any]) -> None:
    """In the lane's thread it would end the gate."""
    with pytest.raises((GateError, ValueError, LookupError, TypeError)):
        bench.order(**message)
    assert bench.thread.queue.empty()


def test_only_root_and_the_gate_itself_give_orders(bench: Bench) -> None:
    """SO_PEERCRED says who asks."""
    bench.peer.uid = os.getuid() + 1
    with pytest.raises(OrderRefused):
        bench.order(op="mode", mode="free_flow")


def test_a_status_reads_nothing_from_the_card(bench: Bench) -> None:
    """The sockets' thread asks for it: conflicts are those of the keeper's last look."""
    keeper = bench.gate.books
    identity = {"device": "d1", "event": bench.gate.event, "event_key": "00" * 32}
    (bench.sync / "identity.json").write_text(json.dumps(identity))
    mirror = Mirror(bench.sync / "mirror.db")
    conflict = Conflict(b"o" * 16, b"p" * 16, b"k" * 16, "main", "south", 5.0)
    mirror.add_conflicts([(conflict, True)], 1)
    assert bench.gate.status()["server"]["conflicts"] == []
    keeper.poll()
    (bench.sync / "mirror.db").unlink()
    shown = [{"ticket": "6b6b", "gate": "south", "list": "main", "at": 5.0}]
    assert bench.gate.status()["server"]["conflicts"] == shown


def test_no_mode_ends_an_evacuation_while_the_fire_contact_is_closed(tmp_path: Path) -> None:
    """The alarm is reset at its panel first; until then every lane stays open."""
    bench = Bench(tmp_path)
    contact = SimulatedInput()
    bench.gate.fire = contact
    contact.set(True)
    with pytest.raises(OrderRefused, match="Reset the fire alarm"):
        bench.order(op="mode", mode="normal")
    contact.set(False)
    bench.order(op="mode", mode="normal")
