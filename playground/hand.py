"""The visitor's hand: puts pictures before a simulated camera, and pulls its plug."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from drivers.camera_sim import HEADER, MAGIC, SHOWN
from drivers.frames import Frame

OnShown = Callable[[int, float], None]
"""on_shown(number of the picture, monotonic seconds of the first frame with it)"""


class Hand:
    """One lane's camera, seen from before the lens; belongs to one event loop.

    What is held up stays in view when the reader is started anew, as a real ticket would.
    """

    def __init__(self, path: Path, on_shown: OnShown) -> None:
        """``path``: where the camera ``camera:sim:PATH`` connects to."""
        self.path = path
        self._on_shown = on_shown
        self._server: asyncio.Server | None = None
        self._camera: asyncio.StreamWriter | None = None
        self._held = _message(0, None)

    @property
    def plugged(self) -> bool:
        """Whether there is a camera to open."""
        return self._server is not None

    async def plug(self) -> None:
        """Plug the camera in."""
        if self._server is None:
            self.path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._connected, self.path)

    async def unplug(self) -> None:
        """Pull the camera's plug."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)
        if self._camera is not None:
            self._camera.transport.abort()
            self._camera = None

    def show(self, number: int, picture: Frame) -> None:
        """Hold a picture before the lens."""
        self._put(_message(number, picture))

    def clear(self) -> None:
        """Take it away."""
        self._put(_message(0, None))

    def _put(self, message: bytes) -> None:
        self._held = message
        if self._camera is not None:
            self._camera.write(message)

    async def _connected(self, said: asyncio.StreamReader, camera: asyncio.StreamWriter) -> None:
        if self._camera is not None:  # a reader that was started anew: the old one is dead
            self._camera.transport.abort()
        self._camera = camera
        camera.write(self._held)
        # Cancelled is only who is there at the very end: asyncio would print it as a fault.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                self._on_shown(*SHOWN.unpack(await said.readexactly(SHOWN.size)))
        if self._camera is camera:
            self._camera = None
        camera.transport.abort()


def _message(number: int, picture: Frame | None) -> bytes:
    if picture is None:
        return HEADER.pack(MAGIC, 0, 0, 0)
    height, width = picture.shape
    return HEADER.pack(MAGIC, number, width, height) + picture.tobytes()
