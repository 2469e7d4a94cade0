"""Looking for secrets in the bytes of a file, as text and as what text is written as."""

import base64
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

PIECE = 1 << 22
"""Bytes read at a time; what lies across two pieces is found by their overlap."""
OVERLAP = 4096
_WORDS = re.compile(rb"[\x20-\x7e]{5,}")
_WIDE = re.compile(rb"(?:[\x20-\x7e]\0){5,}")
"""Text in UTF-16."""


def find_bytes(path: Path, secret: bytes) -> bool:
    """Whether ``secret`` is in the file as it is, in hexadecimal or in base64."""
    wanted = _written(secret)
    return any(one in piece for piece in _pieces(path) for one in wanted)


def find_texts(path: Path, texts: Collection[str]) -> set[str]:
    """Those of ``texts`` that are in the file: as UTF-8, hexadecimal, base64 or UTF-16."""
    found: set[str] = set()
    if not texts:
        return found
    wanted = {text: _written(text.encode()) for text in texts}
    for piece in _pieces(path):
        # Most bytes of a gate's files are hashes, and most of what is text repeats itself.
        words = b"\n".join({*_WORDS.findall(piece), *(run[::2] for run in _WIDE.findall(piece))})
        for text, ways in wanted.items():
            if any(way in words for way in ways) or (not text.isascii() and ways[0] in piece):
                found.add(text)
    return found


def _written(secret: bytes) -> tuple[bytes, ...]:
    hexadecimal = secret.hex().encode()
    # Of base64 what does not hang on the bytes before and behind, for each of three places.
    coded = [base64.b64encode(bytes(shift) + secret) for shift in range(3)]
    inner = [code[4 * bool(shift) : -4] for shift, code in enumerate(coded) if len(secret) >= 12]
    return (secret, hexadecimal, hexadecimal.upper(), *inner)


def _pieces(path: Path) -> Iterator[bytes]:
    with suppress(OSError), path.open("rb") as file:
        before = b""
        while piece := file.read(PIECE):
            yield before + piece
            before = piece[-OVERLAP:]
