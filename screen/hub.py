"""One board, many browsers: who waits for a change is woken, and reads the newest state.

No browser has a queue: a slow one misses what is over and gets what is. That bounds its memory,
and a stale green never stands in line behind others.
"""

import asyncio
import time
from collections.abc import Callable

from screen.board import Board, LastSeen, View
from screen.errors import LinkLost
from screen.messages import Event, Guest, Status


class Hub:
    """The board with its clock and its waiting streams; belongs to one event loop."""

    def __init__(self, board: Board, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.board = board
        self._monotonic = monotonic
        self._changed = asyncio.Event()
        self.version = 0
        """Counts what was heard or lost, so that no stream misses a change while it sends."""

    def hear(self, message: Event | Status | Guest, fresh: bool) -> None:
        """Take over a message and wake every stream."""
        if isinstance(message, Status):
            self.board.hear_status(message)
        elif isinstance(message, Guest):
            self.board.hear_guest(message, self._monotonic())
        else:
            self.board.hear_event(message, self._monotonic(), fresh)
        self._wake()

    def lose(self, why: LinkLost, last: LastSeen) -> None:
        """Say that the gate program is not heard, and wake every stream."""
        self.board.lose(why, last)
        self._wake()

    def _wake(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self, since: int, at_most: float) -> None:
        """Wait for a change after version `since`, at most `at_most` seconds: faces also fade."""
        if self.version != since:
            return
        try:
            async with asyncio.timeout(at_most):
                await self._changed.wait()
        except TimeoutError:
            return

    def face(self, lane: str) -> View:
        """The attendee view of `lane` now."""
        return self.board.face(lane, self._monotonic())

    def steward(self) -> dict[str, object]:
        """The steward view now, section by section."""
        return self.board.steward(self._monotonic())
