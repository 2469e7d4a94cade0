"""Base45: bytes as the characters of a QR code's alphanumeric mode. Source: RFC 9285.

Two bytes become three characters, a last single byte two. The whole text is decoded in 32-bit
lanes of one big integer, because a lane waits for it: about a tenth of a loop over characters.
"""

ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""Character of each value 0..44 (RFC 9285, section 4.2)."""
MAX_TEXT = 1 << 16
"""Longest text that is decoded, in characters: far above what any code symbol holds."""

_BAD = 255
_VALUES = bytes(ALPHABET.find(byte) & 0xFF for byte in range(256))  # find: -1 becomes _BAD
_PAIRS = [bytes((ALPHABET[n % 45], ALPHABET[n // 45])) for n in range(45 * 45)]


class Base45Error(ValueError):
    """The text is no Base45; a value for parsers, never shown to a person as it is."""


def encode(data: bytes) -> bytes:
    """Return ``data`` as ASCII Base45 characters, 3 for each 2 bytes."""
    whole = len(data) & ~1
    words = memoryview(data)[:whole]
    parts = [_triple(high << 8 | low) for high, low in zip(words[::2], words[1::2], strict=True)]
    if len(data) > whole:
        parts.append(_PAIRS[data[-1]])
    return b"".join(parts)


def _triple(value: int) -> bytes:
    rest, low = divmod(value, 45)
    middle_high = _PAIRS[rest]
    return ALPHABET[low : low + 1] + middle_high


def decode(text: bytes) -> bytes:
    """Return the bytes that ``text`` stands for.

    Raises:
        Base45Error: longer than `MAX_TEXT`, a character outside the alphabet, a length no
            encoder makes (3 n + 1), or a group above its bytes (RFC 9285, sections 4 and 6).
    """
    if len(text) > MAX_TEXT:
        raise Base45Error("too long")
    values = text.translate(_VALUES)
    if _BAD in values:
        raise Base45Error("a character is not in the alphabet")
    groups, rest = divmod(len(values), 3)
    if rest == 1:
        raise Base45Error("a character is missing or left over")
    return _words(values, groups) + (_last_byte(values[-2:]) if rest else b"")


def _words(values: bytes, groups: int) -> bytes:
    end = groups * 3
    total = (
        _lanes(values[0:end:3], groups)
        + 45 * _lanes(values[1:end:3], groups)
        + 2025 * _lanes(values[2:end:3], groups)
    )
    lanes = total.to_bytes(4 * groups, "big")  # at most 91,124 a lane: no carry into the next
    if any(lanes[1::4]):
        raise Base45Error("a group of three is above 65535")
    words = bytearray(2 * groups)
    words[0::2] = lanes[2::4]
    words[1::2] = lanes[3::4]
    return bytes(words)


def _lanes(digits: bytes, groups: int) -> int:
    """Return ``digits``, one to each 32-bit lane."""
    lanes = bytearray(4 * groups)
    lanes[3::4] = digits
    return int.from_bytes(lanes, "big")


def _last_byte(pair: bytes) -> bytes:
    value = pair[0] + 45 * pair[1]
    if value > 255:
        raise Base45Error("a group of two is above 255")
    return bytes((value,))
