"""What the stage hears of gate and server: threads that wait, and hand over to the loop."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from central.event import Central
from central.schema import record
from cli.gate_client import GateClient, GateNotRunning
from tickets.errors import GateError

AGAIN_AFTER = 0.3
"""Seconds until a gate that is gone is looked for again."""
LOOK_EVERY = 0.2
"""Seconds between two looks into the server's database."""

Hear = Callable[[Any], None]


class Ear(threading.Thread):
    """One thing to listen to, again and again, until the playground ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listen: Callable[["Ear"], None]) -> None:
        super().__init__(name="ear", daemon=True)
        self._loop, self._listen = loop, listen
        self._stop = threading.Event()

    def run(self) -> None:
        """Listen; a gate that is killed is found again."""
        while not self._stop.is_set():
            try:
                self._listen(self)
            except GateError:  # gone, or it says why not: later it may
                self.pause(AGAIN_AFTER)

    def tell(self, hear: Hear, what: object) -> None:
        """Hand over to the loop's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(hear, what)

    def pause(self, seconds: float) -> bool:
        """Wait; True when the playground has ended."""
        return self._stop.wait(seconds)

    def stop(self) -> None:
        """End soon."""
        self._stop.set()


def gate_events(run: Path, on_up: Hear, on_event: Hear) -> Callable[[Ear], None]:
    """The gate's live events; ``on_up``: its status when it answers, None when it is gone."""

    def listen(ear: Ear) -> None:
        with GateClient(run, "events") as asked, GateClient(run, "events") as told:
            told.tell(op="events", after=-1)  # first: nothing that comes after the status is missed
            ear.tell(on_up, asked.ask(op="status")["status"])
            try:
                for event in told.follow():
                    ear.tell(on_event, event["event"])
            finally:
                ear.tell(on_up, None)

    return listen


def journal_rows(run: Path, on_row: Hear) -> Callable[[Ear], None]:
    """Every row of the journal, from the first, as it is written."""
    at = 0

    def listen(ear: Ear) -> None:
        nonlocal at
        with GateClient(run, "sync") as asked, GateClient(run, "sync") as told:
            told.tell(op="follow")
            for news in told.follow():
                while at < news["head"]:
                    rows = asked.ask(op="records", after=at, limit=100)["records"]
                    if not rows:
                        break
                    for row in rows:
                        ear.tell(on_row, row)
                    at = rows[-1]["seq"]

    return listen


def arrivals(central: Central, on_arrival: Hear) -> Callable[[Ear], None]:
    """The number of every record that has reached the server's database."""
    all_to = 0
    beyond: set[int] = set()  # a record overtakes a scan that waits for its outcome

    def listen(ear: Ear) -> None:
        nonlocal all_to
        query = select(record.c.seq).where(record.c.seq > all_to).order_by(record.c.seq)
        try:
            with central.database.reading() as connection:
                found = [int(seq) for seq in connection.execute(query).scalars()]
        except SQLAlchemyError as error:
            raise GateNotRunning("the server's database cannot be read", "See its log") from error
        for seq in found:
            if seq not in beyond:
                beyond.add(seq)
                ear.tell(on_arrival, seq)
        while all_to + 1 in beyond:
            all_to += 1
            beyond.remove(all_to)
        ear.pause(LOOK_EVERY)

    return listen


class Spectator(asyncio.DatagramProtocol):
    """Hears what was done to the simulated metal (`drivers.witness`)."""

    def __init__(self, on_deed: Hear) -> None:
        self._on_deed = on_deed

    def datagram_received(self, data: bytes, address: object) -> None:
        """One deed."""
        self._on_deed(json.loads(data))

    @classmethod
    async def sit(cls, path: Path, on_deed: Hear) -> asyncio.DatagramTransport:
        """Listen at ``path``; close what is returned."""
        seat = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        seat.bind(str(path))
        seat.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: cls(on_deed), sock=seat)
        return transport
