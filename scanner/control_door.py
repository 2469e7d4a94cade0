"""control.sock: a supervisor's orders, given on the gate itself."""

import base64
import os
import queue
from collections.abc import Callable
from typing import Any

from admission.errors import GateError
from drivers.person import Person
from drivers.protocols import Turnstile
from drivers.sim import SimulatedTurnstile
from scanner.gate import Gate
from scanner.lane import MODE_EVENTS, Lane
from scanner.lane_thread import LaneThread
from scanner.messages import Command, Sighting
from scanner.sockets import Answer, Peer, PeerMessage

REPLY_WITHIN = 2.0
"""Seconds a lane has to carry out an order."""


class OrderRefused(GateError):
    """An order that this gate does not carry out."""


class ControlDoor:
    """Hands orders to the lanes' threads; each order is recorded by its lane."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def answer(self, peer: Peer, message: dict[str, Any]) -> Answer:
        if peer.uid not in {0, os.getuid()}:
            raise OrderRefused("only root and the gate itself give orders", "Use sudo")
        thread = self._gate.lanes.get(str(message.get("lane")))
        if thread is None:
            known = ", ".join(self._gate.lanes)
            raise OrderRefused(f"no lane {message.get('lane')!r}", f"The lanes are: {known}")
        op = message.get("op")
        if op == "type":
            return self._typed(thread, str(message["code"]))
        orders: dict[object, Callable[[Lane], object]] = {
            "mode": lambda lane: lane.set_mode(_mode(message), "supervisor"),
            "annul": lambda lane: lane.annul_question(
                bytes.fromhex(message["presentation"]), "steward"
            ),
            "clear_sensor": lambda lane: lane.clear_sensor(),
            "judge": lambda lane: lane.judge(base64.b64decode(message["payload"])),
            "person": lambda lane: _set_person(thread.turnstile, str(message["person"])),
        }
        if op not in orders:
            raise PeerMessage(f"control.sock has no op {op!r}", "See docs/ipc.md")
        replies: queue.SimpleQueue[object] = queue.SimpleQueue()
        thread.queue.put(Command(orders[op], replies.put))
        return _reply(replies)

    def _typed(self, thread: LaneThread, code: str) -> Answer:
        now = self._gate.clock.monotonic()
        direction = thread.lane.settings.first_direction
        thread.queue.put(Sighting(code.strip().encode(), "typed", float("inf"), now, direction))
        return {"ok": True}


def _reply(replies: "queue.SimpleQueue[object]") -> Answer:
    try:
        result = replies.get(timeout=REPLY_WITHIN)
    except queue.Empty:
        raise OrderRefused("the lane does not answer", "Try again; see the steward page") from None
    if isinstance(result, GateError):
        raise result
    return {"ok": True} | (result if isinstance(result, dict) else {})


def _mode(message: dict[str, Any]) -> str:
    mode = str(message.get("mode"))
    if mode not in MODE_EVENTS:
        raise OrderRefused(f"no mode {mode!r}", f"The modes are: {', '.join(MODE_EVENTS)}")
    return mode


def _set_person(turnstile: Turnstile, person: str) -> None:
    if not isinstance(turnstile, SimulatedTurnstile):
        raise OrderRefused("only a simulated turnstile has a person", "Use turnstile:sim")
    turnstile.person = Person.parse(person)
