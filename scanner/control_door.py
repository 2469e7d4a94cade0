"""control.sock: a supervisor's orders, given on the gate itself.

The sockets' thread also carries the answers to claims, so it never waits for a lane: a lane answers
its peer itself, and an order that it does not begin in time is answered for it and forgotten.
"""

import base64
import os
import threading
from collections.abc import Callable
from typing import Any

from admission.errors import GateError
from drivers.messages import card_from_json
from drivers.person import Person
from drivers.protocols import Turnstile
from drivers.sim import SimulatedTurnstile
from scanner.gate import Gate
from scanner.lane import MODE_EVENTS, Lane
from scanner.lane_thread import LaneThread
from scanner.messages import Command, Sighting
from scanner.sockets import Answer, Peer, PeerMessage, error_answer

BEGIN_WITHIN = 2.0
"""Seconds a lane has to begin with an order."""

Run = Callable[[Lane], object]


class OrderRefused(GateError):
    """An order that this gate does not carry out."""


NO_ANSWER = OrderRefused(
    "the lane does not answer, and the order was dropped", "Try again; see the steward page"
)


class Order:
    """One order on its way to a lane. Answered once: by the lane, or when its time is over."""

    def __init__(self, peer: Peer, run: Run, by: float) -> None:
        """`by`: monotonic seconds by which the lane has to begin."""
        self._peer, self._run, self._by = peer, run, by
        self._open = True
        self._lock = threading.Lock()

    def run(self, lane: Lane) -> object:
        """Carry it out, in the lane's thread, unless its giver was told that it is not."""
        if not self._close():
            raise NO_ANSWER
        return self._run(lane)

    def reply(self, result: object | GateError) -> None:
        """Tell the giver what came of it; nothing when it was told before."""
        if result is NO_ANSWER:
            return
        if isinstance(result, GateError):
            self._peer.send(error_answer(result))
        else:
            self._peer.send({"ok": True} | (result if isinstance(result, dict) else {}))

    def settled(self, now: float) -> bool:
        """Whether a lane has begun with it, or its time is over; then the giver is told."""
        if self._open and now >= self._by and self._close():
            self._peer.send(error_answer(NO_ANSWER))
        return not self._open

    def _close(self) -> bool:
        with self._lock:
            was_open, self._open = self._open, False
        return was_open


class ControlDoor:
    """Hands orders to the lanes' threads; each order is recorded by its lane."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._orders: list[Order] = []
        self._lock = threading.Lock()

    def answer(self, peer: Peer, message: dict[str, Any]) -> Answer:
        """Answer one message, or have the lane answer it."""
        if peer.uid not in {0, os.getuid()}:
            raise OrderRefused("only root and the gate itself give orders", "Use sudo")
        thread = self._gate.lanes.get(str(message.get("lane")))
        if thread is None:
            known = ", ".join(self._gate.lanes)
            raise OrderRefused(f"no lane {message.get('lane')!r}", f"The lanes are: {known}")
        op = message.get("op")
        if op == "mode" and self._alarm() and message.get("mode") != "evacuation":
            raise OrderRefused("the fire contact is closed", "Reset the fire alarm first")
        if op == "type":
            return self._typed(thread, str(message["code"]))
        if op not in ORDERS:
            raise PeerMessage(f"control.sock has no op {op!r}", "See docs/ipc.md")
        # Read here, where a peer's nonsense is answered: in the lane it would end the gate.
        run = ORDERS[str(op)](message, thread)
        order = Order(peer, run, self._gate.clock.monotonic() + BEGIN_WITHIN)
        with self._lock:
            self._orders.append(order)
        thread.queue.put(Command(order.run, order.reply))
        return None

    def expire(self) -> None:
        """Answer the orders that no lane has begun with in time; called ten times a second."""
        now = self._gate.clock.monotonic()
        with self._lock:
            self._orders = [order for order in self._orders if not order.settled(now)]

    def _alarm(self) -> bool:
        return self._gate.fire is not None and self._gate.fire.active

    def _typed(self, thread: LaneThread, code: str) -> Answer:
        now = self._gate.clock.monotonic()
        direction = thread.lane.settings.first_direction
        thread.queue.put(Sighting(code.strip().encode(), "typed", float("inf"), now, direction))
        return {"ok": True}


def _mode_order(message: dict[str, Any], thread: LaneThread) -> Run:
    mode, only_from = _mode(message), message.get("from")

    def run(lane: Lane) -> None:
        if only_from is not None and lane.mode != only_from:
            raise OrderRefused(
                f"the lane is in mode {lane.mode}, not {only_from}", "Look at it, then order anew"
            )
        lane.set_mode(mode, "supervisor")

    return run


def _annul_order(message: dict[str, Any], thread: LaneThread) -> Run:
    presentation = bytes.fromhex(message["presentation"])
    return lambda lane: lane.annul_question(presentation, "steward")


def _sensor_order(message: dict[str, Any], thread: LaneThread) -> Run:
    return lambda lane: lane.clear_sensor()


def _judge_order(message: dict[str, Any], thread: LaneThread) -> Run:
    if "card" in message:
        card = card_from_json(message["card"])
        return lambda lane: lane.judge(card)
    payload = base64.b64decode(message["payload"], validate=True)
    return lambda lane: lane.judge(payload)


def _person_order(message: dict[str, Any], thread: LaneThread) -> Run:
    person = Person.parse(str(message["person"]))
    return lambda lane: _set_person(thread.turnstile, person)


ORDERS: dict[str, Callable[[dict[str, Any], LaneThread], Run]] = {
    "mode": _mode_order,
    "annul": _annul_order,
    "clear_sensor": _sensor_order,
    "judge": _judge_order,
    "person": _person_order,
}


def _mode(message: dict[str, Any]) -> str:
    mode = str(message.get("mode"))
    if mode not in MODE_EVENTS:
        raise OrderRefused(f"no mode {mode!r}", f"The modes are: {', '.join(MODE_EVENTS)}")
    return mode


def _set_person(turnstile: Turnstile, person: Person) -> None:
    if not isinstance(turnstile, SimulatedTurnstile):
        raise OrderRefused("only a simulated turnstile has a person", "Use turnstile:sim")
    turnstile.person = person
