"""Where everything stands on a ticket of A6, in millimetres from its top left corner.

The code is as large as the page allows: 84 mm with its quiet zone, 1.3 mm a module for a signed
ticket, so that a camera reads it from a metre away (3 pixels a module) and a torn or dim one too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from cli.paper.fonts import Font, fitted, missing
from cli.paper.words import Words

WIDTH, HEIGHT = 105.0, 148.0
"""A6, upright: two by two on A4, and the shape of a phone's screen."""
CODE_SIZE = 84
"""Side of the QR code, its quiet zone included."""
CODE_TOP = 25
"""Where that begins."""
QUIET_ZONE = 4
"""Modules of white around the code (ISO/IEC 18004, section 5.3.8)."""
MOST_TYPED = 40
"""Characters of a code that a person may be asked to type."""

_MARGIN = 6.0
_ROOM = WIDTH - 2 * _MARGIN


@dataclass(frozen=True, slots=True)
class Face:
    """What one ticket says."""

    title: str
    """The event, for people."""
    note: str
    """A line of the organiser's: place, doors."""
    name: str
    facts: Sequence[str]
    """Short facts, joined into one line; see `facts_of`."""
    matrix: Sequence[Sequence[int]]
    """Rows of the QR code's modules, true is dark; without the quiet zone."""
    typed: str
    """The code that a steward types; empty: there is none fit for typing."""


@dataclass(frozen=True, slots=True)
class Text:
    """One line, centred."""

    baseline: float
    """From the top."""
    text: str
    font: Font
    size: float
    grey: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """The QR code: where its dark modules' square begins, and the side of a module."""

    left: float
    top: float
    module: float
    matrix: Sequence[Sequence[int]]


def lay_out(face: Face, words: Words) -> Iterator[Text | Code]:
    """Yield what is drawn, top to bottom."""
    yield _line(12.5, face.title, Font.BOLD, 6.5, 3.4)
    if face.note:
        yield _line(19.0, face.note, Font.PLAIN, 3.6, 2.4)
    yield _line(24.5, words.show, Font.PLAIN, 2.6, 2.0, grey=True)
    module = CODE_SIZE / (len(face.matrix) + 2 * QUIET_ZONE)
    quiet = QUIET_ZONE * module
    yield Code((WIDTH - CODE_SIZE) / 2 + quiet, CODE_TOP + quiet, module, face.matrix)
    if face.name:
        yield _line(112.5, face.name, Font.BOLD, 5.0, 2.8)
    yield _line(119.0, " · ".join(face.facts), Font.PLAIN, 3.2, 2.2)
    if face.typed:
        font = Font.PLAIN if missing(face.typed, Font.CODE) else Font.CODE
        yield _line(131.0, words.typed, Font.PLAIN, 2.6, 2.0, grey=True)
        yield _line(138.0, face.typed, font, 4.4, 3.0)


def facts_of(
    words: Words,
    ticket_id: str,
    entries: int,
    times: tuple[int | None, int | None],
    zone: tzinfo,
) -> list[str]:
    """The line of facts: number, entries where not one, times (unix seconds) in ``zone``."""
    # Characters that the font lacks would be empty boxes.
    found = [] if missing(ticket_id) else [f"{words.number} {ticket_id}"]
    if entries != 1:
        found.append(words.entries.format(entries) if entries else words.any_number)
    start, end = (None if at is None else f"{_told(at, zone)}" for at in times)
    if start and end:
        found.append(words.valid.format(start, end))
    elif start or end:
        found.append((words.valid_from if start else words.valid_until).format(start or end))
    return found


def _told(at: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"


def _line(
    baseline: float, text: str, font: Font, size: float, smallest: float, *, grey: bool = False
) -> Text:
    shown, fits = fitted(text, font, size, _ROOM, smallest)
    return Text(baseline, shown, font, fits, grey)
