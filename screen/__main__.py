"""The screen process: one ear at the gate program, one web server (`python -P -m screen`)."""

import argparse
import asyncio
import json
import logging
import socket
import sys
from pathlib import Path

import uvicorn

from config.memory import keep_off_disk
from config.models import AdmitConfig
from config.notify import notify
from config.read import read_config
from screen.app import Site, make_app
from screen.board import Board
from screen.errors import ScreenUnavailable
from screen.hub import Hub
from screen.link import Link
from tickets.errors import GateError

log = logging.getLogger("screen")

CONNECTIONS = 128
"""Browsers at once; more are told to come back. Bounds memory on a small board."""
UNANSWERED = 10_000
"""Milliseconds of unacknowledged data after which the kernel drops a browser that is gone."""


def main(arguments: list[str] | None = None) -> int:
    """Serve the pages until stopped; 1 after a fault that was named on stderr."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # a process number is no news
    try:
        keep_off_disk()
        config = read_config(options.config)
        host = config.screen.host if options.host is None else options.host
        port = config.screen.port if options.port is None else options.port
        listener = listen(host, port)
        log.info("pages at http://%s:%d", host, listener.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        print(json.dumps({"url": f"http://{shown}:{listener.getsockname()[1]}"}), flush=True)  # noqa: T201
        asyncio.run(serve(config, options.run, listener, host))
    except GateError as error:
        sys.stderr.write(f"{error.cause}\n{error.remedy}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="screen", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the provisioning file")
    parser.add_argument("--run", type=Path, required=True, help="run directory with events.sock")
    parser.add_argument("--host", help="address to listen on, instead of the configured one")
    parser.add_argument("--port", type=int, help="TCP port, instead of the configured one")
    return parser.parse_args(arguments)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ScreenUnavailable: the address is not ours, is taken, or needs rights.
    """
    try:
        # Without a backlog of its own the kernel's default is too short for a room of tablets.
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64
        )
    except (OSError, OverflowError) as error:
        raise ScreenUnavailable(
            f"The pages cannot be served at {host}:{port}: {error}",
            "Choose another [screen] port, or stop the program that uses it",
        ) from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED)
    return listener


async def serve(config: AdmitConfig, run: Path, listener: socket.socket, host: str) -> None:
    """Run link and server; when either ends, both end, and the service manager restarts them."""
    site = Site(
        gate=config.gate.name,
        lanes=tuple(lane.name for lane in config.lanes),
        languages=config.screen.languages,
        host=host,
    )
    hub = Hub(Board(site.gate, site.lanes, alone=config.server.url is None))
    link = asyncio.create_task(Link(run, hub, names=config.screen.names != "none").run())
    web = asyncio.create_task(server(site, hub).serve(sockets=[listener]))
    alive = asyncio.create_task(_alive())
    done, _ = await asyncio.wait({link, web}, return_when=asyncio.FIRST_COMPLETED)
    link.cancel()
    alive.cancel()
    for task in done:
        task.result()


async def _alive() -> None:
    """Feed the watchdog from the loop that serves: a page that hangs is started anew."""
    notify("READY=1")
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(1.0)


def server(site: Site, hub: Hub) -> uvicorn.Server:
    """The web server with its bounds; it adds no header of its own and logs no address."""
    return uvicorn.Server(
        uvicorn.Config(
            make_app(site, hub),
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=16_384,
            timeout_graceful_shutdown=1,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
