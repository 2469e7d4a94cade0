"""Gates as an organiser sees them: in touch or not, what they say of themselves, how new their
list is. What a gate says is read as hostile: any shape of it ends in a value that can be shown.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from central.event import Central
from central.schema import command, device, statement
from tickets.bodies import Type

SILENT = 60.0
"""Seconds without contact after which a gate counts as out of touch: four heartbeats."""
_MOST = 50
"""Lanes or faults of one gate that are shown."""
_MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane by its gate's last word."""

    name: str
    direction: str
    state: str
    mode: str
    entered: int
    left: int
    refused: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a gate."""

    where: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Gate:
    """One enrolled device."""

    name: str
    device: str
    software: str
    enrolled: float
    revoked: float | None
    last_contact: float | None
    online: bool
    replaced: bool
    """A later device was enrolled for the same gate."""
    ready: bool | None
    """None: it has not said."""
    serial: int | None
    """Of the newest list or delta that it uses."""
    list_age: float | None
    """Seconds since it knew its list to be current, when it last said."""
    clock: str
    lanes: tuple[Lane, ...]
    faults: tuple[Fault, ...]
    waiting: tuple[str, ...]
    """What it will be told at its next heartbeat."""

    @property
    def state(self) -> str:
        """One word: withdrawn, replaced, silent, fault, ready, or not ready."""
        if self.revoked is not None:
            return "withdrawn"
        if self.replaced:
            return "replaced"
        if not self.online:
            return "silent"
        if self.faults:
            return "fault"
        return "ready" if self.ready else "not ready"


@dataclass(frozen=True, slots=True)
class Force:
    """At which gates a change of a ticket is in force."""

    serial: int | None
    """Of the statement that tells of it; None: it is not published."""
    done: tuple[str, ...]
    pending: tuple[str, ...]
    """In touch, and not yet there."""
    silent: tuple[str, ...]
    """Out of touch: as soon as they are back."""

    @property
    def online(self) -> int:
        """How many gates are in touch."""
        return len(self.done) + len(self.pending)


def gates(central: Central) -> list[Gate]:
    """Every enrolled device, by name; those that count first."""
    now = central.now()
    with central.database.reading() as connection:
        rows = connection.execute(select(device)).mappings().all()
        waiting = _waiting(connection)
    newest = {row["gate"]: row["device"] for row in sorted(rows, key=lambda row: row["enrolled"])}
    found = [
        _gate(dict(row), now, newest[row["gate"]] != row["device"], waiting.get(row["device"], ()))
        for row in rows
    ]
    return sorted(found, key=lambda gate: (gate.revoked is not None, gate.replaced, gate.name))


def _waiting(connection: Connection) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    query = select(command).where(command.c.told_until.is_(None)).order_by(command.c.number)
    for row in connection.execute(query).mappings():
        body = json.loads(row["body"])
        words = " ".join(str(body[name]) for name in ("do", "lane", "text") if name in body)
        found[row["device"]] = (*found.get(row["device"], ()), words)
    return found


def _gate(row: dict[str, Any], now: float, replaced: bool, waiting: Iterable[str]) -> Gate:
    health = json.loads(row["health"]) if row["health"] else {}
    contact = row["last_contact"]
    ready = health.get("ready") if isinstance(health, dict) else None
    return Gate(
        name=row["gate"],
        device=row["device"],
        software=row["software"],
        enrolled=row["enrolled"],
        revoked=row["revoked"],
        last_contact=contact,
        online=contact is not None and now - contact <= SILENT,
        replaced=replaced,
        ready=ready if isinstance(ready, bool) else None,
        serial=reported_serial(health),
        list_age=_number(_at(health, "list", "age")),
        clock=_text(_at(health, "clock", "state")),
        lanes=tuple(_lane(lane) for lane in _many(health, "lanes")),
        faults=tuple(_fault(fault) for fault in _many(health, "faults")),
        waiting=tuple(waiting),
    )


def reported_serial(health: object) -> int | None:
    """The serial of the list that a gate says it uses."""
    serial = _at(health, "list", "serial")
    return serial if type(serial) is int and 0 <= serial < 2**62 else None


def _at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _many(health: object, name: str) -> list[object]:
    found = _at(health, name)
    return found[:_MOST] if isinstance(found, list) else []


def _text(value: object) -> str:
    return "" if value is None else str(value)[:_MOST_TEXT]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else None


def _count(value: object) -> int:
    return int(_number(value) or 0)


def _lane(said: object) -> Lane:
    return Lane(
        name=_text(_at(said, "name")),
        direction=_text(_at(said, "direction")),
        state=_text(_at(said, "state")),
        mode=_text(_at(said, "mode")),
        entered=_count(_at(said, "entered")),
        left=_count(_at(said, "left")),
        refused=_count(_at(said, "refused")),
    )


def _fault(said: object) -> Fault:
    if not isinstance(said, dict):
        return Fault("", _text(said), "")
    where = " ".join(filter(None, (_text(said.get("where")), _text(said.get("name")))))
    return Fault(where, _text(said.get("cause")), _text(said.get("remedy")))


def force_of(central: Central, revision: int) -> Force:
    """At which gates the ticket change with this number is in force, by their last heartbeats."""
    kinds = Type.LIST.value, Type.DELTA.value
    query = select(func.min(statement.c.serial)).where(
        statement.c.type.in_(kinds), statement.c.revision >= revision
    )
    with central.database.reading() as connection:
        serial: int | None = connection.execute(query).scalar()
    counted = [gate for gate in gates(central) if gate.revoked is None and not gate.replaced]
    online = [gate for gate in counted if gate.online]

    def has(gate: Gate) -> bool:
        return serial is not None and gate.serial is not None and gate.serial >= serial

    return Force(
        serial,
        tuple(gate.name for gate in online if has(gate)),
        tuple(gate.name for gate in online if not has(gate)),
        tuple(gate.name for gate in counted if not gate.online),
    )
