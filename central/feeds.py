"""The feeds that gates read on from a cursor: redemptions of all gates, conflicts of their own."""

from sqlalchemy import Connection, RowMapping, select

from central.event import Central
from central.schema import conflict, reading, redemption
from central.tokens import Caller

PAGE = 1000
"""Most rows of one answer."""


def redemptions_after(central: Central, after: int) -> dict[str, object]:
    """The answer to `GET /v1/redemptions`."""
    told = select(redemption, reading.c.counter).join(
        reading, reading.c.presentation == redemption.c.presentation, isouter=True
    )
    query = told.where(redemption.c.cursor > after)
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
        | ({} if row["counter"] is None else {"counter": row["counter"]})
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
