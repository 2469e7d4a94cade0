"""The threads of sync around a server of the gate protocol: records, claims and heartbeats too."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from store.mirror import Mirror
from sync.backend import Authority, Backend
from sync.errors import ServerFault
from sync.link import Link, ScannerBabbles
from sync.older import OlderJournals
from sync.page import Seen
from sync.pull import Puller
from sync.push import JournalReader, Pusher
from sync.report import Contact, Report
from sync.rounds import LOOK, Rounds, Wait
from sync.settle import Settler
from tickets.errors import GateError

log = logging.getLogger(__name__)


class Server(Backend, Contact, Protocol):
    """A server that takes records and answers heartbeats."""

    @property
    def bearer_left(self) -> int | None:
        """Seconds for which the bearer at hand is used; None: there is none, or none is needed."""
        ...


class Roles(Rounds):
    """The threads of sync around one mirror and one server.

    Args:
        socket: Path of scanner's `sync.sock`.
        authority: Who is asked for claims; None: nobody.
        wait: Pauses for seconds; `time.sleep`, or a test's own.
    """

    def __init__(
        self,
        socket: Path,
        server: Server,
        authority: Authority | None,
        mirror: Mirror,
        puller: Puller,
        *,
        wait: Wait = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        withdrawn: Callable[[], None] = lambda: None,
    ) -> None:
        reader = JournalReader(mirror, monotonic, on_seen=self._seen)
        self._older = OlderJournals(server, mirror, monotonic, self._seen)
        waiting = lambda: reader.waiting + self._older.waiting  # noqa: E731
        report = Report(server, mirror, puller, waiting, monotonic)
        super().__init__(
            socket,
            authority,
            mirror,
            puller,
            report,
            epoch=lambda: reader.epoch,
            wait=wait,
            monotonic=monotonic,
            withdrawn=withdrawn,
        )
        self._server, self._reader = server, reader
        self._pusher = Pusher(server, mirror, reader, monotonic)
        report.identity = lambda: {"bearer": server.bearer_left, "head": self._pusher.accepted}
        self._settler = Settler(authority, mirror, monotonic) if authority else None
        self._grown = threading.Event()
        self._beats: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(maxsize=1)

    def all(self) -> dict[str, Callable[[], None]]:
        """Every role by its thread's name."""
        roles = super().all() | {
            "journal": self.journal,
            "push": self.push,
            "heartbeat": self.heartbeat,
        }
        return roles | ({"settle": self.settle} if self._settler else {})

    def _heard(self, beat: dict[str, Any]) -> None:
        try:
            self._beats.put_nowait((str(beat["nonce"]), dict(beat["health"])))
        except queue.Full:  # one is on its way; scanner asks again
            log.info("a heartbeat is passed over: the one before is still on its way")
        except (KeyError, TypeError, ValueError) as error:
            raise ScannerBabbles(f"heartbeat: {error}") from error

    def _seen(self, seen: Seen) -> None:
        self._send(seen.told())

    def journal(self) -> None:
        """Read the journal as it grows, and settle claims by it."""
        self._retrying("journal", self._follow, most=2.0)

    def _follow(self) -> None:
        records, news = Link(self._socket), None
        try:
            news = Link(self._socket)
            news.send({"op": "follow"})
            while True:
                self._alive["journal"] = self._monotonic()
                at = self._reader.read_to_head(records)
                self._older.read(records, self._reader.older)
                if self._settler:
                    self._settler.judge(True, self._reader.epoch, at)
                self._grown.set()
                news.receive(LOOK)
        finally:
            records.close()
            if news is not None:
                news.close()

    def push(self) -> None:
        """Send records as they come."""
        self._retrying("push", self._push, most=30.0)

    def _push(self) -> None:
        if not (self._older.push() or self._pusher.push()):
            self._grown.wait(LOOK)
            self._grown.clear()

    def settle(self) -> None:
        """Give claims back that were not used; after a failure compare with the authority too."""
        self._retrying("settle", self._settle, most=10.0)

    def _settle(self) -> None:
        if self._settler is None:
            return
        try:
            # First, so that no annulment that fails again and again keeps it from being done.
            if self._settler.to_compare and self._reader.epoch:
                self._settler.compare(self._reader.epoch, self._note_again)
            self._settler.work()
        except ServerFault:
            self._settler.to_compare = True
            raise
        self._wait(LOOK / 2)

    def _note_again(self) -> None:
        self._reader.note_again()
        self._older.note_again()

    def heartbeat(self) -> None:
        """Carry heartbeats to the server and its answers back."""
        while True:
            self._alive["heartbeat"] = self._monotonic()
            try:
                self._beat(*self._beats.get(timeout=LOOK))
            except queue.Empty:  # scanner asks every few seconds, not every second
                continue
            except GateError as error:
                log.warning("heartbeat: %s", error)
                self._look_for_withdrawal(error)

    def _beat(self, nonce: str, health: dict[str, Any]) -> None:
        beat = self._server.heartbeat(nonce, health)
        commands = [command.model_dump(exclude_none=True) for command in beat.commands]
        if any(command["do"] == "resync" for command in commands):
            self._puller.resync()
            self._reader.send_again()
            self._older.send_again()
        if any(command["do"] == "revoke" for command in commands):
            self._withdrawn()
        if beat.known is not None:
            self._seen(Seen(beat.known.epoch, beat.known.seq, beat.known.hash))
        self._send({"beat": {"nonce": nonce, "time": beat.time, "commands": commands}})
