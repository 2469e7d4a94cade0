"""The newest frame and nothing else, between the camera's thread and the decoder's."""

from __future__ import annotations

import threading

from drivers.frames import Frame


class Mailbox:
    """One slot. A frame that nobody took is replaced: an old frame is worth nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None

    def put(self, frame: Frame) -> None:
        """Leave a frame in place of whatever is there."""
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def take(self, timeout: float) -> Frame | None:
        """Take the frame, waiting up to ``timeout`` seconds for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None, timeout)
            frame, self._frame = self._frame, None
            return frame
