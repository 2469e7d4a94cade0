"""What the gate protocol, the organiser's pages and the wallet have in common as web servers."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyTooLarge(Exception):
    """More bytes than the call takes; each caller says so in its own words."""


class BodyTooSlow(Exception):
    """Not all of it arrived in time."""


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the whole body, read no further than `most` bytes and no longer than `seconds`.

    Raises:
        BodyTooLarge, BodyTooSlow: a bound was met.
    """
    taken = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                taken += part
                if len(taken) > most:
                    raise BodyTooLarge
    except TimeoutError as error:
        raise BodyTooSlow from error
    return bytes(taken)


class Guard:
    """Puts headers on every answer, in the place of its own of the same names.

    Args:
        headers: Names (in lower case) and values for a call of this scope.
    """

    def __init__(self, app: ASGIApp, headers: Callable[[Scope], Mapping[str, str]]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in self._of(scope)]
                names = {name for name, _ in extra}
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
                message = {**message, "headers": [*kept, *extra]}
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _of(self, scope: Scope) -> list[tuple[str, str]]:
        return list(self._headers(scope).items())
