"""The gate's Unix sockets: one thread, never waiting for a peer. Contract: docs/ipc.md."""

import contextlib
import grp
import json
import os
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admission.errors import GateError

MOST_MESSAGE = 64 * 1024
MOST_CAUSE = 500
"""Characters of what a peer's own nonsense makes of an error's text."""
MOST_PEERS = {"events": 64, "sync": 8, "control": 8}
"""Connections at a time, by door: whoever crowds one of them takes no place at another."""
BACKLOG = 128
"""Connections that wait to be accepted; one more is refused at once (EAGAIN)."""
GROUPS = {"events": "admit-screen", "sync": "admit-sync", "control": None}
"""Who may connect besides the gate's own user; a socket's mode is 0600 where there is no such
group."""

Answer = dict[str, Any] | None
Handler = Callable[["Peer", dict[str, Any]], Answer]


class PeerMessage(GateError):
    """A peer sent what the contract does not know."""


@dataclass(slots=True, eq=False)
class Peer:
    """One connection."""

    connection: socket.socket
    door: str
    """Which socket it came through: events, sync, control."""
    uid: int
    events_after: int | None = None
    follows: bool = False
    told: int | None = None
    """The journal head it was last told."""
    answers_claims: bool = False
    wants_names: bool = False
    """Whether it asked for guests' names: a steward's page that shows them."""

    def send(self, message: dict[str, Any]) -> bool:
        """Send without waiting; False: the peer is gone or does not keep up."""
        try:
            self.connection.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True


class Server:
    """Accepts on all doors and serves every peer from one thread."""

    def __init__(self, directory: Path, handlers: dict[str, Handler]) -> None:
        """Listen in `directory`; `handlers` by door answer a message or return None."""
        self._handlers = handlers
        self._peers: set[Peer] = set()
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._waker, selectors.EVENT_READ, None)
        for door in handlers:
            listener = _listen(directory / f"{door}.sock", GROUPS[door])
            self._selector.register(listener, selectors.EVENT_READ, door)

    def wake(self) -> None:
        """Have the thread look at what its subscribers wait for; from any thread, at once."""
        with contextlib.suppress(BlockingIOError):  # the counter is full: it will wake anyway
            os.eventfd_write(self._waker, 1)

    def to_sync(self, message: dict[str, Any]) -> bool:
        """Send to the peer that answers claims; False when there is none or it is stuck."""
        with self._lock:
            peer = next((p for p in self._peers if p.answers_claims), None)
        return peer is not None and peer.send(message)

    def to_stewards(self, message: dict[str, Any]) -> None:
        """Send to the peers that asked for guests' names; who does not keep up misses one."""
        with self._lock:
            peers = [peer for peer in self._peers if peer.wants_names]
        for peer in peers:
            peer.send(message)

    def serve(self, feed: Callable[[Peer], bool], beat: Callable[[], None]) -> None:
        """Serve for ever. `feed` sends a peer what is new for it; False drops the peer.

        `beat` is called at every round, at least once a second.
        """
        while True:
            self.step(feed, 1.0)
            beat()

    def step(self, feed: Callable[[Peer], bool], timeout: float | None = None) -> None:
        """One round of `serve`."""
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._waker or key.fd == self._waker:
                os.eventfd_read(self._waker)
            elif isinstance(key.data, str):
                self._accept(key.fileobj, key.data)  # type: ignore[arg-type]
            else:
                self._receive(key.data)
        for peer in list(self._peers):
            if not feed(peer):
                self._drop(peer)

    def _accept(self, listener: socket.socket, door: str) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # gone again before we came; nothing was asked
            return
        if sum(peer.door == door for peer in self._peers) >= MOST_PEERS[door]:
            connection.close()
            return
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        peer = Peer(connection, door, struct.unpack("3i", raw)[1])
        with self._lock:
            self._peers.add(peer)
        self._selector.register(connection, selectors.EVENT_READ, peer)

    def _receive(self, peer: Peer) -> None:
        try:
            data = peer.connection.recv(MOST_MESSAGE + 1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(data) > MOST_MESSAGE:
            self._drop(peer)
            return
        answer = self._answer(peer, data)
        if answer is not None and not peer.send(answer):
            self._drop(peer)

    def _answer(self, peer: Peer, data: bytes) -> Answer:
        try:
            message = json.loads(data)
            if not isinstance(message, dict):
                raise PeerMessage("a message is a JSON object", "See docs/ipc.md")
            return self._handlers[peer.door](peer, message)
        except GateError as error:
            return error_answer(error)
        # A peer chooses every value's type and size: what comes of it is its fault, not ours.
        except (
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            what = f"the message cannot be read: {_in_words(error)}"
            return error_answer(PeerMessage(what[:MOST_CAUSE], "See docs/ipc.md"))

    def _drop(self, peer: Peer) -> None:
        with self._lock:
            if peer not in self._peers:
                return
            self._peers.discard(peer)
        self._selector.unregister(peer.connection)
        peer.connection.close()


def _in_words(error: Exception) -> str:
    """What is wrong with a message; the name of a class says nothing to a steward."""
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, RecursionError)):
        return "it is not JSON"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    if isinstance(error, ValueError):
        return str(error) or "a value that is not allowed"
    return "a value of another type or size than its field has"


def error_answer(error: GateError) -> dict[str, Any]:
    """The answer that tells a peer a named error."""
    return {"error": type(error).__name__, "cause": error.cause, "remedy": error.remedy}


def _listen(path: Path, group: str | None) -> socket.socket:
    path.unlink(missing_ok=True)  # a killed process leaves its sockets behind
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    gid = next((g.gr_gid for g in grp.getgrall() if g.gr_name == group), None)
    if gid is not None:
        os.chown(path, -1, gid)
        path.chmod(0o660)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
