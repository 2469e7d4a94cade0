"""Keeps a camera open: reads it in a thread of its own, opens it anew when it fails."""

import queue
import threading
from collections.abc import Callable

from drivers.mailbox import Mailbox
from drivers.pace import Pace
from drivers.protocols import Camera, Report
from tickets.errors import GateError

OpenCamera = Callable[[Report], Camera]
FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds before a camera is opened anew, doubled at each failure."""


class Capture:
    """The camera's side of the mailbox.

    ``faults`` receives what stops the camera, and None when a picture came after it; ``passing``
    what does not stop it; ``broken`` what nobody foresaw: the reader ends with it.
    """

    def __init__(self, open_camera: OpenCamera, mailbox: Mailbox, pace: Pace) -> None:
        self.faults: queue.SimpleQueue[GateError | None] = queue.SimpleQueue()
        self.passing: queue.SimpleQueue[GateError] = queue.SimpleQueue()
        self.broken: BaseException | None = None
        self.live = False
        self._open = open_camera
        self._mailbox = mailbox
        self._pace = pace
        self._wait = FIRST_WAIT
        self._faulty = False
        self._stopped = False

    def start(self) -> None:
        """Run in a daemon thread: a camera that hangs in its library must not hold the exit."""
        threading.Thread(target=self._guarded, name="camera", daemon=True).start()

    def stop(self) -> None:
        """Read no further frame."""
        self._stopped = True

    def run(self) -> None:
        """Open, read until it fails, wait, again."""
        while not self._stopped:
            try:
                self._read_until_it_fails()
            except GateError as error:
                self._faulty = True
                self.faults.put(error)
                self._pace.wait(self._wait)
                self._wait = min(2 * self._wait, LONGEST_WAIT)

    def _read_until_it_fails(self) -> None:
        camera = self._open(self.passing.put)
        self.live = camera.live
        try:
            while not self._stopped:
                frame = camera.read()
                if frame is not None:
                    self._mailbox.put(frame)
                    self._well()
        finally:
            camera.close()

    def _well(self) -> None:
        self._wait = FIRST_WAIT
        if self._faulty:
            self._faulty = False
            self.faults.put(None)

    def _guarded(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - handed on: the reader ends with it
            self.broken = error
