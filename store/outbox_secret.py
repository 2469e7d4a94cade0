"""Codes of scans that are not sent yet, sealed, outside the chain: gone once they are answered for.

Only a server that knows no ticket by a name of ours needs them (pretix: the code itself). They are
sealed by whoever appends them; this module knows bytes. After deletion they are in no page of the
file (`secure_delete`), and after `scrub` in no log either. What the flash of a card keeps of blocks
that were given back, no program reaches: hence sealed.
"""

import sqlite3
from collections.abc import Collection, Sequence

TABLE = """CREATE TABLE IF NOT EXISTS outbox_secret(
    seq INTEGER PRIMARY KEY,    -- record that goes up with it
    sealed BLOB NOT NULL        -- for the server alone, see tickets.sealing
) STRICT"""
"""A journal of an older version gets it at its first opening; a new one has it: see journal.sql."""
MOST_SEALED = 1024
"""Longest sealed code in bytes: the longest code there is, and a sealed box around it."""
_MOST_NAMED = 500


def keep(db: sqlite3.Connection, seq: int, sealed: bytes) -> None:
    """Keep the sealed code of a record, in the transaction that appends the record.

    Raises:
        ValueError: longer than `MOST_SEALED`.
    """
    if len(sealed) > MOST_SEALED:
        raise ValueError(f"a sealed code of {len(sealed)} bytes, more than {MOST_SEALED}")
    db.execute("INSERT INTO outbox_secret VALUES (?, ?)", (seq, sealed))


def of(db: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, bytes]:
    """The sealed codes of those of ``seqs`` (500 at most) that have one."""
    marks = ", ".join("?" * len(seqs[:_MOST_NAMED]))
    query = f"SELECT seq, sealed FROM outbox_secret WHERE seq IN ({marks})"
    return {seq: bytes(sealed) for seq, sealed in db.execute(query, list(seqs[:_MOST_NAMED]))}


def count(db: sqlite3.Connection) -> int:
    """How many codes are not sent yet."""
    (number,) = db.execute("SELECT count(*) FROM outbox_secret").fetchone()
    return int(number)


def forget(db: sqlite3.Connection, up_to: int, seqs: Collection[int]) -> int:
    """Delete the codes of records that were answered for; returns how many there were.

    Args:
        up_to: Every record up to this one is.
        seqs: So are these beyond it.
    """
    gone = db.execute("DELETE FROM outbox_secret WHERE seq <= ?", [up_to]).rowcount
    for seq in seqs:
        gone += db.execute("DELETE FROM outbox_secret WHERE seq = ?", [seq]).rowcount
    return gone
