"""Claims: every place that can say yes, and nobody else. One transaction each (design, section 5).

A claim is held by one presentation id. Annulling it leaves a tombstone, so that a claim that
arrives after its annulment is refused. A record settles the claim of its presentation.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from admission.direction import Direction
from admission.verdict import Reason
from central.bodies import Body
from central.counting import (
    HELD,
    Objection,
    Right,
    Tally,
    by_key,
    held,
    held_uses,
    in_time,
    right_of,
    standing,
    standing_uses,
    tickets,
)
from central.errors import ProtocolError
from central.event import POLICY, Central, policy_of
from central.inserts import upsert
from central.questions import Row, ask, only_told
from central.schema import claim, redemption
from central.tokens import Caller
from central.wallet.moved import moved, names_of

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
    presentations = [row["presentation"], *([instead_of] if instead_of else [])]
    recorded = _RECORDED, {"named": row["presentation"]}
    keys = [row["ticket_key"]]
    asked = [(_FIND, {"named": presentations}), recorded, POLICY, tickets(keys), moved(keys)]
    locked = presentations, keys
    with central.database.judging(*locked, asked=asked, urgent=True) as (connection, told):
        known = {bytes(claimed["presentation"]): claimed for claimed in told[0]}
        if row["presentation"] in known:
            return _again(known[row["presentation"]], row)
        if told[1]:
            return _recorded(told[1][0], row)
        if instead_of is not None:
            # The guest turned back and comes again: the entry that was not made is in nobody's way.
            _give_back(connection, caller, instead_of, known.get(instead_of))
        names = names_of(central, told[4]).get(row["ticket_key"], (row["ticket_key"],))
        return _decide(connection, row, unlisted, told[2:4], names)


def _again(known: Row, row: dict[str, Any]) -> dict[str, object]:
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


def _recorded(known: Row, row: dict[str, Any]) -> dict[str, object]:
    """The answer when the record overtook its claim: what the lane did is what counts."""
    _check_owner(known, row["device"])
    return _GRANTED if known["stands"] else _WAS_ANNULLED


def _decide(
    connection: Connection,
    row: dict[str, Any],
    unlisted: bool,
    facts: Sequence[Sequence[Row]],
    names: Collection[bytes],
) -> dict[str, object]:
    if row["direction"] == Direction.ENTRY:
        answer = _refusal(connection, row, unlisted, facts, names)
        if answer is not None:
            return answer
    only_told(connection)
    # An exit is never refused (design, I11); its claim is held so that it can be annulled.
    connection.execute(insert(claim), row | {"state": HELD})
    return _GRANTED


def _refusal(
    connection: Connection,
    row: dict[str, Any],
    unlisted: bool,
    facts: Sequence[Sequence[Row]],
    names: Collection[bytes],
) -> dict[str, object] | None:
    policy, known = policy_of(facts[0]), by_key(facts[1]).get(row["ticket_key"])
    if policy is not None and row["list"] not in policy.lists:
        return {"result": "refused", "reason": Reason.WRONG_LIST.value}
    right = right_of(connection, policy, known, row["list"], unlisted=unlisted)
    if isinstance(right, Reason):
        return {"result": "refused", "reason": right.value}
    found = None if right.unlimited else _objection(connection, right, row, names)
    if found is None:
        return None
    place: dict[str, object] = {"gate": found.use.where, "at": found.use.at}
    if found.passback:
        return {"result": "refused", "reason": Reason.ALREADY_INSIDE.value} | place
    return {"result": "taken"} | place


def _objection(
    connection: Connection, right: Right, row: dict[str, Any], names: Collection[bytes]
) -> Objection | None:
    """``names``: all of the ticket; nobody can hold a claim by one that it has no more."""
    asked = [held(row["ticket_key"], row["list"]), standing(names)]
    claims, entries = ask(connection, asked)
    # By presentation: a held claim and its record are one entry.
    uses, stand = held_uses(claims), standing_uses(entries)
    for name in names:
        uses |= stand[name, row["list"]]
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
    asked = [(_FIND, {"named": [presentation]})]
    with central.database.judging([presentation], asked=asked, urgent=True) as (connection, told):
        only_told(connection)
        _give_back(connection, caller, presentation, told[0][0] if told[0] else None)
    return {"result": ANNULLED}


def _give_back(
    connection: Connection, caller: Caller, presentation: bytes, known: Row | None
) -> None:
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
    .where(
        claim.c.presentation.in_(bindparam("named", expanding=True)),
        claim.c.device == bindparam("by"),
        claim.c.state == HELD,
    )
    .values(state=bindparam("ends"))
)
_FIND = select(claim).where(claim.c.presentation.in_(bindparam("named", expanding=True)))


def settle(
    connection: Connection, caller: Caller, presentations: Collection[bytes], state: str
) -> None:
    """Let records close their gate's claims of these presentations; a tombstone stays one."""
    if presentations:
        values = {"named": list(presentations), "by": caller.device, "ends": state}
        connection.execute(_SETTLE, values)


def _check_owner(row: Row, device: str) -> None:
    if row["device"] != device:
        raise ProtocolError(
            403,
            "claim_of_another_device",
            "this presentation belongs to another gate",
            "Give every presentation 16 random bytes of its own",
        )
