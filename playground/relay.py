"""The cable between the gate and the server: a TCP relay that can be cut and made slow.

A cut cable refuses nothing: bytes are lost on the way, and calls wait until they give up. When it
is mended, what had been open is closed, as a router that forgot its connections does.
"""

import asyncio
import contextlib

PIECE = 64 << 10
MOST = 64
"""Connections at once; sync has a handful. Of more the oldest is forgotten: while the cable is cut
nobody hears that a caller gave up."""


class Relay:
    """Listens on any free port of 127.0.0.1; belongs to one event loop."""

    def __init__(self) -> None:
        self.port = 0
        self.delay = 0.0
        """Seconds that every byte is on its way, in each direction."""
        self._port_of_server = 0
        self._known = asyncio.Event()
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], None] = {}

    @property
    def cut(self) -> bool:
        """Whether nothing comes through."""
        return not self._whole.is_set()

    def set_cut(self, cut: bool) -> None:
        """Cut the cable, or mend it."""
        if cut:
            self._whole.clear()
        elif self.cut:
            self._whole.set()
            for task in self._open:
                task.cancel()

    def lead_to(self, port: int) -> None:
        """Where the server is, on 127.0.0.1; until then whoever calls it waits."""
        self._port_of_server = port
        self._known.set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and drop what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, gate: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MOST:
            next(iter(self._open)).cancel()
        self._open[task] = None
        try:
            await self._carry(gate, back)
        except asyncio.CancelledError:  # mended or closed: the connection is forgotten
            back.transport.abort()
        finally:
            self._open.pop(task, None)
            back.close()

    async def _carry(self, gate: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        await self._known.wait()
        await self._whole.wait()
        try:
            server, there = await asyncio.open_connection("127.0.0.1", self._port_of_server)
        except OSError:
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(gate, there))
                both.create_task(self._pump(server, back))
        finally:
            there.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the other end went: the pair is closed
            while data := await source.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._whole.wait()
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError):
            sink.write_eof()
