"""A gate program for tests: a real `events.sock` (docs/ipc.md) that says what a test wants."""

import json
import socket
import threading
from pathlib import Path
from typing import Any

Told = dict[str, Any]
NOW = 1_795_000_000.0
"""Unix seconds of the gate's clock in tests."""


def lane(name: str, **changes: Any) -> Told:
    """A lane as `status` tells it."""
    told: Told = {
        "name": name, "direction": "entry", "state": "locked", "mode": "normal", "list": "main",
        "sensor": "ok", "readers": [{"uri": "camera:files:tickets", "state": "ok"}],
        "entered": 0, "left": 0, "refused": 0, "rate": 0,
    }  # fmt: skip
    return told | changes


def status(*lanes: Told, **changes: Any) -> Told:
    """A healthy gate as `status` tells it."""
    told: Told = {
        "gate": "north-1", "event": "FEST2026", "at": NOW, "boot": "b007", "ready": True,
        "clock": {"state": "synchronised", "uncertainty": 0.05},
        "lanes": list(lanes) or [lane("entry-1")],
        "list": {"serial": 7, "rows": 12_000, "age": 12.0, "state": "fresh"},
        "authority": {"state": "in", "since": 1_794_990_000.0},
        "server": {"online": True, "last_contact": NOW, "waiting": 0, "parked": 0,
                   "conflicts": []},
        "journal": {"seq": 40, "epoch": "e0", "head": "00"}, "events": 0,
        "faults": [],
    }  # fmt: skip
    return told | changes


class FakeScanner:
    """Serves `events.sock` in `run`, keeps a ring, and says what a test tells it to say."""

    def __init__(self, run: Path, *lanes: Told, boot: str = "b007", first_seq: int = 1) -> None:
        self.path = run / "events.sock"
        self.run = run
        self.status = status(*lanes, boot=boot, events=first_seq - 1)
        self.asked: list[Told] = []
        """Every question received, in order."""
        self.answers = True
        """False: a gate program that hangs with its sockets open."""
        self._ring: list[Told] = []
        self._seq = first_seq - 1
        self._followers: list[socket.socket] = []
        self._wires: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.path.unlink(missing_ok=True)
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(self, kind: str, lane: str = "entry-1", **facts: Any) -> Told:
        """Send an event to every follower; a state or mode is also what `status` says next."""
        with self._lock:
            self._seq += 1
            event = {"seq": self._seq, "boot": self.status["boot"], "at": NOW + self._seq,
                     "lane": lane, "kind": kind, **facts}  # fmt: skip
            self._ring.append(event)
            self.status["events"] = self._seq
            for told in self.status["lanes"]:
                if told["name"] == lane:
                    told |= {name: facts[name] for name in ("state", "mode") if name in facts}
            for wire in list(self._followers):
                self._send(wire, {"event": event})
        return event

    def admit(self, lane: str = "entry-1", **facts: Any) -> Told:
        """A verdict that admits, and the released lane."""
        event = self.tell("verdict", lane, verdict="admitted", ticket="a1b2", **facts)
        self.tell("state", lane, state="released")
        return event

    def refuse(self, reason: str, lane: str = "entry-1", **facts: Any) -> Told:
        """A verdict that refuses; the lane stays locked."""
        event = self.tell("verdict", lane, verdict="refused", reason=reason, ticket="c3d4", **facts)
        self.tell("state", lane, state="locked")
        return event

    def babble(self, data: bytes) -> None:
        """Send raw bytes to everybody."""
        with self._lock:
            for wire in list(self._wires):
                self._send(wire, data)

    def write_status(self) -> None:
        """Leave `status.json`, as scanner does all the time."""
        (self.run / "status.json").write_text(json.dumps(self.status))

    def die(self) -> None:
        """Gone, as after SIGKILL; twice is as once."""
        if self._listener.fileno() < 0:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for wire in self._wires:
                wire.shutdown(socket.SHUT_RDWR)
            self._wires.clear()
            self._followers.clear()

    def _send(self, wire: socket.socket, message: Told | bytes) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        try:
            wire.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            self._drop(wire)

    def _drop(self, wire: socket.socket) -> None:
        for wires in (self._wires, self._followers):
            if wire in wires:
                wires.remove(wire)

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._wires.append(wire)
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        while data := self._receive(wire):
            question = json.loads(data)
            self.asked.append(question)
            with self._lock:
                if self.answers:
                    self._answer(wire, question)
        with self._lock:
            self._drop(wire)
            wire.close()

    def _receive(self, wire: socket.socket) -> bytes:
        try:
            return wire.recv(65_536)
        except OSError:
            return b""

    def _answer(self, wire: socket.socket, question: Told) -> None:
        if question["op"] == "status":
            self._send(wire, {"status": self.status})
            return
        for event in self._ring:
            if event["seq"] > question["after"] >= 0:
                self._send(wire, {"event": event})
        self._followers.append(wire)
