"""The threads of sync at a gate whose server is pretix."""

import logging
import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store.mirror import Mirror
from sync.errors import ServerSlow, ServerUnreachable
from sync.link import Link, ScannerBabbles
from sync.pretix.errors import DeviceRevoked, Loading, NotUploaded, TooManyRequests
from sync.pretix.server import PretixServer
from sync.pull import PERIOD, Puller
from sync.report import Report
from sync.rounds import LOOK, Rounds, Wait
from tickets.errors import GateError
from tickets.keyring import Keyring

log = logging.getLogger(__name__)
_COUNT_EVERY = 5.0
"""Seconds between two looks at how many records there are."""
_TO_WAIT_OUT = (ServerUnreachable, ServerSlow, TooManyRequests)


class PretixPuller(Puller):
    """As of any server; but what did not come whole makes no list newer."""

    def __init__(
        self,
        server: PretixServer,
        mirror: Mirror,
        roots: Keyring,
        event: str,
        directory: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(server, mirror, roots, event, directory, monotonic=monotonic)
        self._server = server

    def _poll(self) -> GateError | None:
        if self._resync.is_set():
            self._server.fetch_again()
        completed = self.completed
        refused = super()._poll()
        if (fault := self._server.fault) is None:
            return refused
        self.completed = completed
        if isinstance(fault, _TO_WAIT_OUT):
            raise fault
        return refused or fault


class PretixRoles(Rounds):
    """Fetching, telling scanner of it, and the server's time.

    Args:
        socket: Path of scanner's `sync.sock`.
        withdrawn: Called when the organiser has revoked this device.
        wait: Pauses for seconds; `time.sleep`, or a test's own.
    """

    def __init__(
        self,
        socket: Path,
        server: PretixServer,
        mirror: Mirror,
        puller: PretixPuller,
        *,
        withdrawn: Callable[[], None] = lambda: None,
        wait: Wait = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        report = Report(server, mirror, puller, lambda: self._waiting, monotonic)
        super().__init__(
            socket,
            None,
            mirror,
            puller,
            report,
            withdrawn=withdrawn,
            wait=wait,
            monotonic=monotonic,
        )
        self._server = server
        self._waiting = 0
        self._beats: queue.Queue[str] = queue.Queue(maxsize=1)

    def all(self) -> dict[str, Callable[[], None]]:
        """Every role by its thread's name."""
        return super().all() | {"journal": self.journal, "heartbeat": self.heartbeat}

    def _pull(self) -> None:
        self._puller.poll()
        if not isinstance(self._puller.fault, Loading):
            self._wait(PERIOD)

    def _look_for_withdrawal(self, error: GateError) -> None:
        if isinstance(error, DeviceRevoked):
            self._withdrawn()

    def journal(self) -> None:
        """Count what waits for the upload."""
        self._retrying("journal", self._count, most=_COUNT_EVERY)

    def _count(self) -> None:
        link = Link(self._socket)
        try:
            while True:
                self._alive["journal"] = self._monotonic()
                page = link.ask({"op": "records", "after": 0, "limit": 1}, 5.0)
                self._waiting = int(page["head"])
                self._report.export_fault = NotUploaded(self._waiting) if self._waiting else None
                self._wait(_COUNT_EVERY)
        except (KeyError, TypeError, ValueError) as error:
            raise ScannerBabbles(error) from error
        finally:
            link.close()

    def _heard(self, beat: dict[str, Any]) -> None:
        try:
            self._beats.put_nowait(str(beat["nonce"]))
        except queue.Full:
            log.info("a heartbeat is passed over: the one before is still on its way")
        except KeyError as error:
            raise ScannerBabbles(f"heartbeat: {error}") from error

    def heartbeat(self) -> None:
        """Have the server's time signed for scanner."""
        while True:
            self._alive["heartbeat"] = self._monotonic()
            try:
                nonce = self._beats.get(timeout=LOOK)
                beat = self._server.heartbeat(nonce)
            except queue.Empty:
                continue
            except GateError as error:
                log.warning("heartbeat: %s", error)
                self._look_for_withdrawal(error)
                continue
            self._send({"beat": {"nonce": nonce, "time": beat.time, "commands": []}})
