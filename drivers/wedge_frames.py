r"""What a hand scanner sends, cut into codes: lines, or bursts between pauses. Pure.

Scanners are set up by everyone's own leaflet: some end a code with CR, LF or both, some with
nothing; some put an AIM identifier (`]Q1`, ISO/IEC 15424) or STX and ETX around it, some the
escape by which a symbol names its character set (`\000026`); a trigger pulled twice sends two codes
as one.
"""

import re

from tickets import ad1, ad2, base45, cose

MOST_LINE = 4 << 10
"""Bytes of one code; more is no code (a QR code of 40-L holds 2953 bytes)."""
_ENDS = re.compile(rb"[\r\n]+")
_AIM = re.compile(rb"\A\][A-Za-z][0-9A-Za-z]")
_ECI = re.compile(rb"\A\\0000(?:01|03|26|27)")
"""ISO 8859-1, UTF-8 and ASCII: what codes of tickets are in (AIM ITS/04-001)."""
_AROUND = b"\x02\x03\x00\t "
"""Control characters and spaces that leaflets put around a code; none belongs to one."""
_PREFIXES = ad1.PREFIX, ad2.PREFIX
_SIGNED = re.compile(rb"(?=" + b"|".join(map(re.escape, _PREFIXES)) + rb")")


class Framer:
    """Collects bytes; gives codes. Times in seconds, monotonic.

    Args:
        gap: A pause as long as this ends a code that nothing else ends.
    """

    def __init__(self, gap: float) -> None:
        self._gap = gap
        self._line = bytearray()
        self._last = 0.0
        self._skipping = False
        self.overlong = 0
        """How many lines were longer than `MOST_LINE` and were dropped whole."""

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take what came; return the codes that it completes.

        Bytes that come late end nothing: they may have lain in the kernel while we were held up.
        Only who looked and found none knows of a pause (`idle`).
        """
        found: list[bytes] = []
        self._last = now
        *whole, rest = _ENDS.split(data)
        for part in whole:
            self._grow(part)
            found += self._take()
        self._grow(rest)
        return found

    def idle(self, now: float) -> list[bytes]:
        """Return the codes that a pause has ended by now."""
        return self._take() if now - self._last >= self._gap else []

    def forget(self) -> None:
        """Drop what is unfinished: the scanner is gone, the rest will never come."""
        self._line.clear()
        self._skipping = False

    def _grow(self, part: bytes) -> None:
        if len(self._line) + len(part) <= MOST_LINE and not self._skipping:
            self._line += part
        elif not self._skipping:
            self._line.clear()
            self._skipping = True
            self.overlong += 1

    def _take(self) -> list[bytes]:
        line = bytes(self._line)
        self.forget()
        return codes_in(line)


def codes_in(line: bytes) -> list[bytes]:
    """The codes of one line: none, one, or several that were sent without anything between."""
    code = _ECI.sub(b"", _AIM.sub(b"", line.strip(_AROUND)).strip(_AROUND))
    if not code:
        return []
    pieces = [piece for piece in _SIGNED.split(code) if piece]
    # The four letters may also stand within a ticket's Base45: then the whole is the ticket.
    if len(pieces) > 1 and not _is_whole(code) and all(map(_is_whole, pieces)):
        return list(dict.fromkeys(pieces))
    return [code]


def _is_whole(code: bytes) -> bool:
    """Whether this is the form of exactly one signed ticket; nothing is verified here."""
    if not code.startswith(_PREFIXES):
        return False
    try:
        cose.split(base45.decode(code[len(ad1.PREFIX) :]))
    except (base45.Base45Error, cose.CoseError):
        return False
    return True
