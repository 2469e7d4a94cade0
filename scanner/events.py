"""The live events of a gate: a ring that subscribers resume from by number."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from admission.clock import Clock

KEPT = 1000
ALWAYS = {"verdict": ("presentation", "reason", "claim"), "state": ("presentation",)}
"""Facts that an event of a kind has even where there is nothing to say: null then."""


class EventLog:
    """Numbers events and keeps the last thousand. Thread-safe."""

    def __init__(self, clock: Clock, boot: str, wake: Callable[[], None]) -> None:
        """`wake` is called after each event; it must not wait."""
        self._clock, self._boot, self._wake = clock, boot, wake
        self._ring: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self.seq = 0

    def publish(self, kind: str, **facts: object) -> None:
        """Add an event of now; facts that are None are left out, but for `ALWAYS`."""
        event: dict[str, Any] = {"kind": kind}
        event |= dict.fromkeys(ALWAYS.get(kind, ()))
        event |= {name: value for name, value in facts.items() if value is not None}
        with self._lock:
            self.seq += 1
            event |= {"seq": self.seq, "boot": self._boot, "at": self._clock.reading().at}
            self._ring.append(event)
        self._wake()

    def after(self, seq: int, limit: int = 100) -> list[dict[str, Any]]:
        """Events after `seq`, oldest first; what fell out of the ring is gone."""
        with self._lock:
            if seq >= self.seq:
                return []
            first = self._ring[0]["seq"]
            start = max(0, seq + 1 - first)
            return [self._ring[i] for i in range(start, min(start + limit, len(self._ring)))]
