"""A Raspberry Pi camera module through ``rpicam-vid``: its Y plane is the grey frame.

A process of its own, since the camera stack has no wheel and can hang with the sensor: a process
can be killed. Source: rpicam-apps, ``--codec yuv420`` (planar Y, U, V; rows padded to 64 bytes, see
its issue 188, which the widths allowed here avoid).
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
FORMER = "libcamera-vid"
"""Its name until 2023: Debian 11's Raspberry Pi OS."""
PATIENCE = 2.0
"""Seconds within which a whole frame must have come; the first one has five."""
FIRST_PATIENCE = 5.0
LAST_WORDS = 4096
"""Bytes of what the program said that are kept."""
STEP = 64
"""Width is rounded down to a multiple of this, so that rows carry no padding."""


class RpicamCamera:
    """One running ``rpicam-vid``. Raises DeviceNotFound when it is not installed."""

    live = True

    def __init__(self, process: subprocess.Popen[bytes], width: int, height: int) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._pipe = process.stdout.fileno()
        self._words: int | None = process.stderr.fileno()
        for pipe in (process.stdout, process.stderr):
            os.set_blocking(pipe.fileno(), False)
        self._said = b""
        self._shape = (height, width)
        self._buffer = bytearray(width * height * 3 // 2)
        self._patience = FIRST_PATIENCE

    @classmethod
    def open(cls, uri: DriverUri, report: Report) -> Self:
        """Start the program for ``camera:rpicam:0?width=1280&height=720&fps=30``.

        Its own exposure is the short one for sports; ``exposure=MS``, ``gain=G`` and ``focus=D``
        (dioptres) fix them.
        """
        width = max(STEP, int(uri.number("width", 1280)) // STEP * STEP)
        height = int(uri.number("height", 720)) // 2 * 2
        command = [*_program(), "--camera", uri.address, "--codec", "yuv420", "-o", "-"]
        command += ["--width", str(width), "--height", str(height)]
        command += ["--framerate", f"{uri.number('fps', 30):g}", "-t", "0", "-n", "--flush"]
        command += ["--verbose", "0", *_settings(uri)]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
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
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _fill(self, deadline: float) -> None:
        view, filled = memoryview(self._buffer), 0
        while filled < len(view):
            ready = self._ready(deadline)
            if self._words in ready:
                self._listen()  # or the program would wait for us once that pipe is full
            if self._pipe not in ready:
                continue
            count = os.readv(self._pipe, [view[filled:]])
            if count == 0:
                raise self._ended()
            filled += count

    def _ready(self, deadline: float) -> list[int]:
        pipes = [self._pipe] if self._words is None else [self._pipe, self._words]
        wait = deadline - time.monotonic()
        ready = select.select(pipes, [], [], wait)[0] if wait > 0 else []
        if not ready:
            raise self._lost(f"{PROGRAM} delivers no picture")
        return ready

    def _listen(self) -> None:
        """Keep the end of what the program says."""
        try:
            while self._words is not None:
                words = os.read(self._words, 4096)
                self._said = (self._said + words)[-LAST_WORDS:]
                if not words:
                    self._words = None  # it closed that pipe
        except BlockingIOError:
            return

    def _ended(self) -> DeviceLost:
        with contextlib.suppress(subprocess.TimeoutExpired):  # closed its pipe, and lives on
            self._process.wait(timeout=0.5)
        self._listen()
        return self._lost(f"{PROGRAM} ended with status {self._process.poll()}")

    def _lost(self, what: str) -> DeviceLost:
        lines = [line for line in self._said.decode("utf-8", "replace").split("\n") if line.strip()]
        said = "".join(filter(str.isprintable, lines[-1]))[:200] if lines else ""
        if "no cameras available" in self._said.decode("utf-8", "replace").lower():
            return DeviceLost(
                f"{PROGRAM} finds no camera",
                "Switch the board off, push the camera's ribbon cable home at both ends",
            )
        return DeviceLost(
            f"{what}: {said}" if said else what,
            "Check the camera's ribbon cable, and run rpicam-hello to see what it says",
        )


def _settings(uri: DriverUri) -> list[str]:
    """Exposure, gain and focus as options of the program."""
    settings = ["--exposure", "sport"]
    if "exposure" in uri.options:
        settings = ["--shutter", f"{round(uri.number('exposure', 4) * 1000)}"]  # microseconds
    if "gain" in uri.options:
        settings += ["--gain", f"{uri.number('gain', 1):g}"]
    if "focus" in uri.options:
        lens = f"{uri.number('focus', 0):g}"
        settings += ["--autofocus-mode", "manual", "--lens-position", lens]
    return settings


def _program() -> list[str]:
    program = shutil.which(PROGRAM) or shutil.which(FORMER)
    setpriv = shutil.which("setpriv")
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
