"""How large a picture claims to be, read from its header before anything is decoded.

Pure. A file of a few hundred bytes can claim gigabytes of pixels; nothing may believe it. Also says
whether the file is whole: a decoder would fill the missing part with grey.
"""

import struct
from dataclasses import dataclass

from drivers.errors import PictureError

MOST_SCANS = 64
"""Scans of a progressive JPEG; each costs a pass over all pixels. Cameras write about ten."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture file says of itself. Sizes in pixels."""

    format: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(data: bytes) -> Header:
    """Read format and size of a PNG, JPEG, BMP or WebP file.

    Raises:
        PictureError: empty, another format, cut short, or no pixels.
    Source: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), RIFF/WebP (RFC 9649).
    """
    if not data:
        raise PictureError("The picture file is empty", "Copy it again")
    for magic, reader in _READERS:
        if data.startswith(magic):
            try:
                header = reader(data)
            except (IndexError, struct.error):
                raise _cut_short() from None
            if header.pixels <= 0:
                raise PictureError("The picture has no pixels", "Save it again as PNG or JPEG")
            return header
    raise PictureError("The file is no picture this gate reads", "Save it as PNG or JPEG")


def _cut_short() -> PictureError:
    return PictureError("The picture file is cut short", "Copy it again, whole")


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR" or not _png_is_whole(data):
        raise _cut_short()
    return Header("png", width, height)


def _png_is_whole(data: bytes) -> bool:
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            return True
        at += 12 + length
    return False


_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


def _jpeg(data: bytes) -> Header:
    at, size = 2, (0, 0)
    while True:
        while data[at] == 0xFF:  # fill bytes before a marker
            at += 1
        marker = data[at]
        (length,) = struct.unpack_from(">H", data, at + 1)
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 4)
            size = (width, height)
        if marker == _START_OF_SCAN:
            break
        if length < 2 or data[at + 1 + length] != 0xFF:
            raise PictureError("The JPEG file is damaged", "Copy it again, or save it as PNG")
        at += 1 + length
    _jpeg_body(data, at - 1)
    return Header("jpeg", *size)


def _jpeg_body(data: bytes, at: int) -> None:
    if data.find(b"\xff\xd9", at) < 0:  # end of image
        raise _cut_short()
    if (
        data.count(b"\xff\xda", at) > MOST_SCANS
    ):  # FF DA is never image data: stuffing, T.81 B.1.1.5
        raise PictureError(
            f"The JPEG file has more than {MOST_SCANS} scans", "Save it again as PNG or plain JPEG"
        )


def _bmp(data: bytes) -> Header:
    size, start = struct.unpack_from("<I4xI", data, 2)
    (kind,) = struct.unpack_from("<I", data, 14)
    if kind == 12:  # the header of OS/2
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)  # a negative height: top row first
    if len(data) < max(size, start):
        raise _cut_short()
    return Header("bmp", width, abs(height))


def _webp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    kind = data[8:16]
    if kind == b"WEBPVP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"WEBPVP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"WEBPVP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise PictureError("The file is no picture this gate reads", "Save it as PNG or JPEG")
    if len(data) < size + 8:
        raise _cut_short()
    return Header("webp", width, height)


_READERS = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"BM", _bmp),
    (b"RIFF", _webp),
)
