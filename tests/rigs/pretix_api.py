"""A small client of pretix' API, for tests that look at raw answers."""

from collections.abc import Iterator, Mapping
from typing import Any

import requests

WITHIN = 60.0
"""Seconds in which the server has to answer."""


class Api:
    """Calls with one device's token. Paths are below /api/v1/ (`version`), or whole URLs."""

    def __init__(self, url: str, token: str) -> None:
        self.root = f"{url}/api/v1/"
        self.session = requests.Session()
        self.session.trust_env = False
        if token:
            self.session.headers["Authorization"] = f"Device {token}"

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, **parameters: object
    ) -> requests.Response:
        """GET; parameters go into the query, a sequence as a repeated one."""
        query: Any = parameters
        address = path if path.startswith("http") else self.root + path
        return self.session.get(address, params=query, headers=headers, timeout=WITHIN)

    def post(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """POST of JSON."""
        return self.session.post(self.root + path, json=body, headers=headers, timeout=WITHIN)

    def pages(self, path: str, **parameters: object) -> Iterator[requests.Response]:
        """Every page of a list, as it is asked for."""
        answer = self.get(path, None, **parameters)
        while True:
            answer.raise_for_status()
            yield answer
            following = answer.json()["next"]
            if not following:
                return
            answer = self.get(following)

    def rows(self, path: str, **parameters: object) -> list[Any]:
        """The results of all pages."""
        return [row for page in self.pages(path, **parameters) for row in page.json()["results"]]
