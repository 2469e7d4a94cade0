"""Claims: every place that can say yes, and nobody else. One transaction each (design, section 5).

A claim is held by one presentation id. Annulling it leaves a tombstone, so that a claim that
arrives after its annulment is refused. A record settles the claim of its presentation.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from admission.direction import Direction
from admission.verdict import Reason
from central.bodies import Body
from central.counting import (
    HELD,
    Objection,
    Right,
    Tally,
    held_uses,
    in_time,
    right_of,
    standing_uses,
)
from central.errors import ProtocolError
from central.event import Central, policy_in_force
from central.inserts import upsert
from central.schema import claim, redemption
from central.tokens import Caller

SETTLED = "settled"
"""State of a claim whose record came and stands."""
ANNULLED = "annulled"
"""State of a tombstone."""
_GRANTED: dict[str, object] = {"result": "granted"}
_WAS_ANNULLED: dict[str, object] = {"result": "refused", "reason": ANNULLED}
_PAGE = 1000
_RECORDED = select(redemption).where(redemption.c.presentation == bindparam("named"))


def make_claim(central: Central, caller: Caller, body: Body) -> dict[str, object]:
    """Grant an entry right to one presentation, or say who has it, or why nobody may.

    Returns:
        `{"result": "granted"}`, `{"result": "taken", "gate", "at"}` or `{"result": "refused",
        "reason"}`, and `gate` and `at` with reason `already_inside`.
    Raises:
        ProtocolError: 403 `claim_of_another_device`, 409 `presentation_reused`, 400.
    """
    row: dict[str, Any] = {
        "presentation": body.octets("presentation", 16),
        "ticket_key": body.octets("ticket_key", 16),
        "list": body.text("list"),
        "direction": body.one_of("direction", [way.value for way in Direction]),
        "at": body.time("at"),
        "device": caller.device,
        "gate": caller.gate,
    }
    unlisted = body.flag("unlisted")
    instead_of = body.octets_or_none("instead_of", 16)
    if instead_of == row["presentation"]:
        instead_of = None  # nothing can be given back for itself
    touched = [row["presentation"], row["ticket_key"], *([instead_of] if instead_of else [])]
    with central.database.claiming(*touched) as connection:
        known = find_claim(connection, row["presentation"])
        if known is not None:
            return _again(known, row)
        if (recorded := _recorded(connection, row)) is not None:
            return recorded
        if instead_of is not None:
            # The guest turned back and comes again: the entry that was not made is in nobody's way.
            _give_back(connection, caller, instead_of)
        return _decide(connection, row, unlisted)


def _again(known: RowMapping, row: dict[str, Any]) -> dict[str, object]:
    """The answer to a presentation that has a claim or a tombstone: the same as before."""
    _check_owner(known, row["device"])
    if known["state"] == ANNULLED:
        return _WAS_ANNULLED
    if any(known[name] != row[name] for name in ("ticket_key", "list", "direction")):
        raise ProtocolError(
            409,
            "presentation_reused",
            "this presentation already holds a claim for something else",
            "Give every presentation 16 random bytes of its own",
        )
    return _GRANTED


def _recorded(connection: Connection, row: dict[str, Any]) -> dict[str, object] | None:
    """The answer when the record overtook its claim: what the lane did is what counts."""
    known = connection.execute(_RECORDED, {"named": row["presentation"]}).mappings().first()
    if known is None:
        return None
    _check_owner(known, row["device"])
    return _GRANTED if known["stands"] else _WAS_ANNULLED


def _decide(connection: Connection, row: dict[str, Any], unlisted: bool) -> dict[str, object]:
    if row["direction"] == Direction.ENTRY:
        answer = _refusal(connection, row, unlisted)
        if answer is not None:
            return answer
    # An exit is never refused (design, I11); its claim is held so that it can be annulled.
    connection.execute(insert(claim), row | {"state": HELD})
    return _GRANTED


def _refusal(
    connection: Connection, row: dict[str, Any], unlisted: bool
) -> dict[str, object] | None:
    policy = policy_in_force(connection)
    if policy is not None and row["list"] not in policy.lists:
        return {"result": "refused", "reason": Reason.WRONG_LIST.value}
    right = right_of(connection, policy, row["ticket_key"], row["list"], unlisted=unlisted)
    if isinstance(right, Reason):
        return {"result": "refused", "reason": right.value}
    found = None if right.unlimited else _objection(connection, right, row)
    if found is None:
        return None
    place: dict[str, object] = {"gate": found.use.where, "at": found.use.at}
    if found.passback:
        return {"result": "refused", "reason": Reason.ALREADY_INSIDE.value} | place
    return {"result": "taken"} | place


def _objection(connection: Connection, right: Right, row: dict[str, Any]) -> Objection | None:
    uses = held_uses(connection, row["ticket_key"], row["list"])
    # By presentation: a held claim and its record are one entry.
    uses |= standing_uses(connection, [row["ticket_key"]])[row["ticket_key"], row["list"]]
    tally = Tally(right)
    for use in in_time(uses):
        tally.add(use)
    return tally.objection(row["at"])


def annul_claim(central: Central, caller: Caller, presentation: bytes) -> dict[str, object]:
    """Give a claim back; leaves a tombstone, also when the claim has not come yet.

    An entry that a record made stand stays: what the lane did is what counts.

    Raises:
        ProtocolError: 403 `claim_of_another_device`.
    """
    with central.database.claiming(presentation) as connection:
        _give_back(connection, caller, presentation)
    return {"result": ANNULLED}


def _give_back(connection: Connection, caller: Caller, presentation: bytes) -> None:
    known = find_claim(connection, presentation)
    if known is not None:
        _check_owner(known, caller.device)
    row = {"presentation": presentation, "device": caller.device, "state": ANNULLED}
    upsert(connection, claim, [row], ["presentation"])


def open_claims(central: Central, caller: Caller) -> dict[str, object]:
    """This device's claims whose outcome is not known here, at most 1000."""
    query = select(claim).where(claim.c.device == caller.device, claim.c.state == HELD)
    with central.database.reading() as connection:
        rows = connection.execute(query.limit(_PAGE)).mappings().all()
    return {
        "claims": [
            {
                "presentation": bytes(row["presentation"]).hex(),
                "ticket_key": bytes(row["ticket_key"]).hex(),
                "list": row["list"],
                "at": row["at"],
            }
            for row in rows
        ]
    }


_SETTLE = (
    update(claim)
    .where(claim.c.presentation.in_(bindparam("named", expanding=True)), claim.c.state == HELD)
    .values(state=bindparam("ends"))
)
_FIND = select(claim).where(claim.c.presentation == bindparam("named"))


def settle(connection: Connection, presentations: Collection[bytes], state: str) -> None:
    """Let records close the claims of their presentations; a tombstone stays one."""
    if presentations:
        connection.execute(_SETTLE, {"named": list(presentations), "ends": state})


def find_claim(connection: Connection, presentation: bytes) -> RowMapping | None:
    """The claim or tombstone of a presentation."""
    return connection.execute(_FIND, {"named": presentation}).mappings().first()


def _check_owner(row: RowMapping, device: str) -> None:
    if row["device"] != device:
        raise ProtocolError(
            403,
            "claim_of_another_device",
            "this presentation belongs to another gate",
            "Give every presentation 16 random bytes of its own",
        )
