"""pretix.db: what was downloaded, so that an interruption costs one page and a restart nothing.

One writer, one thread: the puller's; the uploader reads and writes through the same lock. WAL with
synchronous=FULL: data is on disk before the place it was read up to. It holds no secret and no
name; all of it comes again from the server, so a damaged file is set aside and begun anew.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.copies import Form, connect, set_aside
from sync.pretix.errors import StagingNotWritten

_FORM = Form(Path(__file__).with_name("staging.sql"), version=1, mode=0o600, cache_kib=4000)


class Staging:
    """The database, and its small notes.

    Args:
        owner: Names the enrolment whose keys its hashes are made with; of another it is begun anew.
    Raises:
        StagingNotWritten: the directory is read-only or full.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self.base = connect(path, _FORM)
        except (OSError, sqlite3.OperationalError) as error:
            raise StagingNotWritten(error) from error
        except sqlite3.DatabaseError:  # of another version or damaged: it is only a copy
            set_aside(path)
            self.base = connect(path, _FORM)
        if self.note("owner") != owner:
            self._begin_anew(owner)

    def _begin_anew(self, owner: str) -> None:
        with self.transaction() as base:
            tables = base.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            for (table,) in tables:
                base.execute(f"DELETE FROM {table}")
            self.put("owner", owner)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk when it ends; inside another one it is part of that.

        Raises:
            StagingNotWritten: disk full or read-only.
        """
        with self._lock:
            if self.base.in_transaction:
                yield self.base
                return
            try:
                self.base.execute("BEGIN IMMEDIATE")
                yield self.base
                self.base.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise StagingNotWritten(error) from error
            finally:
                if self.base.in_transaction:
                    self.base.execute("ROLLBACK")

    def note(self, name: str) -> str:
        """A small value, or empty."""
        with self._lock:
            row = self.base.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def put(self, name: str, value: str) -> None:
        """Keep a small value."""
        with self.transaction() as base:
            base.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def rise(self, name: str, floor: int = 0) -> int:
        """The next number of a counter, above `floor` and above all before."""
        with self.transaction():
            number = max(int(self.note(name) or 0), floor) + 1
            self.put(name, str(number))
        return number

    def count(self, table: str) -> int:
        """How many rows a table of ours has."""
        with self._lock:
            return int(self.base.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
