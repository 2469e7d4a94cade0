"""Screenshots small enough for a repository: PNG with a palette of 256 colours."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy

COLOURS = 256


def shrink(path: Path) -> None:
    """Write a picture anew with its most frequent colours, each other as the nearest of them.

    Source: PNG specification, third edition, 5.6 and 11.2 (IHDR, PLTE, IDAT, IEND).
    """
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    height, width, _ = picture.shape
    colours, which, often = numpy.unique(
        picture.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    palette = colours[numpy.argsort(-often)[:COLOURS]]
    far = colours[:, None, :].astype(numpy.int32) - palette[None, :, :].astype(numpy.int32)
    nearest = (far * far).sum(axis=2).argmin(axis=1).astype(numpy.uint8)
    rows = nearest[which.reshape(height, width)]
    lines = b"".join(b"\0" + row.tobytes() for row in rows)  # filter type 0: none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette.tobytes()), (b"IDAT", zlib.compress(lines, 9)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, (*chunks, (b"IEND", b"")))))


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    name, data = part
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
