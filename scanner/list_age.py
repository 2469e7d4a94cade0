"""How old the gate's list is: a list is as new as the last time the server had nothing newer.

The last such time outlives a restart in a small file, so that a gate that starts without a network
judges its list by what it knew, not as if it had never been told anything.
"""

import json
import logging
import math
from pathlib import Path

from admission.clock import Clock, ClockState
from store.files import replace_durably

log = logging.getLogger("admit.scanner.list_age")

SAVE_EVERY = 60.0
"""Seconds between two writes of the file: so much older a list may look after a restart."""
MAX_FILE = 1024


class ListAge:
    """`contacted` and `seconds` may be called by any thread, `save` by one."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """`path`: where the time of the last contact is kept."""
        self._path, self._clock = path, clock
        self._before = _read(path)
        """Unix seconds of the last contact of an earlier run; None: none is known."""
        self._current_at: float | None = None
        self._tried_at = float("-inf")

    @property
    def contact(self) -> float | None:
        """Seconds since sync last had all, in this run; None: not in this run."""
        at = self._current_at
        return None if at is None else self._clock.monotonic() - at

    def contacted(self, ago: float) -> None:
        """`ago` seconds before now, sync had all statements that the server has."""
        at = self._clock.monotonic() - ago
        self._current_at = at if self._current_at is None else max(self._current_at, at)

    def seconds(
        self, issued: int | None, missing: int | None = None, *, frozen: bool = False
    ) -> float | None:
        """The age of the list in force; None: nothing says how old it is.

        Args:
            issued: When its newest statement was issued, Unix seconds.
            missing: When a newer list was issued whose file is not there or not whole; None:
                there is none.
            frozen: Contacts do not count: nothing was signed for so long that they bring no news.
        """
        now = self._clock.reading().at
        if frozen and issued is not None:
            age: float | None = now - issued
        elif self._current_at is not None:
            age = self._clock.monotonic() - self._current_at
        else:
            known = [at for at in (self._before, issued) if at is not None]
            age = now - max(known) if known else None
        if missing is not None:
            age = max(age or 0.0, now - missing)
        return None if age is None else max(0.0, age)

    def save(self) -> bool:
        """Keep the last contact for the next run, at most once a minute; whether it was written.

        Raises:
            OSError: the card is full or read-only.
        """
        now, at = self._clock.monotonic(), self._current_at
        if at is None or at <= self._tried_at or now - self._tried_at < SAVE_EVERY:
            return False
        reading = self._clock.reading()
        if reading.state is ClockState.UNKNOWN:
            return False  # the next run could not tell how long ago that was
        self._tried_at = now  # a full card is not asked twice a second either
        replace_durably(self._path, json.dumps({"contact": reading.at - (now - at)}).encode())
        return True


def _read(path: Path) -> float | None:
    try:
        contact = json.loads(path.read_bytes()[:MAX_FILE])["contact"]
        if isinstance(contact, bool) or not math.isfinite(contact):
            raise ValueError(f"{contact!r} is no time")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        log.warning("%s is passed over: %s", path.name, error)
        return None
    return float(contact)
