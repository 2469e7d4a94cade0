"""The set-up code of a pretix device, held up to the gate's own camera before it is enrolled.

scanner only carries it to sync, which compares it with admit.toml. No ticket looks like one.
"""

from collections.abc import Callable

from scanner.claims import Send

MOST = 1024
"""Bytes of a set-up code; a device's page shows about 120."""
_EVERY = 2.0
"""Seconds between two that are carried: a code in view is seen many times a second."""
_MARKS = (b"{", b'"handshake_version"')


class SetupDesk:
    """Looks for a set-up code among what readers see. Called by the readers' thread.

    Args:
        wanted: Whether this gate waits for one: at pretix, and not enrolled.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self, wanted: Callable[[], bool], send: Send, monotonic: Callable[[], float]
    ) -> None:
        self._wanted, self._send, self._monotonic = wanted, send, monotonic
        self._last = float("-inf")

    def takes(self, payload: bytes) -> bool:
        """Whether `payload` was a set-up code that was waited for; then it is on its way."""
        if not payload.startswith(_MARKS[0]) or _MARKS[1] not in payload[:MOST]:
            return False
        if len(payload) > MOST or not self._wanted():
            return False
        now = self._monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._send({"handshake": payload.decode("utf-8", "replace")})
        return True
