"""Runs of a gate, by its heartbeats: two that alternate are two gates with one key.

A run names itself anew at every start and never comes back after another. A heartbeat that was long
on its way may come late, once; a clone comes back again and again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from central.alarms import raise_alarm
from central.inserts import upsert
from central.schema import run

RETURNS = 3
"""How often runs come back after one another until it is an alarm."""
KEPT = 8
"""Runs of a gate that are remembered."""
MOST_NAME = 64

RUNS = select(run).where(run.c.device == bindparam("name")).order_by(run.c.place.desc())


def hear(
    connection: Connection,
    now: float,
    device: str,
    known: Sequence[Mapping[str, Any]],
    health: Mapping[str, Any],
) -> None:
    """Note which run of a gate's lane process a heartbeat is of, and tell when two alternate.

    Args:
        known: What `RUNS` found.
        health: What the gate says of itself; untrusted.
    """
    boot, epoch = health.get("boot"), _epoch_of(health)
    if not isinstance(boot, str) or not 1 <= len(boot) <= MOST_NAME:
        return
    newest = known[0] if known else None
    mine = next((row for row in known if row["boot"] == boot), None)
    place = newest["place"] if newest else 0
    returns = mine["returns"] if mine else 0
    if newest is None or newest["boot"] != boot:
        place, returns = place + 1, returns + (mine is not None)
    told = {"device": device, "boot": boot, "epoch": epoch, "last": now}
    rows = [told | {"place": place, "returns": returns}]
    if mine and sum(row["returns"] for row in known) - mine["returns"] + returns >= RETURNS:
        _tell(connection, now, device, [*rows, *(row for row in known if row is not mine)])
    upsert(connection, run, rows, ["device", "boot"])
    if len(known) > KEPT:
        gone = (run.c.device == device) & (run.c.place <= known[KEPT]["place"])
        connection.execute(delete(run).where(gone))


def _epoch_of(health: Mapping[str, Any]) -> str:
    journal = health.get("journal")
    epoch = journal.get("epoch") if isinstance(journal, Mapping) else None
    return epoch if isinstance(epoch, str) and len(epoch) <= MOST_NAME else ""


def _tell(
    connection: Connection, now: float, device: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    pieces = [
        ("run", {"boot": row["boot"], "journal": row["epoch"], "last": row["last"]})
        for row in rows[:4]
    ]
    detail = "two gates work with one key: their heartbeats alternate"
    raise_alarm(connection, now, device, "clone", detail, pieces=pieces)
