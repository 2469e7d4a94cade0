"""One ticket held up before one lane, and the lane's queue of visitors."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from playground.errors import NotNow
from playground.hub import Hub
from playground.tray import NOTHING, Tray

WAITING = 8
"""Visitors in a lane's queue."""
LINGER = 0.5
"""Seconds a ticket is held up still after its verdict: people do not pull it away at once."""
GONE = 1.7
"""Seconds until the same ticket is held up again: a little more than a gate takes to know that it
was gone (`admission.presentation.GONE_AFTER`)."""
PATIENCE = 10.0
"""Seconds until nobody waits for a verdict any more, or for a guest in the lane to be gone; a lane
lets go of one within five."""
LET_GO = 0.6
"""Seconds until the same ticket is held up again after its guest turned back: the server has to
hear first that its claim is given back."""
NOTHING_AFTER = 2.0
"""Seconds what is expected to meet nothing is held up."""


@dataclass(slots=True, eq=False)
class Showing:
    """What is shown, and what came of it so far."""

    number: int
    kind: str
    look: str
    lane: str
    medium: str = "show"
    name: str = ""
    """The ticket in the organiser's books; set when its turn comes, as are the next two."""
    masked: str | None = None
    expected: str = ""
    found: str | None = None
    presentation: str | None = None
    seen_at: float | None = None
    """When the first frame with it left the camera, monotonic seconds."""
    verdict: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self, state: str) -> dict[str, object]:
        """The event of its beginning (``up``) or end (``down``)."""
        about: dict[str, object] = {
            "showing": self.number,
            "ticket": self.kind,
            "look": self.look,
            "lane": self.lane,
            "medium": self.medium,
            "expected": self.expected,
            "state": state,
        }
        if state == "down":
            about |= {"found": self.found, "presentation": self.presentation}
        return about


class Media(Protocol):
    """How a ticket is brought to a lane: pictures before its camera, cards on its reader."""

    async def put(self, showing: Showing) -> None:
        """Hold it there."""
        ...

    def take(self, showing: Showing) -> None:
        """Take it away."""
        ...


class Queue:
    """One lane's visitors, one after the other; belongs to one event loop."""

    def __init__(
        self,
        lane: str,
        hub: Hub,
        tray: Tray,
        *,
        media: Media,
        expected: Callable[[str, str, str], str],
        busy: Callable[[str], bool],
    ) -> None:
        """``expected(kind, lane, medium)``: what a ticket should meet there now;
        ``busy(lane)``: whether somebody is in the lane."""
        self.lane = lane
        self.now: Showing | None = None
        """Whoever stands before the reader."""
        self._hub, self._tray, self._media, self._expected = hub, tray, media, expected
        self._busy = busy
        self._waiting: asyncio.Queue[Showing] = asyncio.Queue(WAITING)
        self._gone: dict[str, float] = {}

    def join(self, showing: Showing) -> None:
        """Stand at the end. Raises NotNow when the queue is full."""
        try:
            self._waiting.put_nowait(showing)
        except asyncio.QueueFull:
            raise NotNow(
                f"{WAITING} tickets wait at lane {self.lane} already", "Wait for their verdicts"
            ) from None

    async def run(self) -> None:
        """Serve for ever."""
        while True:
            showing = await self._waiting.get()
            try:
                await self._serve(showing)
            finally:
                self._media.take(showing)
                self.now = None
                showing.done.set()

    async def _serve(self, showing: Showing) -> None:
        tray, kind = self._tray, showing.kind
        if await self._until_free() and tray.name(kind) in self._gone:
            await asyncio.sleep(LET_GO)
        while (wait := self._gone.get(tray.name(kind), 0.0) - _now()) > 0:
            await asyncio.sleep(wait)
        showing.name, showing.masked = tray.name(kind), tray.masked(kind)
        showing.expected = self._expected(kind, self.lane, showing.medium)
        self._hub.publish("showing", showing.told("up"))
        self.now = showing
        await self._media.put(showing)
        try:
            async with asyncio.timeout(NOTHING_AFTER if showing.expected == NOTHING else PATIENCE):
                await showing.verdict.wait()
        except TimeoutError:
            showing.found = NOTHING
        else:
            await asyncio.sleep(LINGER)
        self._media.take(showing)
        self.remember(showing.name)
        self._hub.publish("showing", showing.told("down"))

    async def _until_free(self) -> bool:
        """Let the guest before go first, as people do; whether there was one."""
        was_busy, end = self._busy(self.lane), _now() + PATIENCE
        while self._busy(self.lane) and _now() < end:
            await asyncio.sleep(0.05)
        return was_busy

    def remember(self, name: str) -> None:
        """That ticket was just read here: it is not held up again before the gate missed it."""
        now = _now()
        self._gone = {known: at for known, at in self._gone.items() if at > now}
        self._gone[name] = now + GONE

    def decided(self, event: dict[str, Any]) -> Showing | None:
        """Whose verdict this is, of those who stand here; None: somebody else's."""
        showing = self.now
        if showing is None or showing.found or event.get("ticket") != showing.masked:
            return None
        showing.found = str(event.get("reason") or event["verdict"])
        showing.presentation = event["presentation"]
        showing.verdict.set()
        return showing


class Numbers:
    """Numbers showings from 1."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def showing(self, kind: str, look: str, lane: str, medium: str = "show") -> Showing:
        """A new one."""
        return Showing(next(self._next), kind, look, lane, medium)


def _now() -> float:
    return asyncio.get_running_loop().time()
