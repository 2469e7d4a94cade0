"""What sync needs of a server, in two parts that one class may fill both.

A `Backend` exchanges lists, redemptions, records and health; the part of it that only gives is a
`Source`. An `Authority` is a place that can say "yes, and nobody else". Every call is bounded in
time and raises a `sync.errors.ServerFault`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sync.answers import Beat, ConflictRow, OpenClaim, RecordAnswers, Redemption, WireStatement


@dataclass(frozen=True, slots=True)
class Claim:
    """What is asked of an authority: this ticket, for this one presentation."""

    presentation: bytes
    ticket_key: bytes
    list: str
    direction: str
    at: float
    """Unix seconds, UTC."""
    unlisted: bool = False
    """A signed ticket that is on no list: this gate admits such, once."""
    instead_of: bytes | None = None
    """An earlier presentation of it here whose guest turned back; given back with this claim."""
    code: str | None = field(default=None, repr=False)
    """What was shown, for a server that knows the ticket by nothing else; kept nowhere."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Yes, and nobody else."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Another presentation holds or has used the entry."""

    gate: str
    at: float


@dataclass(frozen=True, slots=True)
class Refused:
    """No, for a reason of the protocol, e.g. `cancelled`, `annulled`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No answer that can be used. Not a no: the claim may have arrived."""


ClaimResult = Granted | Taken | Refused | Unreachable


class Source(Protocol):
    """Where a gate has its news from: a server, or a stick."""

    def statements(self, after: int) -> tuple[list[WireStatement], int]:
        """Statements after a cursor, not verified, and the next cursor."""
        ...

    def rows(self, digest: bytes, sink: Callable[[bytes], object], limit: int) -> None:
        """Stream the compressed rows of a list, at most `limit` bytes.

        Raises:
            ServerRefused: status 404: replaced by a newer list.
        """
        ...

    def redemptions(self, after: int) -> tuple[list[Redemption], int]:
        """One page of the feed after a cursor, and the next cursor."""
        ...

    def conflicts(self, after: int) -> tuple[list[ConflictRow], int]:
        """One page of our entries' conflicts after a cursor, and the next cursor."""
        ...


class Backend(Source, Protocol):
    """The server's side of lists, redemptions, records and health."""

    def push(
        self, epoch: bytes, entries: Sequence[dict[str, Any]], tip: tuple[int, bytes]
    ) -> RecordAnswers:
        """Send at most 500 journal entries as JSON; one answer for each.

        Args:
            tip: Number and hash of the journal's last record, none of `entries` is beyond it.
        """
        ...

    def heartbeat(self, nonce: str, health: dict[str, Any]) -> Beat:
        """Tell how the gate is; returns the signed time and the server's wishes."""
        ...


class Authority(Protocol):
    """Every place that can say "yes, and nobody else"."""

    kind: str

    def claim(self, claim: Claim, seconds: float) -> ClaimResult:
        """Ask within `seconds`. Never raises for a server's fault: that is `Unreachable`."""
        ...

    def annul(self, presentation: bytes) -> None:
        """Give a claim back, arrived or not; one that arrives later is refused."""
        ...

    def open_claims(self) -> list[OpenClaim]:
        """Our claims whose outcome the authority does not know."""
        ...

    def probe(self, seconds: float) -> bool:
        """Whether it answers within `seconds`."""
        ...
