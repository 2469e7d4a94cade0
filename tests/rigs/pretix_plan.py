"""What a seeded pretix holds, by names: see pretix_world.py for what each name means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """A verdict of the server: "ok", "error", "incomplete" or "exchange", and its reason or "".

    "crash" is its error 500: it meets one where a rule is false that it cannot put into words.
    """

    status: str
    reason: str


class NewDevice(NamedTuple):
    """A device that waits for its handshake: its number and its one-time token."""

    id: int
    token: str


class Ticket(NamedTuple):
    """What is shown to a reader. `known`: the server has a row for it (a forgery is not known)."""

    name: str
    secret: str
    source_type: str
    known: bool


@dataclass(frozen=True)
class EventPlan:
    """One seeded event; everything by the name that pretix_world.py gives it."""

    slug: str
    timezone: str
    lists: Mapping[str, int]
    tickets: Mapping[str, Ticket]
    items: Mapping[str, int]
    variations: Mapping[str, int]
    subevents: Mapping[str, int]
    media: Mapping[str, int]

    def list(self, name: str) -> int:
        """The id of a check-in list."""
        return self.lists[name]

    def ticket(self, name: str) -> Ticket:
        """A ticket by name."""
        return self.tickets[name]


@dataclass(frozen=True)
class Plan:
    """What was seeded. `now` is when the matrix happens; `gates` are ids by name."""

    organizer: str
    now: datetime
    gates: Mapping[str, int]
    events: Mapping[str, EventPlan]

    def event(self, slug: str) -> EventPlan:
        """One event by its slug."""
        return self.events[slug]


def plan_from_json(raw: Mapping[str, Any]) -> Plan:
    """A plan as the server's process sends it, and as tests/pretix/recorded/plan.json keeps it."""
    events = {}
    for slug, known in raw["events"].items():
        tickets = {name: Ticket(name, **what) for name, what in known["tickets"].items()}
        events[slug] = EventPlan(slug, **(known | {"tickets": tickets}))
    now = datetime.fromisoformat(raw["now"])
    return Plan(raw["organizer"], now, raw["gates"], events)
