"""Talks to a running gate through its sockets. Contract: docs/ipc.md."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from admission.errors import GateError

MOST_MESSAGE = 64 * 1024


class GateNotRunning(GateError):
    """No scanner answers at the socket."""


class GateClient:
    """One connection to one door of a gate; a context manager."""

    def __init__(self, run: Path, door: str, timeout: float = 5.0) -> None:
        """Connect. Raises GateNotRunning."""
        path = run / f"{door}.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(timeout)
        try:
            self._connect(str(path), time.monotonic() + timeout)
        except OSError as error:
            self._socket.close()
            raise GateNotRunning(
                f"no gate answers at {path}: {error.strerror or error}",
                "Start it ('admit run', 'systemctl start admit-scanner'), or give --run",
            ) from error

    def _connect(self, path: str, until: float) -> None:
        """Connect; while the gate's queue of callers is full, try again."""
        while True:
            try:
                self._socket.connect(path)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, **message: object) -> dict[str, Any]:
        """Send one message and return the answer.

        Raises:
            GateNotRunning: it does not answer in time.
            GateError: it answers with a named error.
        """
        self.tell(**message)
        return self._read()

    def tell(self, **message: object) -> None:
        """Send one message."""
        try:
            self._socket.send(json.dumps(message).encode())
        except OSError as error:
            raise self._silent(error) from error

    def events(self, after: int, patience: float | None) -> Iterator[dict[str, Any]]:
        """Live events after number `after` (-1: from now), until none came for `patience` s."""
        self.tell(op="events", after=after)
        for message in self.follow(patience):
            yield message["event"]

    def follow(self, patience: float | None = None) -> Iterator[dict[str, Any]]:
        """Messages as they come, until none came for `patience` s or the gate is gone."""
        self._socket.settimeout(patience)
        while True:
            try:
                data = self._socket.recv(MOST_MESSAGE)
            except TimeoutError:
                return
            except OSError as error:
                raise self._silent(error) from error
            if not data:
                return
            yield json.loads(data)

    def _read(self) -> dict[str, Any]:
        try:
            answer = json.loads(self._socket.recv(MOST_MESSAGE))
        except (OSError, ValueError) as error:
            raise self._silent(error) from error
        if not isinstance(answer, dict):
            raise self._silent(ValueError("no object"))
        if "error" in answer:
            raise GateError(str(answer.get("cause")), str(answer.get("remedy")))
        return answer

    def _silent(self, error: Exception) -> GateNotRunning:
        return GateNotRunning(
            f"the gate does not answer: {error}", "Look at its log: journalctl -u admit-scanner"
        )
