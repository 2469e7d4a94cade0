"""Whether a lane's passage sensor can be believed (design, section 4)."""

RELEASES_WITHOUT_PASSAGE = 3
STUCK_AFTER = 10.0
"""Seconds a sensor may be active: nobody stands in a turnstile that long."""


class SensorTrust:
    """Trusted until it proves broken; suspect until a passage is seen or a supervisor clears it.

    While suspect, entries count on release and nothing is annulled.
    """

    def __init__(self, fitted: bool = True) -> None:
        self.fitted = fitted
        self.suspect = False
        self.why = ""
        self._misses = 0
        self._active_since: float | None = None

    @property
    def trusted(self) -> bool:
        """Whether a missing passage means that nobody went through."""
        return self.fitted and not self.suspect

    def passed(self) -> None:
        """A passage was seen: the sensor lives."""
        self.clear()

    def missed(self) -> None:
        """A release ended without a passage, as seen by a sensor if there is one."""
        if not self.fitted:
            return
        self._misses += 1
        if self._misses >= RELEASES_WITHOUT_PASSAGE:
            self._doubt(f"{self._misses} releases in a row without a passage")

    def level(self, active: bool, at: float) -> None:
        """The sensor became active or inactive at `at`, monotonic seconds."""
        if not active:
            self._active_since = None
        elif self._active_since is None:  # said twice, it is still active since the first time
            self._active_since = at

    def tick(self, at: float) -> None:
        """Look at the clock: a sensor active for too long is stuck."""
        if self._active_since is not None and at - self._active_since > STUCK_AFTER:
            self._doubt(f"active for more than {STUCK_AFTER:.0f} s")

    def wake_at(self) -> float | None:
        """When `tick` may have something to say."""
        if self._active_since is None or self.suspect:
            return None
        return self._active_since + STUCK_AFTER + 0.001

    def clear(self) -> None:
        """A passage, or the supervisor, restores trust."""
        self.suspect, self.why, self._misses = False, "", 0

    def _doubt(self, why: str) -> None:
        if not self.suspect:
            self.suspect, self.why = True, why
