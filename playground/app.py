"""The page's server: what may be asked, by whom, and how much. Contract: docs/playground.md."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.errors import (
    BadRequest,
    NoSuchThing,
    NotJson,
    PlaygroundError,
    Stranger,
    TooLarge,
    UnknownHost,
)
from playground.stage import Stage
from screen.app import HEADERS
from screen.hosts import allowed_host
from screen.stream import LiveStream

STATIC = Path(__file__).parent / "static"
MOST_BODY = 4096
"""Bytes of a request."""
BODY_SECONDS = 5.0
SMALLEST, LARGEST = 64, 720
"""Pixels of a picture's middle square."""
SHOWN = {"ticket", "look", "lane"}


def make_app(stage: Stage) -> Starlette:
    """The web application of one stage. Loopback only: whoever reaches it may turn every switch."""
    page = _Page(stage)
    routes = [
        Route("/", page.index),
        Route("/central", page.central),
        Route("/api/stage", page.stage),
        Route("/api/show", page.show, methods=["POST"]),
        Route("/api/tap", page.tap, methods=["POST"]),
        Route("/api/switch", page.switch, methods=["POST"]),
        Route("/api/picture/{ticket}", page.picture),
        Route("/api/events", page.events),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        PlaygroundError: _named,
        HTTPException: _no_route,
        ClientDisconnect: _gone,
    }
    return Starlette(routes=routes, middleware=[Middleware(Guard)], exception_handlers=handlers)


class _Page:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def index(self, _: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def central(self, _: Request) -> Response:
        return RedirectResponse(await self._stage.central_link(), 303)

    async def stage(self, _: Request) -> Response:
        return JSONResponse(self._stage.told())

    async def show(self, request: Request) -> Response:
        asked = await _asked(request, SHOWN, {"ticket"})
        showing = self._stage.show(asked["ticket"], asked.get("look", "none"), asked.get("lane"))
        return JSONResponse({"showing": showing.number}, 202)

    async def tap(self, request: Request) -> Response:
        asked = await _asked(request, {"ticket", "lane"}, {"ticket"})
        showing = self._stage.tap(asked["ticket"], asked.get("lane"))
        return JSONResponse({"showing": showing.number}, 202)

    async def switch(self, request: Request) -> Response:
        asked = await _asked(request, {"id", "value"}, {"id"})
        return JSONResponse(await self._stage.switch(asked["id"], asked.get("value")))

    async def picture(self, request: Request) -> Response:
        query = request.query_params
        size = _size(query["size"]) if "size" in query else None
        look = query.get("look", "none")
        png = await self._stage.picture(request.path_params["ticket"], look, size)
        return Response(png, media_type="image/png")

    async def events(self, request: Request) -> Response:
        after = request.headers.get("last-event-id") or request.query_params.get("after")
        return LiveStream(self._stage.hub.stream(after))


async def _asked(request: Request, known: set[str], needed: set[str]) -> dict[str, Any]:
    """The JSON object of a request, with these names. Raises PlaygroundError."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        # A form of a foreign page can send anything but this without being asked first.
        raise NotJson("A request is application/json", "Send it with that Content-Type")
    try:
        asked = json.loads(await _body(request))
    except (ValueError, RecursionError) as error:
        raise BadRequest("The request is no JSON", "See docs/playground.md") from error
    if not isinstance(asked, dict) or asked.keys() - known or needed - asked.keys():
        raise BadRequest(
            f"A request here is an object of {', '.join(sorted(known))}",
            f"It needs {', '.join(sorted(needed))}; see docs/playground.md",
        )
    return asked


async def _body(request: Request) -> bytes:
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                taken += part
                if len(taken) > MOST_BODY:
                    raise TooLarge(f"A request has at most {MOST_BODY} bytes", "Send less")
    except TimeoutError as error:
        raise BadRequest(f"The request took over {BODY_SECONDS:.0f} s", "Send it again") from error
    return bytes(taken)


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise BadRequest("The size is no number", f"Give {SMALLEST} to {LARGEST}")
    if not SMALLEST <= int(text) <= LARGEST:
        raise BadRequest("No picture has that size", f"Give {SMALLEST} to {LARGEST}")
    return int(text)


async def _named(_: Request, error: PlaygroundError) -> Response:
    return _fault(error)


async def _no_route(_: Request, error: HTTPException) -> Response:
    fault = NoSuchThing("There is no such page or call", "See docs/playground.md")
    return JSONResponse(_body_of(fault), error.status_code, error.headers)


async def _gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def _fault(error: PlaygroundError) -> Response:
    return JSONResponse(_body_of(error), error.status)


def _body_of(error: PlaygroundError) -> dict[str, str]:
    return {"error": type(error).__name__, "cause": error.cause, "remedy": error.remedy}


class Guard:
    """Lets only requests for ourselves, from our own page, through; `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *extra]}
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif error := refusal(scope):
            await _fault(error)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)


def refusal(scope: Scope) -> PlaygroundError | None:
    """Why a request is not answered: under another name than ours, or from another page."""
    hosts, origins = (
        [value.decode("latin-1") for key, value in scope["headers"] if key == name]
        for name in (b"host", b"origin")
    )
    if len(hosts) != 1 or not allowed_host(hosts[0], "127.0.0.1"):
        return UnknownHost(
            "This page has no such name", "Open it as http://127.0.0.1 with its port"
        )
    if any(origin != f"http://{hosts[0]}" for origin in origins):
        return Stranger("The request came through another page", "Open the playground itself")
    return None
