"""What records say of entries and exits: what stands, what conflicts, and the feeds of both."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, or_, select, update

from admission.direction import Direction
from admission.history import COUNTING
from central.claims import ANNULLED, SETTLED, settle
from central.counting import Right, Tally, in_time, right_regardless, standing_uses
from central.database import next_number, upsert
from central.event import Central, policy_in_force
from central.schema import conflict, record, redemption
from central.tokens import Caller
from store.records import Kind
from store.uses import standing_after

PAGE = 1000
"""Most rows of one answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the records of one presentation add up to."""

    scan: dict[str, Any] | None
    """The scan as JSON, when it was admitted and redeems something."""
    stands: bool
    closed: bool
    """Whether its outcome is known, so that its claim is done with."""


def add_up(rows: list[dict[str, Any]]) -> Outcome:
    """Say what ``rows`` (records of one presentation as JSON, by seq) come to, in any order of
    arrival. Source: docs/protocol.md, "What counts as an entry at central".
    """
    scans = [row for row in rows if row["kind"] == Kind.SCAN]
    admitted = [row for row in scans if _redeems(row)]
    last = next((verdict for row in reversed(rows) if (verdict := _closing(row)) is not None), None)
    closed = last is not None or (bool(scans) and not admitted)
    return Outcome(admitted[0] if admitted else None, last is not False, closed)


def _redeems(row: dict[str, Any]) -> bool:
    directions = {way.value for way in Direction}
    whole = "ticket_key" in row and "list" in row and row.get("direction") in directions
    return row.get("verdict") == "admitted" and whole


def _closing(row: dict[str, Any]) -> bool | None:
    """Whether a record leaves the entry it names standing; None: it says nothing of it."""
    standing = standing_after(Kind(row["kind"]), str(row.get("detail", "")))
    return None if standing is None else standing in COUNTING


def derive(connection: Connection, caller: Caller, epoch: bytes, presentation: bytes) -> None:
    """Bring the redemption, the claim and the conflicts of a presentation up to its records."""
    query = select(record.c.body).where(record.c.presentation == presentation)
    query = query.where(record.c.device == caller.device).order_by(record.c.epoch, record.c.seq)
    outcome = add_up([json.loads(body) for body in connection.execute(query).scalars()])
    if outcome.closed:
        stands = outcome.scan is not None and outcome.stands
        settle(connection, presentation, SETTLED if stands else ANNULLED)
    # An exit gives an entry back, so it waits until the guest is known to be through.
    if outcome.scan and (outcome.closed or outcome.scan["direction"] == Direction.ENTRY):
        _keep(connection, caller, epoch, outcome.scan, outcome.stands)


def _keep(
    connection: Connection, caller: Caller, epoch: bytes, scan: dict[str, Any], stands: bool
) -> None:
    presentation = bytes.fromhex(scan["presentation"])
    query = select(redemption.c.stands).where(redemption.c.presentation == presentation)
    if connection.execute(query).scalar() == stands:  # nothing new to tell
        return
    row = {
        "presentation": presentation,
        "cursor": next_number(connection, "redemption"),
        "ticket_key": bytes.fromhex(scan["ticket_key"]),
        "list": scan["list"],
        "direction": scan["direction"],
        "at": scan["at"],
        "gate": caller.gate,
        "device": caller.device,
        "epoch": epoch,
        "stands": int(stands),
    }
    upsert(connection, redemption, [row], ["presentation"])


def find_conflicts(
    connection: Connection, ticket_key: bytes, check_in_list: str, now: float
) -> None:
    """Compare the standing entries of a ticket with what it allows; keep and clear conflicts."""
    policy = policy_in_force(connection)
    right = right_regardless(connection, policy, ticket_key, check_in_list)
    found = {} if right.unlimited else _too_many(connection, right, ticket_key, check_in_list)
    same = (conflict.c.ticket_key == ticket_key) & (conflict.c.list == check_in_list)
    rows = connection.execute(select(conflict).where(same)).mappings()
    known = {bytes(row["presentation"]): row for row in rows}
    for presentation, other in found.items():
        if not _is_told(known.get(presentation), other):
            place = {"ticket_key": ticket_key, "list": check_in_list, "found": now}
            _tell(connection, place | {"presentation": presentation, "other": other})
    for presentation in known.keys() - found.keys():
        _clear(connection, known[presentation])


def _too_many(
    connection: Connection, right: Right, ticket_key: bytes, check_in_list: str
) -> dict[bytes, bytes]:
    """Each entry beyond what the ticket allows, with the entry that stands against it."""
    tally, found = Tally(right), {}
    for use in in_time(standing_uses(connection, ticket_key, check_in_list)):
        is_new = use.direction is Direction.ENTRY and not tally.has_left(use)
        if is_new and (against := tally.objection(use.at)):
            found[use.presentation] = against.use.presentation
        tally.add(use)
    return found


def _is_told(known: RowMapping | None, other: bytes) -> bool:
    return known is not None and bool(known["stands"]) and bytes(known["other"]) == other


def _tell(connection: Connection, row: dict[str, Any]) -> None:
    row |= {"cursor": next_number(connection, "conflict"), "stands": 1}
    upsert(connection, conflict, [row], ["presentation"])


def _clear(connection: Connection, row: RowMapping) -> None:
    if row["stands"]:
        change = update(conflict).where(conflict.c.presentation == row["presentation"])
        connection.execute(change.values(stands=0, cursor=next_number(connection, "conflict")))


def in_conflict(connection: Connection, presentations: Collection[bytes]) -> set[bytes]:
    """Which of ``presentations`` are part of a standing conflict."""
    ends = (conflict.c.presentation, conflict.c.other)
    query = select(*ends).where(conflict.c.stands == 1, or_(*(c.in_(presentations) for c in ends)))
    found = {bytes(end) for row in connection.execute(query) for end in row}
    return found & set(presentations)


def conflict_of(connection: Connection, presentation: bytes) -> dict[str, object]:
    """The newest conflict of an entry that is in one, as told to the gate that made the entry."""
    either = or_(conflict.c.presentation == presentation, conflict.c.other == presentation)
    query = select(conflict).where(conflict.c.stands == 1, either)
    row = connection.execute(query.order_by(conflict.c.cursor.desc())).mappings().first()
    assert row is not None
    first, second = bytes(row["presentation"]), bytes(row["other"])
    theirs = redemption.c.presentation == (second if first == presentation else first)
    other = connection.execute(select(redemption).where(theirs)).mappings().one()
    return {
        "presentation": bytes(other["presentation"]).hex(),
        "ticket_key": bytes(other["ticket_key"]).hex(),
        "list": other["list"],
        "gate": other["gate"],
        "at": other["at"],
    }


def redemptions_after(central: Central, after: int) -> dict[str, object]:
    """The answer to `GET /v1/redemptions`."""
    query = select(redemption).where(redemption.c.cursor > after)
    with central.database.reading() as connection:
        rows = connection.execute(query.order_by(redemption.c.cursor).limit(PAGE)).mappings().all()
    found = [
        {
            "cursor": row["cursor"],
            "presentation": bytes(row["presentation"]).hex(),
            "ticket_key": bytes(row["ticket_key"]).hex(),
            "list": row["list"],
            "direction": row["direction"],
            "at": row["at"],
            "gate": row["gate"],
            "device": row["device"],
            "epoch": bytes(row["epoch"]).hex(),
            "stands": bool(row["stands"]),
        }
        for row in rows
    ]
    return {"redemptions": found, "next": rows[-1]["cursor"] if rows else after}


def conflicts_after(central: Central, caller: Caller, after: int) -> dict[str, object]:
    """The answer to `GET /v1/conflicts`: those that entries of this device are part of."""
    with central.database.reading() as connection:
        query = select(conflict).where(conflict.c.cursor > after).order_by(conflict.c.cursor)
        rows = connection.execute(query.limit(PAGE // 2)).mappings().all()  # each has two ends
        found = [told for row in rows for told in _ends(connection, caller, row)]
    return {"conflicts": found, "next": rows[-1]["cursor"] if rows else after}


def _ends(connection: Connection, caller: Caller, row: RowMapping) -> list[dict[str, object]]:
    """The conflict as told to ``caller``: once for each of its entries in it."""
    pair = bytes(row["presentation"]), bytes(row["other"])
    query = select(redemption).where(redemption.c.presentation.in_(pair))
    ends = {bytes(end["presentation"]): end for end in connection.execute(query).mappings()}
    return [
        {
            "cursor": row["cursor"],
            "presentation": mine.hex(),
            "other": {
                "presentation": theirs.hex(),
                "ticket_key": bytes(row["ticket_key"]).hex(),
                "list": row["list"],
                "gate": ends[theirs]["gate"],
                "at": ends[theirs]["at"],
            },
            "stands": bool(row["stands"]),
        }
        for mine, theirs in (pair, pair[::-1])
        if ends[mine]["device"] == caller.device
    ]
