"""AD2, the live ticket of a phone: `AD2:` and Base45 of a COSE_Sign1 by the key that an AD1 ticket
is bound to, over the time it was drawn and that ticket. A copy is of no use half a minute later.

    {6: iat, -65538: ticket} = a2 | 06 1a iat | 3a 00010001 bstr ticket      protected: {1: -8}

No CBOR is decoded before the issuer's signature inside holds, and none of the outer part at all.
Sources: RFC 9052, section 4.2; RFC 8392 (`iat`); RFC 8747, section 3 (`cnf`).
"""

from dataclasses import replace

from tickets import ad1, base45, cose
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.errors import GateError
from tickets.trust import Trust

PREFIX = b"AD2:"
"""First bytes of the text, the only form there is."""
WINDOW = 30.0
"""Seconds before and after it was drawn in which a code counts."""
EARLIEST = 2**16
"""Earliest time that is written in the one form, in Unix seconds: long before any phone."""

_PROTECTED = bytes.fromhex("a10127")  # {1: -8}; the key is in the ticket
_DRAWN = bytes.fromhex("a2061a")  # map of 2, `iat`: 4 bytes follow
_TICKET = bytes.fromhex("3a00010001")  # key -65538: a byte string follows
_TICKET_AT = len(_DRAWN) + 4


class NotDrawn(GateError):
    """A live code cannot be made of what was given."""


def sign(holder_seed: bytes, ticket: bytes, drawn_at: int) -> bytes:
    """Return the COSE bytes of a live code; `to_qr_text` makes the QR code's text of them.

    Args:
        holder_seed: 32-byte Ed25519 seed of the key the ticket is bound to.
        ticket: COSE bytes of an AD1 ticket.
        drawn_at: Unix seconds, 65536 to 2**32 - 1.
    Raises:
        NotDrawn: the time or the size is out of range.
    """
    if not (EARLIEST <= drawn_at <= ad1.MAX_TIME and ticket.startswith(cose.MAGIC)):
        raise NotDrawn("no ticket, or no time of today", "Give the bytes of a ticket and the time")
    payload = _DRAWN + drawn_at.to_bytes(4, "big") + _TICKET + cose.bstr(ticket)
    return cose.sign1_under(holder_seed, _PROTECTED, payload)


def to_qr_text(code: bytes) -> str:
    """Return the text of the QR code: fit for alphanumeric mode, ECC M."""
    return (PREFIX + base45.encode(code)).decode("ascii")


def read_ad2(payload: bytes, trust: Trust) -> Credential | Rejection:
    """Return the ticket in ``payload``, the text of a live code, or why it is none.

    The caller bounds the size. The issuer's signature of the ticket is verified first, then that
    of the phone. Whether it was drawn just now is judged in `admission.decide`.
    """
    try:
        outer = cose.split(base45.decode(payload[len(PREFIX) :]))
        drawn_at, ticket = _split(outer)
    except (base45.Base45Error, cose.CoseError) as error:
        return Rejection(Flaw.UNREADABLE, str(error), Format.AD2)
    bound = ad1.read_ad1(ticket, trust)
    if isinstance(bound, Rejection):
        return replace(bound, format=Format.AD2)
    if not bound.holder_key:
        return Rejection(Flaw.FORGED, "the ticket inside is bound to no phone", Format.AD2)
    if not cose.verifies(outer, bound.holder_key):
        return Rejection(Flaw.FORGED, "not signed by the phone it is bound to", Format.AD2)
    return Credential(  # `replace` takes as long as all of `_split` and more
        Format.AD2,
        bound.ticket_id,
        bound.product,
        bound.entries,
        bound.valid_from,
        bound.valid_until,
        bound.issuer,
        bound.holder_key,
        drawn_at=drawn_at,
    )


def _split(outer: cose.Envelope) -> tuple[int, bytes]:
    """Return when it was drawn, and the ticket; nothing else may be in it.

    Raises:
        CoseError: any other shape.
    """
    payload = outer.payload
    key_at = payload[_TICKET_AT : _TICKET_AT + len(_TICKET)]
    if outer.protected != _PROTECTED or not payload.startswith(_DRAWN) or key_at != _TICKET:
        raise cose.CoseError("not a time and a ticket")
    drawn_at = int.from_bytes(payload[len(_DRAWN) : _TICKET_AT], "big")
    if drawn_at < EARLIEST:
        raise cose.CoseError("its time is not in its shortest form")
    begin, end = cose.bstr_at(payload, _TICKET_AT + len(_TICKET))
    ticket = payload[begin:end]
    if end != len(payload) or not ticket.startswith(cose.MAGIC):
        raise cose.CoseError("not one ticket and nothing after it")
    return drawn_at, ticket
