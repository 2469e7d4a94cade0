"""Calls to one pretix server: the device's token, one page at a time, every refusal by its name.

Source: REST API of pretix 2026.8; `Authorization: Device TOKEN`, at most 50 rows a page.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError

from sync.errors import AnswerMalformed, ServerFault
from sync.http import Http, Reply
from sync.pretix.errors import (
    DeviceRevoked,
    PretixRefused,
    ProfileForbids,
    TokenUnknown,
    TooManyRequests,
)
from sync.pretix.wire import STAMP, Page

_Answer = TypeVar("_Answer", bound=BaseModel)
_Row = TypeVar("_Row", bound=BaseModel)
Query = Sequence[tuple[str, str]]
PAGE_ROWS = "50"
"""The server's own limit."""
_SECONDS = 30.0
_PAGE_BYTES = 8 << 20
_REVOKED = "Device access has been revoked."
_FORBIDDEN = "Request denied by device security profile."
_LONGEST_PAUSE = 300.0
_PAUSE = 10.0
"""Seconds to wait where a server that has enough does not say how long."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[_Row]):
    """One page, and what its headers say."""

    rows: list[_Row]
    count: int
    more: bool
    generated: str
    """The server's time when the page was made, as it wrote it; empty: it did not."""
    modified: str
    """`Last-Modified` of the whole list, to ask by next time; empty: it did not say."""


class Pretix:
    """One organizer's API, as one device. Thread-safe.

    Args:
        token: The device's token now; another after each `roll`.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        http: Http,
        token: Callable[[], str],
        *,
        rolled: Callable[[], bool] = lambda: False,
        system: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._token, self._rolled = http, token, rolled
        self._system, self._monotonic = system, monotonic
        self._lock = threading.Lock()
        self._contact: float | None = None
        self._paused_until = 0.0
        self._dated: tuple[float, float] | None = None
        """(Unix seconds at the server, monotonic seconds here) of its last answer."""

    @property
    def url(self) -> str:
        """The server's address."""
        return self._http.url

    @property
    def last_contact(self) -> float | None:
        """Monotonic seconds of the last good answer; None: never."""
        with self._lock:
            return self._contact

    def one(self, answer: type[_Answer], path: str, what: str) -> _Answer:
        """GET one object."""
        return self._read(answer, self._good(self._ask("GET", path), what))

    def maybe(self, answer: type[_Answer], path: str, what: str) -> _Answer | None:
        """GET one object; None: there is none, or none but what the question named."""
        reply = self._ask("GET", path)
        if reply.status in (304, 404):
            self._in_contact(reply)
            return None
        return self._read(answer, self._good(reply, what))

    def post(self, answer: type[_Answer], path: str, body: Mapping[str, Any], what: str) -> _Answer:
        """POST an object, read the answer."""
        return self._read(answer, self._good(self._ask("POST", path, body=body), what))

    def tell(
        self, path: str, body: Mapping[str, Any], what: str, seconds: float = _SECONDS
    ) -> Reply:
        """POST; that what was sent is refused (400, 404) is an answer too.

        Raises:
            ServerFault: it was not judged at all; ask again later.
        """
        reply = self._ask("POST", path, body=body, seconds=seconds)
        if reply.status in (400, 404) and _is_of_pretix(reply):
            self._in_contact(reply)
            return reply
        return self._good(reply, what)

    def answers(self, seconds: float) -> bool:
        """Whether the server answers within `seconds`."""
        try:
            self._good(self._ask("GET", "/api/v1/version", seconds=seconds), "its version")
        except ServerFault:  # the answer to a probe is yes or no
            return False
        return True

    def page(
        self, row: type[_Row], path: str, query: Query, what: str, unless: str = ""
    ) -> Listed[_Row] | None:
        """GET one page of a list; None: it is as it was at `unless`, an earlier `modified`."""
        told = {"If-Modified-Since": unless} if unless else {}
        asked = urlencode([*query, ("page_size", PAGE_ROWS)])
        reply = self._ask("GET", f"{path}?{asked}", told=told)
        if reply.status == 304 and unless:
            self._in_contact(reply)
            return None
        page = self._read(Page[row], self._good(reply, what))  # type: ignore[valid-type]
        headers = reply.headers
        return Listed(
            page.results,
            page.count,
            page.next is not None,
            _stamp(headers.get("X-Page-Generated", "")),
            headers.get("Last-Modified", ""),
        )

    def time(self) -> float:
        """Unix seconds at the server now, within half a second and the way of one answer."""
        self._good(self._ask("GET", "/api/v1/version"), "its version")
        return self.now()

    def now(self) -> float:
        """Unix seconds at the server, by its last answer; before one, by this machine's clock."""
        with self._lock:
            if self._dated is None:
                return self._system()
            at, since = self._dated
            return at + self._monotonic() - since

    # -- inside --------------------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        told: Mapping[str, str] | None = None,
        seconds: float = _SECONDS,
    ) -> Reply:
        self._wait_turn()
        headers = {"Authorization": f"Device {self._token()}", "Accept": "application/json"}
        return self._http.exchange(
            method,
            path,
            body=None if body is None else json.dumps(body).encode(),
            headers=headers | dict(told or {}),
            seconds=seconds,
            limit=_PAGE_BYTES,
        )

    def _wait_turn(self) -> None:
        """Raise while the server's wish for a pause holds: nobody waits here for its end."""
        with self._lock:
            left = self._paused_until - self._monotonic()
        if left > 0:
            raise TooManyRequests(self.url, left)

    def _good(self, reply: Reply, what: str) -> Reply:
        if 200 <= reply.status < 300:
            self._in_contact(reply)
            return reply
        raise self._named(reply, what)

    def _named(self, reply: Reply, what: str) -> Exception:
        if 300 <= reply.status < 400:
            return AnswerMalformed(self.url, f"a redirect ({reply.status})")
        if reply.status == 429:
            return self._pause(reply)
        said = detail(reply.body).replace(self._token(), "********")
        if reply.status == 401 and said == _REVOKED:
            return DeviceRevoked(self.url)
        if reply.status == 401:
            return TokenUnknown(self.url, said, self._rolled())
        if reply.status == 403 and said == _FORBIDDEN:
            return ProfileForbids(self.url, what)
        return PretixRefused(self.url, what, reply.status, said)

    def _pause(self, reply: Reply) -> TooManyRequests:
        try:
            seconds = float(reply.headers.get("Retry-After", ""))
        except ValueError:  # a date, or nothing
            seconds = _PAUSE
        seconds = min(seconds, _LONGEST_PAUSE) if seconds >= 1.0 else 1.0  # nan is neither
        with self._lock:
            self._paused_until = self._monotonic() + seconds
        return TooManyRequests(self.url, seconds)

    def _read(self, answer: type[_Answer], reply: Reply) -> _Answer:
        try:
            return answer.model_validate_json(reply.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise AnswerMalformed(self.url, f"{where}: {first['msg']}") from None

    def _in_contact(self, reply: Reply) -> None:
        at, now = _dated(reply), self._monotonic()
        with self._lock:
            self._contact = now
            self._dated = (at, now) if at is not None else self._dated


def _stamp(told: str) -> str:
    """When a page was made; empty: the server, or what stands before it, told no time."""
    try:
        return STAMP.validate_python(told)
    except ValidationError:
        return ""


def _dated(reply: Reply) -> float | None:
    """When the server made its answer; it tells whole seconds, cut off."""
    try:
        return parsedate_to_datetime(reply.headers.get("Date", "")).timestamp() + 0.5
    except (TypeError, ValueError):  # a proxy may leave it out
        return None


def _is_of_pretix(reply: Reply) -> bool:
    """Whether pretix itself may have refused so; a gateway before it finds nothing either."""
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return False
    if reply.status == 404:
        return isinstance(said, dict) and "detail" in said
    return isinstance(said, dict | list)


def detail(body: bytes) -> str:
    """What a refusal says, in one line: pretix uses several forms."""
    try:
        said = json.loads(body[:65_536])
    except (ValueError, RecursionError):
        return ""
    if isinstance(said, dict):
        said = said.get("detail") or next(iter(said.values()), "")
    if isinstance(said, list):
        said = said[0] if said else ""
    if not isinstance(said, str):
        return ""
    return "".join(sign if sign.isprintable() else " " for sign in said[:300])


def event_path(organizer: str, event: str, resource: str = "") -> str:
    """The address of an event's resource."""
    return f"/api/v1/organizers/{quote(organizer)}/events/{quote(event)}/{resource}"


def organizer_path(organizer: str, resource: str) -> str:
    """The address of an organizer's resource."""
    return f"/api/v1/organizers/{quote(organizer)}/{resource}"
