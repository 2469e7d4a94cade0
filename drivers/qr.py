"""QR codes out of pixels: one public function for stills, one class for the live camera.

A plain pass of zxing-cpp reads nine frames in ten that hold a code. What it misses is looked at
again in the ways of `drivers.rescue`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from drivers.decoders import DECODERS, Decoder, Symbol
from drivers.errors import FrameError
from drivers.frames import Frame
from drivers.rescue import PASSES, Pass
from drivers.scene import Scene
from drivers.vision import cv2

MOST_PIXELS = 64_000_000
LONGEST_SIDE = 65_535
"""As zxing-cpp takes it."""
LIVE_PIXELS = 4096 * 3072
"""Of a live camera: a larger frame would keep the decoder from its heartbeat on a small board."""
STILL_ROUNDS = 300
"""Frames of one still scene after which no rescue pass is tried on it any more, ten seconds."""
STILL_EVERY = 15
"""Frames between two passes while it is still; the first round comes at once."""
GLANCE_EVERY = 2
"""Frames between two looks for a change, once no pass is tried any more: that look costs a sixth of
a decoding with its trip through memory."""
FORGET = 0.9
"""Share of a pass's cost that is still believed when it was left out once for being too dear."""


def grey(frame: object, most: int = MOST_PIXELS) -> Frame:
    """Return ``frame`` as a grey image, shape (height, width), uint8.

    Args:
        frame: Grey (height, width) or BGR (height, width, 3), uint8, row 0 at the top.
        most: Pixels that are still looked at.
    Raises:
        FrameError: another type or shape, empty, or larger than ``most``.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        kind = getattr(frame, "dtype", type(frame).__name__)
        raise FrameError(f"A frame holds {kind}, not uint8", "Convert it to 8 bits a channel")
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] != 3):
        raise FrameError(
            f"A frame has shape {frame.shape}",
            "Pass grey (height, width) or BGR (height, width, 3)",
        )
    height, width = frame.shape[:2]
    if not 0 < height * width <= most or max(height, width) > LONGEST_SIDE:
        raise FrameError(
            f"A frame has {width} x {height} pixels",
            f"Choose a size of 1 to {most // 1_000_000} megapixels",
        )
    if frame.ndim == 3:
        shades = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_BGR2GRAY)
        return np.asarray(shades, dtype=np.uint8)
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


def _rescued(decoder: Decoder, rescue: Pass, image: Frame) -> list[Symbol]:
    changed = rescue.change(image)
    scale = changed.shape[0] / image.shape[0]
    return [Symbol(s.payload, s.size / scale, rescue.name) for s in decoder(changed, True)]


def _largest_first(symbols: Sequence[Symbol]) -> list[Symbol]:
    largest: dict[bytes, Symbol] = {}
    for symbol in symbols:
        known = largest.get(symbol.payload)
        if known is None or symbol.size > known.size:
            largest[symbol.payload] = symbol
    return sorted(largest.values(), key=lambda symbol: -symbol.size)


class RotatingDecoder:
    """Decodes the frames of a live camera: a plain pass each, on a miss one rescue pass, in turn.

    A frame gets no more than ``budget`` seconds by ``timer``: a rescue pass that took longer than
    what is left is passed over. On a scene that stands still rescue becomes rare, then ends.
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
        self._budget = budget if rescue else -math.inf
        self._timer = timer
        self._scene = Scene()
        self._costs = [0.0] * len(PASSES)
        self._turn = 0
        self._still = 0

    def decode(self, frame: object) -> list[Symbol]:
        """Return the symbols in ``frame``, largest first. Raises FrameError."""
        image = grey(frame, LIVE_PIXELS)
        started = self._timer()
        found = self._decoder(image, True)
        if found:
            return _largest_first(found)
        left = self._budget - (self._timer() - started)
        if left < 0 or not self._worth_another_look(image):
            return []
        turn = self._affordable(left)
        return [] if turn is None else self._rescue(image, turn)

    def _rescue(self, image: Frame, turn: int) -> list[Symbol]:
        self._turn = (turn + 1) % len(PASSES)
        started = self._timer()
        found = _rescued(self._decoder, PASSES[turn], image)
        self._costs[turn] = self._timer() - started
        return _largest_first(found)

    def _affordable(self, left: float) -> int | None:
        """The next pass in turn that took no longer than ``left`` when it was tried last."""
        for step in range(len(PASSES)):
            turn = (self._turn + step) % len(PASSES)
            if self._costs[turn] <= left:
                return turn
            self._costs[turn] *= FORGET  # the machine may have been busy then: tried again in time
        return None

    def _worth_another_look(self, image: Frame) -> bool:
        if self._still >= STILL_ROUNDS and self._still % GLANCE_EVERY:
            self._still += 1
            return False
        self._still = 0 if self._scene.changed(image) else self._still + 1
        if self._still < len(PASSES):
            return True
        return self._still < STILL_ROUNDS and self._still % STILL_EVERY == 0
