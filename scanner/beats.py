"""Signs of life of the gate's threads: the watchdog is fed as long as all of them give one."""

import time
from collections.abc import Callable, Mapping

PATIENCE = {
    **{"sockets": 10.0, "readers": 15.0},
    **{"books": 60.0, "guests": 60.0, "housekeeping": 120.0},
}
"""Seconds each thread may work without a sign of life. Those that wait for the card have long:
a slow card is no reason to kill a gate whose lanes work."""


class Beats:
    """Thread-safe."""

    def __init__(
        self,
        patience: Mapping[str, float] = PATIENCE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience, self._now = patience, now
        self._last = dict.fromkeys(patience, now())

    def beat(self, name: str) -> None:
        """The thread `name` is alive."""
        self._last[name] = self._now()

    def silent(self) -> list[str]:
        """The threads that gave no sign of life for longer than they may."""
        now = self._now()
        return [name for name, at in self._last.items() if now - at > self._patience[name]]
