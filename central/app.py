"""The calls of the gate protocol over HTTP: routes, bounds, errors. Source: docs/protocol.md."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from central import claims, enrolment, feeds, heartbeats, lists, records, statements
from central.bodies import Body, cursor_of, hex_bytes
from central.database import busy, is_busy
from central.errors import ProtocolError, malformed
from central.event import Central
from central.openapi import document
from central.organiser.web import BASE
from central.tokens import Caller, Callers, new_bearer
from central.wallet.links import BASE as WALLET
from central.web import BodyTooLarge, BodyTooSlow, read_body

MOST_BYTES = 4 << 20
"""Largest body of an upload."""
FEW_BYTES = 64 << 10
"""Largest body of any other call."""
BODY_SECONDS = 10.0
"""How long a body may take to arrive."""
_LOG = logging.getLogger("central")
_T = TypeVar("_T")
Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The handlers. Database work runs in threads, claims in their own: nothing crowds them out."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._callers = Callers(central)
        # Together fewer than the database's connections: who has a thread waits for no connection.
        self._claims, self._others = CapacityLimiter(16), CapacityLimiter(12)
        self._uploads = CapacityLimiter(4)
        self._document = document()

    async def enrol(self, request: Request) -> Response:
        """`POST /v1/enrol`."""
        body = Body.clean(await _body(request, FEW_BYTES))
        return JSONResponse(await self._run(enrolment.enrol, self._central, body), 201)

    async def token(self, request: Request) -> Response:
        """`POST /v1/token`."""
        body = Body.clean(await _body(request, FEW_BYTES))
        return JSONResponse(await self._run(new_bearer, self._central, body))

    async def statements(self, request: Request) -> Response:
        """`GET /v1/statements`."""
        await self._caller(request)
        after = cursor_of(_asked(request, "after"))
        found = await self._run(statements.statements_after, self._central, after)
        return JSONResponse(found)

    async def list_body(self, request: Request) -> Response:
        """`GET /v1/lists/{hash}`, a piece in memory at a time."""
        await self._caller(request)
        digest = hex_bytes(request.path_params["hash"], 32, "hash")
        number, size = await self._run(lists.body_of, self._central, digest)
        return StreamingResponse(
            iterate_in_threadpool(lists.pieces(self._central, number)),
            media_type="application/octet-stream",
            headers={"Content-Length": str(size)},
        )

    async def records(self, request: Request) -> Response:
        """`POST /v1/records`."""
        caller = await self._caller(request)
        raw = await _body(request, MOST_BYTES)
        work = partial(records.take_records, self._central, caller, raw)
        return JSONResponse(await to_thread.run_sync(work, limiter=self._uploads))

    async def claims(self, request: Request) -> Response:
        """`/v1/claims`: one route, so that its answer 405 names both methods."""
        return await (self.claim if request.method == "POST" else self.open_claims)(request)

    async def claim(self, request: Request) -> Response:
        """`POST /v1/claims`."""
        caller = await self._caller(request, self._claims)
        body = Body.clean(await _body(request, FEW_BYTES))
        work = partial(claims.make_claim, self._central, caller, body)
        return JSONResponse(await to_thread.run_sync(work, limiter=self._claims))

    async def annul(self, request: Request) -> Response:
        """`DELETE /v1/claims/{presentation}`."""
        caller = await self._caller(request, self._claims)
        presentation = hex_bytes(request.path_params["presentation"], 16, "presentation")
        work = partial(claims.annul_claim, self._central, caller, presentation)
        return JSONResponse(await to_thread.run_sync(work, limiter=self._claims))

    async def open_claims(self, request: Request) -> Response:
        """`GET /v1/claims?open=1`."""
        caller = await self._caller(request)
        if _asked(request, "open") not in ("1", None):
            raise malformed("open is not 1")
        return JSONResponse(await self._run(claims.open_claims, self._central, caller))

    async def redemptions(self, request: Request) -> Response:
        """`GET /v1/redemptions`."""
        await self._caller(request)
        after = cursor_of(_asked(request, "after"))
        found = await self._run(feeds.redemptions_after, self._central, after)
        return JSONResponse(found)

    async def conflicts(self, request: Request) -> Response:
        """`GET /v1/conflicts`."""
        caller = await self._caller(request)
        after = cursor_of(_asked(request, "after"))
        found = await self._run(feeds.conflicts_after, self._central, caller, after)
        return JSONResponse(found)

    async def heartbeat(self, request: Request) -> Response:
        """`POST /v1/heartbeat`."""
        caller = await self._caller(request)
        body = Body.clean(await _body(request, FEW_BYTES))
        found = await self._run(heartbeats.heartbeat, self._central, caller, body)
        return JSONResponse(found)

    async def ping(self, request: Request) -> Response:
        """`GET /v1/ping`: from memory, once the caller is known."""
        header = request.headers.get("authorization")
        if self._callers.recent(header) is None:
            await self._caller(request, self._claims)
        return JSONResponse({})

    async def description(self, _: Request) -> Response:
        """`GET /openapi.json`: this protocol, for programs; no secret is in it."""
        return JSONResponse(self._document)

    async def _caller(self, request: Request, limiter: CapacityLimiter | None = None) -> Caller:
        # Before the body is read: a stranger's megabytes are not taken in.
        header = request.headers.get("authorization")
        look = partial(self._callers.caller, header)
        return await to_thread.run_sync(look, limiter=limiter or self._others)

    async def _run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        return await to_thread.run_sync(partial(work, *arguments), limiter=self._others)


def _asked(request: Request, name: str) -> str | None:
    """One value of the query. Of two it could not be known which was meant."""
    values = request.query_params.getlist(name)
    if len(values) > 1:
        raise malformed(f"{name} is given {len(values)} times")
    return values[0] if values else None


async def _body(request: Request, most: int) -> bytes:
    """The whole body within ``most`` bytes and `BODY_SECONDS`; 413 `too_large`, 408 `too_slow`."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and len(announced) < 20 and int(announced) > most:
        raise _too_large(most)
    try:
        return await read_body(request, most, BODY_SECONDS)
    except BodyTooLarge:
        raise _too_large(most) from None
    except BodyTooSlow as error:
        raise ProtocolError(
            408, "too_slow", f"the body took longer than {BODY_SECONDS:.0f} s", "Send it again"
        ) from error


def _too_large(most: int) -> ProtocolError:
    return ProtocolError(
        413, "too_large", f"the body is larger than {most} bytes", "Send fewer records at once"
    )


def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProtocolError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return JSONResponse(error.body(), error.status, headers)


def _no_such_call(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = {404: "no_such_call", 405: "wrong_method"}.get(error.status_code, "refused")
    refusal = ProtocolError(error.status_code, name, error.detail, "See docs/protocol.md")
    return JSONResponse(refusal.body(), error.status_code, error.headers)


def _storage(request: Request, error: Exception) -> Response:
    """The database is full, locked, damaged or gone. What it may have stored all the same, when it
    went in the moment of a commit, the same call finds again: every call may be repeated.
    """
    if isinstance(error, PoolExhausted) or (isinstance(error, DBAPIError) and is_busy(error)):
        return _refusal(request, busy())
    _LOG.error("database: %s", error)
    fault = ProtocolError(
        503, "storage", "the server cannot write", "Look at the server's disk and log; ask again"
    )
    return _refusal(request, fault)


def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _to_pages(_: Request) -> Response:
    return RedirectResponse(f"{BASE}/", 303)


def _fault(_: Request, __: Exception) -> Response:
    fault = ProtocolError(500, "fault", "the server has a fault", "Read the server's log")
    return JSONResponse(fault.body(), 500)


def create_app(
    central: Central, pages: ASGIApp | None = None, wallet: ASGIApp | None = None
) -> Starlette:
    """The ASGI application of ``central``; ``pages``: those of `central.organiser.app`, too;
    ``wallet``: that of `central.wallet.app`.
    """
    api = Api(central)
    routes: list[BaseRoute] = [
        Route("/v1/enrol", api.enrol, methods=["POST"]),
        Route("/v1/token", api.token, methods=["POST"]),
        Route("/v1/statements", api.statements, methods=["GET"]),
        Route("/v1/lists/{hash}", api.list_body, methods=["GET"]),
        Route("/v1/records", api.records, methods=["POST"]),
        Route("/v1/claims", api.claims, methods=["GET", "POST"]),
        Route("/v1/claims/{presentation}", api.annul, methods=["DELETE"]),
        Route("/v1/redemptions", api.redemptions, methods=["GET"]),
        Route("/v1/conflicts", api.conflicts, methods=["GET"]),
        Route("/v1/heartbeat", api.heartbeat, methods=["POST"]),
        Route("/v1/ping", api.ping, methods=["GET"]),
        Route("/openapi.json", api.description, methods=["GET"]),
    ]
    if pages is not None:
        routes += [Route("/", _to_pages, methods=["GET"]), Mount(BASE, pages)]
    if wallet is not None:
        routes.append(Mount(WALLET, wallet))
    handlers = {
        ProtocolError: _refusal,
        HTTPException: _no_such_call,
        DBAPIError: _storage,
        PoolExhausted: _storage,
        ClientDisconnect: _gone,
        Exception: _fault,
    }
    return Starlette(routes=routes, exception_handlers=handlers)
