"""What a lane's readers see: sightings become codes in view, each parsed once."""

from dataclasses import dataclass

from admission.direction import Direction
from admission.folding import Flood, InvalidCodes
from admission.presentation import Views
from scanner.books import Books
from scanner.messages import Sighting
from tickets.cards import CardWord
from tickets.credential import Credential, Rejection

CACHED = 32
"""Payloads whose parsing is remembered: a code is sighted many times a second."""
TYPED = "typed"
"""Medium of what a steward typed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A parsed code in view. `identity` is its ticket key, or the bytes that name no ticket."""

    identity: bytes
    credential: Credential | Rejection
    key: bytes | None
    medium: str
    direction: Direction
    counts: bool


class Sight:
    """The codes in front of one lane. Times in monotonic seconds."""

    def __init__(self) -> None:
        self._views, self._invalid = Views(), InvalidCodes()
        self._seen: dict[bytes, Seen] = {}
        self._parsed: dict[bytes | CardWord, Seen] = {}
        self._parsed_for: Books | None = None

    def sighted(self, sighting: Sighting, books: Books, now: float) -> None:
        """A reader saw a code; verified only if these bytes are new since the books changed."""
        at = min(sighting.at, now)  # a reader's clock in the future would keep it in view
        seen = self._parse(sighting, books)
        self._seen[seen.identity] = seen
        self._views.sighted(seen.identity, at, seen.counts, sighting.size)
        if len(self._seen) > CACHED:  # what is in view stays, however many codes pass by
            self._seen = {i: known for i, known in self._seen.items() if i in self._views}

    def present(self, now: float) -> Seen | None:
        """The code that a free lane looks at now; asked for again only when it may be."""
        identity = self._views.present(now)
        return self._seen.get(identity) if identity is not None else None

    def ended(self, identity: bytes, now: float, again: bool) -> None:
        """Its presentation is over; `again`: refused or annulled, it may be tried again.

        A card's message counts once: it is looked at again when the card was away and gave another.
        """
        seen = self._seen.get(identity)
        shown = seen.credential if seen else None
        once = isinstance(shown, Credential) and shown.counter is not None
        self._views.looked_at(identity, now, again and not once)

    def worth_a_record(self, seen: Seen, now: float) -> bool:
        """False for one of a flood of invalid codes: it is counted instead."""
        return seen.counts or self._invalid.recorded(now)

    def folded(self, now: float) -> int:
        """How many codes a folded record due now stands for; 0: none is due."""
        return self._invalid.due(now)

    @property
    def flood(self) -> Flood | None:
        """The flood of invalid codes that goes on."""
        return self._invalid.flood

    def flood_over(self, now: float) -> Flood | None:
        """The flood that has ended by now; told once."""
        return self._invalid.over(now)

    def wake_at(self, free: bool) -> float | None:
        """When `present` (of a free lane), `folded` or `flood_over` may have something to say."""
        waits = [self._invalid.wake_at(), self._views.wake_at() if free else None]
        return min((at for at in waits if at is not None), default=None)

    def _parse(self, sighting: Sighting, books: Books) -> Seen:
        if self._parsed_for is not books or len(self._parsed) >= CACHED:
            self._parsed, self._parsed_for = {}, books
        shown = sighting.card or sighting.payload
        known = self._parsed.get(shown)
        same = known and known.medium == sighting.medium
        if known and same and known.direction is sighting.direction:
            return known
        if isinstance(shown, CardWord):
            credential, key = books.read_card(shown)
        else:
            read = books.read_typed if sighting.medium == TYPED else books.read
            credential, key = read(shown)
        seen = Seen(
            identity=key or (shown.uid if isinstance(shown, CardWord) else shown),
            credential=credential,
            key=key,
            medium=sighting.medium,
            direction=sighting.direction,
            counts=books.counts(credential, key),
        )
        self._parsed[shown] = seen
        return seen
