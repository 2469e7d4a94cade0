"""Databases of what can be fetched again: created durably, checked, set aside when damaged."""

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from store.files import sync_directory


@dataclass(frozen=True, slots=True)
class Form:
    """What such a database looks like, and who may read it."""

    schema: Path
    """Its tables, as SQL."""
    version: int
    """Kept in `user_version`; 0 is a database without tables."""
    mode: int
    """Rights of a new file."""
    growth: Mapping[int, str] = field(default_factory=dict)
    """What a database of each older version lacks, as SQL; of other versions it is begun anew."""
    cache_kib: int = 2000
    """Memory that SQLite may keep pages in."""


def connect(path: Path, form: Form) -> sqlite3.Connection:
    """Open or create the database for its one writer: WAL, synchronous=FULL, autocommit.

    Raises:
        sqlite3.DatabaseError: damaged, or made by another version.
        sqlite3.OperationalError, OSError: absent directory, read-only or full disk, locked.
    """
    fresh = not path.exists()
    if fresh:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, form.mode))
    base = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        _prepare(base, form)
    except BaseException:  # whatever it is, the file is not left open
        base.close()
        raise
    if fresh:  # or a power cut may take the new file's name with it
        sync_directory(path.parent)
    return base


def _prepare(base: sqlite3.Connection, form: Form) -> None:
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute(f"PRAGMA cache_size=-{form.cache_kib}")
    base.execute(f"PRAGMA journal_size_limit={8 << 20}")
    now = f"PRAGMA user_version={form.version}; COMMIT;"
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        base.executescript(f"BEGIN; {form.schema.read_text('utf-8')} {now}")
    elif version in form.growth:
        steps = "".join(form.growth[step] for step in range(version, form.version))
        base.executescript(f"BEGIN; {steps} {now}")
    elif version != form.version:
        raise sqlite3.DatabaseError(f"made by another version ({version})")
    if (found := base.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(found)


def set_aside(path: Path) -> None:
    """Rename the database and what belongs to it; an earlier damaged one gives way."""
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.damaged{suffix}"))
