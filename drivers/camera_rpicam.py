"""A Raspberry Pi camera module through ``rpicam-vid``: its Y plane is the grey frame.

A process of its own, since the camera stack has no wheel and can hang with the sensor: a process
can be killed. Source: rpicam-apps, ``--codec yuv420`` (planar Y, U, V; rows padded to 64 bytes for
odd widths, which the sizes allowed here avoid).
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import time
from typing import Self

import numpy as np

from drivers.errors import DeviceLost, DeviceNotFound
from drivers.frames import Frame
from drivers.protocols import Report
from drivers.uri import DriverUri

PROGRAM = "rpicam-vid"
PATIENCE = 2.0
"""Seconds within which a whole frame must have come; the first one has five."""
FIRST_PATIENCE = 5.0
STEP = 64
"""Width is rounded down to a multiple of this, so that rows carry no padding."""


class RpicamCamera:
    """One running ``rpicam-vid``. Raises DeviceNotFound when it is not installed."""

    live = True

    def __init__(self, process: subprocess.Popen[bytes], width: int, height: int) -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._shape = (height, width)
        self._buffer = bytearray(width * height * 3 // 2)
        self._patience = FIRST_PATIENCE

    @classmethod
    def open(cls, uri: DriverUri, report: Report) -> Self:
        """Start the program for ``camera:rpicam:0?width=1280&height=720&fps=30``."""
        width = max(STEP, int(uri.number("width", 1280)) // STEP * STEP)
        height = int(uri.number("height", 720)) // 2 * 2
        command = [*_program(), "--camera", uri.address, "--codec", "yuv420", "-o", "-"]
        command += ["--width", str(width), "--height", str(height)]
        command += ["--framerate", f"{uri.number('fps', 30):g}", "-t", "0", "-n", "--flush"]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            raise _missing(str(error.strerror)) from error
        return cls(process, width, height)

    def read(self) -> Frame | None:
        self._fill(time.monotonic() + self._patience)
        self._patience = PATIENCE
        height, width = self._shape
        plane = np.frombuffer(self._buffer, np.uint8, height * width)
        return plane.reshape(height, width).copy()  # the buffer is filled anew for the next frame

    def close(self) -> None:
        """Kill the program: its sensor may hang, and nothing of it needs saving."""
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: left to init
            self._process.wait(timeout=2)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _fill(self, deadline: float) -> None:
        view, filled = memoryview(self._buffer), 0
        while filled < len(view):
            wait = deadline - time.monotonic()
            if wait <= 0 or not select.select([self._pipe], [], [], wait)[0]:
                raise DeviceLost(
                    f"{PROGRAM} delivers no picture", "Check the camera's ribbon cable"
                )
            count = os.readv(self._pipe, [view[filled:]])
            if count == 0:
                raise DeviceLost(
                    f"{PROGRAM} ended with status {self._process.poll()}",
                    "Check the camera's ribbon cable, and run rpicam-hello to see what it says",
                )
            filled += count


def _program() -> list[str]:
    program, setpriv = shutil.which(PROGRAM), shutil.which("setpriv")
    if program is None:
        raise _missing("it is not installed")
    # When the reader is killed its camera program must go with it: stuck on a dead sensor it
    # would never notice, and hold the camera against the next reader.
    return [setpriv, "--pdeathsig", "KILL", program] if setpriv else [program]


def _missing(reason: str) -> DeviceNotFound:
    return DeviceNotFound(
        f"{PROGRAM} cannot be started: {reason}",
        "Install rpicam-apps, or use camera:v4l2 for a USB camera",
    )
