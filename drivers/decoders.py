"""The QR readers behind one signature: zxing-cpp, and pyzbar as a second opinion by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import zxingcpp

from drivers.errors import DecoderMissing
from drivers.frames import Frame


@dataclass(frozen=True, slots=True)
class Symbol:
    """One QR code in a frame."""

    payload: bytes = field(repr=False)
    """Raw and untrusted; at most 2953 bytes."""
    size: float
    """Side of the symbol in pixels: of two in view the larger is the nearer."""
    by: str = field(default="", compare=False)
    """The rescue pass that it took; empty for a plain look."""


# From version 3 on "QRCode" takes Micro QR and rMQR in as well. No ticket is one; their error
# correction is so weak that clutter was read as such, once in 400 frames of it.
_MODEL_2 = getattr(zxingcpp.BarcodeFormat, "QRCodeModel2", zxingcpp.BarcodeFormat.QRCode)
QR = zxingcpp.BarcodeFormats((_MODEL_2,))
Decoder = Callable[[Frame, bool], Sequence[Symbol]]
"""(grey image, also look for light on dark) -> symbols, in any order."""


def zxing(image: Frame, invert: bool) -> list[Symbol]:
    """Read with zxing-cpp; ``.bytes``, since ``.text`` has been through a guess at its charset."""
    results = zxingcpp.read_barcodes(image, formats=QR, try_invert=invert)
    return [Symbol(bytes(found.bytes), _side(found.position)) for found in results if found.bytes]


def pyzbar(image: Frame, invert: bool) -> list[Symbol]:
    """Read with pyzbar. Alters payloads that are not ASCII: libzbar guesses a charset.

    Raises:
        DecoderMissing: pyzbar, or the libzbar0 it needs, is not installed.
    """
    library = _pyzbar()
    symbols = []
    for view in (image, 255 - image) if invert else (image,):
        for found in library.decode(view, symbols=[library.ZBarSymbol.QRCODE]):
            if found.data:
                size = math.sqrt(found.rect.width * found.rect.height)
                symbols.append(Symbol(bytes(found.data), size))
    return symbols


def _pyzbar() -> Any:
    try:
        from pyzbar import pyzbar as library  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as error:
        raise DecoderMissing(
            f"The decoder pyzbar cannot be used: {error}",
            "Install libzbar0 and Admit's extra 'pyzbar', or leave decoder=pyzbar out of the URI",
        ) from error
    return library


def decoder_named(name: str) -> Decoder:
    """Return the decoder of that name, ready to be used.

    Raises:
        DecoderMissing: its library is not installed.
    """
    if name == "pyzbar":
        _pyzbar()
    return DECODERS[name]


DECODERS: Mapping[str, Decoder] = MappingProxyType({"zxing": zxing, "pyzbar": pyzbar})


def _side(position: Any) -> float:
    """Square root of the area of the four corners, by the shoelace formula."""
    corners = [
        (corner.x, corner.y)
        for corner in (
            position.top_left,
            position.top_right,
            position.bottom_right,
            position.bottom_left,
        )
    ]
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return math.sqrt(abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)) / 2)
