"""A camera whose scene is set from outside: for demonstrations, training and tests.

It connects to a Unix socket (SOCK_STREAM) that whoever plays the visitor listens at; where nobody
listens no camera is plugged in, and when the connection ends it was pulled out. Each message is a
header, ``HEADER``: what is in view from now on, and its pixels. The first frame with a picture in
it is told back as ``SHOWN``: its number, and when the frame was handed on. Source: docs/devices.md.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from typing import Self

import numpy as np

from drivers.canvas import HEIGHT, WIDTH
from drivers.errors import DeviceLost, DeviceNotFound
from drivers.frames import Frame
from drivers.pace import Pace, RealPace
from drivers.protocols import Report
from drivers.uri import DriverUri
from drivers.vision import cv2

HEADER = struct.Struct("!4sIHH")
"""``ADM1``, number of the picture, width and height; 0 x 0: nothing is in view any more."""
SHOWN = struct.Struct("!Id")
"""Number of the picture, seconds of CLOCK_MONOTONIC."""
MAGIC = b"ADM1"
MOST_PIXELS = 3840 * 2160
WALL = 168
"""Grey level of what is seen when nobody is there."""
GRAIN = 6
"""Grey levels of sensor noise: two frames of a real sensor are never equal."""
TAKES = 1.0
"""Seconds a picture may take to arrive."""


def wall() -> Frame:
    """What the camera sees when nobody is there: a wall, a little darker below, and the floor."""
    column = np.linspace(WALL + 14, WALL - 14, HEIGHT).astype(np.uint8)
    column[HEIGHT * 7 // 8 :] -= 40  # an edge: with nothing in view the lens would count as covered
    return np.repeat(column[:, np.newaxis], WIDTH, axis=1)


class SimulatedCamera:
    """Shows the scene that was sent last, with a sensor's noise on it."""

    live = True

    def __init__(self, connection: socket.socket, pace: Pace, fps: float = 15.0) -> None:
        self._connection, self._pace, self._period = connection, pace, 1 / fps
        connection.settimeout(TAKES)
        self._nobody = self._scene = wall()
        self._fresh: int | None = None
        self._frames = 0
        self._due = pace.now()

    @classmethod
    def open(cls, uri: DriverUri, report: Report) -> Self:
        """Open ``camera:sim:SOCKET``. Raises DeviceNotFound when nobody listens there."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TAKES)
        try:
            connection.connect(uri.address)
        except OSError as error:
            connection.close()
            raise DeviceNotFound(
                f"No simulated camera at {uri.address}: {error.strerror or error}",
                "Plug it in: start the program that listens there",
            ) from error
        return cls(connection, RealPace(), uri.number("fps", 15.0))

    def read(self) -> Frame | None:
        now = self._pace.now()
        self._due = max(self._due + self._period, now)  # late once is not late for ever
        self._pace.wait(self._due - now)
        while select.select([self._connection], [], [], 0)[0]:
            self._take()
        self._frames += 1
        frame = np.asarray(cv2.add(self._scene, self._grain()), dtype=np.uint8)
        self._tell()
        return frame

    def close(self) -> None:
        self._connection.close()

    def _grain(self) -> Frame:
        noise = np.random.default_rng(self._frames).integers(0, GRAIN, 4099, np.uint8)
        return np.resize(noise, self._scene.shape)

    def _take(self) -> None:
        """Put the next picture into view. Raises DeviceLost."""
        magic, number, width, height = HEADER.unpack(self._exactly(HEADER.size))
        if magic != MAGIC or width * height > MOST_PIXELS or bool(width) != bool(height):
            raise DeviceLost("The simulated camera was sent no picture", "See docs/devices.md")
        if not width:
            self._scene, self._fresh = self._nobody, None
            return
        pixels = np.frombuffer(self._exactly(width * height), np.uint8)
        self._scene, self._fresh = pixels.reshape(height, width), number

    def _exactly(self, size: int) -> bytes:
        data = bytearray(size)
        view, have = memoryview(data), 0
        until = time.monotonic() + TAKES
        while have < size:
            try:
                got = self._connection.recv_into(view[have:])
            except OSError as error:
                raise _pulled_out() from error
            if not got or time.monotonic() > until:
                raise _pulled_out()
            have += got
        return bytes(data)

    def _tell(self) -> None:
        if self._fresh is None:
            return
        told, self._fresh = SHOWN.pack(self._fresh, time.monotonic()), None
        with contextlib.suppress(OSError):  # a player who went is found at the next picture
            self._connection.send(told, socket.MSG_DONTWAIT)


def _pulled_out() -> DeviceLost:
    return DeviceLost("The simulated camera was unplugged", "Plug it in again")
