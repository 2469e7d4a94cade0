"""The processes behind the page: the server and one gate, started, kept running, killed."""

import asyncio
import time

from cli.children import Announcer, Child
from config.read import read_config
from playground.errors import PlaygroundError
from playground.props import Props
from playground.relay import Relay

READY_WITHIN = 60.0
"""Seconds a process may take to say where it serves: a cold disk reads slowly."""
LOOK_EVERY = 0.1


class Troupe:
    """One server, and the three processes of one gate; belongs to one event loop."""

    def __init__(self, props: Props, relay: Relay) -> None:
        common = ["--config", str(props.config), "--run", str(props.run)]
        state = ["--state", str(props.state)]
        self._props, self._relay = props, relay
        self.central = Announcer(
            ["central", "--db", props.database, "--keys", str(props.keys), "--demo-login"]
        )
        self.scanner = Child(["scanner", *common, *state])
        self.screen = Announcer(["screen", *common])
        self._sync = Child(["sync", *common, *state])
        self._gate: list[Child] = []

    async def start(self, webcam: str | None) -> None:
        """Start all; the gate's file is written when the way to the server is known.

        Raises:
            PlaygroundError: one of them does not say where it serves.
        """
        await self._relay.start()
        self._props.write_config(self._relay.port, webcam)
        read_config(self._props.config)
        self._gate = [self._sync, self.screen, self.scanner]
        for child, what in ((self.central, "server"), (self.screen, "steward page")):
            await self._announced(child, what)

    def keep(self) -> None:
        """Start what is not running and whose pause is over."""
        for child in (self.central, *self._gate):
            child.keep(time.monotonic())
        if self.central.url:
            self._relay.lead_to(int(self.central.url.rpartition(":")[2]))

    async def keep_for_ever(self) -> None:
        """`keep`, ten times a second."""
        while True:
            self.keep()
            await asyncio.sleep(LOOK_EVERY)

    def kill_scanner(self) -> None:
        """kill -9 of the lane process, by its process id."""
        self.scanner.kill()
        self.scanner.start_at = time.monotonic() + 1.0

    def kill_gate(self) -> None:
        """kill -9 of every process of the gate."""
        for child in self._gate:
            child.kill()
            child.start_at = time.monotonic() + 1.0

    async def end(self) -> None:
        """Kill all; every part of Admit is made to be killed."""
        for child in (*self._gate, self.central):
            child.kill()
        await self._relay.close()

    async def _announced(self, child: Announcer, what: str) -> None:
        end = time.monotonic() + READY_WITHIN
        self.keep()
        while not child.url:
            self.keep()
            if time.monotonic() > end:
                raise PlaygroundError(f"The {what} did not start", "Read why above, and try again")
            await asyncio.sleep(LOOK_EVERY)
