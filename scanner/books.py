"""What the gate believes: keys, policy, list and deltas, as one value that is swapped whole."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from admission.history import Use
from admission.pretix_choice import Candidate, Choice, choose
from admission.pretix_policy import NO_EVENT, PretixEvent
from admission.rules import CheckInList, EventPolicy, Product
from tickets.cards import CardWord
from tickets.credential import Credential, Format, Rejection
from tickets.keys import ticket_key
from tickets.links import linked
from tickets.parse import parse
from tickets.rows import Status, Ticket
from tickets.trust import Trust
from tickets.typed import read_typed

_LINK = int(Status.LINK)


@dataclass(frozen=True, slots=True)
class Books:
    """One consistent state of the verified statements. Lookups take microseconds."""

    event_key: bytes = field(repr=False)
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
        row = self._row(key)
        return None if row is None or int(row.flags) & _LINK else row

    def _row(self, key: bytes) -> Ticket | None:
        """Any row, pointers between rows too."""
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
        right = credential.pretix if isinstance(credential, Credential) else None
        if right and self.policy.events and not (ticket and ticket.product):
            assert isinstance(credential, Credential)
            return self.policy.signed_product(credential.issuer, right)
        if ticket is not None:
            return self.policy.product(ticket.product)
        number = credential.product if isinstance(credential, Credential) else None
        return self.policy.product(number or 0)

    def choose(
        self, credential: Credential | Rejection, key: bytes, name: str, at: float
    ) -> tuple[Choice, bool] | None:
        """Which ticket a code stands for, on which list.

        Args:
            name: The list of the lane; it may stand for one list of each pretix event.
        Returns:
            The choice, and whether it is by a reusable medium; None: the policy has no such list.
        """
        lists = self.policy.lists_of(name)
        if not lists:
            return None
        row = self.ticket(key)
        by_medium = bool(row and row.flags & Status.MEDIUM)
        candidates = self._candidates(credential, key, row, at)
        if len(candidates) == 1 and len(lists) == 1:  # as ever, but with a pretix server
            clash = bool(row and row.flags & Status.AMBIGUOUS)
            return Choice(candidates[0], lists[0], clash), by_medium
        return choose(candidates, lists, at, by_medium), by_medium

    def _candidates(
        self, credential: Credential | Rejection, key: bytes, row: Ticket | None, at: float
    ) -> list[Candidate]:
        if row is None or not row.flags & (Status.MEDIUM | Status.ADDONS):
            return [Candidate(key, row, self.product(credential, row))]
        if not row.flags & Status.MEDIUM:
            return [*self._with_addons(key, row)]
        expired = 0 < row.valid_until < at
        found = () if expired else linked(key, self._row)
        tickets = [(one, self.ticket(one)) for one in found]
        candidates = [c for one, row in tickets if row for c in self._with_addons(one, row)]
        return candidates or [Candidate(key, None, self.policy.product(0))]

    def _with_addons(self, key: bytes, row: Ticket) -> Iterator[Candidate]:
        """A ticket and what was bought with it."""
        yield Candidate(key, row, self.policy.product(row.product))
        if row.flags & Status.ADDONS:
            for child in linked(key, self._row):
                if found := self.ticket(child):
                    yield Candidate(child, found, self.policy.product(found.product), addon=True)

    def event(self, product: Product) -> PretixEvent:
        """The pretix event of a product, as far as the policy names it."""
        return (
            self.policy.events.get(product.pretix.event, NO_EVENT) if product.pretix else NO_EVENT
        )

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
