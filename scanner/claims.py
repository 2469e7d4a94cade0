"""Asking the authority through sync, within a budget, and not at all while it is out."""

import threading
from collections.abc import Callable

from admission.authority_health import AuthorityHealth
from admission.clock import Clock
from scanner.showing import Showing

REMEMBERED = 60.0
"""Seconds after which sync has given a claim back, or cannot reach anybody to ask."""

Send = Callable[[dict[str, object]], bool]
"""Sends one message to sync without waiting; False when it cannot be sent."""


class ClaimDesk:
    """Sends claims and probes, and keeps the authority's health. Thread-safe."""

    def __init__(self, clock: Clock, send: Send, budget: float, kind: str = "admit") -> None:
        """`budget` in seconds, for the whole of a claim; kind `none`: nobody is ever asked."""
        self.kind = kind
        self.budget = budget
        self._clock, self._send = clock, send
        self._health = AuthorityHealth(clock.monotonic())
        self._turned_back: dict[tuple[bytes, str], tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    @property
    def due(self) -> bool:
        """Whether entries of this gate are claimed at an authority."""
        return self.kind != "none"

    @property
    def state(self) -> tuple[str, float]:
        """`in`, `out` or `none`, and since when (monotonic seconds)."""
        with self._lock:
            health = self._health
            return ("none" if not self.due else "in" if health.is_in else "out"), health.since

    def ask(self, showing: Showing, at: float) -> bool:
        """Send the claim of `showing`; False: nobody is asked, the gate's policy decides.

        Args:
            at: Unix seconds of the showing, for the record at the authority.
        """
        with self._lock:
            if not self._health.is_in:
                return False
            key = showing.ticket_key or b""
            claim: dict[str, object] = {
                "presentation": showing.presentation.hex(),
                "ticket_key": key.hex(),
                "list": showing.check_in_list,
                "direction": showing.direction.value,
                "at": at,
                "budget": self.budget,
            }
            if showing.unlisted:
                claim["unlisted"] = True
            if self.kind == "pretix" and (code := showing.code):
                claim["code"] = code.decode(errors="replace")
            if before := self._turned_back.pop((key, showing.check_in_list), None):
                claim["instead_of"] = before[0].hex()
            if self._send({"claim": claim}):
                return True
            self._health.failed(self._clock.monotonic())
            return False

    def turned_back(self, showing: Showing) -> None:
        """An entry was annulled: its claim must not be in the way of the same guest's next try.

        sync gives it back as well, but reads of it later than a guest can turn round again.
        """
        now = self._clock.monotonic()
        with self._lock:
            recent = self._turned_back.items()
            self._turned_back = {k: v for k, v in recent if now - v[1] < REMEMBERED}
            where = showing.ticket_key or b"", showing.check_in_list
            self._turned_back[where] = showing.presentation, now

    def failed(self) -> None:
        """A claim ran over its budget, or could not be made."""
        with self._lock:
            self._health.failed(self._clock.monotonic())

    def probed(self, number: int, ok: bool) -> None:
        """sync's answer to a probe."""
        with self._lock:
            self._health.probed(number, ok, self._clock.monotonic())

    def tick(self) -> None:
        """Send the probe that is due, if one is."""
        if not self.due:
            return
        with self._lock:
            number = self._health.probe_due(self._clock.monotonic())
            if number is not None and not self._send({"probe": number}):
                self._health.failed(self._clock.monotonic())
