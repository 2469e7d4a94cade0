"""Opening mirror.db for its one writer: created durably, checked, set aside when damaged."""

import os
import sqlite3
from pathlib import Path

from store.files import sync_directory

_SCHEMA = Path(__file__).with_name("mirror.sql")
_VERSION = 3
_GROWTH = {
    1: "ALTER TABLE redemption ADD COLUMN counter INTEGER;",
    2: "ALTER TABLE intent ADD COLUMN ended REAL; CREATE INDEX intent_at ON intent (at);",
}
"""What a mirror of each older version lacks."""


def connect(path: Path) -> sqlite3.Connection:
    """Open or create mirror.db for its writer.

    Raises:
        sqlite3.DatabaseError: damaged, or made by another version.
        sqlite3.OperationalError, OSError: absent directory, read-only or full disk, locked.
    """
    fresh = not path.exists()
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640))
    base = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(base)
    except BaseException:
        base.close()
        raise
    if fresh:  # or a power cut may take the new file's name with it
        sync_directory(path.parent)
    return base


def _prepare(base: sqlite3.Connection) -> None:
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute(f"PRAGMA journal_size_limit={8 << 20}")
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        base.executescript(f"BEGIN; {_SCHEMA.read_text()} PRAGMA user_version={_VERSION}; COMMIT;")
    elif version in _GROWTH:
        steps = "".join(_GROWTH[step] for step in range(version, _VERSION))
        base.executescript(f"BEGIN; {steps} PRAGMA user_version={_VERSION}; COMMIT;")
    elif version != _VERSION:
        raise sqlite3.DatabaseError(f"made by another version ({version})")
    if (found := base.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(found)


def set_aside(path: Path) -> None:
    """Rename the database and what belongs to it; an earlier damaged one gives way."""
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.damaged{suffix}"))
