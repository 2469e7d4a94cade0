"""The gate as its sockets show it: status, records for sync, orders from the supervisor."""

import base64
import contextlib
import json
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from admission.clock import Clock
from admission.decide import Claim, ClaimState
from admission.errors import GateError
from admission.rules import GatePolicy
from drivers.person import Person
from drivers.protocols import Input, Turnstile
from drivers.sim import SimulatedTurnstile
from scanner.admissions import NotReady
from scanner.bookkeeper import Bookkeeper
from scanner.claims import ClaimDesk
from scanner.clock import SystemClock
from scanner.events import EventLog
from scanner.journal_keeper import JournalKeeper
from scanner.lane import MODE_EVENTS, Lane
from scanner.messages import ClaimAnswer, Command, DeviceFault, Message, Sighting
from scanner.readers import Reader
from scanner.sockets import MOST_MESSAGE, Answer, Handler, Peer, PeerMessage
from store.records import entry_to_json

REPLY_WITHIN = 2.0
"""Seconds a lane has to carry out an order."""
FULL = MOST_MESSAGE - 4096
"""Bytes of records put into one message."""


class OrderRefused(GateError):
    """An order that this gate does not carry out."""


class LaneThread(threading.Thread):
    """Runs one lane: its queue, its deadlines."""

    def __init__(self, lane: Lane, clock: Clock, turnstile: Turnstile, readers: list[Reader]):
        super().__init__(name=f"lane {lane.settings.name}", daemon=True)
        self.lane, self.turnstile, self.readers = lane, turnstile, readers
        self.inputs: list[Input] = []
        """The lane's contacts; they speak as long as they are kept."""
        self.queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.alive_at = clock.monotonic()
        self._clock = clock

    def run(self) -> None:
        """For ever: wait for a message or a deadline, deal with it."""
        self.lane.start()
        while True:
            self.alive_at = now = self._clock.monotonic()
            wake = self.lane.wake_at()
            wait = 0.5 if wake is None else min(0.5, max(0.0, wake - now))
            with contextlib.suppress(queue.Empty):  # then a deadline is due, or nothing is
                self.lane.handle(self.queue.get(timeout=wait))
            self.lane.tick()


class Gate:
    """Answers the doors. Holds no decision of its own."""

    def __init__(
        self,
        *,
        name: str,
        event: str,
        policy: GatePolicy,
        lanes: list[LaneThread],
        books: Bookkeeper,
        journal: JournalKeeper,
        claims: ClaimDesk,
        clock: SystemClock,
        events: EventLog,
        boot: str,
    ) -> None:
        """`server_link` is set once the sockets are open."""
        self.name, self.event, self.policy = name, event, policy
        self.lanes = {thread.lane.settings.name: thread for thread in lanes}
        self.books, self.journal, self.claims = books, journal, claims
        self.clock, self.events, self.boot = clock, events, boot
        self.faults: dict[str, tuple[GateError, float]] = {}
        self.server: dict[str, Any] = {"online": False}
        self.server_link: Callable[[dict[str, Any]], bool] = lambda message: False
        self._beat: tuple[bytes, float] | None = None

    def doors(self) -> dict[str, Handler]:
        """The handlers of the three sockets."""
        return {"events": self._events_door, "sync": self._sync_door, "control": self._control}

    def feed(self, peer: Peer) -> bool:
        """Send a subscriber what is new for it."""
        if peer.events_after is not None:
            for event in self.events.after(peer.events_after):
                if not peer.send({"event": event}):
                    return False
                peer.events_after = event["seq"]
        if peer.follows and (head := self.journal.head()) != peer.told:
            peer.told = head
            return peer.send({"head": head})
        return True

    # -- faults of the gate --------------------------------------------------------------------

    def report(self, name: str, error: GateError | None) -> None:
        """A fault of the gate as a whole began, changed or (None) ended."""
        if error is None:
            if self.faults.pop(name, None):
                self.events.publish("recovered", name=name)
            return
        known = self.faults.get(name)
        if known is None or known[0].cause != error.cause:
            self.faults[name] = (error, self.clock.reading().at)
            self.events.publish("fault", name=name, cause=error.cause, remedy=error.remedy)

    # -- events.sock ---------------------------------------------------------------------------

    def _events_door(self, peer: Peer, message: dict[str, Any]) -> Answer:
        if message.get("op") == "status":
            return {"status": self.status()}
        if message.get("op") == "events":
            after = int(message.get("after", -1))
            newest = self.events.seq
            # A number from before a restart is larger than any of ours: send what there is.
            peer.events_after = newest if after < 0 else after if after <= newest else 0
            return None
        raise PeerMessage(f"events.sock has no op {message.get('op')!r}", "See docs/ipc.md")

    def status(self) -> dict[str, Any]:
        """Everything a steward's page shows; nothing personal."""
        reading = self.clock.reading()
        return {
            "gate": self.name,
            "event": self.event,
            "at": reading.at,
            "clock": {
                "state": reading.state.value,
                "uncertainty": None if reading.uncertainty == float("inf") else reading.uncertainty,
            },
            "boot": self.boot,
            "ready": not any(thread.lane.faults.blocked for thread in self.lanes.values()),
            "lanes": [self._lane_status(thread) for thread in self.lanes.values()],
            "list": self._list_status(),
            "authority": self._authority_status(),
            "server": self.server | {"conflicts": self.books.conflicts()},
            "journal": self.journal.status(),
            "faults": self._fault_status(),
        }

    def _lane_status(self, thread: LaneThread) -> dict[str, Any]:
        lane = thread.lane
        status: dict[str, Any] = {
            "name": lane.settings.name,
            "direction": lane.settings.direction,
            "state": lane.state.value,
            "mode": lane.mode,
            "list": lane.settings.check_in_list,
            "sensor": lane.sensor.why or ("ok" if lane.sensor.fitted else "none"),
            "readers": [{"uri": reader.uri, "state": reader.state} for reader in thread.readers],
            "entered": lane.tally.entered,
            "left": lane.tally.left,
            "refused": lane.tally.refused,
            "rate": lane.tally.rate(self.clock.monotonic()),
        }
        if lane.question is not None:
            showing, at = lane.question
            status["question"] = {"presentation": showing.presentation.hex(), "at": at}
        return status

    def _list_status(self) -> dict[str, Any]:
        try:
            books = self.books.books()
        except NotReady as error:
            return {
                "serial": None,
                "rows": 0,
                "age": None,
                "state": "missing",
                "cause": error.cause,
            }
        age = self.books.age()
        old = age is None or age > self.policy.old_list_after
        state = "old" if old else "aging" if age and age > self.policy.warn_list_after else "ok"
        return {"serial": books.serial, "rows": books.rows, "age": age, "state": state}

    def _authority_status(self) -> dict[str, Any]:
        state, since = self.claims.state
        ago = self.clock.monotonic() - since
        return {"state": state, "since": self.clock.reading().at - ago}

    def _fault_status(self) -> list[dict[str, Any]]:
        found = [("gate", name, *fault) for name, fault in list(self.faults.items())]
        for lane_name, thread in self.lanes.items():
            for name, fault in list(thread.lane.faults.now.items()):
                found.append((lane_name, name, fault.error, fault.since))
        return [
            {"name": name, "where": where, "cause": e.cause, "remedy": e.remedy, "since": since}
            for where, name, e, since in found
        ]

    # -- sync.sock -----------------------------------------------------------------------------

    def _sync_door(self, peer: Peer, message: dict[str, Any]) -> Answer:
        answers: dict[str, Callable[[Any], None]] = {
            "answer": self._claim_answer,
            "probed": lambda number: self.claims.probed(int(number), bool(message.get("ok"))),
            "beat": self._heartbeat_answer,
            "server": self._server_state,
        }
        for name, take in answers.items():
            if name in message:
                take(message[name])
                return None
        op = message.get("op")
        if op == "records":
            return self._records(int(message.get("after", 0)), int(message.get("limit", 100)))
        if op not in {"follow", "claims"}:
            raise PeerMessage(f"sync.sock has no op {op!r}", "See docs/ipc.md")
        peer.follows = peer.follows or op == "follow"
        peer.answers_claims = peer.answers_claims or op == "claims"
        return None

    def _claim_answer(self, answer: dict[str, Any]) -> None:
        states = {
            "granted": ClaimState.GRANTED,
            "taken": ClaimState.TAKEN,
            "refused": ClaimState.REFUSED,
            "unreachable": ClaimState.UNCLAIMED,
        }
        at = answer.get("at")
        claim = Claim(
            state=states[answer["result"]],
            where=str(answer.get("gate") or "")[:64],
            at=float(at) if at is not None else None,
            reason=str(answer.get("reason") or "")[:64],
        )
        message = ClaimAnswer(bytes.fromhex(answer["presentation"]), claim)
        for thread in self.lanes.values():
            thread.queue.put(message)

    def _records(self, after: int, limit: int) -> Answer:
        entries: list[dict[str, Any]] = []
        size = 0
        journal = self.journal.journal()
        for entry in journal.after(after, max(1, min(limit, 500))):
            body = entry_to_json(entry)
            size += len(json.dumps(body)) + 2
            if size > FULL and entries:
                break
            entries.append(body)
        return {"records": entries, "epoch": journal.epoch.hex(), "head": journal.seq}

    def beat(self) -> None:
        """Ask sync to send a heartbeat; the nonce ties the server's signed time to now."""
        nonce = os.urandom(16)
        self._beat = (nonce, self.clock.monotonic())
        health = self.status()
        health.pop("server")
        self.server_link({"heartbeat": {"nonce": nonce.hex(), "health": health}})

    def _heartbeat_answer(self, beat: dict[str, Any]) -> None:
        received = self.clock.monotonic()
        if self._beat is not None and beat.get("nonce") == self._beat[0].hex():
            nonce, sent = self._beat
            try:
                at = self.books.server_time(base64.b64decode(beat["time"]), nonce)
                self.clock.pin(at, sent, received)
                self.report("server_time", None)
            except GateError as error:
                self.report("server_time", error)
        for command in beat.get("commands") or []:
            self._commanded(command)

    def _commanded(self, command: dict[str, Any]) -> None:
        """What the server may say: never release, never admit."""
        text = str(command.get("text", ""))[:500]
        if command.get("do") == "message":
            self.events.publish("alert", cause=text, remedy="A message from the organiser")
        elif command.get("do") == "out_of_service":
            thread = self.lanes.get(str(command.get("lane")))
            error = GateError(text or "out of service", "The organiser closed this lane; call them")
            if thread:
                thread.queue.put(DeviceFault("organiser", error, blocks=True))

    def _server_state(self, state: dict[str, Any]) -> None:
        was_online = self.server.get("online")
        self.server = {
            name: state.get(name) for name in ("online", "last_contact", "waiting", "parked")
        }
        if state.get("online"):
            self.books.contacted(self.clock.monotonic())
        if was_online != self.server["online"]:
            self.events.publish("server", state="online" if self.server["online"] else "offline")

    # -- control.sock --------------------------------------------------------------------------

    def _control(self, peer: Peer, message: dict[str, Any]) -> Answer:
        if peer.uid not in {0, os.getuid()}:
            raise OrderRefused("only root and the gate itself give orders", "Use sudo")
        thread = self.lanes.get(str(message.get("lane")))
        if thread is None:
            known = ", ".join(self.lanes)
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
            "person": lambda lane: _set_person(thread.turnstile, str(message["person"])),
        }
        if op not in orders:
            raise PeerMessage(f"control.sock has no op {op!r}", "See docs/ipc.md")
        replies: queue.SimpleQueue[object] = queue.SimpleQueue()
        thread.queue.put(Command(orders[op], replies.put))
        return _reply(replies)

    def _typed(self, thread: LaneThread, code: str) -> Answer:
        now = self.clock.monotonic()
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
    return {"ok": True}


def _mode(message: dict[str, Any]) -> str:
    mode = str(message.get("mode"))
    if mode not in MODE_EVENTS:
        raise OrderRefused(f"no mode {mode!r}", f"The modes are: {', '.join(MODE_EVENTS)}")
    return mode


def _set_person(turnstile: Turnstile, person: str) -> None:
    if not isinstance(turnstile, SimulatedTurnstile):
        raise OrderRefused("only a simulated turnstile has a person", "Use turnstile:sim")
    turnstile.person = Person.parse(person)


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Put `status.json` in place by rename, for a screen that outlives scanner."""
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(status), "utf-8")
    aside.chmod(0o644)
    aside.rename(path)
