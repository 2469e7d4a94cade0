"""One pretix with the whole matrix for a session, one with an evening's orders for a module."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.rigs.pretix_plan import EventPlan, Plan
from tests.rigs.pretix_rig import Server, pretix
from tests.rigs.pretix_verdicts import Verdict, server_verdicts


class Everything(NamedTuple):
    """A server that is only asked: simulated scans, reading, devices."""

    server: Server
    plan: Plan


class Evening(NamedTuple):
    """A server whose tickets are used up one by one."""

    server: Server
    event: EventPlan
    tickets: Iterator[Any]

    def ticket(self) -> str:
        """The secret of a paid ticket that nobody has shown yet."""
        return str(next(self.tickets)["secret"])


@pytest.fixture(scope="session")
def everything() -> Iterator[Everything]:
    """All events of pretix_world.py, on SQLite."""
    with pretix() as server:
        yield Everything(server, server.seed("everything"))


@pytest.fixture(scope="session")
def verdicts(everything: Everything) -> list[Verdict]:
    """The whole matrix, asked of the server once. A minute."""
    return server_verdicts(everything.server, everything.plan)


@pytest.fixture(scope="module")
def evening() -> Iterator[Evening]:
    """The event "evening" with 120 paid tickets, on SQLite."""
    with pretix() as server:
        event = server.seed("small").event("evening")
        sold = server.bulk("evening", event.items["standard"], 120)
        yield Evening(server, event, iter(sold))
