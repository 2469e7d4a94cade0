"""A picture as a camera of 1280 x 720 would show it."""

from __future__ import annotations

import numpy as np

from drivers.frames import Frame
from drivers.vision import cv2

WIDTH, HEIGHT = 1280, 720
TINY = 200
"""Pixels; a picture of one pixel a module is shown larger, as a person would hold it closer."""


def blank() -> Frame:
    """White paper: nothing in view."""
    return np.full((HEIGHT, WIDTH), 255, np.uint8)


def on_canvas(image: Frame) -> Frame:
    """Centre a grey image on white: scaled down to fit, up by whole factors if it is tiny."""
    height, width = image.shape[:2]
    if max(height, width) <= TINY:
        factor = max(1, 2 * TINY // max(height, width))
        image = np.kron(image, np.ones((factor, factor), np.uint8))
    elif height > HEIGHT or width > WIDTH:
        scale = min(HEIGHT / height, WIDTH / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    canvas = blank()
    height, width = image.shape[:2]
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas
