"""A USB camera through Video4Linux: 1280 x 720, MJPG, grey."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

import numpy as np

from drivers.errors import DeviceLost, DeviceNotFound
from drivers.frames import Frame
from drivers.protocols import Report
from drivers.uri import DriverUri
from drivers.vision import cv2

MISSES = 3
"""Empty reads in a row until the camera counts as lost. Each has waited for a second (see
`drivers.vision`), except after an unplug, when all fail at once."""


class V4l2Camera:
    """One open video device. Raises DeviceNotFound when it cannot be opened."""

    live = True

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture = capture
        self._name = name
        self._misses = 0

    @classmethod
    def open(cls, uri: DriverUri, report: Report) -> Self:
        """Open ``camera:v4l2:/dev/video0?width=1280&height=720&fps=30&format=mjpg``."""
        capture = _opened(uri.address)
        if not capture.isOpened():
            capture.release()
            raise DeviceNotFound(
                f"The camera {uri.address} cannot be opened",
                "Check its cable, that no other program uses it, and that the gate's user is in "
                "group 'video'",
            )
        # Format first: most cameras offer 720p at full speed in MJPG alone.
        capture.set(cv2.CAP_PROP_FOURCC, _fourcc(uri.word("format", "mjpg")))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, uri.number("width", 1280))
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, uri.number("height", 720))
        capture.set(cv2.CAP_PROP_FPS, uri.number("fps", 30))
        return cls(capture, uri.address)

    def read(self) -> Frame | None:
        try:
            good, image = self._capture.read()
        except cv2.error as error:
            raise self._lost() from error
        if good and image is not None and image.size:
            self._misses = 0
            grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            return np.asarray(grey, dtype=np.uint8)
        self._misses += 1
        if self._misses >= MISSES:
            raise self._lost()
        return None

    def close(self) -> None:
        self._capture.release()

    def _lost(self) -> DeviceLost:
        return DeviceLost(
            f"The camera {self._name} stopped delivering pictures",
            "Check its cable and its power; it is opened anew by itself",
        )


def _opened(address: str) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(address, cv2.CAP_V4L2)
    number = re.fullmatch(r"/dev/video(\d{1,3})", address)
    if not capture.isOpened() and number and Path(address).exists():
        capture.release()  # some builds take a number only
        capture = cv2.VideoCapture(int(number[1]), cv2.CAP_V4L2)
    return capture


def _fourcc(name: str) -> float:
    return float(cv2.VideoWriter.fourcc(*{"mjpg": "MJPG", "yuyv": "YUYV"}[name]))
