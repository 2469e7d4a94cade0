"""From what was downloaded to the rows of the gate's list, and which of them have changed.

One row a code, in the server's own order: a ticket's code, else a medium, else a code that was
taken back or blocked. Links say which tickets hang on a ticket, and which a medium stands for.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from tickets.links import MOST_LINKS, link_rows
from tickets.rows import Status, Ticket, pack

_GONE = int(Status.CANCELLED)


def settle(base: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    """Make the rows of these codes anew, and note each row that is another than before."""
    for key in set(keys):
        wanted = {ticket.key: pack(ticket) for ticket in _rows(base, key)}
        query = "SELECT key, packed FROM row WHERE key = ?1 UNION SELECT key, packed FROM row"
        query += " WHERE owner = ?1 AND owner <> key"
        there = dict(base.execute(query, (key,)))
        gone = [(found,) for found in there.keys() - wanted.keys()]
        new = [(k, key, packed) for k, packed in wanted.items() if there.get(k) != packed]
        base.executemany("DELETE FROM row WHERE key = ?", gone)
        base.executemany("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", new)
        noted = [*gone, *((row[0],) for row in new)]
        base.executemany("INSERT OR IGNORE INTO changed VALUES (?)", noted)


def hang_on(base: sqlite3.Connection, position: int) -> list[bytes]:
    """The codes whose links name this ticket: its parent's and its media's."""
    query = (
        "SELECT parent.key FROM position JOIN position parent ON parent.id = position.parent"
        " WHERE position.id = ?1 UNION SELECT medium.key FROM medium_position"
        " JOIN medium ON medium.id = medium_position.medium WHERE medium_position.position = ?1"
    )
    return [key for (key,) in base.execute(query, (position,))]


def _rows(base: sqlite3.Connection, key: bytes) -> Iterator[Ticket]:
    query = (
        "SELECT id, product, flags, valid_from, valid_until FROM position WHERE key = ?"
        " ORDER BY id LIMIT 2"
    )
    found = base.execute(query, (key,)).fetchall()
    if not found:
        yield from _medium(base, key) or _withdrawn(base, key)
        return
    position, product, flags, valid_from, valid_until = found[0]
    children = _addons(base, position)
    status = Status(flags) | (Status.ADDONS if children else Status(0))
    status |= Status.AMBIGUOUS if len(found) > 1 else Status(0)
    status |= Status.EXCHANGED if _has_medium(base, position) else Status(0)
    yield Ticket(key, product, 1, status, valid_from, valid_until)
    yield from link_rows(key, children)


def _addons(base: sqlite3.Connection, position: int) -> list[bytes]:
    """Of those that were cancelled alone the server knows nothing; with the order, all were."""
    query = (
        "SELECT addon.key FROM position addon JOIN position ticket ON ticket.id = addon.parent"
        f" WHERE ticket.id = ? AND (addon.flags & {_GONE} = 0 OR ticket.flags & {_GONE} <> 0)"
        " ORDER BY addon.id LIMIT ?"
    )
    return [key for (key,) in base.execute(query, (position, MOST_LINKS))]


def _has_medium(base: sqlite3.Connection, position: int) -> bool:
    query = "SELECT 1 FROM medium_position WHERE position = ? LIMIT 1"
    return base.execute(query, (position,)).fetchone() is not None


def _medium(base: sqlite3.Connection, key: bytes) -> list[Ticket]:
    found = base.execute("SELECT id, valid_until FROM medium WHERE key = ?", (key,)).fetchone()
    if found is None:
        return []
    query = (
        "SELECT position.key FROM medium_position JOIN position"
        " ON position.id = medium_position.position WHERE medium = ? ORDER BY place LIMIT ?"
    )
    children = [child for (child,) in base.execute(query, (found[0], MOST_LINKS))]
    return [Ticket(key, 0, 0, Status.MEDIUM, 0, found[1]), *link_rows(key, children)]


def _withdrawn(base: sqlite3.Connection, key: bytes) -> list[Ticket]:
    kinds = base.execute("SELECT DISTINCT kind FROM secret WHERE key = ?", (key,)).fetchall()
    if not kinds:
        return []
    return [Ticket(key, 0, 1, Status(sum(kind for (kind,) in kinds)))]
