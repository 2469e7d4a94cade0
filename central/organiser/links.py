"""One-time links that log in without password and code: for a demonstration on this computer."""

import ipaddress
import secrets
from urllib.parse import urlsplit

from sqlalchemy import insert

from central.event import Central
from central.organiser import accounts, audit
from central.organiser.accounts import Role
from central.organiser.errors import LoginRefused
from central.organiser.login import Entered, begin
from central.organiser.web import BASE
from central.schema import organiser

DEMO_NAME = "demo"
LINK_LIFE = 86_400.0
"""Seconds a link may be used, once."""


def login_link(central: Central, url: str, role: Role = Role.ORGANISER) -> str:
    """A link that logs one browser in as `demo`, once within a day.

    It is good only at a server that was started with ``--demo-login``, and only on this computer.

    Args:
        url: Where the server listens, such as ``http://127.0.0.1:8470``.
    Raises:
        LoginRefused: ``url`` is not on this computer.
    """
    if not is_loopback(urlsplit(url).hostname or ""):
        raise LoginRefused(
            f"{url} can be reached from outside", "Make an account: admit central user add NAME"
        )
    token = secrets.token_urlsafe(32)
    with central.database.writing() as connection:
        if accounts.find(connection, DEMO_NAME) is None:
            # Without password and second factor nobody can log in to it by the form.
            row = {"name": DEMO_NAME, "role": role.value, "step": 0, "created": central.now()}
            connection.execute(insert(organiser), row)
        accounts.add_ticket(
            connection, central.now(), DEMO_NAME, purpose="login", one_time=token, life=LINK_LIFE
        )
    return f"{url.rstrip('/')}{BASE}/link/{token}"


def use_link(central: Central, token: str, address: str, browser: str) -> Entered:
    """Begin the session that a link stands for.

    Raises:
        LoginRefused: it was used, has expired, was never made, or comes from another computer.
    """
    if not is_loopback(address):
        raise LoginRefused("links are good on this computer alone", "Log in")
    with central.database.writing() as connection:
        name = accounts.use_ticket(connection, central, "login", token)
        account = accounts.find(connection, name) if name else None
        entered = begin(connection, central, account, address, browser) if account else None
    if entered is None:
        raise LoginRefused("this link was used already, or is too old", "Start the demo again")
    audit.note(central, DEMO_NAME, "login", "link")
    return entered


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, is this computer."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
