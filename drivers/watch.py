"""Judges what a camera delivers: no picture, a black one, a frozen one."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from drivers.frames import Frame

SILENT_AFTER = 2.0
"""Seconds without a frame until the camera counts as silent."""
HUNG_AFTER = 15.0
"""Seconds without a frame until the child gives up, to be started anew: longer than any reopening
a driver does by itself."""
FROZEN_AFTER = 10.0
"""Seconds of the very same frame from a sensor, whose noise never repeats."""
BLACK = 12
"""Mean grey level below which nothing can be read: a lens cap, a dead lamp."""
STEP = 24
"""Every how many pixels a frame is sampled."""


class PictureState(StrEnum):
    """What a heartbeat says of the picture."""

    STARTING = "starting"
    OK = "ok"
    NO_PICTURE = "no_picture"
    BLACK = "black"
    FROZEN = "frozen"


class PictureWatch:
    """Follows the frames of one camera. ``now`` in seconds, monotonic."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._changed = now
        self._sample = b""
        self._mean = 255.0
        self._frames = 0

    def saw(self, frame: Frame, now: float) -> None:
        """Take note of a frame."""
        sample = frame[::STEP, ::STEP]
        data = sample.tobytes()
        if data != self._sample:
            self._sample, self._changed = data, now
            self._mean = float(np.mean(sample))
        self._last = now
        self._frames += 1

    def age(self, now: float) -> float:
        """Seconds since the last frame, or since the start."""
        return now - self._last

    def state(self, now: float, live: bool) -> PictureState:
        """Say how the picture is; ``live`` for a sensor, which never repeats itself."""
        if self.age(now) > SILENT_AFTER:
            return PictureState.NO_PICTURE
        if self._frames == 0:
            return PictureState.STARTING
        if self._mean < BLACK:
            return PictureState.BLACK
        if live and now - self._changed > FROZEN_AFTER:
            return PictureState.FROZEN
        return PictureState.OK
