"""Whose tickets a gate believes, for which event."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tickets.cose import KEY_BYTES, protected_header
from tickets.errors import GateError

MAX_EVENT_BYTES = 12
"""An event's name is the `aud` of its tickets: 1..12 bytes of UTF-8, for the size of the code."""


class InvalidEvent(GateError):
    """An event's name cannot be the audience of a ticket."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The event of a gate and the issuers whose tickets it believes; made by `trust_of`."""

    event: str
    issuers: Mapping[bytes, bytes]
    """Protected header bytes of a ticket -> the 32-byte Ed25519 key that must have signed it."""


def trust_of(event: str, keys: Mapping[bytes, bytes], revoked: Collection[bytes] = ()) -> Trust:
    """Return the trust in ``keys`` (kid -> 32-byte public key) without the ``revoked`` kids.

    Raises:
        InvalidEvent: ``event`` is no event name.
        ValueError: a kid or a key has another length.
    """
    for key in keys.values():
        if len(key) != KEY_BYTES:
            raise ValueError(f"a public key has {KEY_BYTES} bytes, not {len(key)}")
    issuers = {protected_header(kid): key for kid, key in keys.items() if kid not in revoked}
    return Trust(check_event(event), issuers)


def check_event(event: str) -> str:
    """Return ``event``, or raise `InvalidEvent` if it is no name of 1..12 printable bytes."""
    printable = event.isprintable() and event == event.strip()  # lone surrogates are not printable
    if not (printable and 1 <= len(event.encode()) <= MAX_EVENT_BYTES):
        raise InvalidEvent(
            f"event name {event[:40]!r} is not 1 to {MAX_EVENT_BYTES} bytes of printable text",
            "Choose a short name without blanks around it, such as FEST2026",
        )
    return event
