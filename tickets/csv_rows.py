"""Tickets from a CSV file, line by line: one reader for issuing and for central's import.

Columns: id (required, unique), product (number, 1), entries (1; 0 is any number), valid_from and
valid_until (ISO 8601 with zone), code (an opaque code instead of a signed ticket), card (the UID of
an NTAG 424 DNA instead of either), status (valid, cancelled, blocked, unapproved, unpaid, revoked),
attention (0 or 1), name (of the guest: printed, and kept sealed). Others are passed over. UTF-8;
comma, semicolon or tab, as the header has it. One line is one row.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from tickets.credential import Credential, Format
from tickets.csv_cells import (
    SAVE_AS_UTF8,
    RowError,
    card_cell,
    code_cell,
    count_cell,
    id_cell,
    name_cell,
    status_cell,
    time_cell,
)
from tickets.errors import GateError
from tickets.keys import cti_of, event_key_of, ticket_key
from tickets.rows import VALID, Status, Ticket

MAX_LINE = 1 << 16
"""Longest line in bytes. Read the file with `iter(partial(file.readline, MAX_LINE), b"")`."""
COLUMNS = (
    *("id", "product", "entries", "valid_from", "valid_until"),
    *("code", "card", "status", "attention"),
)

_WIDE = (b"\xff\xfe", b"\xfe\xff")  # byte order marks of UTF-16
_BLANK = b" \t\r\n,;"  # spreadsheets end with lines of separators alone
_MARK = b"\xef\xbb\xbf"


class CsvRejected(GateError):
    """The file as a whole is no list of tickets: empty, of another encoding, or without ids."""


@dataclass(frozen=True, slots=True)
class TicketRow:
    """One good row."""

    line: int
    """1 is the header."""
    id: str
    product: int = 1
    entries: int = 1
    valid_from: int | None = None
    """Unix seconds."""
    valid_until: int | None = None
    """Unix seconds."""
    code: str | None = field(default=None, repr=False)
    """The opaque code, where the ticket is not signed by us."""
    status: Status = VALID
    card: bytes | None = None
    """UID of the card that is the ticket, 7 bytes."""
    name: str = field(default="", repr=False)
    """The guest: printed, and at central sealed under the ticket's code."""
    moves: int = 0
    """How often it moved to a phone since, as central knows; no column."""

    def credential(self, event_secret: bytes) -> Credential:
        """Return what is presented of this ticket, named under the event's 32-byte secret."""
        if self.code is not None:
            return Credential(Format.OPAQUE, self.code.encode("utf-8"))
        if self.card is not None:
            return Credential(Format.NTAG424, self.card)
        return Credential(Format.AD1, cti_of(event_secret, self.id, self.moves))

    def ticket(self, event_secret: bytes) -> Ticket:
        """Return the list row of this ticket, named as `credential` is."""
        return Ticket(
            ticket_key(event_key_of(event_secret), self.credential(event_secret)),
            self.product,
            self.entries,
            self.status,
            self.valid_from or 0,
            self.valid_until or 0,
        )


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that makes no ticket, and why."""

    line: int
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.cause}. {self.remedy}"


def read_rows(lines: Iterable[bytes]) -> Iterator[TicketRow | BadRow]:
    """Yield a ticket or a named fault for each line after the header; blank lines are passed over.

    Args:
        lines: The file's lines with their ends, none longer than `MAX_LINE`; never held at once.
            Of the rows only ids and codes are kept, to find double ones.
    Raises:
        CsvRejected: the file as a whole is no list of tickets.
    """
    numbered = _whole_lines(lines)
    reader = _Reader(next(numbered, (1, b""))[1])
    for number, line in numbered:
        if line is not None and not line.strip(_BLANK):
            continue
        try:
            yield reader.row(number, line)
        except GateError as error:
            yield BadRow(number, error.cause, error.remedy)


def _whole_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield line numbers and lines; None for a line cut at `MAX_LINE`, its pieces joined to it."""
    number, within = 0, False
    for piece in lines:
        ended = piece.endswith(b"\n")
        too_long = len(piece) > MAX_LINE or (len(piece) == MAX_LINE and not ended)
        if not within:
            number += 1
            yield number, None if too_long else piece
        within = not ended and (within or too_long)


class _Reader:
    """The columns of one file, and the ids it has had."""

    def __init__(self, header: bytes | None) -> None:
        text = _header_text(header)
        self._delimiter = max(",;\t", key=text.count)
        try:
            cells = self._cells(text)
        except RowError as error:
            raise CsvRejected(f"line 1: {error.cause}", error.remedy) from error
        self._columns = _columns([cell.strip().lower() for cell in cells])
        self._first_lines: dict[str, dict[str, int]] = {"id": {}, "code": {}, "card": {}}

    def row(self, number: int, line: bytes | None) -> TicketRow:
        """Return the ticket of one line.

        Raises:
            GateError: it makes none.
        """
        if line is None:
            raise RowError(f"longer than {MAX_LINE} bytes", "Check for a missing line end or quote")
        cells = self._cells(_text(line))
        if len(cells) > len(self._columns):
            raise RowError(
                f"{len(cells)} cells under {len(self._columns)} columns",
                "Put cells that hold a separator in quotes",
            )
        row = _ticket_row(number, dict(zip(self._columns, map(str.strip, cells), strict=False)))
        self._once("id", row.id, number)
        if row.code is not None:
            self._once("code", row.code, number)
        if row.card is not None:
            self._once("card", row.card.hex(), number)
        return row

    def _cells(self, text: str) -> list[str]:
        try:
            return next(csv.reader([text], delimiter=self._delimiter, strict=True), [])
        except csv.Error as error:
            raise RowError(
                f"not CSV: {error}", "Close every quote on its line; no line breaks in cells"
            ) from error

    def _once(self, column: str, value: str, number: int) -> None:
        first = self._first_lines[column].setdefault(value, number)
        if first != number:
            raise RowError(
                f"{column} {value[:40]!r} is that of line {first} too", f"Give each {column} once"
            )


def _header_text(header: bytes | None) -> str:
    if header is None:
        raise CsvRejected(f"the first line is longer than {MAX_LINE} bytes", SAVE_AS_UTF8)
    if header.startswith(_WIDE) or b"\0" in header:
        raise CsvRejected("the file is UTF-16 or no text", SAVE_AS_UTF8)
    if not header.removeprefix(_MARK).strip():
        raise CsvRejected(
            "the first line is empty", "Start the file with a header such as id,product"
        )
    try:
        return header.removeprefix(_MARK).decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CsvRejected(f"line 1: byte {error.start + 1} is not UTF-8", SAVE_AS_UTF8) from error


def _columns(names: list[str]) -> list[str]:
    """Return ``names``, the header's cells, once they make sense."""
    for name in names:
        if name in COLUMNS and names.count(name) > 1:
            raise CsvRejected(f"column {name!r} is there twice", "Remove or rename one of them")
        if name not in COLUMNS and (meant := get_close_matches(name, COLUMNS, 1, 0.75)):
            raise CsvRejected(f"column {name!r} is not known", f"Did you mean {meant[0]!r}?")
    if "id" not in names:
        found = ", ".join(names)[:80]
        raise CsvRejected(
            f"there is no column 'id' in the header ({found})",
            "Name the column with the ticket numbers 'id', in the first line",
        )
    return names


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{line[error.start]:02x} at {error.start + 1}"
        raise RowError(f"{byte} is not UTF-8", SAVE_AS_UTF8) from error


def _ticket_row(number: int, cells: dict[str, str]) -> TicketRow:
    start, end = time_cell(cells, "valid_from"), time_cell(cells, "valid_until")
    if start is not None and end is not None and end <= start:
        raise RowError("valid_until is not after valid_from", "Check the two times and their zones")
    code, card = code_cell(cells), card_cell(cells)
    if code is not None and card is not None:
        raise RowError("a code and a card", "Keep one: the ticket that is shown is one of them")
    return TicketRow(
        line=number,
        id=id_cell(cells),
        product=count_cell(cells, "product"),
        entries=count_cell(cells, "entries"),
        valid_from=start,
        valid_until=end,
        code=code,
        card=card,
        status=status_cell(cells),
        name=name_cell(cells),
    )
