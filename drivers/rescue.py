"""Other ways to look at a frame in which a plain look found no code.

Chosen by measurement, on frames that a plain look missed, out of some forty (ADR 15). Box filters,
since a Gaussian of that size costs three times as much and reads no more. Each spoils other frames,
so that they only ever come second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drivers.frames import Frame
from drivers.vision import cv2

ENLARGED_PIXELS = 4_000_000
"""Frames above this are not enlarged: four times the memory, for codes that are large anyway."""
GREY = 128


@dataclass(frozen=True, slots=True)
class Pass:
    """One way to look again at a frame; what comes out may be larger than what went in."""

    name: str
    change: Callable[[Frame], Frame]


def _flatten(frame: Frame) -> Frame:
    """Even light, eight times the contrast: dim screens, moire, noise."""
    calm = cv2.GaussianBlur(frame, (3, 3), 1.0)
    return _frame(cv2.addWeighted(calm, 8, cv2.blur(frame, (31, 31)), -8, GREY))


def _refocus(frame: Frame) -> Frame:
    """Nothing but edges, twice as large: out of focus, moving, light on dark."""
    edges = _frame(cv2.addWeighted(frame, 2, cv2.blur(frame, (7, 7)), -2, GREY))
    return _enlarged(edges, 2.0)


def _enlarge(frame: Frame) -> Frame:
    """Sharper and twice as large: too far away, curled, light on dark."""
    sharp = _frame(cv2.addWeighted(frame, 3, cv2.blur(frame, (5, 5)), -2, 0))
    return _enlarged(sharp, 2.0)


def _enlarged(frame: Frame, by: float) -> Frame:
    if frame.size > ENLARGED_PIXELS:
        return frame
    return _frame(cv2.resize(frame, None, fx=by, fy=by, interpolation=cv2.INTER_LINEAR))


def _frame(image: object) -> Frame:
    return np.asarray(image, dtype=np.uint8)


PASSES: tuple[Pass, ...] = (
    Pass("flatten", _flatten),
    Pass("refocus", _refocus),
    Pass("enlarge", _enlarge),
)
