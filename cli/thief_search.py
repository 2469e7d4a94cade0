"""Looking for secrets in the bytes of a file, as text and as what text is written as."""

import base64
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

PIECE = 1 << 22
"""Bytes read at a time; what lies across two pieces is found by their overlap."""
OVERLAP = 4096
_PRINTABLE = re.compile(rb"[\x20-\x7e\x80-\xff]{4,}")


def find_bytes(path: Path, secret: bytes) -> bool:
    """Whether ``secret`` is in the file as it is, in hexadecimal or in base64."""
    wanted = _written(secret)
    return any(one in piece for piece in _pieces(path) for one in wanted)


def find_texts(path: Path, texts: Collection[str]) -> set[str]:
    """Those of ``texts`` that are in the file: as UTF-8, hexadecimal, base64 or UTF-16."""
    if not texts:
        return set()
    wanted = {text: (*_written(text.encode()), text.encode("utf-16-le")) for text in texts}
    found: set[str] = set()
    for piece in _pieces(path):
        # Most bytes of a gate's files are hashes: what is text in them is little.
        text = b"\n".join(_PRINTABLE.findall(piece))
        found |= {one for one, ways in wanted.items() if any(way in text for way in ways[:-1])}
        found |= {one for one, ways in wanted.items() if len(ways[-1]) >= 16 and ways[-1] in piece}
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
