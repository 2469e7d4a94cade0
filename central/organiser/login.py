"""Logging in: password and second factor, and a back-off that cannot keep the organiser out.

Who fails waits: a browser that has logged in before by itself alone, strangers by their network,
and all strangers together for a minute at most. So a flood of guesses at a known name slows down
new browsers, never the ones that work. Source: OWASP, "Slow Down Online Guessing Attacks with
Device Cookies".
"""

import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from sqlalchemy import Connection, RowMapping, delete, select, update

from central.event import Central
from central.inserts import upsert
from central.organiser import accounts, audit, sessions
from central.organiser.accounts import Cost
from central.organiser.errors import LoginRefused
from central.organiser.sealing import is_marked, mark
from central.schema import organiser, organiser_failure

FORGET = 3600.0
"""Seconds after which failures are forgotten."""


@dataclass(frozen=True, slots=True)
class Limit:
    """After ``free`` failures in a row each next one waits twice as long, up to ``longest`` s."""

    free: int
    longest: float

    def wait(self, failures: int) -> float:
        """Seconds from the last failure to the next try."""
        over = failures - self.free
        return 0.0 if over < 0 else float(min(2 ** min(over, 30), self.longest))


OWN = Limit(5, 300.0)
"""One known browser, or one network of strangers."""
STRANGERS = Limit(30, 60.0)
"""All strangers who try one name, and all names that one network of strangers tries."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody types to log in, and where."""

    name: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    address: str = ""
    """Network address of the browser."""
    browser: str = ""
    """As it names itself."""
    cookie: str | None = field(default=None, repr=False)
    """What `Entered.browser` once gave it."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A login that succeeded."""

    token: str = field(repr=False)
    """Value of the session's cookie."""
    browser: str = field(repr=False)
    """Value of the cookie by which the browser is known next time."""


def log_in(central: Central, attempt: Attempt, cost: Cost) -> Entered:
    """Begin a session for a name, its password and a fresh code.

    Raises:
        LoginRefused: one of them is wrong, or it is too early for another try.
    """
    buckets = _count(central, attempt)
    with central.database.reading() as connection:
        account = accounts.find(connection, attempt.name)
    stored: str | None = account["password"] if account else None
    # A name that nobody has takes as long as a password that is wrong.
    right = accounts.is_password(stored or _nobodys(cost), attempt.password)
    if stored is None or not right:
        raise _refused(central, attempt)
    return _enter(central, attempt, buckets, lambda _, account: account["password"] == stored)


def choose_password(central: Central, attempt: Attempt, one_time: str, cost: Cost) -> Entered:
    """Make the attempt's password the person's own, by one-time secret and code; begin a session.

    Raises:
        LoginRefused: one of them is wrong, the password is too short, or it is too early.
    """
    if not accounts.FEWEST <= len(attempt.password) <= accounts.MOST:
        raise LoginRefused(
            f"a password has {accounts.FEWEST} to {accounts.MOST} characters",
            "Take four words that do not belong together",
        )
    buckets = _count(central, attempt)
    made = accounts.hashed(attempt.password, cost)

    def choose(connection: Connection, account: RowMapping) -> bool:
        name = account["name"]
        if accounts.use_ticket(connection, central, "password", one_time) != name:
            return False
        mine = update(organiser).where(organiser.c.name == name)
        connection.execute(mine.values(password=made))
        return True

    entered = _enter(central, attempt, buckets, choose)
    audit.note(central, attempt.name, "password", attempt.name)
    return entered


def _enter(
    central: Central,
    attempt: Attempt,
    buckets: list[bytes],
    proves: Callable[[Connection, RowMapping], bool],
) -> Entered:
    """Use the code up and begin a session, in one transaction: no code works twice."""
    with central.database.writing() as connection:
        entered = None
        account = accounts.find(connection, attempt.name)
        step = accounts.step_of(central, account, attempt.code) if account else None
        if account is not None and step is not None and proves(connection, account):
            mine = update(organiser).where(organiser.c.name == attempt.name)
            connection.execute(mine.values(step=step))
            forget = organiser_failure.c.bucket.in_(buckets)
            connection.execute(delete(organiser_failure).where(forget))
            entered = begin(connection, central, account, attempt.address, attempt.browser)
    if entered is None:
        raise _refused(central, attempt)
    audit.note(central, attempt.name, "login", attempt.address)
    return entered


def begin(
    connection: Connection, central: Central, account: RowMapping, address: str, browser: str
) -> Entered:
    """Begin a session of somebody who has proved who they are."""
    name = account["name"]
    token = sessions.begin(connection, central, name, address, browser)
    return Entered(token, browser_cookie(central, name, account["created"]))


@lru_cache(maxsize=2)
def _nobodys(cost: Cost) -> str:
    return accounts.hashed(secrets.token_hex(16), cost)


def _refused(central: Central, attempt: Attempt) -> LoginRefused:
    audit.note(central, attempt.name[:32], "login", attempt.address, outcome="refused")
    return LoginRefused(
        "name, password or code is wrong, or the code was used before",
        "Wait for the next code and try again; lost phone or password: admit central user reset",
    )


def _count(central: Central, attempt: Attempt) -> list[bytes]:
    """Count one failure beforehand, so that many tries at once count as many; say in what.

    Raises:
        LoginRefused: it is too early.
    """
    now = central.now()
    limits = dict(_buckets(central, attempt))
    with central.database.writing() as connection:
        old = organiser_failure.c.last <= now - FORGET
        connection.execute(delete(organiser_failure).where(old))
        failed = _failures(connection, list(limits))
        waits = [limits[b].wait(count) - (now - last) for b, (count, last) in failed.items()]
        if (wait := max(waits, default=0.0)) <= 0:
            rows = [
                {"bucket": bucket, "failures": failed.get(bucket, (0, now))[0] + 1, "last": now}
                for bucket in limits
            ]
            upsert(connection, organiser_failure, rows, ["bucket"])
            return list(limits)
    raise LoginRefused(
        f"too many failed logins; the next try is in {wait:.0f} s",
        "Wait; a browser that logged in before need not. On the server: admit central user unlock",
    )


def _failures(connection: Connection, buckets: list[bytes]) -> dict[bytes, tuple[int, float]]:
    query = select(organiser_failure).where(organiser_failure.c.bucket.in_(buckets))
    rows = connection.execute(query).mappings()
    return {bytes(row["bucket"]): (row["failures"], row["last"]) for row in rows}


def _buckets(central: Central, attempt: Attempt) -> list[tuple[bytes, Limit]]:
    name = attempt.name
    if known := _known_browser(central, name, attempt.cookie):
        return [(_bucket("browser", name, known), OWN)]
    network = _network(attempt.address)
    return [
        (_bucket("name and network", name, network), OWN),
        (_bucket("name", name), STRANGERS),
        (_bucket("network", network), STRANGERS),
    ]


def _bucket(*words: str) -> bytes:
    return blake2b("\0".join(words).encode(), digest_size=16).digest()


def _network(address: str) -> str:
    """The /24 or /64 of an address: who has one there usually has many."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped  # all of these are of one /64
    return str(ipaddress.ip_network((parsed, 24), strict=False))


def browser_cookie(central: Central, name: str, created: float) -> str:
    """By what a browser that has logged in is told from strangers."""
    text = f"{name}/{created}/{secrets.token_hex(8)}"
    return f"{text}/{mark(central, text)}"


def _known_browser(central: Central, name: str, cookie: str | None) -> str | None:
    """The random part of a browser's cookie, if it was given to ``name`` as the account now is."""
    if cookie is None or len(cookie) > 200 or cookie.count("/") != 3:
        return None
    text, _, tag = cookie.rpartition("/")
    with central.database.reading() as connection:
        account = accounts.find(connection, name)
    if account is None or not text.startswith(f"{name}/{account['created']}/"):
        return None
    return text.rpartition("/")[2] if is_marked(central, text, tag) else None


def unlock(central: Central) -> None:
    """Forget all failures: everybody may try at once."""
    with central.database.writing() as connection:
        connection.execute(delete(organiser_failure))
