"""Whether an authority is asked at all: no guest pays a time-out twice (design, I4)."""

PROBE_EVERY = 1.0
"""Seconds between probes of an authority that is out."""
GOOD_PROBES = 3
GOOD_WITHIN = 0.2
"""Seconds: only answers faster than this bring an authority back."""


class AuthorityHealth:
    """In until one call fails or is late; back after three quick probes. Monotonic seconds."""

    def __init__(self, at: float) -> None:
        self.is_in = False
        self.since = at
        self._good = 0
        self._probe: tuple[int, float] | None = None
        self._probes = 0
        self._next = at

    def failed(self, at: float) -> None:
        """A call was refused, or over its budget."""
        if self.is_in:
            self.is_in, self.since = False, at
        self._good, self._probe, self._next = 0, None, at + PROBE_EVERY

    def probe_due(self, at: float) -> int | None:
        """The number of the probe to send now, or None. A probe unanswered by then has failed."""
        if self.is_in or at < self._next:
            return None
        if self._probe is not None:
            self._good = 0
        self._probes += 1
        self._probe, self._next = (self._probes, at), at + PROBE_EVERY
        return self._probes

    def probed(self, number: int, ok: bool, at: float) -> None:
        """An answer to probe `number`; late answers to earlier probes say nothing."""
        if self._probe is None or self._probe[0] != number:
            return
        quick = ok and at - self._probe[1] <= GOOD_WITHIN
        self._probe = None
        self._good = self._good + 1 if quick else 0
        if self._good >= GOOD_PROBES:
            self.is_in, self.since, self._good = True, at, 0
