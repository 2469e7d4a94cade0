"""The names of tickets: what a gate may write down instead of a ticket's secret.

All are BLAKE2b (RFC 7693) keyed with the event's 32-byte key, so that a stolen card without the
key tells no ids; `person` keeps the uses apart.
"""

from hashlib import blake2b

from tickets.credential import Credential, Format

EVENT_KEY_BYTES = 32
"""Length of the event key."""
TICKET_KEY_BYTES = 16
"""Length of a ticket key and of a `cti`."""

_PERSON = {
    Format.AD1: b"admit-ad1",
    Format.OPAQUE: b"admit-opaque",
    Format.NTAG424: b"admit-ntag424",
}
_CTI_PERSON = b"admit-cti"


def ticket_key(event_key: bytes, credential: Credential) -> bytes:
    """Return the 16-byte ticket key: the only name of a ticket at rest.

    Args:
        event_key: 32 random bytes, one key per event.
        credential: Only its format and ``ticket_id`` count.
    Raises:
        ValueError: ``event_key`` has another length.
    """
    return _keyed(event_key, credential.ticket_id, _PERSON[credential.format])


def cti_of(event_key: bytes, ticket_id: str) -> bytes:
    """Return the 16-byte `cti` of the ticket with this id in the organiser's books.

    Issuing and importing the same CSV with the same event key thus agree without a file between
    them, and nobody without the key learns the id from a ticket.
    """
    return _keyed(event_key, ticket_id.encode("utf-8"), _CTI_PERSON)


def _keyed(event_key: bytes, data: bytes, person: bytes) -> bytes:
    if len(event_key) != EVENT_KEY_BYTES:
        raise ValueError(f"an event key has {EVENT_KEY_BYTES} bytes, not {len(event_key)}")
    return blake2b(data, digest_size=TICKET_KEY_BYTES, key=event_key, person=person).digest()
