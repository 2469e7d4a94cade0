"""Rows that are new or replace others, and numbers that only rise, on SQLite and PostgreSQL."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from central import schema


def next_number(connection: Connection, name: str, count: int = 1) -> int:
    """The first of the next ``count`` numbers, which only rise in the order of commits."""
    statement = _raise(connection.dialect.name).returning(schema.counter.c.value)
    value = connection.execute(statement, {"name": name, "value": count}).scalar_one()
    return int(value) - count + 1


def upsert_numbered(
    connection: Connection, table: Table, rows: list[dict[str, Any]], key: str, name: str
) -> None:
    """As `upsert`, each row with the next number of the counter ``name`` as its ``cursor``.

    Nothing is asked: the counter, which others wait for until the commit, is held for no answer.
    """
    dialect = connection.dialect.name
    connection.execute(_raise(dialect), {"name": name, "value": len(rows)})
    places = [row | {"behind": behind} for behind, row in enumerate(rows[::-1])]
    statement = _upsert_numbered(dialect, table, tuple(rows[0]), key, name)
    connection.execute(statement, places[::-1])


def insert_new(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert ``row`` unless one with its key is there; say whether it was new."""
    return connection.execute(_insert_new(connection.dialect.name, table), row).rowcount == 1


def upsert(
    connection: Connection, table: Table, rows: list[dict[str, Any]], keys: list[str]
) -> None:
    """Insert ``rows``; where a row with the same ``keys`` exists, its other columns change."""
    statement = _upsert(connection.dialect.name, table, tuple(rows[0]), tuple(keys))
    connection.execute(statement, rows)


def statement_for(dialect: str, table: Table) -> Any:
    """INSERT with ON CONFLICT: both dialects have it, each with a class of its own."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def bulk_insert(
    connection: Connection, table: Table, rows: list[dict[str, Any]], key: str
) -> tuple[Any, Any]:
    """An INSERT of many rows, and its values; of two with the same ``key`` the later counts.

    PostgreSQL gets them as one statement, a list for each column: it takes a row of its own in
    ten times the time.
    """
    statement = statement_for(connection.dialect.name, table)
    if connection.dialect.name != "postgresql":
        return statement, rows
    last = {row[key]: row for row in rows}.values()
    kinds = {name: postgresql.ARRAY(table.c[name].type) for name in rows[0]}
    lists = func.unnest(*(bindparam(name, type_=kind) for name, kind in kinds.items()))
    found = lists.table_valued(*kinds).render_derived()
    taken = select(*(found.c[name] for name in kinds))
    return statement.from_select(list(kinds), taken), {n: [r[n] for r in last] for n in kinds}


# Building a statement takes longer than SQLite takes to carry it out: each is built once.


@cache
def _raise(dialect: str) -> Any:
    # One statement also for the first: of two that find no row, the second waits for the first.
    statement = statement_for(dialect, schema.counter)
    value = schema.counter.c.value + statement.excluded.value
    return statement.on_conflict_do_update(index_elements=["name"], set_={"value": value})


@cache
def _insert_new(dialect: str, table: Table) -> Any:
    # psycopg's cursor is closed when the count is asked for; it has to be kept.
    return (
        statement_for(dialect, table)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )


@cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...], keys: tuple[str, ...]) -> Any:
    statement = statement_for(dialect, table)
    others = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


@cache
def _upsert_numbered(
    dialect: str, table: Table, columns: tuple[str, ...], key: str, name: str
) -> Any:
    newest = select(schema.counter.c.value).where(schema.counter.c.name == name).scalar_subquery()
    statement = statement_for(dialect, table).values(
        {column: bindparam(column) for column in columns}
        | {"cursor": newest - bindparam("behind", type_=schema.Whole)}
    )
    others = {column: statement.excluded[column] for column in (*columns, "cursor")}
    return statement.on_conflict_do_update(index_elements=[key], set_=others)
