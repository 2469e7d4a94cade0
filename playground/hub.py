"""What happens on the stage, numbered, for every page that looks; belongs to one event loop."""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator

KEPT = 2000
"""Events that a page which was away can still be told."""
BEAT = 2.0
"""Seconds between two signs of life; a page that misses them knows that the stage is gone."""


class Hub:
    """A ring of events. No page has a queue: a slow one reads from the ring, or is dropped."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self._ring: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._number = 0
        self._news = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """End every stream: the playground closes."""
        self._closed = True
        self._news.set()

    def publish(self, kind: str, data: object) -> None:
        """Tell every page: an event of ``kind`` with ``data``, plain JSON."""
        self._number += 1
        name = f"{self._run}-{self._number}"
        line = f"id: {name}\nevent: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
        self._ring.append((self._number, line))
        self._news.set()
        self._news = asyncio.Event()

    async def stream(self, after: str | None) -> AsyncIterator[str]:
        """Every event after the one named so, as server-sent events; from now where none is known.

        Source: HTML Living Standard, section 9.2 (server-sent events).
        """
        seen = self._known(after)
        resumed = json.dumps({"resumed": seen is not None})
        yield f"retry: 1000\n\nevent: hello\ndata: {resumed}\n\n"
        at = self._number if seen is None else seen
        while not self._closed:
            lines = [line for number, line in self._ring if number > at]
            at, news = self._number, self._news
            if lines:
                yield "".join(lines)
                continue
            try:
                async with asyncio.timeout(BEAT):
                    await news.wait()
            except TimeoutError:
                yield "event: beat\ndata: {}\n\n"

    def _known(self, name: str | None) -> int | None:
        """The number of an event of this run that nothing was lost since, else None."""
        run, _, number = (name or "").partition("-")
        if run != self._run or not (number.isascii() and number.isdigit() and len(number) < 12):
            return None
        oldest = self._ring[0][0] if self._ring else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else None
