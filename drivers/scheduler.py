"""Do something later: a thread for the real gate, a hand-driven clock for tests and simulations."""

import heapq
import itertools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Handle(Protocol):
    """A call that has not been made yet."""

    def cancel(self) -> None:
        """Do not make it; harmless when it was made or cancelled already."""
        ...


class Scheduler(Protocol):
    """Calls functions later, one at a time, in order of time."""

    def now(self) -> float:
        """Seconds that never jump."""
        ...

    def call_later(self, delay: float, function: Callable[[], None]) -> Handle:
        """Call ``function`` once, ``delay`` seconds from now. It must not block."""
        ...


@dataclass(order=True, slots=True)
class _Call:
    at: float
    number: int
    function: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeScheduler:
    """Time stands still until `advance`; then every due call is made at its own moment."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now
        self._numbers = itertools.count()
        self._calls: list[_Call] = []

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, function: Callable[[], None]) -> Handle:
        call = _Call(self._now + max(delay, 0.0), next(self._numbers), function)
        heapq.heappush(self._calls, call)
        return call

    def advance(self, seconds: float) -> None:
        """Let time pass; calls made meanwhile may ask for further calls within it."""
        end = self._now + seconds
        while self._calls and self._calls[0].at <= end:
            call = heapq.heappop(self._calls)
            self._now = max(self._now, call.at)
            if not call.cancelled:
                call.function()
        self._now = end


def crash(error: BaseException) -> None:
    """End the process with a traceback: a lock that can no longer be timed must not run on."""
    traceback.print_exception(error, file=sys.stderr)
    os._exit(70)  # EX_SOFTWARE; the service manager starts the gate anew


class ThreadScheduler:
    """One daemon thread that makes the calls. ``on_error`` gets what a call raises."""

    def __init__(self, on_error: Callable[[BaseException], None] = crash) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._calls: list[_Call] = []
        self._closed = False
        self._on_error = on_error
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def now(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, function: Callable[[], None]) -> Handle:
        call = _Call(self.now() + max(delay, 0.0), next(self._numbers), function)
        with self._changed:
            heapq.heappush(self._calls, call)
            self._changed.notify()
        return call

    def close(self) -> None:
        """Make no further calls; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            if call.cancelled:
                continue
            try:
                call.function()
            except BaseException as error:  # noqa: BLE001 - handed on, never swallowed
                self._on_error(error)

    def _next(self) -> _Call | None:
        with self._changed:
            while not self._closed:
                wait = self._calls[0].at - self.now() if self._calls else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._calls)
                self._changed.wait(wait)
            return None
