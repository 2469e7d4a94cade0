"""Messages between the gate's own processes: any of them may have been taken over."""

import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from admission.direction import Direction
from admission.rules import PolicyMalformed, policy_from_body, policy_to_body
from scanner.control_door import ControlDoor
from scanner.events_door import EventsDoor
from scanner.sockets import MOST_MESSAGE, Peer, Server
from scanner.sync_door import SyncDoor
from screen.board import Board
from screen.errors import MessageMalformed
from screen.messages import Event, Guest, Status, read_message, read_status
from store.heads import HeadMalformed, head_from_json, head_to_json
from store.records import RecordMalformed, entry_from_json, entry_to_json
from sync.link import ScannerBabbles, _decoded
from sync.page import page_of
from tests.rigs.gate_doors import DoorRig


class _Sink:
    """A peer's connection, a lane's queue: takes all, keeps nothing."""

    def send(self, data: bytes, flags: int = 0) -> int:
        """Take a message."""
        return len(data)

    def put(self, message: object) -> None:
        """Take a message."""


@cache
def _doors() -> Server:
    """The three doors of a gate with one lane, whose thread does nothing."""
    directory = Path(tempfile.mkdtemp(prefix="admit-fuzz-"))
    rig = DoorRig(directory)
    settings = SimpleNamespace(name="a", first_direction=Direction.ENTRY)
    thread = SimpleNamespace(
        lane=SimpleNamespace(settings=settings), queue=_Sink(), turnstile=None, readers=[]
    )
    one_lane: Any = SimpleNamespace(lanes={"a": thread}, fire=None, clock=rig.clock)
    control = ControlDoor(one_lane)

    def ordered(peer: Peer, message: dict[str, Any]) -> Any:
        answer = control.answer(peer, message)
        rig.advance(10.0)
        control.expire()  # what no lane takes up is answered and forgotten
        return answer

    handlers = {
        "events": EventsDoor(rig.gate).answer,
        "sync": SyncDoor(rig.gate, lambda message: True).answer,
        "control": ordered,
    }
    return Server(directory, handlers)


def _knock(door: str, data: bytes) -> None:
    connection: Any = _Sink()
    answer = _doors()._answer(Peer(connection, door, 0), data)
    assert answer is None or len(json.dumps(answer)) <= MOST_MESSAGE


def events_door(data: bytes) -> None:
    """From a screen."""
    _knock("events", data)


def sync_door(data: bytes) -> None:
    """From sync."""
    _knock("sync", data)


def control_door(data: bytes) -> None:
    """From whoever may give orders."""
    _knock("control", data)


def screen_message(data: bytes) -> None:
    """From scanner to a page: whatever it reads, it can draw."""
    board = Board("north", ("a", "b"))
    with suppress(MessageMalformed):
        heard = read_message(data)
        if isinstance(heard, Event):
            board.hear_event(heard, 1.0)
        elif isinstance(heard, Status):
            board.hear_status(heard)
        elif isinstance(heard, Guest):
            board.hear_guest(heard, 1.0)
    _draw(board)


def screen_status(data: bytes) -> None:
    """`status.json` of a gate that is gone."""
    with suppress(MessageMalformed):
        board = Board("north", ("a",))
        board.hear_status(read_status(data))
        _draw(board)


def _draw(board: Board) -> None:
    json.dumps([board.steward(2.0), *(board.face(name, 2.0) for name in board.names)])


def sync_message(data: bytes) -> None:
    """From scanner to sync, read as a page of records."""
    with suppress(ScannerBabbles):
        page = page_of(_decoded(data))
        assert (len(page.epoch), len(page.hash)) == (8, 32)


def journal_record(data: bytes) -> None:
    """A record on its way to the server; what is read is written the same."""
    with suppress(ValueError, RecursionError):
        body = json.loads(data)
        with suppress(RecordMalformed):
            entry = entry_from_json(body)
            assert entry_from_json(entry_to_json(entry)) == entry


def journal_head(data: bytes) -> None:
    """Where a journal stands, as a gate or a server tells it."""
    with suppress(ValueError, RecursionError):
        body = json.loads(data)
        with suppress(HeadMalformed):
            assert head_from_json(head_to_json(head_from_json(body))) == head_from_json(body)


def policy(data: bytes) -> None:
    """The organiser's rules, signed; what is read is written the same."""
    with suppress(ValueError, RecursionError):
        body = json.loads(data)
        if isinstance(body, dict):
            with suppress(PolicyMalformed):
                read = policy_from_body(body)
                assert policy_from_body(policy_to_body(read)) == read


TARGETS = {
    "events_door": events_door,
    "sync_door": sync_door,
    "control_door": control_door,
    "screen_message": screen_message,
    "screen_status": screen_status,
    "sync_message": sync_message,
    "journal_record": journal_record,
    "journal_head": journal_head,
    "policy": policy,
}
