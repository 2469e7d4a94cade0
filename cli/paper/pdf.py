"""Tickets as PDF: vector codes and embedded fonts; the same tickets make the same bytes again."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from reportlab.lib.units import mm  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from cli.paper.fonts import Font, face, width
from cli.paper.layout import HEIGHT, WIDTH, Code, Text

PART = 1000
"""Tickets of one file: reportlab holds a file's pages in memory until it is written."""
_OVERLAP = 0.02
"""Of a module: rows that merely touch show white hairlines where a viewer smooths edges."""
_GREY = 0.35

Drawn = Sequence[Text | Code]
"""One ticket, as `layout.lay_out` gives it."""


class Paper(StrEnum):
    """The paper that tickets are printed on."""

    A6 = "a6"
    """A ticket a page; fills a phone's screen too."""
    A4 = "a4"
    """Four tickets a page, to be cut along the marks."""


def write_pdf(path: Path, tickets: Iterable[Drawn], paper: Paper, title: str) -> None:
    """Write ``tickets`` to one file, which is whole or not there.

    Raises:
        OSError: it cannot be written.
    """
    with _aside(path) as draft:
        _draw(draft, tickets, paper, title)


class Book:
    """All tickets in one file; beyond `PART` tickets in several, so that memory stays bounded."""

    def __init__(self, directory: Path, paper: Paper, title: str) -> None:
        self._directory, self._paper, self._title = directory, paper, title
        self._waiting: list[Drawn] = []
        self.paths: list[Path] = []
        """The files written so far."""

    def add(self, ticket: Drawn) -> None:
        """Take one ticket in; every thousandth writes a file."""
        self._waiting.append(ticket)
        if len(self._waiting) >= PART:
            self.finish()

    def finish(self) -> None:
        """Write what is left."""
        if self._waiting:
            path = self._directory / f"tickets-{len(self.paths) + 1:04d}.pdf"
            write_pdf(path, self._waiting, self._paper, self._title)
            self.paths.append(path)
            self._waiting = []


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.part")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _draw(path: Path, tickets: Iterable[Drawn], paper: Paper, title: str) -> None:
    for font in Font:
        face(font)  # registered before a page names it
    across = 1 if paper is Paper.A6 else 2
    size = (across * WIDTH * mm, across * HEIGHT * mm)
    # invariant: no date and no random id, so that tickets issued again can be compared.
    canvas = Canvas(str(path), pagesize=size, pageCompression=1, invariant=1)
    canvas.setTitle(title)
    canvas.setCreator("admit")
    places = across * across
    number = -1
    for number, ticket in enumerate(tickets):
        if number and number % places == 0:
            canvas.showPage()
        if number % places == 0 and places > 1:
            _cut_marks(canvas)
        row, column = divmod(number % places, across)
        _ticket(canvas, ticket, column * WIDTH, (across - row) * HEIGHT)
    canvas.save()


def _ticket(canvas: Any, ticket: Drawn, left: float, top: float) -> None:
    """Draw a ticket whose top left corner is at (left, top), in mm from the page's lower left."""
    canvas.saveState()
    canvas.translate(left * mm, top * mm)
    for part in ticket:
        if isinstance(part, Code):
            _code(canvas, part)
        else:
            canvas.setFillGray(_GREY if part.grey else 0)
            canvas.setFont(part.font.value, part.size * mm)
            start = (WIDTH - width(part.text, part.font, part.size)) / 2
            canvas.drawString(start * mm, -part.baseline * mm, part.text)
    canvas.restoreState()


def _code(canvas: Any, code: Code) -> None:
    """One path of the dark runs of each row, in modules: filled as a whole, it has no seams."""
    canvas.saveState()
    canvas.setFillGray(0)
    canvas.translate(code.left * mm, -code.top * mm)
    canvas.scale(code.module * mm, -code.module * mm)
    runs = [
        f"{start} {y} {length} {1 + _OVERLAP} re"
        for y, row in enumerate(code.matrix)
        for start, length in dark_runs(row)
    ]
    canvas.addLiteral("n " + " ".join(runs) + " f")
    canvas.restoreState()


def dark_runs(row: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of each run of dark modules."""
    start = None
    for place, dark in enumerate([*row, 0]):
        if dark and start is None:
            start = place
        elif not dark and start is not None:
            yield start, place - start
            start = None


def _cut_marks(canvas: Any) -> None:
    canvas.setStrokeGray(0.7)
    canvas.setLineWidth(0.2 * mm)
    canvas.setDash(1 * mm, 2 * mm)
    canvas.line(WIDTH * mm, 0, WIDTH * mm, 2 * HEIGHT * mm)
    canvas.line(0, HEIGHT * mm, 2 * WIDTH * mm, HEIGHT * mm)
    canvas.setDash()
