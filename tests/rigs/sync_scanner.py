"""scanner's end of `sync.sock` for tests: a real socket, a chained journal, claims at will."""

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from store.records import GENESIS, Entry, Kind, Record, chain_hash, entry_to_json

Message = dict[str, Any]
EVENT = "FEST2026"


class SyncScanner:
    """Speaks docs/ipc.md on `sync.sock` in `run`; its journal survives `restart`."""

    def __init__(self, run: Path) -> None:
        self.path = run / "sync.sock"
        self.epoch = os.urandom(8)
        self.entries: list[Entry] = []
        self.older: dict[bytes, list[Entry]] = {}
        """Ended journals, by epoch."""
        self.told: list[Message] = []
        """What sync said besides questions for records, in order."""
        self._changed = threading.Condition()
        self._peers: list[socket.socket] = []
        self._followers: list[socket.socket] = []
        self._claims: socket.socket | None = None
        self._listen()

    def _listen(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self.path))
        self._listener.listen(8)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    # What a test does

    def write(self, kind: Kind, presentation: bytes | None = None, **facts: Any) -> Entry:
        """Append a record to the journal, and tell followers."""
        with self._changed:
            record = Record(kind, presentation, at=1000.0, event=EVENT, lane="1", **facts)
            prev = self.entries[-1].hash if self.entries else GENESIS
            seq = len(self.entries) + 1
            entry = Entry(seq, record, prev, chain_hash(seq, prev, record))
            self.entries.append(entry)
            for peer in self._followers:
                _say(peer, {"head": seq})
        return entry

    def admit(self, presentation: bytes, ticket_key: bytes, outcome: Kind | None = None) -> None:
        """The records of an admitted scan and, if given, of its outcome."""
        scan = {"ticket_key": ticket_key, "list": "main", "direction": "entry"}
        self.write(Kind.SCAN, presentation, verdict="admitted", **scan)
        if outcome is not None:
            self.write(outcome, presentation)

    def ask(self, message: Message) -> None:
        """Send a claim, probe or heartbeat once sync is there to take it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._claims is not None, 10)
            _say(self._claims, message)

    def claim(self, presentation: bytes, ticket_key: bytes, budget: float = 0.4) -> Message:
        """Ask for a claim and wait for its answer."""
        claim = {"presentation": presentation.hex(), "ticket_key": ticket_key.hex()}
        claim |= {"list": "main", "direction": "entry", "at": 1000.0, "budget": budget}
        self.ask({"claim": claim})
        hex_id = presentation.hex()
        said = self.wait_told(lambda m: m.get("answer", {}).get("presentation") == hex_id)
        answer: Message = said["answer"]
        return answer

    def wait_told(self, wanted: Callable[[Message], bool], seconds: float = 20.0) -> Message:
        """Wait until sync has said something that fits, and return it."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.told)), seconds), self.told
            return next(filter(wanted, self.told))

    def restart(self, epoch: bytes | None = None) -> None:
        """Die and come back, with the same journal or an empty one of another epoch."""
        self.die()
        if epoch is not None:
            self.epoch, self.entries = epoch, []
        self._listen()

    def begin_anew(self) -> None:
        """End the journal and begin another, as after a card was put back."""
        with self._changed:
            self.older[self.epoch] = self.entries
            self.epoch, self.entries = os.urandom(8), []

    def die(self) -> None:
        """Gone, as after SIGKILL."""
        with self._changed:
            for end in (self._listener, *self._peers):
                with suppress(OSError):  # the other end was first
                    end.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._peers, self._followers, self._claims = [], [], None

    # Its side of the socket

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                self._peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer:
            while data := _heard(peer):
                with self._changed:
                    self._take(peer, json.loads(data))
                    self._changed.notify_all()
        with self._changed:
            if self._claims is peer:
                self._claims = None

    def _take(self, peer: socket.socket, message: Message) -> None:
        op = message.get("op")
        if op == "records":
            epoch = message.get("epoch")
            of = None if epoch is None else bytes.fromhex(epoch)
            _say(peer, self._records(message["after"], message["limit"], *([of] if of else [])))
        elif op == "follow":
            self._followers.append(peer)
            _say(peer, {"head": len(self.entries)})
        elif op == "claims":
            self._claims = peer
        else:
            self.told.append(message)

    def _records(self, after: int, limit: int, of: bytes | None = None) -> Message:
        entries = self.older.get(of, self.entries) if of else self.entries
        page = [entry_to_json(entry) for entry in entries[after : after + min(limit, 100)]]
        digest = entries[-1].hash if entries else GENESIS
        told = {"epoch": (of or self.epoch).hex(), "head": len(entries), "hash": digest.hex()}
        return {"records": page, "older": [epoch.hex() for epoch in self.older]} | told


def _say(peer: socket.socket, message: Message) -> None:
    try:
        peer.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)
    except OSError:  # sync was killed: its next life connects again
        return


def _heard(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65_537)
    except OSError:
        return b""
