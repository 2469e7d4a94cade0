"""What every kind of server needs done, each in a thread of its own, for ever.

A failure that has a name is waited out with a growing, jittered pause. Anything else ends the
process: see `sync.__main__`.
"""

import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.mirror import Mirror
from sync.backend import Authority
from sync.claims import ClaimDesk
from sync.http import back_off
from sync.link import Link, ScannerBabbles, ScannerGone
from sync.pull import PERIOD, Puller
from sync.report import Report
from sync.withdrawal import says_so
from tickets.errors import GateError

log = logging.getLogger(__name__)
LOOK = 1.0
"""Seconds between two looks where nothing calls earlier."""
PATIENCE = {
    "claims": 15.0,
    "tell": 60.0,
    "journal": 60.0,
    "push": 120.0,
    "settle": 120.0,
    "heartbeat": 120.0,
    "pull": 900.0,
    "export": 900.0,
}
"""Seconds each role may work without a sign of life; then the service manager restarts sync."""

Wait = Callable[[float], object]


class Rounds:
    """Claims, pulling and telling scanner about it, around one mirror.

    Args:
        socket: Path of scanner's `sync.sock`.
        authority: Who is asked for claims; None: nobody.
        report: What scanner is told of the server.
        epoch: Of the journal that is read.
        wait: Pauses for seconds; `time.sleep`, or a test's own.
        withdrawn: Called when the server says that this gate was withdrawn; from any thread.
    """

    def __init__(
        self,
        socket: Path,
        authority: Authority | None,
        mirror: Mirror,
        puller: Puller,
        report: Report,
        *,
        epoch: Callable[[], bytes] = lambda: b"",
        wait: Wait = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        withdrawn: Callable[[], None] = lambda: None,
    ) -> None:
        self._withdrawn = withdrawn
        self._socket, self._authority = socket, authority
        self._mirror, self._puller, self._report = mirror, puller, report
        self._epoch, self._wait, self._monotonic = epoch, wait, monotonic
        self._link: Link | None = None
        self._alive = dict.fromkeys(PATIENCE, monotonic())

    def all(self) -> dict[str, Callable[[], None]]:
        """Every role by its thread's name."""
        return {"claims": self.claims, "pull": self.pull, "tell": self.tell}

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
                self._look_for_withdrawal(error)
                self._wait(back_off(attempt, random.random, most=most))

    def _look_for_withdrawal(self, error: GateError) -> None:
        """Any call may be the one that tells."""
        if says_so(error):
            self._withdrawn()

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
                self._epoch,
                self._monotonic,
            )
            self._puller.suspect_lists()  # a scanner that starts reads the file anew: so do we
            self._link = link
            while True:
                self._alive["claims"] = self._monotonic()
                if (message := link.receive(LOOK)) is not None:
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
            self._heard(message["heartbeat"])
        else:
            raise ScannerBabbles(f"keys {sorted(message)[:4]}")

    def _heard(self, beat: dict[str, Any]) -> None:
        """scanner asks for a heartbeat; without a server nobody answers one."""

    def pull(self) -> None:
        """Fetch statements, lists and redemptions."""
        self._retrying("pull", self._pull, most=60.0)

    def _pull(self) -> None:
        self._puller.poll()
        self._wait(PERIOD)

    def tell(self) -> None:
        """Tell scanner how the server is; on its own, so that no claim waits for the count."""
        self._retrying("tell", self._tell, most=10.0)

    def _tell(self) -> None:
        link = self._link
        if link is not None and (state := self._report.news(link)) is not None:
            self._send({"server": state})
        self._wait(LOOK)

    def _send(self, message: dict[str, Any]) -> None:
        link = self._link
        if link is None:
            return
        try:
            link.send(message)
        except ScannerGone as error:  # the claims role connects again and tells anew
            log.info("not told: %s", error)
