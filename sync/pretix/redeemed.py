"""The feed of check-ins: what the server knows of uses, under the names that this gate gives."""

from collections.abc import Mapping

from sync.answers import Redemption
from sync.pretix.staging import Staging

PAGE = 500
EPOCH = bytes(8)
"""Of no journal: a check-in that comes back is known by its presentation, see `Intake.sent`."""
_PAGE = """
SELECT c.cursor, c.presentation, p.key, l.name, c.direction, c.at, c.device, c.stands
FROM checkin c LEFT JOIN position p ON p.id = c.position LEFT JOIN list l ON l.id = c.list
WHERE c.cursor > ? ORDER BY c.cursor LIMIT ?
"""


def redemptions(staging: Staging, after: int) -> tuple[list[Redemption], int]:
    """One page of the feed after a cursor, and the next cursor.

    Of lists that no lane admits, and of tickets that are gone, nothing is told.
    """
    with staging.transaction() as base:
        found = base.execute(_PAGE, (after, PAGE)).fetchall()
    told = [
        Redemption.model_construct(
            cursor=cursor,
            presentation=presentation,
            ticket_key=key,
            list=name,
            direction=direction,
            at=at / 1_000_000,
            gate=device_name(device),
            device="pretix",
            epoch=EPOCH,
            stands=bool(stands),
            counter=None,
        )
        for cursor, presentation, key, name, direction, at, device, stands in found
        if key is not None and name is not None
    ]
    return told, max([after, *(row[0] for row in found)])


def name_lists(staging: Staging, names: Mapping[int, str]) -> None:
    """Say what records call the lists; check-ins on one that is called anew are told again."""
    with staging.transaction() as base:
        there = dict(base.execute("SELECT id, name FROM list").fetchall())
        base.execute("DELETE FROM list")
        base.executemany("INSERT INTO list VALUES (?, ?)", names.items())
        for number, name in names.items():  # for records that wait longer than a name lasts
            staging.put(f"named:{name}", str(number))
        for number, name in names.items():
            if there.get(number) == name:
                continue
            query = "SELECT id FROM checkin WHERE list = ? ORDER BY cursor"
            for (check_in,) in base.execute(query, (number,)).fetchall():
                cursor = staging.rise("feed")
                base.execute("UPDATE checkin SET cursor = ? WHERE id = ?", (cursor, check_in))


def device_name(number: int | None) -> str:
    """What the steward calls another device: pretix tells gates no names of others."""
    return "the office" if number is None else f"device {number}"
