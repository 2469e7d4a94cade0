"""The press: makes the files that were asked for, ticket by ticket."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

from cli.paper.codes import qr_code
from cli.paper.fonts import Font, composed, missing
from cli.paper.layout import Face, facts_of, lay_out
from cli.paper.pdf import Book, Drawn, Paper, write_pdf
from cli.paper.png import picture
from cli.paper.words import WORDS, Language
from tickets.csv_rows import TicketRow
from tickets.errors import GateError

_MOST_NAME = 120


class NotPrintable(GateError):
    """Words of the organiser have characters that the fonts do not have."""


class Make(StrEnum):
    """What is made of the tickets."""

    PNG = "png"
    """A picture each."""
    PDF = "pdf"
    """A PDF each."""
    BOOK = "book"
    """One PDF for all; of more than 1000 tickets one for every 1000."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the tickets of an event look."""

    title: str
    note: str
    language: Language
    paper: Paper
    zone: tzinfo
    """Of the times on the tickets."""

    def __post_init__(self) -> None:
        for what, text in (("title", self.title), ("note", self.note)):
            if lost := missing(text, Font.BOLD):
                raise NotPrintable(
                    f"the {what} has characters that the font does not have: {lost[:20]}",
                    "Write it in Latin, Greek or Cyrillic letters",
                )


@dataclass(slots=True)
class Press:
    """Makes files in ``out``; `finish` when the last ticket is in."""

    out: Path
    make: Collection[Make]
    style: Style
    unnamed: list[int] = field(default_factory=list)
    """Lines whose name has characters that the font does not have: those tickets show none."""

    _book: Book = field(init=False)

    def __post_init__(self) -> None:
        self._book = Book(self.out, self.style.paper, self.style.title)

    def print(self, row: TicketRow, text: str, typed: str) -> list[Path]:
        """Make the row's files; those of the book come in `finish`.

        Args:
            text, typed: Of the QR code, and of the line under it.
        Raises:
            OSError: a file cannot be written.
        """
        drawn = self._drawn(row, text, typed)
        made = []
        if Make.PNG in self.make:
            made.append(self.out / f"{file_name(row.id)}.png")
            made[-1].write_bytes(picture(drawn))
        if Make.PDF in self.make:
            made.append(self.out / f"{file_name(row.id)}.pdf")
            write_pdf(made[-1], [drawn], Paper.A6, self.style.title)
        if Make.BOOK in self.make:
            self._book.add(drawn)
        return made

    def finish(self) -> list[Path]:
        """Write what is left of the book; return all its files."""
        self._book.finish()
        return self._book.paths

    def _drawn(self, row: TicketRow, text: str, typed: str) -> Drawn:
        words = WORDS[self.style.language]
        name = composed(row.name)
        if missing(name, Font.BOLD):
            self.unnamed.append(row.line)
            name = ""
        times = (row.valid_from, row.valid_until)
        face = Face(
            title=composed(self.style.title),
            note=composed(self.style.note),
            name=name,
            facts=facts_of(words, row.id, row.entries, times, self.style.zone),
            matrix=[bytes(line) for line in qr_code(text).matrix],
            typed=typed,
        )
        return tuple(lay_out(face, words))


def file_name(ticket_id: str) -> str:
    """Return a file name, without an ending, of its own for ``ticket_id``: safe everywhere."""
    name = quote(ticket_id, safe="").replace("~", "%7E")
    if len(name) > _MOST_NAME:
        digest = blake2b(ticket_id.encode(), digest_size=16).hexdigest()
        name = f"{name[: _MOST_NAME - 40]}-{digest}"
    return "%2E" + name[1:] if name.startswith(".") else name
