"""`mirror.db` under a sync that somebody else has taken over: any value in any column.

Input: JSON, a list of rows by table; a text of the form `x:00ff` stands for bytes.
"""

import json
import sqlite3
import tempfile
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from admission.decide import decide
from admission.history import merge
from scanner.elsewhere import MirrorElsewhere
from store.mirror_reader import MirrorReader
from tests.admission.admission_cases import facts

COLUMNS = {
    "redemption": (
        *("presentation", "ticket_key", "list", "direction", "at", "gate", "device", "epoch"),
        *("stands", "counter"),
    ),
    "conflict": ("presentation", "other", "ticket_key", "list", "gate", "at"),
    "statement": ("cursor", "type", "wire"),
}
MOST = 8
"""Rows of a table; the width of what a decision reads is no matter of parsing."""
KEY = b"0123456789abcdef"


@cache
def _mirror() -> tuple[sqlite3.Connection, Path]:
    """A file with the tables of a mirror, but none of its checks."""
    path = Path(tempfile.mkdtemp(prefix="admit-fuzz-")) / "mirror.db"
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA synchronous=OFF")
    for table, columns in COLUMNS.items():
        base.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
    return base, path


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("x:"):
        with suppress(ValueError):
            return bytes.fromhex(value[2:])
    return value


def mirror_rows(data: bytes) -> None:
    """Rows that scanner reads before it decides; it decides all the same, or calls them stale."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(told, dict):
        return
    base, path = _mirror()
    base.execute("BEGIN")
    for table, columns in COLUMNS.items():
        base.execute(f"DELETE FROM {table}")
        rows = told.get(table)
        for row in rows[:MOST] if isinstance(rows, list) else []:
            if isinstance(row, list) and len(row) == len(columns):
                with suppress(sqlite3.Error, OverflowError, UnicodeEncodeError):
                    marks = ", ".join("?" for _ in columns)
                    base.execute(f"INSERT INTO {table} VALUES ({marks})", list(map(_cell, row)))
    base.execute("COMMIT")
    _read(path)


def _read(path: Path) -> None:
    elsewhere = MirrorElsewhere(path, lambda: ("device", b"epoch"), lambda *_: None)
    uses = elsewhere.uses(KEY)
    decide(replace(facts(), uses=merge([], uses)))
    reader = MirrorReader(path)
    for cursor, kind, wire in reader.statements(0):
        assert (type(cursor), type(kind), type(wire)) == (int, str, bytes)
    for row in reader.conflicts():
        json.dumps({"ticket": row.ticket_key.hex()[-4:], "gate": row.gate, "at": row.at})
    reader.close()


TARGETS = {"mirror_rows": mirror_rows}
