"""The pages of a gate: what is served, to whom, and under which rules."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from screen.hosts import allowed_host
from screen.hub import Hub
from screen.stream import LiveStream, updates
from screen.words import LANGUAGES, LOST, SOUND, words

HERE = Path(__file__).parent
ARROWS = ("up", "left", "right")

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Sent with every answer. Trusted types make any use of innerHTML an error in the browser."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages need to know of the configuration."""

    gate: str
    lanes: tuple[str, ...]
    languages: tuple[str, ...] = LANGUAGES
    host: str = "127.0.0.1"


def make_app(site: Site, hub: Hub) -> Starlette:
    """The web application of one gate. Whoever may reach it may look; nothing can be changed."""
    pages = _Pages(site, hub)
    routes = [
        Route("/", pages.index),
        Route("/steward", pages.steward),
        Route("/lane/{name}", pages.lane),
        Route("/stream", pages.stream),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, host=site.host)])


class _Pages:
    def __init__(self, site: Site, hub: Hub) -> None:
        self._site = site
        self._hub = hub
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def _page(self, template: str, **values: Any) -> Response:
        return HTMLResponse(
            self._templates.get_template(template).render(site=self._site, **values)
        )

    async def index(self, request: Request) -> Response:
        return self._page("index.html")

    async def steward(self, request: Request) -> Response:
        return self._page("steward.html")

    async def lane(self, request: Request) -> Response:
        name, language = request.path_params["name"], self._language(request)
        if name not in self._site.lanes:
            return _no_lane(name)
        arrow = request.query_params.get("arrow", "")
        return self._page(
            "lane.html",
            name=name,
            language=language,
            arrow=arrow if arrow in ARROWS else "up",
            kiosk=request.query_params.get("kiosk") == "1",
            down=words("down", "", language),
            evacuation=[words("evacuation", "", other) for other in self._site.languages],
            lost=LOST[language],
            sound=SOUND[language],
        )

    async def stream(self, request: Request) -> Response:
        name = request.query_params.get("lane")
        if name is None:
            return LiveStream(updates(self._hub, self._hub.steward))
        if name not in self._site.lanes:
            return _no_lane(name)
        return LiveStream(updates(self._hub, self._lane_view(name, self._language(request))))

    def _lane_view(self, name: str, language: str) -> Callable[[], dict[str, object]]:
        def view() -> dict[str, object]:
            shown = self._hub.face(name)
            word, hint = words(str(shown["face"]), str(shown["reason"]), language)
            return {"face": {**shown, "word": word, "hint": hint}}

        return view

    def _language(self, request: Request) -> str:
        asked = request.query_params.get("lang", "")
        return asked if asked in LANGUAGES else self._site.languages[0]


def _no_lane(name: str) -> Response:
    return PlainTextResponse(f"No lane {name[:40]!r}. Choose one on the first page.\n", 404)


class Guard:
    """Lets only GET for a known host through, and puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                names = {name for name, _ in extra}
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
                message = {**message, "headers": [*kept, *extra]}
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["method"] != "GET":
            return PlainTextResponse("These pages can only be read.\n", 405, {"allow": "GET"})
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not allowed_host(hosts[0].decode("latin-1"), self._host):
            told = "Unknown host name. Open this page by the gate's address.\n"
            return PlainTextResponse(told, 421)
        return None
