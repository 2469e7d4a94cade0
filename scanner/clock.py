"""The gate's clock: NTP as the kernel tells it, or the pinned server's signed time.

Source: adjtimex(2) for the kernel's own estimate of its error.
"""

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from admission.clock import ClockState, Reading

DRIFT = 100e-6
"""Seconds a second: more than any quartz on a board drifts."""
HELD_MARGIN = 0.5
PIN_FRESH = 60.0
"""Seconds after which the server's signed time counts as held, not as synchronised."""
DISAGREE = 5.0
"""Seconds between kernel and server from which the server wins and a fault is shown."""
_STA_UNSYNC = 0x0040
_ASK_KERNEL_EVERY = 1.0
_LIBC = ctypes.CDLL(None, use_errno=True)


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),  # more than the kernel writes
    )


def kernel_error() -> float | None:
    """Seconds the kernel says its clock may be wrong; None: not synchronised."""
    timex = _Timex()
    if _LIBC.adjtimex(ctypes.byref(timex)) < 0:
        return None
    if timex.status & _STA_UNSYNC:
        return None
    return max(float(timex.maxerror) / 1e6, 0.001)


@dataclass(frozen=True, slots=True)
class _Pin:
    at: float
    monotonic: float
    uncertainty: float


class SystemClock:
    """The real clock. Thread-safe."""

    def __init__(
        self,
        trust_system: bool = False,
        kernel: Callable[[], float | None] = kernel_error,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trust_system`: take the system's clock as synchronised unasked; for desks only."""
        self.monotonic = monotonic
        self.disagreement: float | None = None
        """Seconds that kernel and server differ by, when that is a fault."""
        self._trust_system, self._kernel, self._wall = trust_system, kernel, wall
        self._pin: _Pin | None = None
        self._asked = float("-inf")
        self._error: float | None = None
        self._synchronised_at: float | None = None
        self._floor = 0.0
        self._lock = threading.Lock()

    def reading(self) -> Reading:
        """The time of day, see `admission.clock.Reading`."""
        with self._lock:
            now = self.monotonic()
            if now - self._asked >= _ASK_KERNEL_EVERY:
                self._asked = now
                self._error = 0.05 if self._trust_system else self._kernel()
            return self._read(now, self._wall())

    def floor(self, at: float) -> None:
        """It is at least `at`, Unix seconds: the journal's last record. Not for a good clock."""
        with self._lock:
            self._floor = max(self._floor, at)

    def pin(self, at: float, sent: float, received: float) -> None:
        """The pinned server's signed time `at`, asked and answered at these monotonic seconds."""
        with self._lock:
            half = max(0.0, received - sent) / 2
            self._pin = _Pin(at + half, received, half + 0.05)

    def _read(self, now: float, wall: float) -> Reading:
        pinned = self._pinned(now)
        if self._error is not None:
            self._synchronised_at = now
            off = abs(pinned.at - wall) if pinned else 0.0
            self.disagreement = off if off > DISAGREE else None
            if pinned is None or self.disagreement is None:
                return Reading(wall, self._error, ClockState.SYNCHRONISED)
        if pinned is not None:
            return self._floored(pinned)
        if self._synchronised_at is not None:
            error = HELD_MARGIN + DRIFT * (now - self._synchronised_at)
            return self._floored(Reading(wall, error, ClockState.HELD))
        return self._floored(Reading(wall, float("inf"), ClockState.UNKNOWN))

    def _pinned(self, now: float) -> Reading | None:
        if self._pin is None:
            return None
        age = now - self._pin.monotonic
        fresh = age <= PIN_FRESH
        error = self._pin.uncertainty + DRIFT * age + (0.0 if fresh else HELD_MARGIN)
        state = ClockState.SYNCHRONISED if fresh else ClockState.HELD
        return Reading(self._pin.at + age, error, state)

    def _floored(self, reading: Reading) -> Reading:
        if reading.state is ClockState.SYNCHRONISED or reading.at >= self._floor:
            return reading
        return Reading(self._floor, reading.uncertainty, reading.state)


def boot_id() -> bytes:
    """16 bytes that name this boot. Source: random(4), /proc/sys/kernel/random/boot_id."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    return bytes.fromhex(text.strip().replace("-", ""))
