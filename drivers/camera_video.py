"""A video file as a camera: played once at its own pace, then blank."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivers.canvas import blank, on_canvas
from drivers.errors import PictureError
from drivers.frames import Frame
from drivers.pace import Pace
from drivers.vision import cv2

FALLBACK_RATE = 15.0
"""Frames a second where the file does not say, and of the blank frames after it."""


class VideoCamera:
    """Plays ``path`` once. Raises PictureError when it holds no frame."""

    live = False

    def __init__(self, path: Path, pace: Pace) -> None:
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        self._pace = pace
        self._blank = blank()
        self._path = path
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._period = 1 / (rate if 1 <= rate <= 240 else FALLBACK_RATE)
        self._due = pace.now()
        self._first = self._decode()
        if self._first is None:
            self.close()
            raise PictureError(
                f"{path.name} holds no picture that can be played",
                "Use a whole AVI, MP4 or MKV file, or name a directory of pictures",
            )

    def read(self) -> Frame | None:
        now = self._pace.now()
        self._due = max(self._due + self._period, now)
        self._pace.wait(self._due - now)
        frame, self._first = self._first, None
        if frame is None:
            frame = self._decode()
        return self._blank if frame is None else frame

    def close(self) -> None:
        self._capture.release()

    def _decode(self) -> Frame | None:
        try:
            good, image = self._capture.read()
        except cv2.error:
            return None  # a damaged end of the file: the end
        if not good or image is None or image.size == 0:
            return None
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return on_canvas(np.asarray(grey, dtype=np.uint8))
