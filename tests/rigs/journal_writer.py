"""Records admissions as fast as the disk takes them, and says the number of each that is on it.

    python -P -m tests.rigs.journal_writer DIRECTORY RECORDS [NORMAL]

NORMAL weakens the journal's `synchronous` setting: the control that shows that a test of power
cuts would find a record lost.
"""

import os
import sys
from pathlib import Path

from store.journal import Journal
from store.records import Kind, Record

EVENT = "FEST2026"
CHECKPOINT_EVERY = 40


def write(directory: Path, records: int, synchronous: str = "") -> None:
    """Append scans with their outcomes; a line for each transaction that returned."""
    journal = Journal(directory / "journal.db", EVENT)
    if synchronous:
        journal._db.execute(f"PRAGMA synchronous={synchronous}")
    while journal.seq < records:
        presentation = os.urandom(16)
        scan = Record(Kind.SCAN, presentation, ticket_key=os.urandom(16), verdict="admitted")
        with journal.transaction():
            journal.append(scan)
            journal.append(Record(Kind.RESUMED, os.urandom(16)))
        _say(journal.seq)
        journal.record(Record(Kind.PASSAGE, presentation, lane="entry"))
        _say(journal.seq)
        if journal.seq % CHECKPOINT_EVERY == 0:
            journal.checkpoint()


def _say(seq: int) -> None:
    os.write(1, f"{seq}\n".encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
