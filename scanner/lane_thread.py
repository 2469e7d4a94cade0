"""The thread that runs one lane."""

import contextlib
import queue
import threading

from admission.clock import Clock
from drivers.protocols import Input, Turnstile
from scanner.lane import Lane
from scanner.messages import Message
from scanner.readers import Reader


class LaneThread(threading.Thread):
    """Runs one lane: its queue, its deadlines."""

    def __init__(self, lane: Lane, clock: Clock, turnstile: Turnstile, readers: list[Reader]):
        super().__init__(name=f"lane {lane.settings.name}", daemon=True)
        self.lane, self.turnstile, self.readers = lane, turnstile, readers
        self.inputs: list[Input] = []
        """The lane's contacts; they speak as long as they are kept."""
        self.queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.started = False
        """Whether the lane has looked for its journal and books: before that it is not ready."""
        self.alive_at = clock.monotonic()
        self._clock = clock

    def run(self) -> None:
        """For ever: wait for a message or a deadline, deal with it."""
        self.lane.start()
        self.started = True
        while True:
            self.alive_at = now = self._clock.monotonic()
            wake = self.lane.wake_at()
            wait = 0.5 if wake is None else min(0.5, max(0.0, wake - now))
            with contextlib.suppress(queue.Empty):  # then a deadline is due, or nothing is
                self.lane.handle(self.queue.get(timeout=wait))
            self.lane.tick()
