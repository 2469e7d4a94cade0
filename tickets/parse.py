"""From the bytes somebody held up to a credential, whatever the bytes."""

from tickets import ad1, ad2, cose
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.pretix_sig1 import read_sig1
from tickets.trust import Trust

MAX_CREDENTIAL = 1024
"""Longest credential in bytes; a signed ticket needs about 300."""
MAX_OPAQUE = 256
"""Longest opaque code in bytes."""

RESERVED = (ad1.PREFIX, ad2.PREFIX, cose.MAGIC)
"""What begins with one of these is never an opaque code."""


def parse(payload: bytes, trust: Trust) -> Credential | Rejection:
    """Return the credential in ``payload``, or a named reason; never raises.

    Args:
        payload: Untrusted bytes of any length, as a reader gave them.
        trust: The gate's event and issuers. Without keys of pretix its signed codes are opaque.
    """
    if len(payload) > MAX_CREDENTIAL:
        return Rejection(Flaw.UNREADABLE, f"longer than {MAX_CREDENTIAL} bytes")
    if payload.startswith((ad1.PREFIX, cose.MAGIC)):
        return ad1.read_ad1(payload, trust)
    if payload.startswith(ad2.PREFIX):
        return ad2.read_ad2(payload, trust)
    signed = read_sig1(payload, trust.pretix_keys) if trust.pretix_keys else None
    return signed or read_opaque(payload)


def read_opaque(payload: bytes) -> Credential | Rejection:
    """Return the opaque code in ``payload``: 1..256 bytes of printable UTF-8, not `RESERVED`.

    Whether it is a ticket, only the list knows.
    """
    if payload.startswith(RESERVED):
        return Rejection(Flaw.UNREADABLE, "a format this gate does not read")
    if not 1 <= len(payload) <= MAX_OPAQUE:
        return Rejection(Flaw.UNREADABLE, f"not 1 to {MAX_OPAQUE} bytes")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return Rejection(Flaw.UNREADABLE, "not text")
    if not text.isprintable() or text.isspace():
        return Rejection(Flaw.UNREADABLE, "not printable")
    return Credential(Format.OPAQUE, payload)
