"""Still pictures from files and uploads, none of which is trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np

from drivers.errors import PictureError
from drivers.frames import Frame
from drivers.picture_header import read_header
from drivers.vision import cv2

MOST_BYTES = 32 << 20
MOST_PIXELS = 50_000_000
"""A telephone's largest photo; 50 MB when grey."""
MOST_PIXELS_WITH_ALPHA = 12_000_000
"""Transparency costs four to eight bytes a pixel while it is flattened."""


def load_picture(path: Path) -> Frame:
    """Read a picture file as a grey frame, transparency shown on white.

    Raises:
        PictureError: missing, no plain file, empty, cut short, no picture, or too large.
    """
    try:
        # Without O_NONBLOCK a named pipe in the directory would hold the reader for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - from the handle, so that it is looked at once
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PictureError(f"{path.name} is no plain file", "Put picture files there")
            if status.st_size > MOST_BYTES:
                raise _too_many_bytes()
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(
            f"{path.name} cannot be read: {reason}", "Check that it exists and its rights"
        ) from error
    return decode_picture(data)


def decode_picture(data: bytes) -> Frame:
    """Decode the bytes of a PNG, JPEG, BMP or WebP file, as `load_picture`."""
    if len(data) > MOST_BYTES:
        raise _too_many_bytes()
    header = read_header(data)
    if header.pixels > MOST_PIXELS:
        raise PictureError(
            f"The picture claims {header.width} x {header.height} pixels",
            f"Make it smaller than {MOST_PIXELS // 1_000_000} megapixels",
        )
    flags = cv2.IMREAD_GRAYSCALE
    if header.pixels <= MOST_PIXELS_WITH_ALPHA and header.format in ("png", "webp"):
        flags = cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _damaged() from error
    if image is None or image.size == 0:
        raise _damaged()
    return _flat(np.asarray(image))


def _flat(image: np.ndarray) -> Frame:
    """Grey, 8 bits, on white paper: a code on a transparent ground would be black on black."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] == 4:
        alpha = image[:, :, 3]
        paper = cv2.cvtColor(image, cv2.COLOR_BGRA2GRAY)
        paper = cv2.multiply(paper, alpha, scale=1 / 255)
        return np.asarray(cv2.add(paper, 255 - alpha), dtype=np.uint8)
    if image.ndim == 3:
        image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    return np.asarray(image, dtype=np.uint8)


def _damaged() -> PictureError:
    return PictureError("The picture is damaged", "Copy it again, or save it as PNG or JPEG")


def _too_many_bytes() -> PictureError:
    return PictureError(
        f"The picture file is larger than {MOST_BYTES >> 20} MiB", "Save it smaller, as JPEG"
    )
