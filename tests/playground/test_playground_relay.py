"""The cable to the server: it can be cut and made slow, and refuses nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from playground.relay import MOST, Relay

Wires = tuple[asyncio.StreamReader, asyncio.StreamWriter]
WAIT = 10.0


def with_relay(play: Callable[[Relay, Callable[[], Awaitable[Wires]]], Awaitable[None]]) -> None:
    """Play with a relay to a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        relay = Relay()
        await relay.start()
        relay.lead_to(server.sockets[0].getsockname()[1])
        try:
            async with asyncio.timeout(WAIT):
                await play(relay, lambda: asyncio.open_connection("127.0.0.1", relay.port))
        finally:
            await relay.close()
            server.close()

    asyncio.run(main())


async def says(wires: Wires, text: bytes) -> bytes:
    """What the server says back."""
    wires[1].write(text)
    return await wires[0].readexactly(len(text))


async def silent(wires: Wires) -> bool:
    """Whether nothing comes for a moment in which an answer would have come."""
    try:
        async with asyncio.timeout(0.05):
            await wires[0].read(1)
    except TimeoutError:
        return True
    return False


def test_a_whole_cable_carries_both_ways() -> None:
    async def play(relay: Relay, connect: Callable[[], Awaitable[Wires]]) -> None:
        wires = await connect()
        assert await says(wires, b"hello") == b"hello"
        wires[1].write_eof()
        assert await wires[0].read() == b""

    with_relay(play)


def test_a_cut_cable_is_silent_and_refuses_nothing() -> None:
    async def play(relay: Relay, connect: Callable[[], Awaitable[Wires]]) -> None:
        old = await connect()
        await says(old, b"hello")
        relay.set_cut(True)
        old[1].write(b"lost")
        assert await silent(old)
        assert await silent(await connect())
        assert relay.cut

    with_relay(play)


def test_a_cable_cut_for_long_refuses_nobody_either() -> None:
    """Callers that gave up are forgotten, the oldest first."""

    async def play(relay: Relay, connect: Callable[[], Awaitable[Wires]]) -> None:
        relay.set_cut(True)
        for _ in range(MOST):
            (await connect())[1].close()
        assert await silent(await connect())
        assert len(relay._open) <= MOST

    with_relay(play)


def test_a_mended_cable_has_forgotten_what_was_open() -> None:
    """As a router does: the gate has to connect anew, and can."""

    async def play(relay: Relay, connect: Callable[[], Awaitable[Wires]]) -> None:
        old = await connect()
        await says(old, b"hello")
        relay.set_cut(True)
        relay.set_cut(False)
        with contextlib.suppress(ConnectionResetError):
            assert await old[0].read(1) == b""
        assert await says(await connect(), b"again") == b"again"

    with_relay(play)


def test_a_slow_cable_takes_its_time_each_way() -> None:
    async def play(relay: Relay, connect: Callable[[], Awaitable[Wires]]) -> None:
        wires, loop = await connect(), asyncio.get_running_loop()
        relay.delay = 0.03
        began = loop.time()
        assert await says(wires, b"hello") == b"hello"
        assert loop.time() - began >= 0.06

    with_relay(play)


def test_who_calls_before_the_server_is_there_waits_for_it() -> None:
    async def main() -> None:
        relay = Relay()
        await relay.start()
        try:
            assert await silent(await asyncio.open_connection("127.0.0.1", relay.port))
        finally:
            await relay.close()

    asyncio.run(main())


def test_a_server_that_is_gone_is_a_closed_connection() -> None:
    async def play(relay: Relay, connect: Callable[[], Awaitable[Wires]]) -> None:
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        relay.lead_to(taken.sockets[0].getsockname()[1])
        taken.close()
        await taken.wait_closed()
        assert await (await connect())[0].read(1) == b""

    with_relay(play)
