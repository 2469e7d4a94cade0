"""One session to the server: bounded in time, in size and in where it may lead.

TLS with the pinned authority or the system's; plain HTTP on loopback only; redirects, proxies of
the environment and compressed answers are refused. Source: docs/protocol.md.
"""

import http.client
import ipaddress
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from pydantic import BaseModel, ValidationError

from sync.answers import Refusal
from sync.certificates import refused
from sync.deadline import Call, DeadlineAdapter, deadline
from sync.errors import AnswerMalformed, ServerFault, ServerRefused, ServerSlow, ServerUnreachable
from tickets.errors import GateError

_Answer = TypeVar("_Answer", bound=BaseModel)
_CHUNK = 65_536
SMALL = 65_536
"""Bytes of an answer that is one object."""
PAGE = 16 << 20
"""Bytes of any answer. Source: docs/protocol.md."""


class AddressRefused(GateError):
    """The server's address would send tickets in the clear."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"server address {url} is neither https nor on this machine",
            "Write https:// in admit.toml and, for a private authority, name its ca_file",
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Whatever case their names are asked for in."""
    body: bytes = field(repr=False)


class Http:
    """Requests to one server. Used by several threads, each with its own connection.

    Args:
        url: Base address, e.g. `https://central.example`.
        ca_file: PEM file with the only authority to trust; None: the system's store.
        monotonic: Seconds that never jump.
        pins: SHA-256 hashes of the keys of which the server must have one; without `ca_file` they
            alone decide.
    Raises:
        AddressRefused: plain HTTP to another machine.
    """

    def __init__(
        self,
        url: str,
        ca_file: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        pins: Collection[bytes] = (),
    ) -> None:
        self.url = url.rstrip("/")
        _check_address(self.url)
        self._monotonic = monotonic
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment would read every ticket
        self._session.verify = str(ca_file) if ca_file else not pins
        self._session.headers.update({"Accept-Encoding": "identity", "User-Agent": "admit-gate"})
        adapter = DeadlineAdapter(pool_maxsize=8, max_retries=0, pins=pins)
        for scheme in ("https://", "http://"):  # our address may be written anew on its way: no
            self._session.mount(scheme, adapter)  # adapter of requests' own, without pins, is left

    def ask(
        self,
        answer: type[_Answer],
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        bearer: str | None = None,
        seconds: float,
        limit: int = SMALL,
    ) -> _Answer:
        """Send one request and read its answer to a schema.

        Args:
            body: JSON, encoded.
            seconds: For everything, from the look-up of the name to the last byte.
            limit: Bytes of the answer at most.
        Raises:
            ServerUnreachable, ServerSlow, AnswerMalformed, ServerRefused: see `sync.errors`.
        """
        told = _bearing(bearer)
        reply = self.exchange(method, path, body=body, headers=told, seconds=seconds, limit=limit)
        if reply.status >= 300:
            raise self._refusal(reply.status, _veiled(reply.body, bearer))
        return self._read(answer, reply.body)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        seconds: float,
        limit: int = SMALL,
    ) -> Reply:
        """Send one request and return its answer, also a refusal; other arguments as of `ask`.

        Raises:
            ServerUnreachable, ServerSlow, AnswerMalformed: there is no whole answer.
        """
        with self._sent(method, path, body, headers, seconds) as (response, call):
            data = b"".join(self._chunks(response, call, limit))
        return Reply(response.status_code, response.headers, data)

    def fetch(
        self, path: str, sink: Callable[[bytes], object], *, bearer: str, seconds: float, limit: int
    ) -> None:
        """Stream a body of at most `limit` bytes into `sink`; errors as in `ask`."""
        with self._sent("GET", path, None, _bearing(bearer), seconds) as (response, call):
            if response.status_code != 200:
                data = b"".join(self._chunks(response, call, SMALL))
                raise self._refusal(response.status_code, _veiled(data, bearer))
            for chunk in self._chunks(response, call, limit):
                sink(chunk)

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        body: bytes | None,
        told: Mapping[str, str],
        seconds: float,
    ) -> Iterator[tuple[requests.Response, Call]]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= told
        with deadline(seconds) as call, self._named(call, seconds, told):
            response = self._session.request(
                method,
                self.url + path,
                data=body,
                headers=headers,
                timeout=max(seconds, 0.001),
                stream=True,
                allow_redirects=False,
            )
            with response:
                yield response, call

    @contextmanager
    def _named(self, call: Call, seconds: float, told: Mapping[str, str]) -> Iterator[None]:
        """Give every failure of the libraries below its name; what we told stays out of it."""
        secret = told.get("Authorization", "").rpartition(" ")[2]
        try:
            yield
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise ServerSlow(self.url, seconds) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if call.over:
                raise ServerSlow(self.url, seconds) from error
            if _is_answer_fault(error):
                raise AnswerMalformed(self.url, self._reason(error, secret)) from error
            if (distrusted := refused(self.url, _innermost(error))) is not None:
                raise distrusted from error
            raise ServerUnreachable(self.url, self._reason(error, secret)) from error

    @staticmethod
    def _reason(error: BaseException, secret: str) -> str:
        return _veiled(_plain(error).encode(), secret).decode()

    def _chunks(self, response: requests.Response, call: Call, limit: int) -> Iterator[bytes]:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise AnswerMalformed(self.url, "compressed, though it was not asked for")
        size = 0
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            size += len(chunk)
            if size > limit:
                raise AnswerMalformed(self.url, f"more than {limit} bytes")
            yield chunk
        # A shut connection reads like the end of a body without a length.
        if call.over:
            raise requests.ReadTimeout

    def _refusal(self, status: int, data: bytes) -> ServerFault:
        if status < 400:
            return AnswerMalformed(self.url, f"a redirect ({status})")
        try:
            said = Refusal.model_validate_json(data)
        except ValidationError:
            if status >= 500:
                return ServerRefused(self.url, status, "")
            return AnswerMalformed(self.url, f"status {status} without an error of the protocol")
        return ServerRefused(self.url, status, said.error, said.cause, said.remedy)

    def _read(self, answer: type[_Answer], data: bytes) -> _Answer:
        try:
            return answer.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise AnswerMalformed(self.url, f"{where}: {first['msg']}") from error


def _bearing(bearer: str | None) -> dict[str, str]:
    return {} if bearer is None else {"Authorization": f"Bearer {bearer}"}


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        raise AddressRefused(url)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_ANSWER_FAULTS = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.ProtocolError,
)


def _is_answer_fault(error: BaseException) -> bool:
    """Whether the server was there but broke off or spoke something else than HTTP."""
    if isinstance(error, requests.ConnectionError) and error.args:
        inner = error.args[0]
        return isinstance(inner, urllib3.exceptions.ProtocolError)
    return isinstance(error, _ANSWER_FAULTS)


_SHORT = (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead)
_OF_LIBRARY = re.compile(r"\[[^]]*\] ?| ?\(_ssl\.c:\d+\)")
"""What the TLS library puts around its words: `[SSL: NAME] words (_ssl.c:1006)`."""


def _plain(error: BaseException) -> str:
    """The innermost reason in words for a steward; the libraries wrap it up to four times."""
    error = _innermost(error)
    if isinstance(error, _SHORT):  # their own text is a constructor call
        return "it broke off in the middle"
    if isinstance(error, OSError) and error.strerror:
        return _OF_LIBRARY.sub("", error.strerror).lower()[:200]
    return str(error)[:200] or "no reason given"


def _veiled(data: bytes, bearer: str | None) -> bytes:
    """What a server says, without our bearer: said back to us, it would stand in a log."""
    return data.replace(bearer.encode(), b"********") if bearer else data


def _innermost(error: BaseException) -> BaseException:
    while inner := _inner(error):
        error = inner
    return error


def _inner(error: BaseException) -> BaseException | None:
    # The cause comes last: its wrapper may hold a better reason, but never a better text.
    parts = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((part for part in parts if isinstance(part, BaseException)), None)


def back_off(
    attempt: int, random: Callable[[], float], first: float = 1.0, most: float = 60.0
) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (from 1): doubling, jittered.

    Half of it is fixed and half is random, so that two hundred gates do not come back as one.

    Args:
        random: A number in [0, 1).
    """
    whole = min(most, first * 2.0 ** min(attempt - 1, 16))
    return whole / 2 + random() * whole / 2
