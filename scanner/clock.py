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
STEP = 1.0
"""Seconds from which a synchronised clock's going back is worth a record."""
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
class _Anchor:
    """A time of day that was known, and when: from there the monotonic clock goes on alone."""

    at: float
    monotonic: float
    uncertainty: float

    def later(self, now: float, margin: float, state: ClockState) -> Reading:
        """The reading at `now`, monotonic seconds."""
        age = now - self.monotonic
        return Reading(self.at + age, self.uncertainty + margin + DRIFT * age, state)


@dataclass(frozen=True, slots=True)
class StepBack:
    """A synchronised clock went back, from one time to another; Unix seconds."""

    before: float
    after: float


class SystemClock:
    """The real clock. Thread-safe."""

    def __init__(
        self,
        trust_system: bool = False,
        kernel: Callable[[], float | None] = kernel_error,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        last_record: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`trust_system`: take the system's clock as synchronised unasked; for desks only.

        `last_record` tells the time of the journal's last record, Unix seconds: a clock that is not
        synchronised is never before it.
        """
        self.monotonic = monotonic
        self.disagreement: float | None = None
        """Seconds that kernel and server differ by, when that is a fault."""
        self._trust_system, self._kernel, self._wall = trust_system, kernel, wall
        self._last_record = last_record
        self._pin: _Anchor | None = None
        self._anchor: _Anchor | None = None
        """The last reading of a synchronised kernel."""
        self._asked = float("-inf")
        self._error: float | None = None
        self._floor = self._newest = 0.0
        self._step: StepBack | None = None
        self._lock = threading.Lock()

    def reading(self) -> Reading:
        """The time of day, see `admission.clock.Reading`."""
        with self._lock:
            now = self.monotonic()
            if now - self._asked >= _ASK_KERNEL_EVERY:
                self._asked = now
                self._error = 0.05 if self._trust_system else self._kernel()
            return self._in_order(self._read(now, self._wall()))

    def floor(self, at: float) -> None:
        """It is at least `at`, Unix seconds: the journal's last record. Not for a good clock."""
        with self._lock:
            self._floor = max(self._floor, at)
            self._newest = max(self._newest, at)

    def pin(self, at: float, sent: float, received: float) -> None:
        """The pinned server's signed time `at`, asked and answered at these monotonic seconds."""
        with self._lock:
            half = max(0.0, received - sent) / 2
            self._pin = _Anchor(at + half, received, half + 0.05)

    def stepped_back(self) -> StepBack | None:
        """The step that a synchronised clock made since this was last asked, for the journal."""
        with self._lock:
            step, self._step = self._step, None
            return step

    def _read(self, now: float, wall: float) -> Reading:
        pinned = self._pinned(now)
        if self._error is not None:
            off = abs(pinned.at - wall) if pinned else 0.0
            self.disagreement = off if off > DISAGREE else None
            if self.disagreement is None:
                self._anchor = _Anchor(wall, now, self._error)
                return Reading(wall, self._error, ClockState.SYNCHRONISED)
        if pinned is not None and pinned.state is ClockState.SYNCHRONISED:
            return pinned
        # Not the wall clock: unsynchronised, it may have been set by anybody to anything.
        known = [] if pinned is None else [pinned]
        if self._anchor is not None:
            known.append(self._anchor.later(now, HELD_MARGIN, ClockState.HELD))
        if known:
            return min(known, key=lambda reading: reading.uncertainty)
        return Reading(wall, float("inf"), ClockState.UNKNOWN)

    def _pinned(self, now: float) -> Reading | None:
        if self._pin is None:
            return None
        if now - self._pin.monotonic <= PIN_FRESH:
            return self._pin.later(now, 0.0, ClockState.SYNCHRONISED)
        return self._pin.later(now, HELD_MARGIN, ClockState.HELD)

    def _in_order(self, reading: Reading) -> Reading:
        """Hold an unsure clock at the journal's end; let a sure one go back, and note it."""
        if reading.state is not ClockState.SYNCHRONISED:
            floor = max(self._floor, self._last_record())
            if reading.at < floor:
                reading = Reading(floor, reading.uncertainty, reading.state)
        elif reading.at < self._newest - STEP:
            self._step = self._step or StepBack(self._newest, reading.at)
            self._floor = self._newest = reading.at
        self._newest = max(self._newest, reading.at)
        return reading


def boot_id() -> bytes:
    """16 bytes that name this boot. Source: random(4), /proc/sys/kernel/random/boot_id."""
    text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    return bytes.fromhex(text.strip().replace("-", ""))
