"""Key presses of a hand scanner that acts as a keyboard, back to the text it stands for. Pure.

A scanner sends keys, not characters: which character a key is, its keyboard layout says, and the
scanner was set to one by a leaflet. Key numbers: linux/input-event-codes.h.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_ROWS = (range(2, 14), range(16, 28), (*range(30, 42), 43), (86, *range(44, 54)))
"""The four rows of keys, left to right; 43 ends the third (or the second, by the keyboard)."""
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_SHIFTS, _ALT, _ALTGR, _CAPS = frozenset((42, 54)), 56, 100, 58
_ENTERS = frozenset((28, 96))
_SPACE, _TAB = 57, 15
_PAD = dict(zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), "0123456789", strict=True))
_PAD |= {55: "*", 74: "-", 78: "+", 83: ".", 98: "/"}

# Plain and shifted characters of the rows, then those with AltGr; a space is a key that gives none.
_TEXT: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], Mapping[int, str]]] = {
    "us": (
        ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'`\\", "\\zxcvbnm,./"),
        ("!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"~|', "|ZXCVBNM<>?"),
        {},
    ),
    "de": (
        ("1234567890ß´", "qwertzuiopü+", "asdfghjklöä^#", "<yxcvbnm,.-"),
        ('!"§$%&/()=?`', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ°'", ">YXCVBNM;:_"),
        {16: "@", 8: "{", 9: "[", 10: "]", 11: "}", 12: "\\", 27: "~", 86: "|", 18: "€"},
    ),
    "fr": (
        ("&é\"'(-è_çà)=", "azertyuiop^$", "qsdfghjklmù²*", "<wxcvbn,;:!"),
        ("1234567890°+", "AZERTYUIOP¨£", "QSDFGHJKLM% µ", ">WXCVBN?./§"),
        {3: "~", 4: "#", 5: "{", 6: "[", 7: "|", 8: "`", 9: "\\", 10: "^", 11: "@", 12: "]"}
        | {13: "}", 18: "€"},
    ),
}
LAYOUTS = tuple(_TEXT)


@dataclass(frozen=True, slots=True)
class Layout:
    """What each key gives: plain, with Shift, with AltGr."""

    plain: Mapping[int, str]
    shifted: Mapping[int, str]
    third: Mapping[int, str]

    def character(self, key: "Press") -> str:
        """The character of one press; empty for a key that gives none."""
        if key.third:
            return self.third.get(key.code, "")
        plain = self.plain.get(key.code, "")
        shifted = key.shift != (key.caps and plain in _LETTERS)
        return (self.shifted if shifted else self.plain).get(key.code, "")


@dataclass(frozen=True, slots=True)
class Press:
    """One key that went down, and what was held with it. ``text``: what it is in any layout."""

    code: int
    shift: bool = False
    third: bool = False
    caps: bool = False
    text: str = ""


def _layout(name: str) -> Layout:
    plain, shifted, third = _TEXT[name]
    common = {_SPACE: " ", **_PAD}
    return Layout(
        MappingProxyType(common | dict(_keyed(plain))),
        MappingProxyType(common | dict(_keyed(shifted))),
        MappingProxyType(dict(third)),
    )


def _keyed(rows: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    for codes, characters in zip(_ROWS, rows, strict=True):
        yield from ((c, t) for c, t in zip(codes, characters, strict=True) if t != " ")


_LAYOUTS = {name: _layout(name) for name in LAYOUTS}


def text_of(presses: list[Press], layout: str) -> str:
    """What these presses typed on a keyboard of that layout."""
    keys = _LAYOUTS[layout]
    return "".join(press.text or keys.character(press) for press in presses)


@dataclass
class Keyboard:
    """Follows the keys of one scanner from press to press."""

    presses: list[Press] = field(default_factory=list)
    _held: set[int] = field(default_factory=set)
    _caps: bool = False
    _code: str = ""

    def key(self, code: int, down: bool) -> bool:
        """One key goes down or up; True when it ended a line, which `take` then gives."""
        if code in _SHIFTS or code in (_ALT, _ALTGR):
            self._modifier(code, down)
        elif down and code == _CAPS:
            self._caps = not self._caps
        elif down and code in _ENTERS | {_TAB}:
            return bool(self.presses)
        elif down and _ALT in self._held and _PAD.get(code, "").isdigit():
            # Alt and a number: the character itself, whatever the layout.
            self._code = (self._code + _PAD[code])[-4:]
        elif down:
            shift = bool(self._held & _SHIFTS)
            self.presses.append(Press(code, shift, _ALTGR in self._held, self._caps))
        return False

    def take(self) -> list[Press]:
        """The presses so far; the next ones begin a new line."""
        line, self.presses = self.presses, []
        return line

    def reset(self) -> None:
        """Events were lost or the line was broken off: nothing is held, nothing is begun."""
        self.presses = []
        self._held.clear()
        self._code = ""

    def _modifier(self, code: int, down: bool) -> None:
        if down:
            self._held.add(code)
            return
        self._held.discard(code)
        if code == _ALT and self._code:
            number, self._code = int(self._code), ""
            if 32 <= number < 256:
                self.presses.append(Press(0, text=bytes([number]).decode("cp1252", "replace")))
