"""Names of guests at the gate: one sorted file of sealed rows, looked up by ticket key.

sync writes `names-<serial>.rows` aside and renames it into place; scanner looks single rows up in
it. Nobody need verify it: a row opens with the code of its ticket alone, or not at all. Format:
`tickets.names.NAME_ROW_BYTES` a row, ticket key and sealed name, keys strictly ascending.
"""

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from store.files import open_foreign, sync_directory
from tickets.errors import GateError
from tickets.keys import TICKET_KEY_BYTES
from tickets.names import NAME_ROW_BYTES
from tickets.rows import MalformedRows

_NAME = re.compile(r"names-(\d{1,19})\.rows")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_SLICE = 8192
"""Rows a slice: about a megabyte."""


class NamesNotWritten(GateError):
    """The file could not be written. Gates admit without names."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"the names file {path.name} could not be written: {error.strerror or error}",
            "Free space on the gate's disk; until then the steward's page shows no names",
        )


def names_path(directory: Path, serial: int) -> Path:
    """Where the names of `serial` live."""
    return directory / f"names-{serial}.rows"


def newest_names(directory: Path) -> Path | None:
    """The newest names file in ``directory``; None: there is none, or nobody lets us look."""
    try:
        found = _files(directory)
    except OSError:  # sync has not started yet, or keeps its directory shut
        return None
    return found[-1] if found else None


def build_names(directory: Path, serial: int, rows: BinaryIO) -> Path:
    """Write `names-<serial>.rows`, durable, and remove those before it.

    Raises:
        MalformedRows: cut short, unsorted or a key twice; the file before stays.
        NamesNotWritten: disk full, read-only or refused; the file before stays.
    """
    final, part = names_path(directory, serial), directory / ".names.new"
    try:
        with os.fdopen(os.open(part, _NEW, 0o640), "wb") as file:
            _copy(rows, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(final)
        sync_directory(directory)
        remove_names(directory, keep=final)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise NamesNotWritten(final, error) from error
    except MalformedRows:
        part.unlink(missing_ok=True)
        raise
    return final


def remove_names(directory: Path, keep: Path | None = None) -> None:
    """Remove names files but ``keep``: a gate that shows none has no use for them."""
    for path in _files(directory):
        if path != keep:
            path.unlink(missing_ok=True)


def sealed_name(path: Path, key: bytes) -> bytes | None:
    """The sealed name of a 16-byte ticket key; None: there is none, or the file cannot be read."""
    try:
        handle = open_foreign(path)
        try:
            return _search(handle, key)
        finally:
            os.close(handle)
    except OSError:  # gone with a newer one in its place, or a bad card: no name is shown
        return None


def _search(file: int, key: bytes) -> bytes | None:
    low, high = 0, os.fstat(file).st_size // NAME_ROW_BYTES
    while low < high:
        middle = (low + high) // 2
        row = os.pread(file, NAME_ROW_BYTES, middle * NAME_ROW_BYTES)
        found = row[:TICKET_KEY_BYTES]
        if found == key:
            return row[TICKET_KEY_BYTES:]
        low, high = (middle + 1, high) if found < key else (low, middle)
    return None


def _copy(rows: BinaryIO, file: BinaryIO) -> None:
    last = b""
    while chunk := rows.read(_SLICE * NAME_ROW_BYTES):
        if len(chunk) % NAME_ROW_BYTES:
            raise MalformedRows("the names end in the middle of a row")
        starts = range(0, len(chunk), NAME_ROW_BYTES)
        keys = [last, *(chunk[at : at + TICKET_KEY_BYTES] for at in starts)]
        if any(one >= two for one, two in pairwise(keys)):
            raise MalformedRows("ticket keys of the names do not rise")
        file.write(chunk)
        last = keys[-1]


def _files(directory: Path) -> list[Path]:
    """Oldest first."""
    found = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]
