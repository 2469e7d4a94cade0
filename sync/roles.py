"""What each thread of sync does, for ever. Each may fail and try again; none waits for another.

A failure that has a name is waited out with a growing, jittered pause. Anything else ends the
process: see `sync.__main__`.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.mirror import Mirror
from sync.admit import AdmitServer
from sync.backend import Authority
from sync.claims import ClaimDesk
from sync.errors import ServerFault
from sync.http import back_off
from sync.link import Link, ScannerBabbles, ScannerGone
from sync.pull import PERIOD, Puller
from sync.push import JournalReader, Pusher
from sync.report import Report
from sync.settle import Settler
from tickets.errors import GateError

log = logging.getLogger(__name__)
_LOOK = 1.0
"""Seconds between two looks where nothing calls earlier."""
PATIENCE = {
    "claims": 15.0,
    "tell": 60.0,
    "journal": 60.0,
    "push": 120.0,
    "settle": 120.0,
    "heartbeat": 120.0,
    "pull": 900.0,
}
"""Seconds each role may work without a sign of life; then the service manager restarts sync."""

Wait = Callable[[float], object]


class Roles:
    """The threads of sync around one mirror.

    Args:
        socket: Path of scanner's `sync.sock`.
        authority: Who is asked for claims; None: nobody.
        wait: Pauses for seconds; `time.sleep`, or a test's own.
    """

    def __init__(
        self,
        socket: Path,
        server: AdmitServer,
        authority: Authority | None,
        mirror: Mirror,
        puller: Puller,
        *,
        wait: Wait = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket, self._server, self._authority = socket, server, authority
        self._mirror, self._puller = mirror, puller
        self._wait, self._monotonic = wait, monotonic
        self._reader = JournalReader(mirror, monotonic)
        self._pusher = Pusher(server, mirror, self._reader, monotonic)
        self._settler = Settler(authority, mirror, monotonic) if authority else None
        self._grown = threading.Event()
        self._beats: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue(maxsize=1)
        self._link: Link | None = None
        self._alive = dict.fromkeys(PATIENCE, monotonic())
        self._report = Report(server, mirror, puller, lambda: self._reader.waiting, monotonic)

    def all(self) -> dict[str, Callable[[], None]]:
        """Every role by its thread's name."""
        roles = {
            "claims": self.claims,
            "journal": self.journal,
            "push": self.push,
            "pull": self.pull,
            "heartbeat": self.heartbeat,
            "tell": self.tell,
        }
        return roles | ({"settle": self.settle} if self._settler else {})

    def stuck(self) -> list[str]:
        """Roles that gave no sign of life for longer than they may."""
        running = self.all()
        now = self._monotonic()
        return [n for n, at in self._alive.items() if n in running and now - at > PATIENCE[n]]

    def _retrying(self, role: str, work: Callable[[], None], most: float) -> None:
        """Do `work` for ever; after a named failure pause, longer each time."""
        attempt = 0
        while True:
            self._alive[role] = self._monotonic()
            try:
                work()
                attempt = 0
            except GateError as error:
                attempt += 1
                log.warning("%s: %s", role, error)
                self._wait(back_off(attempt, random.random, most=most))

    # Each role: one round at a time

    def claims(self) -> None:
        """Answer scanner's claims, probes and heartbeats."""
        self._retrying("claims", self._serve_claims, most=2.0)

    def _serve_claims(self) -> None:
        link = Link(self._socket)
        try:
            link.send({"op": "claims"})
            desk = ClaimDesk(
                self._authority,
                self._mirror,
                link.send,
                lambda: self._reader.epoch,
                self._monotonic,
            )
            self._puller.suspect_lists()  # a scanner that starts reads the file anew: so do we
            self._link = link
            while True:
                self._alive["claims"] = self._monotonic()
                if (message := link.receive(_LOOK)) is not None:
                    self._dispatch(desk, message)
        finally:
            self._link = None
            link.close()

    def _dispatch(self, desk: ClaimDesk, message: dict[str, Any]) -> None:
        if "claim" in message:
            desk.claim(message["claim"])
        elif "probe" in message:
            desk.probe(message["probe"])
        elif "heartbeat" in message:
            beat = message["heartbeat"]
            try:
                self._beats.put_nowait((str(beat["nonce"]), dict(beat["health"])))
            except queue.Full:  # one is on its way; scanner asks again
                log.info("a heartbeat is passed over: the one before is still on its way")
            except (KeyError, TypeError, ValueError) as error:
                raise ScannerBabbles(f"heartbeat: {error}") from error
        else:
            raise ScannerBabbles(f"keys {sorted(message)[:4]}")

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
                if self._settler:
                    self._settler.judge(True, self._reader.epoch, at)
                self._grown.set()
                news.receive(_LOOK)
        finally:
            records.close()
            if news is not None:
                news.close()

    def push(self) -> None:
        """Send records as they come."""
        self._retrying("push", self._push, most=30.0)

    def _push(self) -> None:
        if not self._pusher.push():
            self._grown.wait(_LOOK)
            self._grown.clear()

    def pull(self) -> None:
        """Fetch statements, lists and redemptions."""
        self._retrying("pull", self._pull, most=60.0)

    def _pull(self) -> None:
        self._puller.poll()
        self._wait(PERIOD)

    def settle(self) -> None:
        """Give claims back that were not used; after a failure compare with the authority too."""
        self._retrying("settle", self._settle, most=10.0)

    def _settle(self) -> None:
        if self._settler is None:
            return
        try:
            # First, so that no annulment that fails again and again keeps it from being done.
            if self._settler.to_compare and self._reader.epoch:
                self._settler.compare(self._reader.epoch, self._reader.note_again)
            self._settler.work()
        except ServerFault:
            self._settler.to_compare = True
            raise
        self._wait(_LOOK / 2)

    def heartbeat(self) -> None:
        """Carry heartbeats to the server and its answers back."""
        while True:
            self._alive["heartbeat"] = self._monotonic()
            try:
                self._beat(*self._beats.get(timeout=_LOOK))
            except queue.Empty:  # scanner asks every few seconds, not every second
                continue
            except GateError as error:
                log.warning("heartbeat: %s", error)

    def _beat(self, nonce: str, health: dict[str, Any]) -> None:
        beat = self._server.heartbeat(nonce, health)
        commands = [command.model_dump(exclude_none=True) for command in beat.commands]
        if any(command["do"] == "resync" for command in commands):
            self._puller.resync()
            self._reader.send_again()
        self._send({"beat": {"nonce": nonce, "time": beat.time, "commands": commands}})

    def tell(self) -> None:
        """Tell scanner how the server is; on its own, so that no claim waits for the count."""
        self._retrying("tell", self._tell, most=10.0)

    def _tell(self) -> None:
        link = self._link
        if link is not None and (state := self._report.news(link)) is not None:
            self._send({"server": state})
        self._wait(_LOOK)

    def _send(self, message: dict[str, Any]) -> None:
        link = self._link
        if link is None:
            return
        try:
            link.send(message)
        except ScannerGone as error:  # the claims role connects again and tells anew
            log.info("not told: %s", error)
