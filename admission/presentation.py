"""From many sightings to one presentation: when is a code in view looked at?"""

from dataclasses import dataclass

GONE_AFTER = 1.5
"""Seconds without a sighting after which a code is gone."""
AGAIN_AFTER = 3.0
"""Seconds in view after a refusal or annulment before the same code is looked at again."""
DOUBT = 0.2
"""Seconds a code that is no credential stays in view before it is refused: a ticket beside a
poster's code may be read one frame later, and must win."""
MOST = 16
"""Codes remembered at once; a video of random codes must not grow the table."""


@dataclass(slots=True)
class InView:
    """One code in front of a reader. Times in monotonic seconds."""

    counts: bool
    size: float
    first: float
    last: float
    decided: bool = False
    again_from: float | None = None
    """When it may be looked at again although still in view; None: not before it is gone."""


class Views:
    """What is in front of a lane's readers. Pure: time is an argument, monotonic seconds."""

    def __init__(self) -> None:
        self._seen: dict[bytes, InView] = {}

    def __contains__(self, identity: object) -> bool:
        """Whether a code is in view, as far as it is remembered."""
        return identity in self._seen

    def sighted(self, identity: bytes, at: float, counts: bool, size: float) -> None:
        """A reader saw `identity` (the ticket key, whatever the bytes).

        Args:
            counts: it is a credential; for an opaque code: it is on the list.
            size: of the symbol, any unit; the larger of two tickets wins.
        """
        self._forget_gone(at)
        view = self._seen.get(identity)
        if view is None:
            if len(self._seen) >= MOST and not self._make_room():
                return
            self._seen[identity] = InView(counts, size, at, at)
            return
        view.last, view.size, view.counts = max(view.last, at), size, counts
        if view.again_from is not None and at >= view.again_from:
            view.decided, view.again_from = False, None

    def present(self, at: float) -> bytes | None:
        """The code that a free lane looks at now, if any; it is decided from here on."""
        self._forget_gone(at)
        ticket_in_view = any(view.counts for view in self._seen.values())
        ready = [
            (view.size, identity)
            for identity, view in self._seen.items()
            if not view.decided
            and (view.counts or (not ticket_in_view and at >= view.first + DOUBT))
        ]
        if not ready:
            return None
        identity = max(ready)[1]
        self._seen[identity].decided = True
        return identity

    def looked_at(self, identity: bytes, at: float, again: bool) -> None:
        """The presentation ended; `again`: refused or annulled, so it may be tried again."""
        if again and (view := self._seen.get(identity)):
            view.again_from = at + AGAIN_AFTER

    def wake_at(self) -> float | None:
        """When `present` may have an answer without a new sighting; None: never.

        While a ticket is in view no other code is looked at: nothing is due before it is gone.
        """
        views = self._seen.values()
        waits = [view.first + DOUBT for view in views if not view.decided and not view.counts]
        if not waits:
            return None
        gone = [view.last + GONE_AFTER + 0.001 for view in views if view.counts]
        return max([min(waits), *gone])

    def _forget_gone(self, at: float) -> None:
        gone = [i for i, view in self._seen.items() if at > view.last + GONE_AFTER]
        for identity in gone:
            del self._seen[identity]

    def _make_room(self) -> bool:
        """Forget a code that is no ticket; False when all are tickets.

        Those not decided yet go first: a decided one that is forgotten is decided once more.
        """
        strays = [(v.decided, v.last, i) for i, v in self._seen.items() if not v.counts]
        if not strays:
            return False
        del self._seen[min(strays)[2]]
        return True
