"""What each attendee screen says just now: the screen's own ear and words, for the drawing."""

import asyncio
from pathlib import Path

from playground.hub import Hub
from screen import hub as screen_hub
from screen.board import Board
from screen.link import Link
from screen.words import words

LANGUAGE = "en"
FADING = 0.25
"""Seconds after which a face is looked at again: a refusal fades by itself."""

Face = dict[str, str]


class Faces:
    """Follows a gate as its screens do; belongs to one event loop."""

    def __init__(self, gate: str, lanes: tuple[str, ...], run: Path, hub: Hub) -> None:
        """``hub`` is told of every change: an event ``face``."""
        self.now: dict[str, Face] = {}
        """By lane: ``face`` (a value of `screen.faces.Face`), ``word``, ``hint``."""
        self._run, self._hub = run, hub
        self._seen = screen_hub.Hub(Board(gate, lanes))
        self._lanes = lanes

    async def follow(self) -> None:
        """Follow for ever."""
        async with asyncio.TaskGroup() as both:
            both.create_task(Link(self._run, self._seen).run())
            both.create_task(self._tell())

    async def _tell(self) -> None:
        while True:
            version = self._seen.version
            for lane in self._lanes:
                face = self._face(lane)
                if face != self.now.get(lane):
                    self.now[lane] = face
                    self._hub.publish("face", {"lane": lane, **face})
            await self._seen.changed(version, FADING)

    def _face(self, lane: str) -> Face:
        shown = self._seen.face(lane)
        word, hint = words(str(shown["face"]), str(shown["reason"]), LANGUAGE)
        return {"face": str(shown["face"]), "word": word, "hint": hint}
