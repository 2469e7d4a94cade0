"""A hand scanner's reader: what it scanned goes to the lane process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from drivers.errors import PayloadTooLong
from drivers.link import Link
from drivers.messages import HEARTBEAT_EVERY, Heartbeat, Recovered, Sighting, fault_of
from drivers.protocols import Report
from drivers.registry import open_wedge
from drivers.uri import DriverUri
from tickets.errors import GateError

LOOK_EVERY = 0.2
"""Seconds between two looks at the other duties."""
AGAIN_EVERY = 0.25
"""Seconds between two sightings of a held code: well under the time after which it is gone."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds before a scanner is opened anew, doubled at each failure."""
MEDIUM = "wedge"


class Wedge(Protocol):
    """An open hand scanner."""

    overlong: int
    """Lines dropped because they were too long for any code."""

    def read(self, timeout: float) -> list[bytes]:
        """Wait up to ``timeout`` seconds; the codes that are complete. Raises DeviceLost."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class WedgeReader:
    """Opens the scanner, reads it, opens it anew when it is lost.

    A scan is over at once, while a ticket before a camera stays in view: each code is sent for
    ``hold`` seconds, so that a lane that is busy with the guest before finds it when it is free.
    """

    def __init__(
        self,
        open_it: Callable[[Report], Wedge],
        link: Link,
        hold: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open = open_it
        self._link = link
        self._hold = hold
        self._now = now
        self._sleep = sleep
        self._wedge: Wedge | None = None
        self._open_at, self._wait = 0.0, FIRST_WAIT
        self._lasting: GateError | None = None
        self._looks = 0
        self._beat = 0.0
        self._held: list[bytes] = []
        self._held_until, self._again_at = 0.0, 0.0
        self._overlong = 0

    def run(self) -> None:
        """Work until the parent is gone (ParentGone)."""
        while True:
            self.step()

    def step(self) -> None:
        """One wait for a code, or for the scanner to be there again."""
        if self._wedge is None and self._now() >= self._open_at:
            self._try_to_open()
        if self._wedge is None:
            self._sleep(LOOK_EVERY)
        else:
            self._read(self._wedge)
        self._show_again()
        self._heartbeat()

    def _try_to_open(self) -> None:
        try:
            self._wedge = self._open(self._pass_on)
        except GateError as error:
            self._failed(error)
            return
        self._wait, self._overlong = FIRST_WAIT, 0
        self._recovered()

    def _read(self, wedge: Wedge) -> None:
        try:
            codes = wedge.read(LOOK_EVERY)
        except GateError as error:
            wedge.close()
            self._wedge = None
            self._failed(error)
            return
        self._looks += 1
        if wedge.overlong > self._overlong:
            self._overlong = wedge.overlong
            self._pass_on(
                PayloadTooLong("The scanner sent a line too long for any code", "Scan it again")
            )
        if codes:
            self._held, self._held_until = codes, self._now() + self._hold
            self._send()

    def _show_again(self) -> None:
        if self._held and self._now() >= self._again_at:
            self._send()
        if self._now() >= self._held_until:
            self._held = []

    def _send(self) -> None:
        now = self._now()
        self._again_at = now + AGAIN_EVERY
        self._link.sightings([Sighting(code, MEDIUM, 0.0, now) for code in self._held])

    def _pass_on(self, error: GateError) -> None:
        self._link.fault(fault_of(error, self._now(), lasting=False))

    def _failed(self, error: GateError) -> None:
        self._open_at = self._now() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        if self._lasting is not None and str(self._lasting) == str(error):
            return  # the same at every attempt to open it: said once
        self._recovered()
        self._lasting = error
        self._link.fault(fault_of(error, self._now(), lasting=True))

    def _recovered(self) -> None:
        if self._lasting is not None:
            self._link.fault(Recovered(type(self._lasting).__name__, self._now()))
        self._lasting = None

    def _heartbeat(self) -> None:
        now = self._now()
        if now - self._beat < HEARTBEAT_EVERY - LOOK_EVERY:
            self._link.flush()
            return
        self._beat = now
        state = "ok" if self._wedge is not None else "not_found"
        self._link.heartbeat(Heartbeat(now, self._looks, state))


def build(uri: DriverUri, link: Link) -> WedgeReader:
    """Wire the parts for a wedge URI."""
    return WedgeReader(partial(open_wedge, uri), link, uri.number("hold", 1.0))
