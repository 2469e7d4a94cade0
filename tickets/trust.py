"""Whose tickets a gate believes, for which event."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tickets.cose import KEY_BYTES, key_id, protected_header
from tickets.errors import GateError

MAX_PRETIX_KEYS = 8
"""Most keys of an event's pretix: each is tried on every code that could be signed by it."""
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
    pretix_keys: tuple[bytes, ...] = ()
    """32-byte Ed25519 keys of the event's pretix, at most `MAX_PRETIX_KEYS`."""


def trust_of(
    event: str,
    keys: Mapping[bytes, bytes],
    revoked: Collection[bytes] = (),
    pretix_keys: Collection[bytes] = (),
) -> Trust:
    """Return the trust in ``keys`` (kid -> 32-byte public key) without the ``revoked`` kids.

    Args:
        pretix_keys: 32-byte keys of the event's pretix; one whose `key_id` is revoked is left out.

    Raises:
        InvalidEvent: ``event`` is no event name.
        ValueError: a kid or a key has another length, or pretix has too many keys.
    """
    if len(pretix_keys) > MAX_PRETIX_KEYS:
        raise ValueError(f"{len(pretix_keys)} keys of pretix, more than {MAX_PRETIX_KEYS}")
    for key in (*keys.values(), *pretix_keys):
        if len(key) != KEY_BYTES:
            raise ValueError(f"a public key has {KEY_BYTES} bytes, not {len(key)}")
    issuers = {protected_header(kid): key for kid, key in keys.items() if kid not in revoked}
    pretix = tuple(key for key in pretix_keys if key_id(key) not in revoked)
    return Trust(check_event(event), issuers, pretix)


def check_event(event: str) -> str:
    """Return ``event``, or raise `InvalidEvent` if it is no name of 1..12 printable bytes."""
    printable = event.isprintable() and event == event.strip()  # lone surrogates are not printable
    if not (printable and 1 <= len(event.encode()) <= MAX_EVENT_BYTES):
        raise InvalidEvent(
            f"event name {event[:40]!r} is not 1 to {MAX_EVENT_BYTES} bytes of printable text",
            "Choose a short name without blanks around it, such as FEST2026",
        )
    return event
