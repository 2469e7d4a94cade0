"""What every page goes through: who asks, with which rights, by which form; and what every answer
carries. A page that is not in a `Page` table does not exist, so none is left unguarded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from central.bodies import flaw
from central.event import Central
from central.organiser import sessions
from central.organiser.accounts import Cost, Role
from central.organiser.errors import FormRefused
from central.organiser.sessions import Person
from central.organiser.shown import FILTERS
from central.web import BodyTooLarge, BodyTooSlow, read_body

BASE = "/organiser"
"""Where the pages are."""
MOST_FORM = 64 << 10
"""Largest form in bytes; an upload has its own bound."""
BODY_SECONDS = 10.0
"""How long a form may take to arrive."""
AT_THE_DOOR = 2
"""How many logins are worked on at once: each takes 64 MiB and a processor for its hash."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Not "no-referrer": with that a browser names no origin with a form, and none is refused.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""Sent with every answer. Trusted types make any use of innerHTML an error in the browser."""


@dataclass(frozen=True)
class Site:
    """What the pages work with."""

    central: Central
    secure: bool
    """Browsers reach the pages by HTTPS alone."""
    demo_login: bool = False
    """One-time links of `demo.login_link` are good here."""
    cost: Cost = field(default_factory=Cost)
    doors: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(AT_THE_DOOR))
    """Threads for who is not logged in: strangers take none from the other pages, or the gates."""
    templates: Environment = field(
        default_factory=lambda: Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
    )

    def __post_init__(self) -> None:
        self.templates.filters.update(FILTERS)

    @property
    def session_cookie(self) -> str:
        """Its name; by the prefix a browser takes it from this host and by HTTPS alone.

        Source: RFC 6265bis, section 4.1.3.
        """
        return "__Host-admit_session" if self.secure else "admit_session"

    def render(self, template: str, person: Person | None, **values: Any) -> str:
        """A template as HTML."""
        common: dict[str, Any] = {"base": BASE, "event": self.central.event, "person": person}
        common["now"] = self.central.now()
        return self.templates.get_template(template).render(common | values)

    def refusal(
        self, status: int, cause: str, remedy: str, person: Person | None = None
    ) -> Response:
        """A page that says what is wrong and what to do."""
        text = self.render("refusal.html", person, cause=cause, remedy=remedy)
        return HTMLResponse(text, status)


@dataclass(frozen=True)
class Asked:
    """A request whose sender, rights and form were checked."""

    request: Request
    person: Person
    form: "Form"

    @property
    def path(self) -> Mapping[str, str]:
        """The variable parts of the address."""
        found: Mapping[str, str] = self.request.path_params
        return found

    def query(self, name: str, most: int = 256) -> str:
        """A part of the query, cut at ``most`` characters; empty when it is absent or no text."""
        text = str(self.request.query_params.get(name, ""))[:most]
        return "" if flaw(text) else text.strip()


class Form:
    """The fields of a form, each asked for with its bound."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    @classmethod
    def of(cls, raw: bytes) -> "Form":
        """The form in a body of `application/x-www-form-urlencoded`.

        Raises:
            FormRefused: it has more than 50 fields, or is none.
        """
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict"
            )
        except ValueError as error:
            raise FormRefused("the form cannot be read", "Load the page anew") from error
        return cls(dict(pairs))

    def text(self, name: str, most: int = 256, least: int = 1) -> str:
        """A text of ``least`` to ``most`` characters; blanks at its ends are dropped.

        Raises:
            FormRefused: it is none.
        """
        value = self._fields.get(name, "").strip()
        if flaw(value) or not least <= len(value) <= most:
            raise FormRefused(
                f"{name} has not {least} to {most} characters",
                "Fill the field in, and send it again",
            )
        return value

    def raw(self, name: str) -> str:
        """A field as it is, or empty: for secrets, of which no blank is dropped."""
        value = self._fields.get(name, "")
        return "" if flaw(value) else value


@dataclass(frozen=True, slots=True)
class Page:
    """One page: address below `BASE`, method, the right it takes (None: anybody), and its work.

    The work of a page for anybody takes `Site`, `Request`, `Form`; of others `Site`, `Asked`.
    """

    path: str
    method: str
    role: Role | None
    work: Callable[..., Response]


def guarded(site: Site, page: Page) -> Callable[[Request], Any]:
    """The endpoint of a page: its work is done only for who may ask for it."""

    async def endpoint(request: Request) -> Response:
        changes = page.method == "POST"
        if changes and not same_origin(request):
            return strange(site)
        if page.role is None:
            form = Form.of(await body_of(request)) if changes else Form({})
            work = partial(page.work, site, request, form)
            return await to_thread.run_sync(work, limiter=site.doors)
        person = await to_thread.run_sync(partial(person_of, site, request))
        if (refused := unfit(site, person, page.role, changes)) is not None:
            return refused
        assert person is not None
        form = Form.of(await body_of(request)) if changes else Form({})
        if changes and form.raw("csrf") != person.csrf:
            return stale(site, person)
        return await to_thread.run_sync(partial(page.work, site, Asked(request, person, form)))

    return endpoint


def person_of(site: Site, request: Request) -> Person | None:
    """Who asks, by the session's cookie."""
    live = request.headers.get("x-live") == "1"
    return sessions.person_of(site.central, request.cookies.get(site.session_cookie), live)


def unfit(site: Site, person: Person | None, role: Role, changes: bool) -> Response | None:
    """The answer to somebody who may not ask for this; None: they may."""
    if person is None:
        if not changes:
            return RedirectResponse(f"{BASE}/login", 303)
        return site.refusal(
            401, "You are not logged in, or not any more", "Log in, then do it again"
        )
    if not person.may(role):
        return site.refusal(
            403, f"{person.name} may look, not change", "Ask an organiser to do this", person
        )
    return None


def same_origin(request: Request) -> bool:
    """Whether a form was sent from our own pages, as far as the browser says."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return False
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def strange(site: Site) -> Response:
    """The answer to a form of another page."""
    return site.refusal(
        403, "This form was sent by another page", "Begin at this server's own page"
    )


def stale(site: Site, person: Person) -> Response:
    """The answer to a form without this session's mark."""
    return site.refusal(
        403, "This form belongs to another session", "Load the page anew and do it again", person
    )


async def body_of(request: Request) -> bytes:
    """The whole body of a form.

    Raises:
        FormRefused: it is larger than `MOST_FORM` or slower than `BODY_SECONDS`.
    """
    try:
        return await read_body(request, MOST_FORM, BODY_SECONDS)
    except BodyTooLarge:
        raise FormRefused("the form is too large", "Write less into it") from None
    except BodyTooSlow as error:
        raise FormRefused("the form came too slowly", "Send it again") from error
