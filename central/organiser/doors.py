"""Coming in and going out: login, first password, the demonstration's link, logout."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from central.organiser import accounts, audit, sessions
from central.organiser.accounts import Role
from central.organiser.errors import FormRefused, LoginRefused
from central.organiser.links import use_link
from central.organiser.login import Attempt, Entered, choose_password, log_in
from central.organiser.web import BASE, Asked, Form, Page, Site, person_of

BROWSER_COOKIE = "admit_browser"
_HALF_A_YEAR = 180 * 86_400


def login_form(site: Site, request: Request, _: Form) -> Response:
    """`GET /login`."""
    if person_of(site, request) is not None:
        return RedirectResponse(f"{BASE}/", 303)
    return _door(site, "login.html")


def login(site: Site, request: Request, form: Form) -> Response:
    """`POST /login`: name, password, code."""
    try:
        entered = log_in(site.central, _attempt(request, form), site.cost)
    except (LoginRefused, FormRefused) as error:
        return _door(site, "login.html", 403, error)
    return _in(site, entered)


def welcome_form(site: Site, request: Request, _: Form) -> Response:
    """`GET /welcome`: where the first password is chosen."""
    return _door(site, "welcome.html")


def welcome(site: Site, request: Request, form: Form) -> Response:
    """`POST /welcome`: name, one-time secret, code, new password twice."""
    try:
        attempt = _attempt(request, form)
        if form.raw("password") != form.raw("again"):
            raise FormRefused("the two passwords differ", "Type the same one twice")
        one_time = form.text("one_time", 64).lower()
        entered = choose_password(site.central, attempt, one_time, site.cost)
    except (LoginRefused, FormRefused) as error:
        return _door(site, "welcome.html", 403, error)
    return _in(site, entered)


def link(site: Site, request: Request, _: Form) -> Response:
    """`GET /link/{token}`: the demonstration's way in, where it was asked for."""
    if person_of(site, request) is not None:
        return RedirectResponse(f"{BASE}/", 303)
    try:
        if not site.demo_login:
            raise LoginRefused("links are not good at this server", "Log in")
        token = request.path_params["token"]
        entered = use_link(site.central, token, _address(request), _browser(request))
    except LoginRefused as error:
        return _door(site, "login.html", 403, error)
    return _in(site, entered)


def logout(site: Site, asked: Asked) -> Response:
    """`POST /logout`."""
    audit.note(site.central, asked.person.name, "logout", "this browser")
    sessions.end(site.central, asked.person.session, asked.person.name)
    answer = RedirectResponse(f"{BASE}/login", 303)
    answer.delete_cookie(
        site.session_cookie, path="/", secure=site.secure, httponly=True, samesite="strict"
    )
    return answer


def _attempt(request: Request, form: Form) -> Attempt:
    return Attempt(
        name=form.text("name", 32).lower(),
        password=form.raw("password")[: accounts.MOST + 1],
        code=form.text("code", 16),
        address=_address(request),
        browser=_browser(request),
        cookie=request.cookies.get(BROWSER_COOKIE),
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _browser(request: Request) -> str:
    return str(request.headers.get("user-agent", ""))


def _door(
    site: Site, template: str, status: int = 200, error: LoginRefused | FormRefused | None = None
) -> Response:
    nobody = accounts.count(site.central) == 0
    return HTMLResponse(site.render(template, None, error=error, nobody=nobody), status)


def _in(site: Site, entered: Entered) -> Response:
    answer = RedirectResponse(f"{BASE}/", 303)
    for name, value, life in (
        (site.session_cookie, entered.token, None),
        (BROWSER_COOKIE, entered.browser, _HALF_A_YEAR),
    ):
        answer.set_cookie(
            name, value, life, path="/", secure=site.secure, httponly=True, samesite="strict"
        )
    return answer


DOORS = (
    Page("/login", "GET", None, login_form),
    Page("/login", "POST", None, login),
    Page("/welcome", "GET", None, welcome_form),
    Page("/welcome", "POST", None, welcome),
    Page("/link/{token}", "GET", None, link),
    Page("/logout", "POST", Role.VIEWER, logout),
)
"""The pages for who is not logged in, and the way out."""
