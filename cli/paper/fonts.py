"""The fonts of tickets, beside this file: subsets of DejaVu with Latin, Greek and Cyrillic."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import normalize

from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]

DIRECTORY = Path(__file__).parent / "fonts"


class Font(StrEnum):
    """A font, by the name of its file."""

    PLAIN = "DejaVuSans"
    BOLD = "DejaVuSans-Bold"
    CODE = "DejaVuSansMono-Bold"

    @property
    def path(self) -> Path:
        """Its file."""
        return DIRECTORY / f"{self.value}.ttf"


@cache
def face(font: Font) -> Any:
    """The font, registered with reportlab under its name."""
    made = TTFont(font.value, str(font.path))
    pdfmetrics.registerFont(made)
    return made.face


def width(text: str, font: Font, size: float) -> float:
    """Length of ``text`` in the unit of ``size``."""
    widths, default = face(font).charWidths, face(font).defaultWidth
    thousandths: int = sum(widths.get(ord(character), default) for character in text)
    return size * thousandths / 1000.0


def composed(text: str) -> str:
    """``text`` with each letter and its accents as one character, where there is one."""
    return normalize("NFC", text)


def missing(text: str, font: Font = Font.PLAIN) -> str:
    """The characters of ``text`` that ``font`` cannot draw, each once."""
    glyphs = face(font).charToGlyph
    return "".join(dict.fromkeys(c for c in composed(text) if ord(c) not in glyphs))


def fitted(text: str, font: Font, size: float, room: float, smallest: float) -> tuple[str, float]:
    """``text`` and the size at which it fits ``room``; cut with an ellipsis at the smallest."""
    natural = width(text, font, size)
    if natural <= room:
        return text, size
    size = max(smallest, size * room / natural)
    if width(text, font, size) <= room * 1.001:
        return text, size
    while text and width(f"{text}…", font, size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…", size
