"""The organiser's pages as one application, to be mounted at `web.BASE`."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from central.errors import ProtocolError
from central.organiser import audit, overview, web
from central.organiser.accounts import Role
from central.organiser.doors import DOORS
from central.organiser.pages import PAGES
from central.organiser.uploads import Importer, receive
from central.organiser.web import BASE, HEADERS, Site
from central.web import Guard
from tickets.errors import GateError

_LOG = logging.getLogger("central")


def make_pages(site: Site) -> Starlette:
    """The application. Every page but those of `DOORS` is for people who are logged in."""
    uploads = _Uploads(site)
    routes = [
        Route(page.path, web.guarded(site, page), methods=[page.method])
        for page in (*DOORS, *PAGES)
    ]
    routes += [
        Route("/import", uploads.page, methods=["GET"]),
        Route("/import", uploads.upload, methods=["POST"]),
    ]
    static = Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    handlers: dict[Any, Callable[..., Response]] = {
        GateError: partial(_refused, site),
        HTTPException: partial(_nothing_here, site),
        DBAPIError: partial(_storage, site),
        PoolExhausted: partial(_storage, site),
        ClientDisconnect: _gone,
        Exception: partial(_fault, site),
    }
    app = Starlette(
        routes=[*routes, static],
        exception_handlers=handlers,
        middleware=[Middleware(Guard, headers=lambda _: HEADERS)],
    )
    app.state.importer = uploads.importer
    return app


class _Uploads:
    """`/import`: its form may be large, so it is read otherwise than those of `web.guarded`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.importer = Importer(site.central)

    async def page(self, request: Request) -> Response:
        """`GET /import`: choose a file; what became of the last one."""
        site = self._site
        person = await to_thread.run_sync(partial(web.person_of, site, request))
        if (refused := web.unfit(site, person, Role.VIEWER, changes=False)) is not None:
            return refused
        values = await to_thread.run_sync(self._values)
        return HTMLResponse(site.render("import.html", person, **values))

    def _values(self) -> dict[str, object]:
        rows = audit.log(self._site.central, most=1, action="import")
        latest = self.importer.latest
        open_ = rows[0] if rows and rows[0]["outcome"] is None and latest is None else None
        # Another process may be at work; what this server itself began ended with it.
        elsewhere = open_ is not None and open_["person"] == audit.COMMAND_LINE
        counts = overview.counts(self._site.central)
        return {"latest": latest, "open": open_, "elsewhere": elsewhere, "counts": counts}

    async def upload(self, request: Request) -> Response:
        """`POST /import`: take the file in, then import it in the background."""
        site = self._site
        if not web.same_origin(request):
            return web.strange(site)
        person = await to_thread.run_sync(partial(web.person_of, site, request))
        if (refused := web.unfit(site, person, Role.ORGANISER, changes=True)) is not None:
            return refused
        assert person is not None
        form, file = await receive(request)
        if form.get("csrf") != person.csrf:
            file.file.close()
            return web.stale(site, person)
        name = "".join(c for c in str(file.filename)[:128] if c.isprintable())
        self.importer.start(file.file, name, person.name)
        return RedirectResponse(f"{BASE}/import", 303)


def _refused(site: Site, request: Request, error: Exception) -> Response:
    assert isinstance(error, GateError)
    status = error.status if isinstance(error, ProtocolError) else 400
    return site.refusal(status, error.cause, error.remedy, web.person_of(site, request))


def _nothing_here(site: Site, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    cause = "There is no such page" if error.status_code == 404 else error.detail
    person = web.person_of(site, request)
    return site.refusal(error.status_code, cause, "Go to the first page", person)


def _storage(site: Site, _: Request, error: Exception) -> Response:
    _LOG.error("database: %s", error)
    return site.refusal(
        503, "The server cannot use its database", "Try again; then look at its disk and its log"
    )


def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


def _fault(site: Site, _: Request, __: Exception) -> Response:
    answer = site.refusal(500, "The server has a fault", "Read the server's log")
    answer.headers.update(HEADERS)  # it does not go through `Guard`
    return answer
