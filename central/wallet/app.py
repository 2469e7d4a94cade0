"""The wallet page and its three calls, as one application to be mounted at `links.BASE`.

A link opens the page and does nothing else, so that a mail scanner that follows it moves no ticket;
the page sends what stands behind its `#` in the body of a POST, when somebody presses a button.
"""

import logging
import threading
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from central.bodies import Body
from central.database import busy
from central.errors import ProtocolError
from central.event import Central
from central.lists import refresh
from central.wallet import binding
from central.wallet.binding import Standing
from central.wallet.links import SECRET_CHARACTERS
from central.web import BodyTooLarge, BodyTooSlow, Guard, read_body
from tickets.cose import key_id, public_key_of
from tickets.errors import GateError

MOST_BYTES = 2048
"""Largest body of a call."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
AT_ONCE, WAITING = 4, 64
"""Calls that are worked on at once, and that may wait for it: guests crowd out no gate."""
PUBLISH_AFTER = 2.0
"""Seconds for which moves are gathered before gates are told: a delta for each would be many."""
STATIC = Path(__file__).parent / "static"
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types wallet"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-cache",
}
"""Sent with every answer. The page is kept by its service worker, not by the browser's cache."""
_LOG = logging.getLogger("central")
Work = Callable[[Body], dict[str, object]]


class Publisher:
    """Tells gates of moves, those of a moment together."""

    def __init__(self, central: Central, after: float = PUBLISH_AFTER) -> None:
        self._central, self._after = central, after
        self._due: threading.Timer | None = None
        self._lock = threading.Lock()

    def moved(self) -> None:
        """A ticket moved; gates hear of it in a moment."""
        with self._lock:
            if self._due is None:
                self._due = threading.Timer(self._after, self._publish)
                self._due.daemon = True
                self._due.start()

    def _publish(self) -> None:
        with self._lock:
            self._due = None
        try:
            refresh(self._central)
        except (SQLAlchemyError, GateError) as error:  # the server's own round tries again
            _LOG.error("moves of tickets could not be published: %s", error)


class Calls:
    """What the page asks for, in threads of its own: guests take none from the gates."""

    def __init__(self, central: Central, publisher: Publisher) -> None:
        self._central, self._publisher = central, publisher
        self._threads = CapacityLimiter(AT_ONCE)
        seed = central.wallet_seed
        self._issuer = key_id(public_key_of(seed)).hex() if seed else ""

    async def look(self, request: Request) -> Response:
        """`POST /ticket`: what is known of the ticket of `link`."""
        return await self._answer(request, self._look)

    async def bind(self, request: Request) -> Response:
        """`POST /bind`: move it to the phone that has `key`; `proof` shows that it has."""
        return await self._answer(request, self._bind)

    async def copyable(self, request: Request) -> Response:
        """`POST /copyable`: a ticket for a browser that can keep no key."""
        return await self._answer(request, self._copyable)

    def _look(self, body: Body) -> dict[str, object]:
        return self._told(binding.look(self._central, _link(body)))

    def _bind(self, body: Body) -> dict[str, object]:
        key, proof = body.octets("key", 32), body.octets("proof", 64)
        shown = binding.move(self._central, _link(body), key, proof)
        return self._moved(body, shown)

    def _copyable(self, body: Body) -> dict[str, object]:
        return self._moved(body, binding.copyable(self._central, _link(body)))

    def _moved(self, body: Body, shown: bytes) -> dict[str, object]:
        self._publisher.moved()
        told = self._told(binding.look(self._central, _link(body)))
        return told | {"ticket": b64encode(shown).decode("ascii")}

    def _told(self, standing: Standing) -> dict[str, object]:
        now = self._central.now()
        return {
            "event": self._central.event,
            "title": standing.title or self._central.event,
            "id": standing.id,
            "doors": standing.doors,
            "stays": standing.entered or now >= standing.doors,
            "cancelled": standing.cancelled,
            "key": standing.holder_key.hex(),
            "issuer": self._issuer,
            "moved": standing.moved,
            "now": now,
        }

    async def _answer(self, request: Request, work: Work) -> Response:
        body = Body.clean(await _body(request))
        if self._threads.statistics().tasks_waiting >= WAITING:
            raise busy()
        return JSONResponse(await to_thread.run_sync(partial(work, body), limiter=self._threads))


def _link(body: Body) -> str:
    return body.text("link", SECRET_CHARACTERS)


async def _body(request: Request) -> bytes:
    try:
        return await read_body(request, MOST_BYTES, BODY_SECONDS)
    except BodyTooLarge:
        raise ProtocolError(
            413, "too_large", f"the body is larger than {MOST_BYTES} bytes", "Reload"
        ) from None
    except BodyTooSlow as error:
        raise ProtocolError(
            408, "too_slow", f"the body took longer than {BODY_SECONDS:.0f} s", "Try again"
        ) from error


def _headers(scope: Scope) -> dict[str, str]:
    """`HEADERS`; but calls are kept nowhere."""
    return HEADERS | ({"cache-control": "no-store"} if scope.get("method") == "POST" else {})


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProtocolError)
    return JSONResponse(error.body(), error.status)


def _nothing_here(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = ProtocolError(error.status_code, "no_such_page", error.detail, "Open the link again")
    return JSONResponse(refusal.body(), error.status_code, error.headers)


def _storage(request: Request, error: Exception) -> Response:
    _LOG.error("database: %s", error)
    return _refused(request, busy())


def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def make_wallet(central: Central, publish_after: float = PUBLISH_AFTER) -> Starlette:
    """The application."""
    calls = Calls(central, Publisher(central, publish_after))
    routes = [
        Route("/", _page, methods=["GET"]),
        Route("/ticket", calls.look, methods=["POST"]),
        Route("/bind", calls.bind, methods=["POST"]),
        Route("/copyable", calls.copyable, methods=["POST"]),
        Mount("/", StaticFiles(directory=STATIC)),
    ]
    handlers: dict[Any, Callable[..., Response]] = {
        ProtocolError: _refused,
        HTTPException: _nothing_here,
        DBAPIError: _storage,
        PoolExhausted: _storage,
        ClientDisconnect: _gone,
    }
    return Starlette(
        routes=routes, exception_handlers=handlers, middleware=[Middleware(Guard, headers=_headers)]
    )
