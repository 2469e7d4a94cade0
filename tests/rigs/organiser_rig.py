"""A person at the organiser's pages, as a browser without scripts is one."""

import re
import warnings
from typing import Any

import pyotp

from central.app import create_app
from central.event import Central
from central.organiser import accounts
from central.organiser.accounts import Cost, Credentials, Role
from central.organiser.app import make_pages
from central.organiser.web import BASE, Site

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about the HTTP library that the test client is built on
    from starlette.testclient import TestClient

CHEAP = Cost(1, 8192)
"""A hash that takes no time: only its cost differs."""
PASSWORD = "four words in a row"
LAPTOP = ("192.0.2.7", 40000)


class Browser:
    """One browser: its cookies, its network address, forms with the mark of its last page."""

    def __init__(
        self, central: Central, *, site: Site | None = None, client: tuple[str, int] = LAPTOP
    ) -> None:
        self.central = central
        self.site = site or Site(central, secure=False, cost=CHEAP)
        self.pages = make_pages(self.site)
        app = create_app(central, self.pages)
        self.http = TestClient(
            app, client=client, follow_redirects=False, raise_server_exceptions=False
        )

    def get(self, path: str, **more: Any) -> Any:
        """Open a page, and the one it leads to."""
        return self.http.get(f"{BASE}{path}", follow_redirects=True, **more)

    def post(self, path: str, csrf: str | None = None, **fields: str) -> Any:
        """Send a form, marked as the home page's would be."""
        mark = self.csrf() if csrf is None else csrf
        return self.http.post(f"{BASE}{path}", data={"csrf": mark} | fields)

    def csrf(self) -> str:
        """The mark that this session's forms carry; empty when nobody is logged in."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get("/").text)
        return found[1] if found else ""

    def upload(self, text: bytes, csrf: str | None = None, name: str = "tickets.csv") -> Any:
        """Send a CSV file."""
        mark = self.csrf() if csrf is None else csrf
        files = {"file": (name, text, "text/csv")}
        return self.http.post(f"{BASE}/import", data={"csrf": mark}, files=files)

    def imported(self) -> str:
        """The page of imports, once none is at work."""
        self.pages.state.importer.wait()
        return str(self.get("/import").text)

    def login(self, name: str, code: str, password: str = PASSWORD) -> Any:
        """Send the form of the login."""
        form = {"name": name, "password": password, "code": code}
        return self.http.post(f"{BASE}/login", data=form)


class Member:
    """A person with an account, a phone, and a password once it is chosen."""

    def __init__(self, central: Central, name: str = "ada", role: Role = Role.ORGANISER) -> None:
        self.central, self.name = central, name
        self.given: Credentials = accounts.add(central, name, role)

    def code(self, ahead: float = 0.0) -> str:
        """What the phone shows, its clock that many seconds ahead."""
        return pyotp.TOTP(self.given.secret).at(int(self.central.now() + ahead))

    def welcome(self, browser: Browser, **changes: str) -> Any:
        """Choose the password; the answer."""
        form = {"name": self.name, "one_time": self.given.one_time, "code": self.code()}
        form |= {"password": PASSWORD, "again": PASSWORD}
        return browser.http.post(f"{BASE}/welcome", data=form | changes)
