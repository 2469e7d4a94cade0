"""What a ticket key and a list of ours are at the server: an event, a list, a position.

Read through a connection of its own: no page that is being taken in holds up a guest's claim.
"""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tickets.rows import Status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scan belongs, in pretix' own names."""

    event: str
    """Short form."""
    list: int
    position: int | None = None
    """The ticket; None: not known, or not by its key alone."""


@dataclass(frozen=True, slots=True)
class Sold:
    """What a ticket is, in pretix' own numbers; 0: none."""

    item: int
    variation: int
    subevent: int


class Places:
    """Looks into pretix.db. Thread-safe.

    Args:
        path: Of a database that is there.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._base = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)

    def find(self, check_in_list: str, key: bytes | None = None) -> Place | None:
        """Where a scan of ticket `key` on a list belongs; None: no such list was ever published.

        Args:
            check_in_list: As records call it; a lane's own name of several events' lists means
                that of the ticket's event, or the first.
        """
        position, event = self._position(key) if key else (None, None)
        lists = self._lists(check_in_list)
        if not lists:
            return None
        at = next((entry for entry in lists if entry[0] == event), lists[0])
        return Place(*at, position if at[0] == event else None)

    def cancelled(self, position: int) -> bool:
        """Whether a ticket was cancelled, as last downloaded."""
        rows = self._ask("SELECT flags FROM position WHERE id = ?", position)
        return bool(rows and rows[0][0] & int(Status.CANCELLED))

    def sold(self, position: int) -> Sold | None:
        """What a ticket is; None: it is gone."""
        query = (
            "SELECT item, variation, subevent FROM position JOIN product"
            " ON product.number = position.product WHERE id = ?"
        )
        rows = self._ask(query, position)
        return Sold(*rows[0]) if rows else None

    def _lists(self, name: str) -> list[tuple[str, int]]:
        """(event, number) of the lists that a name means."""
        rows = self._ask("SELECT substr(name, 7), value FROM note WHERE name LIKE 'named:%'")
        named = sorted((str(full), int(number)) for full, number in rows)
        return [
            (full.rpartition(" (")[2].removesuffix(")"), number)
            for full, number in named
            if name in (full, full.rpartition(" (")[0])
        ]

    def _position(self, key: bytes) -> tuple[int | None, str | None]:
        rows = self._ask("SELECT id, event FROM position WHERE key = ? ORDER BY id LIMIT 2", key)
        if not rows:  # a code that was replaced since
            query = (
                "SELECT id, event FROM former JOIN position ON position.id = former.position"
                " WHERE former.key = ?"
            )
            rows = self._ask(query, key)
        if not rows:
            return None, None
        return (rows[0][0] if len(rows) == 1 else None), rows[0][1]

    def _ask(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._base.execute(query, values).fetchall()
