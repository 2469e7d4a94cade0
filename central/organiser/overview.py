"""What a person may look at: counts, entries, gates, conflicts, parked records, alarms."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, select

from central.alarms import MOST_EVIDENCE
from central.event import Central
from central.records import gaps
from central.schema import (
    alarm,
    claim,
    conflict,
    device,
    evidence,
    parked,
    record,
    redemption,
    ticket,
)
from central.statements import chain_size

MOST = 1000
"""Rows of a listing."""


def masked(ticket_key: bytes) -> str:
    """The last 4 hex digits of a ticket key: enough to compare two lines, too few for a ticket."""
    return f"…{ticket_key.hex()[-4:]}"


def counts(central: Central) -> dict[str, int]:
    """How many of everything there are."""
    wanted = {
        "tickets": select(func.count()).select_from(ticket),
        "records": select(func.count()).select_from(record),
        "entries": _standing("entry"),
        "exits": _standing("exit"),
        "claims_held": select(func.count()).select_from(claim).where(claim.c.state == "held"),
        "conflicts": select(func.count()).select_from(conflict).where(conflict.c.stands == 1),
        "parked": select(func.count()).select_from(parked),
        "alarms": select(func.count()).select_from(alarm).where(alarm.c.cleared.is_(None)),
    }
    with central.database.reading() as connection:
        found = {name: connection.execute(query).scalar_one() for name, query in wanted.items()}
        size = chain_size(connection)
        found["alarms"] += sum(1 for _ in gaps(connection, central.now()))
    return found | {"list_rows": size[0] if size else 0}


def _standing(direction: str) -> Any:
    query = select(func.count()).select_from(redemption)
    return query.where(redemption.c.stands == 1, redemption.c.direction == direction)


def every_entry(central: Central) -> Iterator[dict[str, Any]]:
    """All entries and exits that stand, newest first, `MOST` of them in memory."""
    before = None
    while page := entries(central, MOST, before):
        yield from page
        before = page[-1]["cursor"]


def entries(central: Central, most: int = MOST, before: int | None = None) -> list[dict[str, Any]]:
    """The last entries and exits that stand, newest first. `ticket` is masked.

    Args:
        before: Those with a smaller cursor alone.
    """
    query = select(redemption, ticket.c.reference).where(redemption.c.stands == 1)
    if before is not None:
        query = query.where(redemption.c.cursor < before)
    query = query.outerjoin_from(redemption, ticket, ticket.c.key == redemption.c.ticket_key)
    with central.database.reading() as connection:
        rows = connection.execute(query.order_by(redemption.c.cursor.desc()).limit(most)).mappings()
        return [
            {
                "at": row["at"],
                "direction": row["direction"],
                "ticket": masked(bytes(row["ticket_key"])),
                "key": bytes(row["ticket_key"]).hex(),
                "id": row["reference"],
                "list": row["list"],
                "gate": row["gate"],
                "presentation": bytes(row["presentation"]).hex(),
                "cursor": row["cursor"],
            }
            for row in rows
        ]


def gates(central: Central) -> list[dict[str, Any]]:
    """Enrolled devices with health and last contact."""
    with central.database.reading() as connection:
        rows = connection.execute(select(device).order_by(device.c.gate)).mappings().all()
    return [
        {
            "gate": row["gate"],
            "device": row["device"],
            "software": row["software"],
            "enrolled": row["enrolled"],
            "revoked": row["revoked"],
            "last_contact": row["last_contact"],
            "health": json.loads(row["health"]) if row["health"] else None,
        }
        for row in rows
    ]


def conflicts(central: Central, most: int = MOST) -> list[dict[str, Any]]:
    """Entries beyond what a ticket allows, newest first; both entries of each."""
    query = select(conflict, ticket.c.reference).where(conflict.c.stands == 1)
    query = query.outerjoin_from(conflict, ticket, ticket.c.key == conflict.c.ticket_key)
    query = query.order_by(conflict.c.cursor.desc())
    with central.database.reading() as connection:
        rows = connection.execute(query.limit(most)).mappings().all()
        return [
            {
                "ticket": masked(bytes(row["ticket_key"])),
                "key": bytes(row["ticket_key"]).hex(),
                "id": row["reference"],
                "list": row["list"],
                "found": row["found"],
                "entry": _end(connection, bytes(row["presentation"])),
                "other": _end(connection, bytes(row["other"])),
            }
            for row in rows
        ]


def _end(connection: Connection, presentation: bytes) -> dict[str, Any]:
    query = select(redemption).where(redemption.c.presentation == presentation)
    row = connection.execute(query).mappings().one()
    return {"presentation": presentation.hex(), "gate": row["gate"], "at": row["at"]}


def parked_records(central: Central, most: int = MOST) -> list[dict[str, Any]]:
    """Records that could not be taken, newest first, with their raw JSON."""
    query = select(parked, device.c.gate).join_from(parked, device)
    with central.database.reading() as connection:
        rows = connection.execute(query.order_by(parked.c.received.desc()).limit(most)).mappings()
        return [
            {
                "gate": row["gate"],
                "device": row["device"],
                "epoch": bytes(row["epoch"]).hex(),
                "seq": row["seq"],
                "reason": row["reason"],
                "received": row["received"],
                "raw": row["raw"],
            }
            for row in rows
        ]


def alarms(central: Central) -> list[dict[str, Any]]:
    """Forks, rewritten journals, clones, gaps that last: what somebody must look into, and what it
    rests on."""
    query = select(alarm, device.c.gate).join_from(alarm, device).where(alarm.c.cleared.is_(None))
    with central.database.reading() as connection:
        rows = connection.execute(query.order_by(alarm.c.raised.desc()).limit(MOST)).mappings()
        pieces = _evidence(connection)
        found = [
            {
                "name": r["name"],
                "gate": r["gate"],
                "device": r["device"],
                "detail": r["detail"],
                "raised": r["raised"],
                "evidence": pieces.get(bytes(r["digest"]), []),
            }
            for r in rows
        ]
        missing = [
            {
                "name": "gap",
                "gate": gap["gate"],
                "device": gap["device"],
                "detail": f"{gap['missing']} records of {gap['epoch']} have not come",
                "raised": gap["since"],
                "evidence": [],
            }
            for gap in gaps(connection, central.now())
        ]
    return found + missing


def _evidence(connection: Connection) -> dict[bytes, list[dict[str, Any]]]:
    """What alarms rest on, by alarm, in the order in which it came."""
    found: dict[bytes, list[dict[str, Any]]] = {}
    query = select(evidence).order_by(evidence.c.received).limit(MOST * MOST_EVIDENCE)
    for row in connection.execute(query).mappings():
        piece = {"what": row["what"], "received": row["received"], "body": _read(row["body"])}
        found.setdefault(bytes(row["alarm"]), []).append(piece)
    return found


def _read(body: str) -> object:
    """A piece as it came; one that was too long to be kept whole is no JSON any more."""
    try:
        return json.loads(body)
    except ValueError:
        return body
