"""The codes of a ticket: the text of its picture, the picture's modules, the code to be typed."""

import segno

from cli.paper.fonts import missing
from cli.paper.layout import MOST_TYPED
from tickets import ad1
from tickets.csv_rows import TicketRow
from tickets.key_files import SecretKey
from tickets.keys import cti_of
from tickets.typed import typed_code

_MASK = 3


def code_text(row: TicketRow, issuer: SecretKey, event_secret: bytes) -> str:
    """Return the text of the row's QR code: its opaque code, else a ticket signed by ``issuer``."""
    if row.code is not None:
        return row.code
    signed = ad1.sign(
        issuer.secret,
        issuer.kid,
        issuer.event,
        cti_of(event_secret, row.id),
        product=row.product,
        entries=row.entries,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )
    return ad1.to_qr_text(signed)


def typed_text(row: TicketRow, event_secret: bytes) -> str:
    """Return what a steward types for the row's ticket; empty when nobody could be asked to."""
    if row.code is None:
        return typed_code(cti_of(event_secret, row.id))
    # Of characters that the font lacks there would be empty boxes on the ticket.
    return row.code if len(row.code) <= MOST_TYPED and not missing(row.code) else ""


def qr_code(text: str) -> segno.QRCode:
    """Return the QR code of ``text``: ECC Q, which reads best through glare on screens.

    Signed tickets go in alphanumeric mode, which every reader gives back unchanged.
    """
    if text.encode().startswith(ad1.PREFIX):
        # A signature is random: no mask is better than another (41 and 42 of 300 frames at the
        # edge of the readable), and weighing all eight takes four fifths of the time.
        return segno.make_qr(text, error="q", mode="alphanumeric", mask=_MASK, boost_error=False)
    if text.isascii():
        return segno.make_qr(text, error="q", boost_error=False)
    # By name: left to guess, segno writes "Ä" as Latin-1, and some UTF-8 as Kanji with other bytes.
    return segno.make_qr(text, error="q", mode="byte", encoding="utf-8", boost_error=False)
