"""Server-sent events: the newest state of a page, section by section, for as long as it looks.

Source: HTML Living Standard, section 9.2 (server-sent events).
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from screen.hub import Hub
from screen.sentences import seconds

log = logging.getLogger(__name__)

BEAT = 2.0
"""Seconds between heartbeats. An event, not a comment: a page's script cannot see comments."""
BREATH = 0.04
"""Shortest seconds between two updates: a flood of events costs one browser 25 updates a second."""
SLOW = 5.0
"""Seconds after which a browser that takes nothing is dropped; it reloads the state on return."""


async def updates(hub: Hub, view: Callable[[], dict[str, object]]) -> AsyncIterator[str]:
    """Every section of `view` that changed, as it changes, and a beat each `BEAT` seconds."""
    sent: dict[str, str] = {}
    beat_at = 0.0
    yield "retry: 1000\n\n"
    while True:
        version = hub.version
        told = {name: _line(value) for name, value in view().items()}
        lines = [(name, data) for name, data in told.items() if sent.get(name) != data]
        sent = told
        if time.monotonic() >= beat_at:
            beat_at = time.monotonic() + BEAT
            lines.append(("beat", _line(seconds(time.time()))))
        if lines:
            yield "".join(f"event: {name}\ndata: {data}\n\n" for name, data in lines)
            await asyncio.sleep(BREATH)
        await hub.changed(version, at_most=0.5)


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


class LiveStream(StreamingResponse):
    """An event stream that gives up on a browser that does not read for `SLOW` seconds."""

    def __init__(self, content: AsyncIterator[str]) -> None:
        super().__init__(content, media_type="text/event-stream")

    async def stream_response(self, send: Send) -> None:
        """Send chunk by chunk; a chunk that is not taken in time ends the stream."""

        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(SLOW):
                await send(message)

        try:
            await super().stream_response(send_soon)
        except TimeoutError:
            log.info("a browser took nothing for %.0f s and was dropped", SLOW)
