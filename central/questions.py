"""What a transaction asks before it judges, and what it tells afterwards: to PostgreSQL a message
each, however many statements. It is another process; waiting for it is most of what a call costs.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select

from central import postgres

Question = tuple[Select[Any], Mapping[str, Any]]
"""A query, made once, and its values; a list for a parameter that is `expanding`."""
Row = Mapping[str, Any]


def ask(
    connection: Connection, questions: Sequence[Question], *things: Collection[bytes]
) -> list[Sequence[Row]]:
    """The rows of each question.

    Args:
        things: What nobody else may judge from before the first question until the transaction
            ends; as of `Database.judging`, which has them in order of kind.
    """
    if connection.dialect.name == "postgresql":
        return postgres.ask(connection, questions, things)
    found: list[Sequence[Row]] = []
    for query, values in questions:
        found.append(connection.execute(query, values).mappings().all())  # type: ignore[arg-type]
    return found


def only_told(connection: Connection) -> None:
    """From here on nothing is asked: statements wait for no answer, the commit for all of them."""
    if connection.dialect.name == "postgresql":
        postgres.only_told(connection)
