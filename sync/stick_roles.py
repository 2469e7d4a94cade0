"""The threads of sync at a gate whose server is a stick."""

import time
from collections.abc import Callable
from pathlib import Path

from nacl.signing import SigningKey

from store.mirror import Mirror
from store.stick import StickFault
from sync.link import Link
from sync.report import Report
from sync.rounds import Rounds, Wait
from sync.stick_export import Exporter
from sync.stick_pull import StickPuller
from sync.stick_server import StickServer

EVERY = 3.0
"""Seconds between two looks at the stick, and at what the journal has and it has not. Longer, and
somebody who puts a stick in and pulls it out again has not been noticed."""


class StickRoles(Rounds):
    """Reading the stick, writing records to it, and telling scanner of both.

    Args:
        socket: Path of scanner's `sync.sock`.
        key: The device key.
        wait: Pauses for seconds; `time.sleep`, or a test's own.
    """

    def __init__(
        self,
        socket: Path,
        server: StickServer,
        mirror: Mirror,
        puller: StickPuller,
        key: SigningKey,
        *,
        wait: Wait = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exporter = Exporter(server.stick, server.device, key, mirror, monotonic)
        report = Report(server, mirror, puller, lambda: self._exporter.waiting, monotonic)
        super().__init__(socket, None, mirror, puller, report, wait=wait, monotonic=monotonic)

    def all(self) -> dict[str, Callable[[], None]]:
        """Every role by its thread's name."""
        return super().all() | {"export": self.export}

    def pull(self) -> None:
        """Read what is on the stick."""
        self._retrying("pull", self._pull, most=EVERY)

    def _pull(self) -> None:
        self._puller.poll()
        self._wait(EVERY)

    def export(self) -> None:
        """Bring records to the stick as they come."""
        self._retrying("export", self._export, most=EVERY)

    def _export(self) -> None:
        link = Link(self._socket)
        try:
            self._exporter.round(link)
            self._report.export_fault = None
        except StickFault as fault:
            self._report.export_fault = fault
            self._exporter.away()
            raise
        finally:
            link.close()
        self._wait(EVERY)
