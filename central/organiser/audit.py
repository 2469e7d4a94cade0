"""Who changed what: a row is on disk before the change is made, and says how that ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import insert, select, update

from central.event import Central
from central.inserts import next_number
from central.schema import audit
from tickets.errors import GateError

COMMAND_LINE = "command line"
"""The person of whoever works on the server itself."""
DONE = "done"
_MOST = 300


@contextmanager
def recorded(central: Central, person: str, action: str, subject: str) -> Iterator[None]:
    """Record a change around it: ``with recorded(central, "ada", "cancel", "A1"): ...``.

    A named error inside is the outcome; anything else leaves none: it was cut off.
    """
    number = note(central, person, action, subject, outcome=None)
    try:
        yield
    except GateError as error:
        _finish(central, number, error.cause)
        raise
    _finish(central, number, DONE)


def note(
    central: Central, person: str, action: str, subject: str, outcome: str | None = DONE
) -> int:
    """Record what has happened; return the number of the row."""
    row = {"at": central.now(), "person": person, "action": action}
    # A file's name need not be text: what is none would be kept by no database.
    subject = subject.encode(errors="replace").decode()
    row |= {"subject": subject[:_MOST], "outcome": outcome}
    with central.database.writing() as connection:
        number = next_number(connection, "audit")
        connection.execute(insert(audit), row | {"number": number})
    return number


def _finish(central: Central, number: int, outcome: str) -> None:
    with central.database.writing() as connection:
        change = update(audit).where(audit.c.number == number)
        connection.execute(change.values(outcome=outcome[:_MOST]))


def log(
    central: Central, before: int | None = None, most: int = 100, action: str | None = None
) -> list[dict[str, Any]]:
    """The last changes, newest first.

    Args:
        before: Those with a smaller number alone.
        action: Those of this kind alone.
    """
    query = select(audit).order_by(audit.c.number.desc()).limit(most)
    if action is not None:
        query = query.where(audit.c.action == action)
    if before is not None:
        query = query.where(audit.c.number < before)
    with central.database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
