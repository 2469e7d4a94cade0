"""`admit demo`: opens the playground."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn

from playground.app import make_app
from playground.errors import PlaygroundError
from playground.props import make_props
from playground.rehearsal import rehearse
from playground.stage import Stage
from tickets.errors import GateError

PORT = 8400
"""Where the page is, if nobody else is there."""
CONNECTIONS = 64
CLOSES_WITHIN = 5.0
"""Seconds for open pages to be told that it is over."""


def demo(
    once: Annotated[bool, typer.Option(help="Show each ticket once, without a page")] = False,
    directory: Annotated[
        Path | None, typer.Option(help="Keep everything here; default: a temporary directory")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="A webcam as one more reader: /dev/video0")
    ] = None,
    port: Annotated[int | None, typer.Option(help=f"Of the page; default: {PORT}, or any")] = None,
) -> None:
    """A page to play on: tickets, a gate with two lanes, a server, and what goes wrong with them.

    Everything is real but the metal: pixels are decoded, signatures verified, the journal is on
    disk before the drawn turnstile turns, and the records arrive at the server. Exit code of
    --once: 0, all verdicts were as expected. Ctrl-C ends every process.
    """
    if camera is not None and not Path(camera).exists():
        raise PlaygroundError(f"There is no camera {camera}", "Look for it: ls /dev/video*")
    with _place(directory) as base:
        good = asyncio.run(_play(base, camera, once, port))
    raise typer.Exit(0 if good else 1)


async def _play(base: Path, camera: str | None, once: bool, port: int | None) -> bool:
    """The whole of it, until it is over or somebody presses Ctrl-C; then all is cleared away."""
    enough = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, enough.set)
    listener = None if once else _listen(port)
    stage = Stage(make_props(base), camera)
    work = asyncio.ensure_future(_open(stage, listener, enough) if listener else _rehearse(stage))
    stopped = asyncio.ensure_future(enough.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and not once:
            await asyncio.wait({work}, timeout=CLOSES_WITHIN)
        return work.result() if work.done() else not once
    finally:
        work.cancel()
        stopped.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
        await stage.close()
        if listener is not None:
            listener.close()


async def _rehearse(stage: Stage) -> bool:
    await stage.open()
    return await rehearse(stage)


async def _open(stage: Stage, listener: socket.socket, enough: asyncio.Event) -> bool:
    await stage.open()
    _explain(stage, listener.getsockname()[1])
    server = _server(stage)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    await enough.wait()
    stage.hub.close()
    server.should_exit = True
    await serving
    return True


def _listen(wanted: int | None) -> socket.socket:
    """Bound at once and kept: no other playground can take it meanwhile."""
    choices = (PORT, 0) if wanted is None else (wanted,)
    for port in choices:
        with contextlib.suppress(OSError, OverflowError):
            return socket.create_server(("127.0.0.1", port))
    raise PlaygroundError(f"Port {wanted} of this computer is taken", "Name another with --port")


class _Server(uvicorn.Server):
    """Leaves signals to `_play`: uvicorn would raise them again while all is cleared away."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(stage: Stage) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            make_app(stage),
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


def _explain(stage: Stage, port: int) -> None:
    admit = Path(sys.executable).with_name("admit")
    sys.stdout.write(
        f"""
The playground is open:  http://127.0.0.1:{port}/

Elsewhere, try:  {admit} events --follow --run {stage.props.run}
Ctrl-C ends it all.

"""
    )
    sys.stdout.flush()


@contextlib.contextmanager
def _place(directory: Path | None) -> Iterator[Path]:
    if directory is None:
        with TemporaryDirectory(prefix="admit-demo-") as temporary:
            yield Path(temporary)
        return
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        # mkdir names the parent that is in the way, which may be another than was asked for.
        where = error.filename or directory
        raise GateError(
            f"{where} cannot be made: {error.strerror}",
            "Name a new directory where this user may write",
        ) from error
    yield directory.absolute()
