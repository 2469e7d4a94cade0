"""What records say of entries and exits: what stands, and what conflicts."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, or_, select, update

from admission.direction import Direction
from admission.history import COUNTING
from central.claims import ANNULLED, SETTLED, settle
from central.counting import (
    Right,
    Tally,
    Uses,
    in_time,
    right_regardless,
    standing_uses,
    ticket_rows,
)
from central.event import policy_in_force
from central.inserts import next_number, upsert
from central.schema import conflict, reading, record, redemption
from central.tokens import Caller
from store.records import Kind
from store.uses import standing_after
from tickets.cards import MAX_COUNTER
from tickets.credential import Format


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


_NAMED: BindParameter[bytes] = bindparam("named", expanding=True)
_BODIES = (
    select(record.c.presentation, record.c.body)
    .where(record.c.presentation.in_(_NAMED), record.c.device == bindparam("by"))
    .order_by(record.c.epoch, record.c.seq)
)
_REDEMPTIONS = select(redemption).where(redemption.c.presentation.in_(_NAMED))
_CONFLICTS = select(conflict).where(conflict.c.ticket_key.in_(_NAMED))
_EITHER_END = select(conflict.c.presentation, conflict.c.other).where(
    conflict.c.stands == 1, or_(conflict.c.presentation.in_(_NAMED), conflict.c.other.in_(_NAMED))
)


def derive(
    connection: Connection, caller: Caller, epoch: bytes, presentations: Collection[bytes]
) -> None:
    """Bring the redemptions and claims of presentations up to their records."""
    rows: dict[bytes, list[dict[str, Any]]] = {}
    found = connection.execute(_BODIES, {"named": list(presentations), "by": caller.device})
    for presentation, body in found:
        rows.setdefault(bytes(presentation), []).append(json.loads(body))
    outcomes = {presentation: add_up(records) for presentation, records in rows.items()}
    ended = {p: o.scan is not None and o.stands for p, o in outcomes.items() if o.closed}
    settle(connection, [p for p, stands in ended.items() if stands], SETTLED)
    settle(connection, [p for p, stands in ended.items() if not stands], ANNULLED)
    _keep(connection, caller, epoch, [o for o in outcomes.values() if _is_known(o)])


def _is_known(outcome: Outcome) -> bool:
    """An exit gives an entry back, so it waits until the guest is known to be through."""
    scan = outcome.scan
    return scan is not None and (outcome.closed or scan["direction"] == Direction.ENTRY)


def _keep(
    connection: Connection, caller: Caller, epoch: bytes, outcomes: Collection[Outcome]
) -> None:
    """Keep what is new of the outcomes, each with a number of its own."""
    told = {bytes.fromhex(o.scan["presentation"]): o for o in outcomes if o.scan}
    known = connection.execute(_REDEMPTIONS, {"named": list(told)}).mappings()
    for row in known:
        if row["stands"] == told[bytes(row["presentation"])].stands:
            del told[bytes(row["presentation"])]
    if not told:
        return
    first = next_number(connection, "redemption", len(told))
    rows = [
        {
            "presentation": presentation,
            "cursor": cursor,
            "ticket_key": bytes.fromhex(outcome.scan["ticket_key"]),
            "list": outcome.scan["list"],
            "direction": outcome.scan["direction"],
            "at": outcome.scan["at"],
            "gate": caller.gate,
            "device": caller.device,
            "epoch": epoch,
            "stands": int(outcome.stands),
        }
        for cursor, (presentation, outcome) in enumerate(told.items(), first)
        if outcome.scan
    ]
    upsert(connection, redemption, rows, ["presentation"])
    counters = {presentation: _counter(outcome.scan) for presentation, outcome in told.items()}
    counted = [{"presentation": p, "counter": n} for p, n in counters.items() if n is not None]
    if counted:
        upsert(connection, reading, counted, ["presentation"])


def _counter(scan: dict[str, Any] | None) -> int | None:
    """Of the card's message; one that no card can have would stop every gate that reads it."""
    counter = scan.get("counter") if scan and scan.get("format") == Format.NTAG424 else None
    return counter if type(counter) is int and 0 <= counter <= MAX_COUNTER else None


def find_conflicts(connection: Connection, presentations: Collection[bytes], now: float) -> None:
    """Compare the standing entries of these presentations' tickets with what each allows; keep
    and clear conflicts.
    """
    rows = connection.execute(_REDEMPTIONS, {"named": list(presentations)}).mappings()
    pairs = {(bytes(row["ticket_key"]), row["list"]) for row in rows}
    keys = {ticket_key for ticket_key, _ in pairs}
    policy, tickets = policy_in_force(connection), ticket_rows(connection, keys)
    rights = {(k, name): right_regardless(policy, tickets.get(k), name) for k, name in pairs}
    # A staff pass has no end of uses; they are not looked at.
    uses = standing_uses(connection, {k for (k, _), right in rights.items() if not right.unlimited})
    known: dict[tuple[bytes, str], dict[bytes, RowMapping]] = {}
    for row in connection.execute(_CONFLICTS, {"named": list(keys)}).mappings():
        of_pair = known.setdefault((bytes(row["ticket_key"]), row["list"]), {})
        of_pair[bytes(row["presentation"])] = row
    for pair, right in rights.items():
        found = {} if right.unlimited else _too_many(right, uses[pair])
        _note_conflicts(connection, pair, known.get(pair, {}), found, now)


def _note_conflicts(
    connection: Connection,
    pair: tuple[bytes, str],
    known: dict[bytes, RowMapping],
    found: dict[bytes, bytes],
    now: float,
) -> None:
    for presentation, other in found.items():
        if not _is_told(known.get(presentation), other):
            place = {"ticket_key": pair[0], "list": pair[1], "found": now}
            _tell(connection, place | {"presentation": presentation, "other": other})
    for presentation in known.keys() - found.keys():
        _clear(connection, known[presentation])


def _too_many(right: Right, uses: Uses) -> dict[bytes, bytes]:
    """Each entry beyond what the ticket allows, with the entry that stands against it."""
    tally, found = Tally(right), {}
    for use in in_time(uses):
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
    rows = connection.execute(_EITHER_END, {"named": list(presentations)})
    found = {bytes(end) for row in rows for end in row}
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
