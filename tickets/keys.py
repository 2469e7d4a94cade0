"""The names of tickets: what a gate may write down instead of a ticket's secret.

An event has one secret, which stays with the organiser. From it come each ticket's `cti` and the
event key, which gates have. From the event key come ticket keys: a gate names a ticket it was
shown, and cannot make the `cti` of one that it was not shown, however guessable the ids are.
All are BLAKE2b (RFC 7693) with a 32-byte key; `person` keeps the uses apart.
"""

from hashlib import blake2b

from tickets.credential import Credential, Format
from tickets.secret import SecretBytes

EVENT_KEY_BYTES = 32
"""Length of the event secret and of the event key."""
TICKET_KEY_BYTES = 16
"""Length of a ticket key and of a `cti`."""

_PERSON = {
    Format.AD1: b"admit-ad1",
    Format.AD2: b"admit-ad1",  # the same ticket, however it is shown
    Format.OPAQUE: b"admit-opaque",
    Format.NTAG424: b"admit-ntag424",
    # One code, one name, whether its signature was checked or the list alone knows it (ADR 19).
    Format.PRETIX_SIG1: b"admit-opaque",
}
_CTI_PERSON = b"admit-cti"
_GATE_PERSON = b"admit-gate"


def event_key_of(event_secret: bytes) -> SecretBytes:
    """Return the 32-byte event key, the part of the event's secret that gates get.

    Args:
        event_secret: 32 random bytes, one secret per event, for issuing and central alone.
    Raises:
        ValueError: ``event_secret`` has another length.
    """
    return SecretBytes(_keyed(event_secret, b"", _GATE_PERSON, EVENT_KEY_BYTES))


def ticket_key(event_key: bytes, credential: Credential) -> bytes:
    """Return the 16-byte ticket key: the only name of a ticket at rest.

    Args:
        event_key: 32 bytes, as `event_key_of` makes them.
        credential: Only its format and ``ticket_id`` count.
    Raises:
        ValueError: ``event_key`` has another length.
    """
    return _keyed(event_key, credential.ticket_id, _PERSON[credential.format])


def cti_of(event_secret: bytes, ticket_id: str, moves: int = 0) -> bytes:
    """Return the 16-byte `cti` of the ticket with this id in the organiser's books.

    A ticket that moved to a phone has another one, so that what was handed out before can be
    revoked; ``moves`` says how often it did.

    Issuing and importing the same CSV with the same event secret thus agree without a file between
    them, and nobody without it learns the id from a ticket, or a ticket from the id.
    """
    name = f"{ticket_id}\0{moves}" if moves else ticket_id  # an id is printable: no two meet
    return _keyed(event_secret, name.encode("utf-8"), _CTI_PERSON)


def _keyed(key: bytes, data: bytes, person: bytes, size: int = TICKET_KEY_BYTES) -> bytes:
    if len(key) != EVENT_KEY_BYTES:
        raise ValueError(f"a key of an event has {EVENT_KEY_BYTES} bytes, not {len(key)}")
    return blake2b(data, digest_size=size, key=key, person=person).digest()
