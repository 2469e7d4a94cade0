"""Heartbeats: a gate's health up; signed time and the organiser's commands down."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from central.bodies import Body, hex_bytes
from central.enrolment import device_named
from central.errors import CentralFault, ProtocolError, malformed
from central.event import Central
from central.heads import HEADS, head_of
from central.inserts import next_number
from central.questions import Question, Row, only_told
from central.runs import RUNS, hear
from central.schema import command, device
from central.statements import signed_time
from central.tokens import Caller
from store.heads import head_to_json

REPEATED = 60.0
"""Seconds a command is repeated for after it was first sent: an answer may get lost. Commands do
no harm when they come twice."""
_MOST = 32
_MOST_TEXT = 512


def heartbeat(central: Central, caller: Caller, body: Body) -> dict[str, object]:
    """Keep a gate's health; answer with the signed time and what it is told to do."""
    nonce, health = body.octets("nonce", 16), body.get("health")
    if not isinstance(health, dict):
        raise malformed("health is not a JSON object")
    now = central.now()
    epoch = _journal_of(health)
    asked: list[Question] = [
        (_DUE, {"name": caller.device, "now": now}),
        (RUNS, {"name": caller.device}),
        (HEADS, {"by": caller.device, "in_epoch": epoch}),
    ]
    with central.database.judging([caller.device.encode()], asked=asked) as (connection, told):
        hear(connection, now, caller.device, told[1], health)
        only_told(connection)
        mine = update(device).where(device.c.device == caller.device)
        connection.execute(mine.values(health=json.dumps(health), last_contact=now))
        _repeat(connection, told[0], now)
    commands = [json.loads(row["body"]) for row in told[0]]
    answer: dict[str, object] = {"time": signed_time(central, nonce), "commands": commands}
    if told[2]:
        answer["known"] = head_to_json(head_of(told[2][0]))
    return answer


def _journal_of(health: dict[str, Any]) -> bytes:
    """Epoch of the journal that the gate says it writes; empty: it does not say."""
    journal = health.get("journal")
    try:
        return hex_bytes(journal["epoch"], 8, "epoch") if isinstance(journal, dict) else b""
    except (KeyError, ProtocolError):
        return b""


_DUE = (
    select(command)
    .where(
        command.c.device == bindparam("name"),
        or_(command.c.told_until.is_(None), command.c.told_until > bindparam("now")),
    )
    .order_by(command.c.number)
    .limit(_MOST)
)


def _repeat(connection: Connection, rows: Sequence[Row], now: float) -> None:
    """Say from when on those that are sent for the first time are sent no more."""
    fresh = [row["number"] for row in rows if row["told_until"] is None]
    if fresh:
        told = update(command).where(command.c.number.in_(fresh))
        connection.execute(told.values(told_until=now + REPEATED))


_FIELDS = {
    "resync": set[str](),
    "message": {"text"},
    "out_of_service": {"lane", "text"},
    "in_service": {"lane"},
}


def tell(central: Central, name: str, body: dict[str, str]) -> None:
    """Have a device do something at its next heartbeat; a later word on a lane ends an earlier.

    Args:
        body: `{"do": "resync"}`, `{"do": "message", "text"}`, `{"do": "out_of_service", "lane",
            "text"}` or `{"do": "in_service", "lane"}`. There is none to release or to admit.
    Raises:
        CentralFault: no such device or command; a field is missing, too much or too long.
    """
    _check(body)
    with central.database.writing() as connection:
        device_named(connection, name)
        if "lane" in body:
            _take_back(connection, name, body["lane"])
        row = {"number": next_number(connection, "command"), "device": name}
        connection.execute(insert(command), row | {"body": json.dumps(body)})


def _check(body: dict[str, str]) -> None:
    do, given = body.get("do", ""), body.keys() - {"do"}
    if do not in _FIELDS:
        raise CentralFault(f"there is no command {do[:40]!r}", f"Use one of {', '.join(_FIELDS)}")
    wanted = _FIELDS[do]
    remedy = f"Give it {_options(wanted)}" if wanted else "Give it no options"
    if missing := wanted - given:
        raise CentralFault(f"{do} needs {_options(missing)}", remedy)
    if surplus := given - wanted:
        raise CentralFault(f"{do} takes no {_options(surplus)}", remedy)
    for name in sorted(given):
        if len(body[name]) > _MOST_TEXT:
            cause = f"--{name} has {len(body[name])} characters"
            raise CentralFault(cause, f"Use {_MOST_TEXT} characters at most")


def _options(names: Collection[str]) -> str:
    return " and ".join(f"--{name}" for name in sorted(names))


def _take_back(connection: Connection, name: str, lane: str) -> None:
    """Commands for a lane that would still be repeated, or were never sent."""
    rows = connection.execute(select(command).where(command.c.device == name)).mappings().all()
    old = [row["number"] for row in rows if json.loads(row["body"]).get("lane") == lane]
    connection.execute(delete(command).where(command.c.number.in_(old)))
