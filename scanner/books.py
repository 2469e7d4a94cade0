"""What the gate believes: keys, policy, list and deltas, as one value that is swapped whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from admission.history import Use
from admission.rules import CheckInList, EventPolicy, Product
from tickets.cards import CardWord
from tickets.credential import Credential, Format, Rejection
from tickets.keys import ticket_key
from tickets.parse import parse
from tickets.rows import Ticket
from tickets.trust import Trust
from tickets.typed import read_typed


@dataclass(frozen=True, slots=True)
class Books:
    """One consistent state of the verified statements. Lookups take microseconds."""

    event_key: bytes
    trust: Trust
    policy: EventPolicy
    serial: int
    """Of the newest list or delta."""
    listed: Callable[[bytes], Ticket | None]
    """Row of the full list by ticket key."""
    overlay: Mapping[bytes, Ticket | None] = field(default_factory=dict)
    """Changes since the full list; None: removed from it."""
    rows: int = 0
    age: Callable[[], float | None] = lambda: 0.0
    """Seconds since the list was last known to be current; None: nothing tells."""

    def ticket(self, key: bytes) -> Ticket | None:
        """The ticket's row, deltas applied; None: not on the list."""
        if key in self.overlay:
            return self.overlay[key]
        return self.listed(key)

    def read(self, payload: bytes) -> tuple[Credential | Rejection, bytes | None]:
        """Bytes as presented -> the credential or its flaw, and its ticket key."""
        credential = parse(payload, self.trust)
        if isinstance(credential, Rejection):
            return credential, None
        return credential, ticket_key(self.event_key, credential)

    def read_typed(self, payload: bytes) -> tuple[Credential | Rejection, bytes | None]:
        """As `read`, of what a steward typed: a code of the list, else that under the picture."""
        credential, key = self.read(payload)
        is_opaque = isinstance(credential, Credential) and credential.format is Format.OPAQUE
        if key is None or not is_opaque or self.ticket(key) is not None:
            return credential, key
        named = read_typed(payload.decode("utf-8"))
        if named is None:
            return credential, key
        if isinstance(named, Rejection):
            return named, None
        return named, ticket_key(self.event_key, named)

    def read_card(self, word: CardWord) -> tuple[Credential | Rejection, bytes | None]:
        """As `read`, of a card that a reader asked: the reader has the keys, its word is taken."""
        credential = word.credential()
        if isinstance(credential, Rejection):
            return credential, None
        return credential, ticket_key(self.event_key, credential)

    def counts(self, credential: Credential | Rejection, key: bytes | None) -> bool:
        """Whether it counts as a ticket in view: signed, or an opaque code on the list."""
        if isinstance(credential, Rejection) or key is None:
            return False
        return credential.format is not Format.OPAQUE or self.ticket(key) is not None

    def product(self, credential: Credential | Rejection, ticket: Ticket | None) -> Product:
        """The product of a ticket; the list's word goes before the code's."""
        if ticket is not None:
            return self.policy.product(ticket.product)
        number = credential.product if isinstance(credential, Credential) else None
        return self.policy.product(number or 0)

    def check_in_list(self, name: str) -> CheckInList | None:
        """The rules of the list a lane admits; None: the policy does not have it."""
        return self.policy.lists.get(name)


class Elsewhere(Protocol):
    """What other gates reported of a ticket."""

    def uses(self, ticket_key: bytes) -> tuple[Use, ...]:
        """Entries and exits at other gates that this one has heard of."""
        ...


class NothingElsewhere:
    """A gate that stands alone."""

    def uses(self, ticket_key: bytes) -> tuple[Use, ...]:
        """Nothing."""
        return ()
