"""A server whose database is an older copy: going on without losing, doubling or being refused.

Gates remember what this server has forgotten. They hold cursors into its feeds, refuse serials that
do not rise, and do not send again what was acknowledged. So numbers jump ahead of all that any gate
can hold, and every gate is asked to begin anew. Source: docs/protocol.md, "resync".
"""

import json

from sqlalchemy import Connection, delete, insert, select, update

from central.database import get_meta, set_meta
from central.event import Central
from central.inserts import next_number
from central.lists import publish_list
from central.organiser.gates import reported_serial
from central.schema import command, device, enrolment, organiser_session, organiser_ticket
from central.statements import newest_serial, publish
from tickets.chain import SERIALS_FROM

CURSORS = ("statement", "redemption", "conflict")
"""Counters whose numbers gates keep."""
JUMP = 1_000_000_000
"""More numbers than an event gives; of these jumps there is room for four thousand million."""
AHEAD = 10_000
"""How far serials jump ahead of the clock, which they follow: as many statements as were published
in the same second, at the worst."""
MOST_AHEAD = 1_000_000
"""Beyond this a gate's word on its serial is not believed: it would use up the numbers."""


def go_on(central: Central) -> None:
    """Make the copy fit for the gates again; done once, before it is served."""
    with central.database.writing() as connection:
        for name in CURSORS:
            next_number(connection, name, JUMP)
        _raise_floor(connection, int(central.now()) - SERIALS_FROM + AHEAD)
        # Who logged out since the copy, or used a token, must not be in again.
        for table in (organiser_session, organiser_ticket):
            connection.execute(delete(table))
        connection.execute(delete(enrolment).where(enrolment.c.public_key.is_(None)))
        _ask_for_everything(connection)
        policy = get_meta(connection, "policy")
        if policy is not None:
            publish(connection, central, json.loads(policy))
    _publish_list(central)


def _ask_for_everything(connection: Connection) -> None:
    connection.execute(update(command).values(told_until=0.0))
    alive = select(device.c.device).where(device.c.revoked.is_(None))
    for name in connection.execute(alive).scalars().all():
        row = {"number": next_number(connection, "command"), "device": name}
        connection.execute(insert(command), row | {"body": json.dumps({"do": "resync"})})


def catch_up(central: Central) -> bool:
    """Publish anew when a gate in touch uses a list that is newer than ours; say whether.

    For a database that was put back by other means, or by a clock that was behind.
    """
    limit = int(central.now()) - SERIALS_FROM + MOST_AHEAD
    with central.database.reading() as connection:
        texts = connection.execute(
            select(device.c.health).where(device.c.revoked.is_(None), device.c.health.is_not(None))
        ).scalars()
        told = [reported_serial(json.loads(text)) for text in texts]
        newest = newest_serial(connection)
    highest = max((serial for serial in told if serial and serial <= limit), default=0)
    if newest is None or highest <= newest:
        return False
    with central.database.writing() as connection:
        _raise_floor(connection, highest + 1)
    _publish_list(central)
    return True


def _raise_floor(connection: Connection, serial: int) -> None:
    before = int(get_meta(connection, "serial_floor") or 0)
    set_meta(connection, "serial_floor", str(max(before, serial)))


def _publish_list(central: Central) -> None:
    with central.database.reading() as connection:
        newest = newest_serial(connection)
    if newest is not None:
        publish_list(central)
