"""The threads of sync at a gate whose server is pretix."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from store.mirror import Mirror
from sync.backend import Authority
from sync.errors import ServerSlow, ServerUnreachable
from sync.pretix.errors import DeviceRevoked, Loading, ScansParked, TooManyRequests
from sync.pretix.server import PretixServer
from sync.pull import PERIOD, Puller
from sync.roles import Roles
from sync.rounds import Wait
from tickets.errors import GateError
from tickets.keyring import Keyring

log = logging.getLogger(__name__)
_TO_WAIT_OUT = (ServerUnreachable, ServerSlow, TooManyRequests)
_TELL_EVERY = 20.0
"""Seconds after which scanner is told again which codes it may forget."""
_MOST_SEQS = 4_000
"""Records beyond the first gap that are named to scanner at once: one message."""


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
            return refused or self._server.notice
        self.completed = completed
        if isinstance(fault, _TO_WAIT_OUT):
            raise fault
        return refused or fault


class PretixRoles(Roles):
    """As around a server of the gate protocol; but what is fetched is fetched by download, and
    scanner is told which codes may be forgotten.

    Args:
        socket: Path of scanner's `sync.sock`.
        authority: Who is asked for claims; None: nobody.
        withdrawn: Called when the organiser has revoked this device.
        wait: Pauses for seconds; `time.sleep`, or a test's own.
    """

    def __init__(
        self,
        socket: Path,
        server: PretixServer,
        authority: Authority | None,
        mirror: Mirror,
        puller: PretixPuller,
        *,
        withdrawn: Callable[[], None] = lambda: None,
        wait: Wait = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(
            socket,
            server,
            authority,
            mirror,
            puller,
            withdrawn=withdrawn,
            wait=wait,
            monotonic=monotonic,
        )
        self._forgot: dict[str, object] = {}
        self._forgot_at = float("-inf")
        self._shown = 0

    def _pull(self) -> None:
        self._puller.poll()
        if self._settler is not None:  # a check-in that comes back late may be one we annulled
            self._settler.to_compare = True
        if not isinstance(self._puller.fault, Loading):
            self._wait(PERIOD)

    def _push(self) -> None:
        super()._push()
        self._show_parked()
        self._let_forget()

    def _show_parked(self) -> None:
        number = self._mirror.parked_count()
        if number == self._shown:
            return
        self._shown = number
        last = self._mirror.parked()[-1].reason if number else ""
        self._report.export_fault = ScansParked(number, last) if number else None

    def _let_forget(self) -> None:
        """Tell scanner which records are answered for: their codes are deleted."""
        epoch, now = self._reader.epoch, self._monotonic()
        if not epoch:
            return
        up_to = self._mirror.position(f"records/{epoch.hex()}")
        seqs = sorted(self._mirror.acknowledged(epoch))[:_MOST_SEQS]
        told = {"epoch": epoch.hex(), "up_to": up_to, "seqs": seqs}
        if told == self._forgot and now - self._forgot_at < _TELL_EVERY:
            return
        self._forgot, self._forgot_at = told, now
        self._send({"acknowledged": told})

    def _look_for_withdrawal(self, error: GateError) -> None:
        if isinstance(error, DeviceRevoked):
            self._withdrawn()
