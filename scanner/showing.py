"""One presentation on its way through a lane, and the records it makes."""

import os
from dataclasses import dataclass, field, replace

from admission.clock import Clock
from admission.direction import Direction
from store.records import Kind, Record
from tickets.credential import Credential, Format, Rejection


@dataclass(slots=True)
class Showing:
    """A presentation: what was shown, where, and what became of it so far."""

    lane: str
    direction: Direction
    check_in_list: str
    medium: str
    credential: Credential | Rejection
    ticket_key: bytes | None
    """None: the bytes name no ticket."""
    identity: bytes = b""
    """The code in view: its ticket key, or the bytes that name no ticket."""
    resume_open: bool = False
    """The lane came back from a crash less than 120 s ago."""
    continuation: bool = False
    """A further person of a group that is shown once."""
    unlisted: bool = False
    """Signed, but not on the list: the authority is told, or it would not know the ticket."""
    asked_at: float | None = None
    """When its claim was asked for, monotonic seconds; None: no claim."""
    counted: bool = True
    """Whether it uses up the card's message; not so while another showing of the card goes on."""
    left: int = 0
    """Entries left after this one, once decided."""
    chosen: bool = False
    """Whether it is settled which ticket and list are meant, where several could be."""
    ambiguous: bool = False
    by_medium: bool = False
    """A reusable medium was shown; the ticket key is that of the ticket it stands for."""
    presentation: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def code(self) -> bytes | None:
        """What was shown, as a server of opaque codes knows it; None: it means nothing to one.

        Secret: for the claim and the sealed outbox alone.
        """
        if isinstance(self.credential, Rejection):
            return self.identity or None
        plain = self.credential.format in (Format.OPAQUE, Format.PRETIX_SIG1)
        return self.credential.ticket_id if plain else None

    @property
    def counter(self) -> int | None:
        """Of a card's message that counts here; None: there is none."""
        if not self.counted or isinstance(self.credential, Rejection):
            return None
        return self.credential.counter

    @property
    def number(self) -> int | None:
        """What tells this code from later ones of its ticket, for the record: the `counter`, or
        when a live code was drawn.
        """
        drawn = None if isinstance(self.credential, Rejection) else self.credential.drawn_at
        return self.counter if drawn is None else drawn

    def next_of_group(self) -> "Showing":
        """The same ticket for the next person: a presentation of its own."""
        return replace(self, continuation=True, left=0, asked_at=None, presentation=os.urandom(16))

    @property
    def format(self) -> str | None:
        """The ticket format, as far as it could be told."""
        return self.credential.format.value if self.credential.format else None


class Stamp:
    """Fills in what every record of this gate carries: time, clock state, boot, event."""

    def __init__(self, clock: Clock, event: str, boot: bytes) -> None:
        self._clock = clock
        self._event = event
        self._boot = boot

    def record(self, kind: Kind, showing: Showing | None = None, **facts: object) -> Record:
        """A record of now; `facts` are further fields of `Record`."""
        reading = self._clock.reading()
        known = reading.uncertainty != float("inf")
        about: dict[str, object] = {}
        if showing:
            about = {
                "presentation": showing.presentation,
                "lane": showing.lane,
                "list": showing.check_in_list,
                "medium": showing.medium,
                "format": showing.format,
                "ticket_key": showing.ticket_key,
                "direction": showing.direction.value,
            }
        return Record(
            kind=kind,
            at=reading.at,
            uncertainty=reading.uncertainty if known else None,
            clock_state=reading.state.value,
            boot=self._boot,
            monotonic=self._clock.monotonic(),
            event=self._event,
            **(about | facts),  # type: ignore[arg-type]
        )
