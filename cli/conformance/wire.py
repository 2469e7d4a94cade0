"""One HTTP call and its answer, whatever it is: nothing is retried, judged or followed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from cli.conformance.rules import Broken
from tickets.errors import GateError

SECONDS = 30.0
"""How long a server may take for one answer."""
MOST = 64 << 20
"""Largest answer that is read."""


class NoServer(GateError):
    """Nobody answers at the address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body as a JSON object; `Broken` when it is none."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise Broken(f"{self.status} with no JSON in it: {self.body[:80]!r}") from error
        if not isinstance(value, dict):
            raise Broken(f"{self.status} with JSON that is no object: {self.body[:80]!r}")
        return value

    def __str__(self) -> str:
        return f"{self.status} {self.body[:200].decode(errors='replace')}"


Wire = Callable[[str, str, bytes | None, Mapping[str, str]], Answer]
"""(method, path, body, headers) -> what came back. Called from several threads."""


def http_wire(url: str, ca_file: str | None = None) -> Wire:
    """Calls to the server at ``url``. Raises `NoServer` when it does not answer."""
    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file or True

    def call(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            with session.request(
                method, url.rstrip("/") + path, data=body, headers=dict(headers),
                timeout=SECONDS, allow_redirects=False, stream=True,
            ) as found:  # fmt: skip
                data = found.raw.read(MOST + 1)
        except (requests.RequestException, OSError) as error:
            raise NoServer(
                f"no answer of {url} to {method} {path}: {type(error).__name__}",
                "Check the address and that the server runs; a private CA: --ca FILE",
            ) from error
        if len(data) > MOST:
            raise Broken(f"{method} {path} was answered with more than {MOST} bytes")
        return Answer(found.status_code, data, found.headers)

    return call
