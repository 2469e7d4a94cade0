"""What a presented code says once its bytes are read and, where signed, verified."""

from dataclasses import dataclass, field
from enum import StrEnum


class Format(StrEnum):
    """The ticket formats a gate reads."""

    AD1 = "ad1"
    AD2 = "ad2"
    OPAQUE = "opaque"
    NTAG424 = "ntag424"
    PRETIX_SIG1 = "pretix_sig1"


class Flaw(StrEnum):
    """Why bytes are no credential. Values are names of `admission.verdict.Reason`."""

    UNREADABLE = "unreadable"
    FORGED = "forged"
    WRONG_EVENT = "wrong_event"


@dataclass(frozen=True, slots=True)
class PretixRight:
    """What a signed code of pretix is for, in pretix' own numbers."""

    item: int
    variation: int | None = None
    subevent: int | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential whose form, and signature if it has one, hold. Times are judged in `decide`."""

    format: Format
    ticket_id: bytes = field(repr=False)
    """AD1 and AD2: the 16-byte `cti`. Opaque and pretix_sig1: the code itself. NTAG 424: the
    card's 7-byte UID.
    Secret: never recorded, see `ticket_key`.
    """
    product: int | None = None
    entries: int | None = None
    valid_from: int | None = None
    """Unix seconds, as signed; None when the code does not say."""
    valid_until: int | None = None
    issuer: bytes = b""
    """Key id that verified the signature; empty for opaque codes."""
    holder_key: bytes = b""
    """Ed25519 key a bound ticket is shown with (`cnf`), 32 bytes; empty for an unbound one."""
    counter: int | None = None
    """Counter of a card's message, which counts once; None: nothing that is told by a counter."""
    drawn_at: int | None = None
    """AD2: Unix seconds by the phone's clock, signed by the phone."""
    pretix: PretixRight | None = None
    """Of pretix_sig1 only; its item is the `product` too."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Bytes that are no credential, and why."""

    flaw: Flaw
    detail: str = ""
    format: Format | None = None
