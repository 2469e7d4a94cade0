"""The screen's ear at the gate program: `events.sock`, heard without end (docs/ipc.md).

It asks for the status every second. Who does not answer within `Pace.silence` counts as dead: a
gate program that hangs with its socket open must not leave a green light standing.
"""

import asyncio
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from screen.board import LastSeen
from screen.errors import LinkLost, MessageMalformed
from screen.hub import Hub
from screen.messages import LONGEST_MESSAGE, Event, Guest, Status, read_message, read_status

REMEDY = (
    "It restarts by itself; wait ten seconds. If this stays, switch the gate off and on, "
    "and send guests to another gate"
)


HISTORY = 90
"""Events to catch up with at most: enough for the last scans, and sent in one go."""
RECENT = 2.0
"""Seconds of silence within which a verdict is not yet history."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between the link's steps."""

    poll: float = 0.5
    silence: float = 1.2
    """Longest wait for an answer; with `poll` the death of the gate program shows within 2 s."""
    first_retry: float = 0.1
    last_retry: float = 1.0


class Link:
    """Keeps a hub up to date from the sockets and files in the run directory `run`."""

    def __init__(self, run: Path, hub: Hub, pace: Pace | None = None, names: bool = False) -> None:
        """`names`: ask for guests' names, which the steward's page shows."""
        self._run, self._names = run, names
        self._hub = hub
        self._pace = pace or Pace()
        self._boot = ""
        self._seq = 0
        self._heard_at = -RECENT

    async def run(self) -> None:
        """Follow the gate program for ever: reconnect with back-off, resume by `seq`."""
        wait = self._pace.first_retry
        while True:
            ear = _Ear(self._pace)
            try:
                await self._follow(ear)
            except LinkLost as lost:
                self._hub.lose(lost, self.last_seen())
            finally:
                ear.close()
            if ear.heard:
                self._heard_at = time.monotonic()
            wait = self._pace.first_retry if ear.heard else min(2 * wait, self._pace.last_retry)
            await asyncio.sleep(wait)

    def last_seen(self) -> LastSeen:
        """The gate's last words: `status.json`, else what this screen remembers, ageless."""
        path = self._run / "status.json"
        try:
            # Non-blocking: a pipe put in its place must not hold the whole screen.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                written = os.fstat(file.fileno()).st_mtime
                status = read_status(file.read(LONGEST_MESSAGE + 1))
        except (OSError, MessageMalformed):
            return LastSeen(self._hub.board.status, None)  # the lost link is the fault to show
        return LastSeen(status, max(0.0, time.time() - written))

    async def _follow(self, ear: "_Ear") -> NoReturn:
        await ear.connect(self._run / "events.sock")
        await ear.ask({"op": "status"})
        first = await ear.next()
        while not isinstance(first, Status):
            first = await ear.next()
        after = self._resume_after(first)
        names = {"names": True} if self._names else {}
        await ear.ask({"op": "events", "after": after} | names)
        await ear.ask({"op": "status"})
        # What happened before the first answer is history and moves no face, unless it fell
        # into a moment of silence: then a guest stands there and waits for it.
        recent = after == self._seq > 0 and time.monotonic() - self._heard_at < RECENT
        newest = first.events or 0
        while True:
            message = await ear.next()
            if isinstance(message, Event):
                self._boot, self._seq = first.boot, message.seq
                self._hub.hear(message, recent or message.seq > newest)
            elif message is not None:
                self._hub.hear(message, True)

    def _resume_after(self, first: Status) -> int:
        """Number of the event to resume after: the last heard, or a page of history ago."""
        newest = first.events or 0
        page_ago = max(0, newest - HISTORY)
        # Numbers start again with each start of the gate program, within one boot too.
        known = first.boot == self._boot and self._seq <= newest
        return max(self._seq, page_ago) if known else page_ago


class _Ear:
    """One connection to `events.sock` that keeps asking whether the other end lives."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._loop = asyncio.get_running_loop()
        self._asked_at: float | None = None
        self._poll_at = 0.0
        self._coming: asyncio.Task[bytes] | None = None
        self.heard = False
        """Whether the gate program has answered on this connection."""

    def close(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
        self._wire.close()

    async def connect(self, path: Path) -> None:
        try:
            async with asyncio.timeout(self._pace.silence):
                await self._loop.sock_connect(self._wire, str(path))
        except (OSError, ValueError) as error:
            raise LinkLost("The gate program is not running", REMEDY) from error

    async def ask(self, question: dict[str, object]) -> None:
        if question["op"] == "status" and self._asked_at is None:
            self._asked_at = self._loop.time()
        try:
            async with asyncio.timeout(self._pace.silence):
                await self._loop.sock_sendall(self._wire, json.dumps(question).encode())
        except OSError as error:
            raise LinkLost("The gate program has stopped", REMEDY) from error

    async def next(self) -> Event | Status | Guest | None:
        """The next message; asks for the status whenever it is due.

        Raises:
            LinkLost: it stopped, was silent for `Pace.silence` after a question, or babbled.
        """
        while True:
            data = await self._receive()
            if data is None:
                await self.ask({"op": "status"})
                continue
            message = read_message(data)
            if isinstance(message, Status):
                self._asked_at, self.heard = None, True
                self._poll_at = self._loop.time() + self._pace.poll
            elif self._overdue():
                raise LinkLost("The gate program does not answer", REMEDY)
            return message

    def _overdue(self) -> bool:
        asked = self._asked_at
        return asked is not None and self._loop.time() - asked > self._pace.silence

    async def _receive(self) -> bytes | None:
        """One message; None when it is time to ask again."""
        asked = self._asked_at
        until = self._poll_at if asked is None else asked + self._pace.silence
        # Waited for, never cancelled: a receive that is cancelled as it completes loses a verdict.
        if self._coming is None:
            self._coming = asyncio.create_task(
                self._loop.sock_recv(self._wire, LONGEST_MESSAGE + 1)
            )
        coming = self._coming
        await asyncio.wait({coming}, timeout=max(0.0, until - self._loop.time()))
        if not coming.done():
            if asked is None:
                return None
            raise LinkLost("The gate program does not answer", REMEDY)
        self._coming = None
        try:
            data = coming.result()
        except OSError as error:
            raise LinkLost("The gate program has stopped", REMEDY) from error
        if not data:
            raise LinkLost("The gate program has stopped", REMEDY)
        return data
