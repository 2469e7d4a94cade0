"""A USB camera through Video4Linux: 1280 x 720, MJPG, grey."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Self

import numpy as np

from drivers.camera_controls import set_controls
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
        """Open ``camera:v4l2:/dev/video0?width=1280&height=720&fps=30&format=mjpg``.

        With ``exposure=MS``, ``focus=N``, ``gain=N``, ``mains=HZ`` these are fixed.
        """
        capture = _opened(uri.address)
        if not capture.isOpened():
            capture.release()
            raise _not_found(uri.address)
        # Format first: most cameras offer 720p at full speed in MJPG alone.
        capture.set(cv2.CAP_PROP_FOURCC, _fourcc(uri.word("format", "mjpg")))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, uri.number("width", 1280))
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, uri.number("height", 720))
        capture.set(cv2.CAP_PROP_FPS, uri.number("fps", 30))
        try:
            set_controls(uri, report)
        except DeviceNotFound:
            capture.release()
            raise
        return cls(capture, uri.address)

    def read(self) -> Frame | None:
        try:
            good, image = self._capture.read()
        except cv2.error:  # half a JPEG, or an empty one: the next may be whole
            good, image = False, None
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


def _not_found(address: str) -> DeviceNotFound:
    """Say why the device cannot be opened: the library keeps that to itself."""
    try:
        os.close(os.open(address, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except FileNotFoundError:
        return DeviceNotFound(
            f"The camera {address} is not there",
            "Plug it in; if it is, see 'v4l2-ctl --list-devices' for its name",
        )
    except PermissionError:
        return DeviceNotFound(
            f"The camera {address} may not be opened by this user",
            "Add the gate's user to the group 'video'",
        )
    except OSError as error:
        return DeviceNotFound(
            f"The camera {address} cannot be opened: {error.strerror}",
            "End the other program that uses it, or unplug the camera and plug it in",
        )
    return DeviceNotFound(
        f"The camera {address} delivers no video",
        "Use another of its devices: many cameras have a second one for metadata alone",
    )


def _opened(address: str) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(address, cv2.CAP_V4L2)
    # A name under /dev/v4l/by-id stays the camera's when it is plugged in elsewhere.
    number = re.fullmatch(r"/dev/video(\d{1,3})", os.path.realpath(address))
    if not capture.isOpened() and number and Path(address).exists():
        capture.release()  # some builds take a number only
        capture = cv2.VideoCapture(int(number[1]), cv2.CAP_V4L2)
    return capture


def _fourcc(name: str) -> float:
    return float(cv2.VideoWriter.fourcc(*{"mjpg": "MJPG", "yuyv": "YUYV"}[name]))
