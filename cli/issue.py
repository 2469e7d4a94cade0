"""`admit issue`: a CSV file of tickets becomes one QR picture for each."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import segno
import typer

from tickets import ad1
from tickets.csv_rows import MAX_LINE, BadRow, TicketRow, read_rows
from tickets.errors import GateError
from tickets.key_files import KeyFault, Role, SecretKey, load_key
from tickets.keys import cti_of

MODULE = 8
"""Pixels of one module: sharp at every size a ticket is printed in."""
QUIET_ZONE = 4
"""Modules of white around the code (ISO/IEC 18004, section 5.3.8)."""
_MAX_NAME = 120


class IssueFault(GateError):
    """The CSV file cannot be read, or the pictures cannot be written."""


def issue(
    csv: Annotated[Path, typer.Argument(help="Tickets: id, product, entries, valid_from, ...")],
    out: Annotated[Path, typer.Option(help="Directory for the pictures, made if missing")],
    keys: Annotated[Path, typer.Option(help="Directory that 'admit keys new' has made")],
    json_: Annotated[bool, typer.Option("--json", help="One JSON object per row")] = False,
) -> None:
    """Sign a ticket for each row of CSV and write it to OUT as a QR code.

    Bad rows are named by line and left out; the exit code is then 1. The same row makes the same
    ticket again. With --json, the text of each code is in the output: as secret as the ticket.
    """
    issuer, event_key = _load(keys)
    good = bad = 0
    with _named_faults(csv, out):
        out.mkdir(parents=True, exist_ok=True)
        with csv.open("rb") as file:
            for row in read_rows(iter(partial(file.readline, MAX_LINE), b"")):
                if isinstance(row, BadRow):
                    bad += 1
                    _report_bad(row, json_)
                else:
                    good += 1
                    _report(row, *_make(row, out, issuer, event_key), json_)
    if not json_:
        print(f"{good} tickets in {out}" + (f", {bad} bad rows left out" if bad else ""))
    if bad:
        raise typer.Exit(1)


def code_text(row: TicketRow, issuer: SecretKey, event_key: bytes) -> str:
    """Return the text of the row's QR code: its opaque code, else a ticket signed by ``issuer``."""
    if row.code is not None:
        return row.code
    signed = ad1.sign(
        issuer.secret,
        issuer.kid,
        issuer.event,
        cti_of(event_key, row.id),
        product=row.product,
        entries=row.entries,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
    )
    return ad1.to_qr_text(signed)


def qr_code(text: str) -> segno.QRCode:
    """Return the QR code of ``text``: ECC Q, which reads best through glare on screens.

    Signed tickets go in alphanumeric mode, which every reader gives back unchanged.
    """
    if text.encode().startswith(ad1.PREFIX):
        return segno.make_qr(text, error="q", mode="alphanumeric", boost_error=False)
    if text.isascii():
        return segno.make_qr(text, error="q", boost_error=False)
    # By name: left to guess, segno writes "Ä" as Latin-1, and some UTF-8 as Kanji with other bytes.
    return segno.make_qr(text, error="q", mode="byte", encoding="utf-8", boost_error=False)


def picture_name(ticket_id: str) -> str:
    """Return a file name of its own for ``ticket_id``, safe on every file system."""
    name = quote(ticket_id, safe="").replace("~", "%7E")
    if len(name) > _MAX_NAME:
        digest = blake2b(ticket_id.encode(), digest_size=16).hexdigest()
        name = f"{name[: _MAX_NAME - 40]}-{digest}"
    return ("%2E" + name[1:] if name.startswith(".") else name) + ".png"


def _load(directory: Path) -> tuple[SecretKey, bytes]:
    issuer, event = load_key(directory, Role.ISSUER), load_key(directory, Role.EVENT)
    if issuer.event != event.event:
        raise KeyFault(
            f"issuer key of {issuer.event!r} and event key of {event.event!r} lie in {directory}",
            "Keep the keys of each event in a directory of their own",
        )
    return issuer, event.secret


def _make(row: TicketRow, out: Path, issuer: SecretKey, event_key: bytes) -> tuple[str, Path]:
    text = code_text(row, issuer, event_key)
    path = out / picture_name(row.id)
    qr_code(text).save(str(path), scale=MODULE, border=QUIET_ZONE)
    return text, path


def _report(row: TicketRow, text: str, path: Path, as_json: bool) -> None:
    if as_json:
        shown = {"line": row.line, "id": row.id, "file": str(path), "text": text}
        print(json.dumps(shown, ensure_ascii=False))


def _report_bad(row: BadRow, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"line": row.line, "cause": row.cause, "remedy": row.remedy}))
    else:
        print(row, file=sys.stderr)


@contextmanager
def _named_faults(csv: Path, out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or out
        raise IssueFault(
            f"{where}: {error.strerror or error}",
            f"Check that {csv} can be read and that {out} has room and can be written to",
        ) from error
