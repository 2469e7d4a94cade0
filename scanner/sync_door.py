"""sync.sock: records for the upload, claims and probes, the server's time and words."""

import base64
import json
import os
from collections.abc import Callable
from typing import Any

from admission.decide import Claim, ClaimState
from admission.errors import GateError
from scanner.claims import Send
from scanner.gate import Gate
from scanner.messages import ClaimAnswer, DeviceFault
from scanner.sockets import MOST_MESSAGE, Answer, Peer, PeerMessage
from scanner.unsent import MOST_SEQS
from store.records import entry_to_json

FULL = MOST_MESSAGE - 4096
"""Bytes of records put into one message."""
MOST_NUMBER = 1e12
"""Larger than any time or count that sync may tell of."""
MOST_TEXT = 500


class SyncDoor:
    """Talks with sync, which is believed in nothing that could admit anybody."""

    def __init__(self, gate: Gate, send: Send) -> None:
        self._gate, self._send = gate, send
        self._beat: tuple[bytes, float] | None = None
        self._last_message = ""

    def answer(self, peer: Peer, message: dict[str, Any]) -> Answer:
        answers: dict[str, Callable[[Any], None]] = {
            "answer": self._claim_answer,
            "probed": lambda number: self._gate.claims.probed(int(number), bool(message.get("ok"))),
            "beat": self._heartbeat_answer,
            "server": self._server_state,
            "seen": self._seen,
            "acknowledged": self._acknowledged,
        }
        for name, take in answers.items():
            if name in message:
                take(message[name])
                return None
        op = message.get("op")
        if op == "records":
            return self._records(
                int(message.get("after", 0)), int(message.get("limit", 100)), message.get("epoch")
            )
        if op == "sealed":
            return self._sealed(str(message["epoch"]), message["seqs"])
        if op not in {"follow", "claims"}:
            raise PeerMessage(f"sync.sock has no op {op!r}", "See docs/ipc.md")
        peer.follows = peer.follows or op == "follow"
        peer.answers_claims = peer.answers_claims or op == "claims"
        return None

    def _sealed(self, epoch: str, seqs: list[Any]) -> Answer:
        return {"sealed": self._gate.unsent.sealed(epoch, [int(seq) for seq in seqs[:500]])}

    def _acknowledged(self, told: dict[str, Any]) -> None:
        seqs = {int(seq) for seq in told.get("seqs", [])[:MOST_SEQS]}
        self._gate.unsent.acknowledged(str(told["epoch"]), int(told["up_to"]), seqs)

    def _seen(self, told: dict[str, Any]) -> None:
        """What others hold of our journal: the worst that a lie does is another epoch."""
        epoch, digest = bytes.fromhex(told["epoch"]), bytes.fromhex(told["hash"])
        self._gate.journal.seen(epoch, int(told["seq"]), digest)

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
        for thread in self._gate.lanes.values():
            thread.queue.put(message)

    def _records(self, after: int, limit: int, epoch: object = None) -> Answer:
        entries: list[dict[str, Any]] = []
        size = 0
        present = self._gate.journal.journal()
        journals = {each.epoch.hex(): each for each in (*present.older, present)}
        journal = present if epoch is None else journals.get(str(epoch))
        if journal is None:
            raise PeerMessage(f"there is no journal {str(epoch)[:16]}", "See docs/ipc.md")
        head, digest = journal.tip  # before its records: what comes meanwhile is beyond the head
        for entry in journal.after(after, max(1, min(limit, 500))):
            if entry.seq > head:
                break
            body = entry_to_json(entry)
            size += len(json.dumps(body)) + 2
            if size > FULL and entries:
                break
            entries.append(body)
        told = {"epoch": journal.epoch.hex(), "head": head, "hash": digest.hex()}
        told["older"] = [each.epoch.hex() for each in present.older]
        return {"records": entries} | told

    def beat(self) -> None:
        """Ask sync to send a heartbeat; the nonce ties the server's signed time to now."""
        nonce = os.urandom(16)
        self._beat = (nonce, self._gate.clock.monotonic())
        health = self._gate.status()
        health.pop("server")
        self._send({"heartbeat": {"nonce": nonce.hex(), "health": health}})

    def _heartbeat_answer(self, beat: dict[str, Any]) -> None:
        received = self._gate.clock.monotonic()
        asked = self._beat is not None and beat.get("nonce") == self._beat[0].hex()
        # Before the first keyset nothing can be told of a signature: that is no forgery.
        if self._beat is not None and asked and self._gate.books.has_keys:
            nonce, sent = self._beat
            try:
                at = self._gate.books.server_time(base64.b64decode(beat["time"]), nonce)
                self._gate.clock.pin(at, sent, received)
                self._gate.report("server_time", None)
            except GateError as error:
                self._gate.report("server_time", error)
        for command in beat.get("commands") or []:
            self._commanded(command)

    def _commanded(self, command: dict[str, Any]) -> None:
        """What the server may say: never release, never admit. Each is said several times."""
        text, thread = str(command.get("text", ""))[:500], None
        if command.get("do") == "message" and text != self._last_message:
            self._last_message = text
            self._gate.events.publish("alert", cause=text, remedy="A message from the organiser")
        if command.get("do") in {"out_of_service", "in_service"}:
            thread = self._gate.lanes.get(str(command.get("lane")))
        if thread is not None:
            closes = command["do"] == "out_of_service"
            remedy = "The organiser closed this lane; call them"
            error = GateError(text or "out of service", remedy) if closes else None
            thread.queue.put(DeviceFault("organiser", error, blocks=True))

    def _server_state(self, state: dict[str, Any]) -> None:
        was_online = self._gate.server.get("online")
        online = bool(state.get("online"))
        self._gate.server = {"online": online} | {
            name: _number(state.get(name)) for name in ("last_contact", "waiting", "parked")
        }
        self._gate.server |= {
            name: _number(state[name]) for name in ("bearer", "head") if name in state
        }
        self._gate.report("sync", _fault(state.get("fault")))
        # Not `online`: a server that answers pings and refuses statements makes no list newer.
        age = _number(state.get("list_age"))
        if age is not None and age >= 0:
            self._gate.books.contacted(age)
        if was_online != online:
            self._gate.events.publish("server", state="online" if online else "offline")


def _number(value: object) -> float | int | None:
    """A finite number as it is, None for all else: a long text would hide the whole status."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < MOST_NUMBER else None  # false for nan too


def _fault(told: object) -> GateError | None:
    if not isinstance(told, dict):
        return None
    return GateError(str(told.get("cause"))[:MOST_TEXT], str(told.get("remedy"))[:MOST_TEXT])
