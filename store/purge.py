"""Deleting a journal that the server has whole (design, section 10). The only deletion there is."""

import sqlite3
from contextlib import closing
from pathlib import Path

from store.files import sync_directory
from store.journal_file import JournalUnavailable, connect, named
from tickets.errors import GateError


class NotAcknowledged(GateError):
    """Records of the journal are not at the server yet: it stays."""


def acknowledged_up_to(mirror: Path, epoch: bytes) -> int:
    """The last record of this epoch up to which the server has answered for every one."""
    if not mirror.exists():
        return 0
    with closing(sqlite3.connect(f"file:{mirror}?mode=ro", uri=True)) as base:
        query = "SELECT value FROM position WHERE name = ?"
        row = base.execute(query, [f"records/{epoch.hex()}"]).fetchone()
    return int(row[0]) if row else 0


def purge(path: Path, mirror: Path) -> int:
    """Unlink a fully acknowledged journal; returns how many records it held.

    The caller owns the directory (`scanner.journal_keeper.take_ownership`): no scanner runs.

    Raises:
        NotAcknowledged: the server does not have all of it.
        JournalUnavailable, JournalDamaged: it cannot be read; it stays.
    """
    epoch, records = _whose(path)
    missing = records - acknowledged_up_to(mirror, epoch)
    if missing > 0:
        raise NotAcknowledged(
            f"{missing} of {records} records in {path.name} are not at the server",
            "Connect the gate until 'admit status' says that nothing waits, or export them first",
        )
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    sync_directory(path.parent)
    return records


def _whose(path: Path) -> tuple[bytes, int]:
    """The epoch of a journal and how many records it has."""
    if not path.is_file():
        raise JournalUnavailable(f"there is no journal {path}", "Check the path")
    with named(path), closing(connect(path, "mode=ro")) as base:
        (epoch,) = base.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        (records,) = base.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()
    return bytes(epoch), int(records)
