"""The connection to scanner's `sync.sock`. Source: docs/ipc.md.

One connection a role: records, follow, claims. A broken one is closed and made anew by its role.
"""

import json
import socket
from pathlib import Path
from typing import Any

from tickets.errors import GateError

MOST_MESSAGE = 65_536


class ScannerGone(GateError):
    """scanner does not answer on its socket; records and claims wait until it is back."""

    def __init__(self, path: Path, what: object) -> None:
        super().__init__(
            f"scanner cannot be reached at {path.name}: {what}",
            "See that scanner runs and that user sync may use its socket",
        )


class ScannerBabbles(GateError):
    """scanner sent what docs/ipc.md does not know: two versions run together."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"scanner sent a message that is not understood: {what}",
            "Run scanner and sync of the same version",
        )


class Link:
    """One connected socket. Any thread may send; one thread receives.

    Raises:
        ScannerGone: when made, and by every call once the other end is gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ScannerGone(path, error) from error

    def send(self, message: dict[str, Any]) -> None:
        """Send one message.

        Raises:
            ScannerGone: gone, or it does not take messages any more.
        """
        try:
            self._socket.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)
        except OSError as error:
            raise ScannerGone(self._path, error) from error

    def receive(self, seconds: float | None = None) -> dict[str, Any] | None:
        """The next message, or None when `seconds` pass without one.

        Raises:
            ScannerBabbles: no JSON object, or a named error of scanner.
        """
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(MOST_MESSAGE + 1)
        except TimeoutError:
            return None
        except OSError as error:
            raise ScannerGone(self._path, error) from error
        if not data:
            raise ScannerGone(self._path, "it closed the connection")
        return _decoded(data)

    def ask(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a question and wait for its answer.

        Raises:
            ScannerGone: no answer within `seconds`.
        """
        self.send(message)
        answer = self.receive(seconds)
        if answer is None:
            raise ScannerGone(self._path, f"no answer within {seconds:g} s")
        return answer

    def close(self) -> None:
        """Let go of the connection; wakes a `receive` in another thread."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # closed by the other end already
            self._socket.close()
            return
        self._socket.close()


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ScannerBabbles(error) from error
    if not isinstance(message, dict):
        raise ScannerBabbles(f"a {type(message).__name__}")
    if "error" in message:
        raise ScannerBabbles(message.get("cause", message["error"]))
    return message
