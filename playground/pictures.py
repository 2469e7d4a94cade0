"""What a person holds before the camera, as pixels: a code on paper or glass, well or badly held.

Grey images of 1280 x 720. Everything random has a fixed seed: the same ticket and look make the
same picture. What can be read by the product's decoder and what cannot is held by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import segno

from drivers.camera_sim import wall
from drivers.canvas import HEIGHT, WIDTH
from drivers.frames import Frame
from drivers.vision import cv2

MODULE = 9
"""Pixels of a module: a code of version 9 is then 477 pixels wide, a hand's breadth away."""
QUIET = 4
"""Modules of quiet zone. Source: ISO/IEC 18004, 5.3.8."""
PAPER, INK = 236, 22

Look = Callable[[Frame], Frame]


def code_scene(text: str) -> Frame:
    """A printed ticket with the QR code of ``text`` before the wall."""
    code = segno.make_qr(text, error="q", mode="alphanumeric", boost_error=False)
    modules = np.array([list(row) for row in code.matrix], np.uint8)
    code_image = np.where(np.kron(modules, np.ones((MODULE, MODULE), np.uint8)) > 0, INK, PAPER)
    return _held(np.pad(code_image.astype(np.uint8), QUIET * MODULE, constant_values=PAPER))


def photo_scene(text: str) -> Frame:
    """The same code photographed from another screen: pixel grid, moiré, a rolling band."""
    scene = code_scene(text)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    grid = 20 * np.sin(2 * np.pi * (columns * 0.97 + rows * 0.10) / 3.1)
    grid += 20 * np.sin(2 * np.pi * (rows * 0.98 - columns * 0.07) / 2.9)
    band = 36 * np.exp(-(((rows - 0.62 * HEIGHT) / 70) ** 2))
    grain = np.random.default_rng(11).normal(0, 7, scene.shape)
    washed = 64 + scene * 0.6 + grid + band + grain
    return _grey(cv2.GaussianBlur(washed.astype(np.float32), (0, 0), 0.9))


def noise_scene() -> Frame:
    """A patterned scarf: edges and squares enough, and no ticket."""
    rng = np.random.default_rng(5)
    squares = rng.integers(20, 235, (18, 24)).astype(np.uint8)
    return _held(np.kron(squares, np.ones((24, 24), np.uint8)))


def _held(paper: Frame) -> Frame:
    scene = wall()
    height, width = paper.shape
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    scene[top : top + height, left : left + width] = paper
    return scene


def _grey(image: np.ndarray) -> Frame:
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)


def _none(scene: Frame) -> Frame:
    return scene


def _blur(scene: Frame) -> Frame:
    """Too near for the lens, and moving a little sideways."""
    moved = np.full((1, 9), 1 / 9, np.float32)
    return _grey(cv2.GaussianBlur(cv2.filter2D(scene, -1, moved), (0, 0), 3.8))


def _tilt(scene: Frame) -> Frame:
    """Held askew: turned by 17 degrees, its right side farther away."""
    corners = np.array([[365, 85], [915, 85], [915, 635], [365, 635]], np.float32)
    seen = np.array([[395, 25], [890, 195], [765, 640], [250, 590]], np.float32)
    turned = cv2.getPerspectiveTransform(corners, seen)
    return _grey(
        cv2.warpPerspective(scene, turned, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    )


def _glare(scene: Frame) -> Frame:
    """A lamp mirrored in a corner of the glass, and haze all over."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    spot = 235 * np.exp(-(((columns - 800) / 85) ** 2 + ((rows - 500) / 60) ** 2))
    return _grey(42 + scene * 0.8 + spot)


def _dim(scene: Frame) -> Frame:
    """A screen turned down in the dark: little contrast, much grain."""
    grain = np.random.default_rng(23).normal(0, 5, scene.shape)
    return _grey(30 + scene * 0.24 + grain)


LOOKS: Mapping[str, tuple[str, Look]] = MappingProxyType(
    {
        "none": ("held well", _none),
        "blur": ("blurred", _blur),
        "tilt": ("tilted", _tilt),
        "glare": ("glare", _glare),
        "dim": ("dim screen", _dim),
    }
)
"""By name: what it is called, and what it does to a scene."""


def degraded(scene: Frame, look: str) -> Frame:
    """``scene`` as a camera sees it under a look of `LOOKS`."""
    return LOOKS[look][1](scene)


def png(scene: Frame, size: int | None = None) -> bytes:
    """``scene`` as PNG; with ``size`` its middle square, scaled to that many pixels."""
    if size is not None:
        left = (WIDTH - HEIGHT) // 2
        square = scene[:, left : left + HEIGHT]
        scene = _grey(cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA))
    return bytes(cv2.imencode(".png", scene)[1])
