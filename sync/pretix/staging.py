"""pretix.db: what was downloaded, so that an interruption costs one page and a restart nothing.

One writer, one thread: the puller's; the uploader reads and writes through the same lock. WAL with
synchronous=FULL: data is on disk before the place it was read up to. It holds no secret and no
name; all of it comes again from the server, so a damaged file is set aside and begun anew.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.files import sync_directory
from store.mirror_file import set_aside
from sync.pretix.errors import StagingNotWritten

_SCHEMA = Path(__file__).with_name("staging.sql")
_VERSION = 1


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
            self.base = _open(path)
        except (OSError, sqlite3.OperationalError) as error:
            raise StagingNotWritten(error) from error
        except sqlite3.DatabaseError:  # of another version or damaged: it is only a copy
            set_aside(path)
            self.base = _open(path)
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


def _open(path: Path) -> sqlite3.Connection:
    fresh = not path.exists()
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    base = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(base)
    except BaseException:
        base.close()
        raise
    if fresh:
        sync_directory(path.parent)
    return base


def _prepare(base: sqlite3.Connection) -> None:
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("PRAGMA cache_size=-4000")
    base.execute(f"PRAGMA journal_size_limit={8 << 20}")
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        base.executescript(f"BEGIN; {_SCHEMA.read_text()} PRAGMA user_version={_VERSION}; COMMIT;")
    elif version != _VERSION:
        raise sqlite3.DatabaseError(f"made by another version ({version})")
    if (found := base.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(found)
