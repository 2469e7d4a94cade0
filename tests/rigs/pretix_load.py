"""A large event at a fake pretix, and a gate's sync of it in a process of its own, to be measured.

python -P -m tests.rigs.pretix_load URL TOKEN DIRECTORY   # prints {"rss_kib", "rows", ...}
"""

import json
import resource
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sync.pretix.errors import Loading
from tests.rigs.fake_pretix import START, FakePretix, Json
from tests.rigs.pretix_gate import PretixGate
from tickets.errors import GateError

EACH = 5
"""Tickets of an order."""
_PAGE = 50


class LargePretix(FakePretix):
    """Orders made as they are asked for, one a second, by the date they are asked from.

    Args:
        cut_every: Every so many pages of orders the connection is cut; 0: never.
    """

    def __init__(self, orders: int, cut_every: int = 0) -> None:
        self.orders, self.cut_every = orders, cut_every
        self.pages = self.cuts = 0
        super().__init__()
        self.now = START + timedelta(seconds=orders)

    def _resource(self, event: Json, name: str, query: Mapping[str, list[str]]) -> Any:
        if name != "orders":
            return super()._resource(event, name, query)
        self.pages += 1
        if self.cut_every and self.pages % self.cut_every == 0:
            self.cuts += 1
            raise ConnectionAbortedError  # the handler's thread ends, and the connection with it
        if "modified_since" in query:
            return 200, {"count": 0, "next": None, "results": []}, self._generated()
        first = self._first(query)
        there = [self._order(number) for number in range(first, min(first + _PAGE, self.orders))]
        following = "more" if first + _PAGE < self.orders else None
        body = {"count": self.orders, "next": following, "results": there}
        return 200, body, self._generated()

    def _first(self, query: Mapping[str, list[str]]) -> int:
        since = query.get("created_since")
        if not since:
            return 0
        return round((type(START).fromisoformat(since[0]) - START).total_seconds())

    def _order(self, number: int) -> Json:
        positions = [self._position(EACH * number + place) for place in range(EACH)]
        stamp = (START + timedelta(seconds=number)).isoformat()
        told = {"code": f"O{number}", "status": "p", "datetime": stamp, "positions": positions}
        return told | {"email": "ottilie@zwiebelturm.example", "last_modified": stamp}

    def _position(self, number: int) -> Json:
        return self.position(f"secret{number}") | {"id": 1 + number}


def main(arguments: list[str]) -> None:
    """Download all, however often it is interrupted."""
    url, token, directory = arguments
    gate = PretixGate(Path(directory), url, token)
    began, rounds, faults = time.monotonic(), 0, 0
    while True:
        rounds += 1
        try:
            gate.now += 1.0
            gate.puller.poll()
        except GateError:
            faults += 1
            continue
        if gate.puller.fault is None:
            break
        faults += not isinstance(gate.puller.fault, Loading)
    used = resource.getrusage(resource.RUSAGE_SELF)
    told: dict[str, float] = {
        "rss_kib": used.ru_maxrss,
        "rows": gate.staging.count("row"),
        "rounds": rounds,
    }
    told |= {"faults": faults, "seconds": round(time.monotonic() - began, 1)}
    told |= {"cpu": round(used.ru_utime + used.ru_stime, 1)}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
