"""The real screen on a free loopback port, in a thread of its own."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from screen.__main__ import listen, server
from screen.app import Site
from screen.board import Board
from screen.hub import Hub
from screen.link import Link, Pace

QUICK = Pace(poll=0.05, silence=5.0, first_retry=0.02, last_retry=0.05)
"""Impatient, but not so much that a busy machine is taken for a dead gate program."""


@contextlib.contextmanager
def serving(run: Path, *lanes: str, languages: tuple[str, ...] = ("en", "de")) -> Iterator[str]:
    """Serve the pages of a gate whose sockets are in `run`; yields the address."""
    listener = listen("127.0.0.1", 0)
    site = Site("north-1", lanes, languages)

    async def both() -> None:
        hub = Hub(Board(site.gate, site.lanes))
        link = asyncio.create_task(Link(run, hub, QUICK).run())
        await web_of(hub)
        link.cancel()

    servers = []

    async def web_of(hub: Hub) -> None:
        servers.append(server(site, hub))
        await servers[0].serve(sockets=[listener])

    thread = threading.Thread(target=asyncio.run, args=(both(),), daemon=True)
    thread.start()
    try:
        until(lambda: bool(servers) and servers[0].started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        servers[0].should_exit = True
        servers[0].force_exit = True
        thread.join(5)


def until(met: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for a condition; fail when it is not met in time."""
    end = time.monotonic() + within
    while not met():
        assert time.monotonic() < end, "not met in time"
        time.sleep(0.01)
