"""What the tests of the decision are made of: a gate at doors open, one ticket, its uses."""

from dataclasses import replace
from itertools import count
from typing import Any

from admission.clock import ClockState, Reading
from admission.decide import Facts
from admission.direction import Direction
from admission.history import Standing, Use
from admission.rules import CheckInList, GatePolicy, Product
from tickets.credential import Credential, Format
from tickets.rows import Ticket

DOORS = 1_795_024_800.0
"""2026-11-18 18:00:00 UTC, Unix seconds."""
MINUTE, HOUR, DAY = 60, 3_600, 86_400
KEY = bytes(range(16))
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT

_NUMBERS = count(1)


def ticket(**changes: Any) -> Ticket:
    """A valid list row."""
    return replace(Ticket(KEY), **changes)


def credential(**changes: Any) -> Credential:
    """A signed ticket that holds."""
    return replace(Credential(Format.AD1, KEY, product=1, entries=1, issuer=b"issuer-1"), **changes)


def reading(
    at: float = DOORS,
    state: ClockState = ClockState.SYNCHRONISED,
    uncertainty: float = 0.05,
) -> Reading:
    """The gate's clock."""
    return Reading(at, uncertainty, state)


def use(
    direction: Direction = ENTRY,
    standing: Standing = Standing.PASSED,
    *,
    ago: float = HOUR,
    at: float | None = None,
    **changes: Any,
) -> Use:
    """One use of the ticket at this gate, `ago` seconds before doors open, under a new id."""
    when = DOORS - ago if at is None else at
    made = Use(next(_NUMBERS).to_bytes(16, "big"), direction, "main", when, "north-1", standing)
    return replace(made, **changes)


def facts(**changes: Any) -> Facts:
    """A valid, unused ticket shown at an entry lane of gate north, list main, at doors open."""
    plain = Facts(
        credential=credential(),
        ticket=ticket(),
        product=Product(1, "Day ticket"),
        uses=(),
        check_in_list=CheckInList("main"),
        direction=ENTRY,
        reading=reading(),
        policy=GatePolicy("north"),
    )
    return replace(plain, **changes)
