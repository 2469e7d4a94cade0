"""Rows that are new or replace others, and numbers that only rise, on SQLite and PostgreSQL."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from central import schema

_RAISE = (
    update(schema.counter)
    .where(schema.counter.c.name == bindparam("counter"))
    .values(value=schema.counter.c.value + bindparam("more"))
    .returning(schema.counter.c.value)
)


def next_number(connection: Connection, name: str, count: int = 1) -> int:
    """The first of the next ``count`` numbers, which only rise in the order of commits."""
    value = connection.execute(_RAISE, {"counter": name, "more": count}).scalar()
    if value is None:
        insert_new(connection, schema.counter, {"name": name, "value": count})
        return 1
    return int(value) - count + 1


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert ``row`` unless one with its key is there; say whether it was new."""
    return connection.execute(_insert_new(connection.dialect.name, table), row).rowcount == 1


def upsert(
    connection: Connection, table: Table, rows: list[dict[str, Any]], keys: list[str]
) -> None:
    """Insert ``rows``; where a row with the same ``keys`` exists, its other columns change."""
    statement = _upsert(connection.dialect.name, table, tuple(rows[0]), tuple(keys))
    connection.execute(statement, rows)


def statement_for(connection: Connection, table: Table) -> Any:
    """INSERT with ON CONFLICT: both dialects have it, each with a class of its own."""
    return _insert(connection.dialect.name, table)


def _insert(dialect: str, table: Table) -> Any:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


# Building a statement takes longer than SQLite takes to carry it out: each is built once.


@cache
def _insert_new(dialect: str, table: Table) -> Any:
    # psycopg's cursor is closed when the count is asked for; it has to be kept.
    return (
        _insert(dialect, table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    )


@cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...], keys: tuple[str, ...]) -> Any:
    statement = _insert(dialect, table)
    others = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)
