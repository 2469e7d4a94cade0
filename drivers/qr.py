"""QR codes out of pixels: one public function for stills, one class for the live camera.

A plain pass of zxing-cpp reads nine frames in ten that hold a code. What it misses is rescued by
looking again at the frame smoothed, enlarged, sharpened or equalised; each of these spoils other
frames, so that they only ever come second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from drivers.decoders import DECODERS, Decoder, Symbol
from drivers.errors import FrameError
from drivers.frames import Frame
from drivers.vision import cv2

MOST_PIXELS = 64_000_000
ENLARGED_PIXELS = 4_000_000
"""Frames above this are not enlarged: four times the memory, for codes that are large anyway."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One way to look again at a frame. ``scale``: how much larger the changed image is."""

    name: str
    change: Callable[[Frame], Frame]
    scale: float = 1.0


def _smooth(frame: Frame) -> Frame:
    return _frame(cv2.GaussianBlur(frame, (5, 5), 1.2))  # noise, moire of a screen


def _enlarge(frame: Frame) -> Frame:
    if frame.size > ENLARGED_PIXELS:
        return frame
    return _frame(cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))  # far away


def _sharpen(frame: Frame) -> Frame:
    blurred = cv2.GaussianBlur(frame, (0, 0), 2.0)
    return _frame(cv2.addWeighted(frame, 2.2, blurred, -1.2, 0))  # out of focus


def _equalise(frame: Frame) -> Frame:
    return _frame(cv2.createCLAHE(2.0, (8, 8)).apply(frame))  # dim screen, faded print


def _frame(image: object) -> Frame:
    return np.asarray(image, dtype=np.uint8)


PASSES: tuple[Pass, ...] = (
    Pass("smooth", _smooth),
    Pass("enlarge", _enlarge, 2.0),
    Pass("sharpen", _sharpen),
    Pass("equalise", _equalise),
)


def grey(frame: object) -> Frame:
    """Return ``frame`` as a grey image, shape (height, width), uint8.

    Args:
        frame: Grey (height, width) or BGR (height, width, 3), uint8, row 0 at the top.
    Raises:
        FrameError: another type or shape, empty, or above 64 megapixels.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        kind = getattr(frame, "dtype", type(frame).__name__)
        raise FrameError(f"A frame holds {kind}, not uint8", "Convert it to 8 bits a channel")
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] != 3):
        raise FrameError(
            f"A frame has shape {frame.shape}",
            "Pass grey (height, width) or BGR (height, width, 3)",
        )
    if not 0 < frame.shape[0] * frame.shape[1] <= MOST_PIXELS:
        raise FrameError(
            f"A frame has {frame.shape[1]} x {frame.shape[0]} pixels",
            f"Pass one with 1 to {MOST_PIXELS // 1_000_000} megapixels",
        )
    if frame.ndim == 3:
        return _frame(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_BGR2GRAY))
    return np.ascontiguousarray(frame)


def read_codes(frame: object) -> list[bytes]:
    """Return the payload of every QR code in a still ``frame``, largest symbol first.

    Every rescue pass is tried; a payload seen by several passes, or twice in the frame, is given
    once.

    Args:
        frame: Grey (height, width) or BGR (height, width, 3), uint8, row 0 at the top.
    Returns:
        Raw, untrusted payloads of up to 2953 bytes; empty when none is found, which is no error.
    Raises:
        FrameError: ``frame`` has another shape or type.
    Source: ISO/IEC 18004 (QR Code).
    """
    return [symbol.payload for symbol in read_symbols(frame)]


def read_symbols(frame: object, decoder: Decoder = DECODERS["zxing"]) -> list[Symbol]:
    """As `read_codes`, with each symbol's size."""
    image = grey(frame)
    found = list(decoder(image, True))
    for rescue in PASSES:
        found += _rescued(decoder, rescue, image)
    return _largest_first(found)


def _rescued(decoder: Decoder, rescue: Pass, image: Frame, invert: bool = True) -> list[Symbol]:
    changed = rescue.change(image)
    scale = changed.shape[0] / image.shape[0]
    return [Symbol(s.payload, s.size / scale) for s in decoder(changed, invert)]


def _largest_first(symbols: Sequence[Symbol]) -> list[Symbol]:
    sizes: dict[bytes, float] = {}
    for symbol in symbols:
        sizes[symbol.payload] = max(symbol.size, sizes.get(symbol.payload, 0.0))
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    return [Symbol(payload, size) for payload, size in ordered]


class Scene:
    """Tells whether frames still show what the first of them showed, by a 160 x 90 thumbnail."""

    STEP = 20  # grey levels; sensor noise and flicker stay below
    SHARE = 0.005  # of the thumbnail; a ticket that enters the view changes three per cent

    def __init__(self) -> None:
        self._reference: Frame | None = None

    def changed(self, image: Frame) -> bool:
        """Whether ``image`` differs from the reference; it then becomes the reference."""
        thumbnail = _frame(cv2.resize(image, (160, 90), interpolation=cv2.INTER_LINEAR))
        if self._reference is not None:
            difference = cv2.absdiff(thumbnail, self._reference)
            if np.count_nonzero(difference > self.STEP) <= self.SHARE * thumbnail.size:
                return False
        self._reference = thumbnail
        return True


class RotatingDecoder:
    """Decodes the frames of a live camera: a plain pass each, on a miss one rescue pass, in turn.

    Rescue is suspended once every pass was tried on a scene that has not changed since, and left
    out for a frame whose plain pass took longer than ``budget`` seconds by ``timer``.
    """

    def __init__(
        self,
        decoder: Decoder = DECODERS["zxing"],
        *,
        rescue: bool = True,
        budget: float = 0.05,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._decoder = decoder
        self._rescue = rescue
        self._budget = budget if rescue else -math.inf
        self._timer = timer
        self._scene = Scene()
        self._turn = 0
        self._tried = 0

    def decode(self, frame: object) -> list[Symbol]:
        """Return the symbols in ``frame``, largest first. Raises FrameError."""
        image = grey(frame)
        started = self._timer()
        found = self._decoder(image, True)
        if found:
            return _largest_first(found)
        if self._timer() - started > self._budget or not self._worth_another_look(image):
            return []
        rescue = PASSES[self._turn]
        self._turn = (self._turn + 1) % len(PASSES)
        self._tried += 1
        return _largest_first(_rescued(self._decoder, rescue, image, invert=False))

    def _worth_another_look(self, image: Frame) -> bool:
        if self._scene.changed(image):
            self._tried = 0
        return self._tried < len(PASSES)
