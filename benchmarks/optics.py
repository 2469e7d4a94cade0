"""What happens to a printed or shown code on its way into a camera, step by step, from fixed seeds.

Grey images, float32 from 0 to 255 until `sensor` makes a frame of them. Lengths are pixels of the
frame; angles degrees.
"""

from __future__ import annotations

import functools
import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from drivers.frames import Frame
from drivers.vision import cv2

Grey: TypeAlias = NDArray[np.float32]
WIDTH, HEIGHT = 1280, 720
FOCAL = 1100.0
"""Focal length in pixels: 60 degrees across, as most small cameras have."""
_SPARE = 500


def floats(image: object) -> Grey:
    """Any image as float32."""
    return np.asarray(image, dtype=np.float32)


def posed(
    scene: Grey,
    card: Grey,
    *,
    module: float,
    of: float,
    turn: float = 0.0,
    tilt: tuple[float, float] = (0.0, 0.0),
    middle: tuple[float, float] = (WIDTH / 2, HEIGHT / 2),
) -> Grey:
    """Lay ``card`` over ``scene`` as a camera sees it, in perspective.

    Args:
        module: Side of a module in the middle of the card, in the frame; ``of``: in ``card``.
        turn: About the line of sight. ``tilt``: about the vertical, then the horizontal axis.
    """
    scale = module / of
    small = card if scale >= 1 else floats(cv2.resize(card, None, fx=scale, fy=scale,
                                                      interpolation=cv2.INTER_AREA))  # fmt: skip
    height, width = small.shape
    rest = module / (of * small.shape[1] / card.shape[1])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    flat = np.c_[(corners - (width / 2, height / 2)) * rest, np.zeros(4)]
    seen = flat @ _turned(turn, *tilt).T
    depth = 1 + seen[:, 2:] / FOCAL
    target = floats(seen[:, :2] / depth + np.asarray(middle))
    matrix = cv2.getPerspectiveTransform(corners, target)
    size = (scene.shape[1], scene.shape[0])
    inside = cv2.warpPerspective(np.ones_like(small), matrix, size, flags=cv2.INTER_LINEAR)
    laid = cv2.warpPerspective(small, matrix, size, flags=cv2.INTER_LINEAR)
    return floats(scene * (1 - inside) + laid * inside)


def _turned(turn: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    a, b, c = (math.radians(angle) for angle in (turn, yaw, pitch))
    about_z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(c), -math.sin(c)], [0, math.sin(c), math.cos(c)]])
    return np.asarray(about_y @ about_x @ about_z)


def curled(card: Grey, bend: float) -> Grey:
    """Paper rolled about an upright axis by ``bend`` degrees from edge to edge, lit from the left.

    Seen from the front, the edges come together and turn dark.
    """
    height, width = card.shape
    half = math.radians(bend) / 2
    span = np.linspace(-1, 1, width) * math.sin(half)
    angle = np.arcsin(span)
    columns = floats((angle / half + 1) / 2 * (width - 1))
    across = np.broadcast_to(columns, (height, width)).copy()
    down = np.broadcast_to(floats(np.arange(height))[:, None], (height, width)).copy()
    bent = floats(cv2.remap(card, across, down, cv2.INTER_LINEAR))
    narrow = cv2.resize(bent, (max(8, round(width * math.sin(half) / half)), height))
    light = np.cos(np.linspace(-half, half, narrow.shape[1]) + 0.25)
    return floats(narrow * light)


def moired(card: Grey, pitch: float, depth: float) -> Grey:
    """The grid of a display's pixels, ``pitch`` pixels of ``card`` apart, that beats with ours."""
    rows = 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * np.arange(card.shape[0]) / pitch))
    columns = 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * np.arange(card.shape[1]) / pitch))
    return floats(card * np.outer(rows, columns))


def defocused(scene: Grey, sigma: float) -> Grey:
    """Out of focus by a Gaussian of ``sigma``."""
    return floats(cv2.GaussianBlur(scene, (0, 0), sigma)) if sigma > 0.05 else scene


def smeared(scene: Grey, length: float, direction: float) -> Grey:
    """Moved by ``length`` in ``direction`` while the shutter was open."""
    size = 2 * math.ceil(length / 2) + 3
    kernel = np.zeros((size * 4, size * 4), np.float32)
    middle = size * 2
    away = np.array([math.cos(math.radians(direction)), math.sin(math.radians(direction))])
    for step in np.linspace(-0.5, 0.5, 16 * size):  # four times finer than a pixel
        x, y = middle + away * step * length * 4
        kernel[min(int(y), size * 4 - 1), min(int(x), size * 4 - 1)] += 1
    kernel = floats(cv2.resize(kernel, (size, size), interpolation=cv2.INTER_AREA))
    return floats(cv2.filter2D(scene, -1, kernel / kernel.sum()))


def glared(scene: Grey, middle: tuple[float, float], radius: float, strength: float) -> Grey:
    """A lamp mirrored in the screen: ``strength`` 1 is white in its middle, whatever lies there."""
    rows, columns = np.mgrid[0 : scene.shape[0] : 4, 0 : scene.shape[1] : 4]
    far = ((columns - middle[0]) ** 2 + (rows - middle[1]) ** 2) / radius**2
    spot = cv2.resize(floats(255 * strength * np.exp(-far)), scene.shape[::-1])
    return floats(scene + spot)


def dimmed(scene: Grey, contrast: float, ground: float) -> Grey:
    """Contrast left of a full one, above an even grey: a dim screen behind a bright reflection."""
    return floats(ground + scene * contrast)


@functools.lru_cache(maxsize=1)
def _grain() -> Grey:
    """Noise enough to cut a frame's from anywhere in it: drawing costs more than a frame."""
    size = (HEIGHT + _SPARE, WIDTH + _SPARE)
    return np.random.default_rng(1).standard_normal(size, np.float32)


def sensor(scene: Grey, noise: float, rng: np.random.Generator, jpeg: int = 0) -> Frame:
    """Make a frame: noise of a standard deviation at white, half of it at black; then MJPG."""
    top, left = (int(at) for at in rng.integers(0, _SPARE, 2))
    grain = _grain()[top : top + scene.shape[0], left : left + scene.shape[1]]
    strength = cv2.sqrt(np.clip(scene * (0.75 / 255) + 0.25, 0.25, 1))
    noisy = scene + 0.5 + cv2.multiply(grain, strength, scale=noise)
    frame = np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)
    if not jpeg:
        return frame
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, jpeg])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
