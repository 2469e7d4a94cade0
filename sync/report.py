"""What scanner is told of the server. Source: docs/ipc.md, `{"server": {...}}`."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from store.mirror import Mirror
from sync.errors import ServerSlow, ServerUnreachable
from sync.link import Link
from sync.pull import PERIOD, Puller
from tickets.errors import GateError

ONLINE_FOR = 3 * PERIOD
"""Seconds since the last good answer for which the server counts as online."""


class Contact(Protocol):
    """What is told about."""

    @property
    def last_contact(self) -> float | None:
        """Monotonic seconds of the last good answer; None: never."""
        ...


class Report:
    """The state of the exchange, told when something has happened.

    Args:
        waiting: How many records are not acknowledged yet.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        server: Contact,
        mirror: Mirror,
        puller: Puller,
        waiting: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._mirror, self._puller = server, mirror, puller
        self._waiting, self._monotonic = waiting, monotonic
        self.export_fault: GateError | None = None
        """Why records cannot leave the gate, where nothing else says so."""
        self.identity: Callable[[], dict[str, Any]] = dict
        """What is told of our standing with the server: see docs/ipc.md, `bearer` and `head`."""
        self._told: tuple[Link, dict[str, Any]] | None = None

    def news(self, link: Link) -> dict[str, Any] | None:
        """The state, unless `link` was told it already; scanner counts the list's age on."""
        state = self.state()
        moments = {"list_age": self._puller.completed, "last_contact": self._server.last_contact}
        news = (link, state | moments)
        if news == self._told:
            return None
        self._told = news
        return state

    def state(self) -> dict[str, Any]:
        """The fields of docs/ipc.md; `last_contact` is in Unix seconds by the system's clock."""
        contact, polled = self._server.last_contact, self._puller.completed
        now = self._monotonic()
        age = None if contact is None else now - contact
        list_age = None if polled is None else round(now - polled, 1)
        return {
            "online": age is not None and age <= ONLINE_FOR,
            "last_contact": None if age is None else round(time.time() - age),
            "waiting": self._waiting(),
            "parked": self._mirror.parked_count(),
            "list_age": list_age,
            "fault": self._fault(list_age),
        } | self.identity()

    def _fault(self, list_age: float | None) -> dict[str, str] | None:
        fault = self._puller.fault or self.export_fault
        # A poll that the link swallowed is no fault as long as the next one gets through.
        passing = isinstance(fault, ServerUnreachable | ServerSlow)
        if fault is None or (passing and list_age is not None and list_age <= ONLINE_FOR):
            return None
        return {"cause": fault.cause, "remedy": fault.remedy}
