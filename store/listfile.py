"""List files: one verified list of an event, immutable, looked up by ticket key.

sync builds `list-<serial>.db` aside from verified rows and renames it into place, so that an
admission never waits for a load; scanner opens it read-only and swaps a handle.
"""

import os
import re
import resource
import sqlite3
import stat
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from functools import reduce
from hashlib import blake2b
from io import BytesIO
from itertools import pairwise, starmap
from operator import or_
from pathlib import Path
from typing import NoReturn, Protocol

from store.files import sync_directory
from tickets.errors import GateError
from tickets.rows import ROW_BYTES, MalformedRows, Status, Ticket

_ROW = struct.Struct(">16sHHHII")
_SLICE = 65_536
"""Rows a slice, about 2.5 MB of file: one fsync of all would hold a card for seconds."""
_SCHEMA = Path(__file__).with_suffix(".sql")
_NAME = re.compile(r"list-(\d{1,19})\.db")
_KNOWN_FLAGS = int(reduce(or_, Status))
_HEADER = struct.Struct(">16xH10xI")
"""Page size and page count of a database file. Source: SQLite file format, 1.3."""


class ListDamaged(GateError):
    """A list file is missing, cut short or corrupt. The file is kept for whoever looks into it."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"list file {path.name} cannot be used: {what}",
            "Let the gate reach its server: it fetches the list again; check the card if it recurs",
        )
        self.path = path


class ListNotWritten(GateError):
    """A list file could not be written, e.g. the disk is full. What was there stays in use."""

    def __init__(self, path: Path, error: Exception) -> None:
        super().__init__(
            f"list file {path.name} could not be written: {error}",
            "Free space on the gate's disk, or replace a card that became read-only",
        )


class Rows(Protocol):
    """Packed rows one after the other, as a file opened for reading gives them."""

    def read(self, size: int, /) -> bytes:
        """Whole rows, about `size` bytes; empty at the end."""
        ...


def list_path(directory: Path, serial: int) -> Path:
    """Where the list of `serial` lives."""
    return directory / f"list-{serial}.db"


def list_serials(directory: Path) -> list[int]:
    """Serials of the list files in `directory`, newest first."""
    found = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return sorted((int(match[1]) for match in found if match), reverse=True)


def build_list(
    directory: Path, serial: int, rows: bytes | Rows, *, in_use: int | None = None
) -> Path:
    """Write `list-<serial>.db`, durable and checked, and keep the newest two.

    Args:
        rows: 30-byte rows as `tickets.rows` packs them, keys strictly ascending; a file is read in
            slices, so memory stays bounded at any size.
        in_use: Serial of a list that is never removed, whatever its age.
    Raises:
        MalformedRows: cut short, unsorted, a key twice, or a flag this version does not know.
        ListNotWritten: disk full, read-only or refused; nothing partial is left.
    """
    final, part = list_path(directory, serial), directory / f"list-{serial}.db.part"
    source = BytesIO(rows) if isinstance(rows, bytes) else rows
    try:
        for leftover in directory.glob("list-*.db.part"):  # of a build that was killed
            leftover.unlink()
        _write(part, serial, source)
        part.replace(final)
        sync_directory(directory)
        _prune(directory, in_use)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise ListNotWritten(final, error) from error
    except GateError:  # of the rows, or of where they come from
        part.unlink(missing_ok=True)
        raise
    return final


def _write(part: Path, serial: int, source: Rows) -> None:
    part.touch(mode=0o640)
    with closing(sqlite3.connect(part, isolation_level=None)) as base, part.open("rb") as handle:
        # No journal and no sync by SQLite: a half-written file has no name and is thrown away.
        base.execute("PRAGMA journal_mode=OFF")
        base.execute("PRAGMA synchronous=OFF")
        base.execute("PRAGMA cache_size=-4000")
        base.executescript(_SCHEMA.read_text())
        count = _fill(base, source, lambda: os.fsync(handle.fileno()))
        base.executemany("INSERT INTO meta VALUES (?, ?)", [("serial", serial), ("rows", count)])
        if (found := base.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        os.fsync(handle.fileno())


def _fill(base: sqlite3.Connection, source: Rows, sync: Callable[[], None]) -> int:
    """Insert every row, a transaction and an fsync a slice; return their number."""
    count, last = 0, b""
    for fields in _slices(source):
        _check(fields, last)
        base.execute("BEGIN")
        base.executemany("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?)", fields)
        base.execute("COMMIT")
        sync()
        count, last = count + len(fields), fields[-1][0]
    return count


_Fields = tuple[bytes, int, int, int, int, int]


def _slices(source: Rows) -> Iterator[list[_Fields]]:
    while chunk := source.read(_SLICE * ROW_BYTES):
        if len(chunk) % ROW_BYTES:
            raise MalformedRows("the list ends in the middle of a row")
        yield list(_ROW.iter_unpack(chunk))


def _check(fields: list[_Fields], last: bytes) -> None:
    keys = [last, *(row[0] for row in fields)]
    if any(one >= two for one, two in pairwise(keys)):
        raise MalformedRows("ticket keys of the list do not rise: unsorted, or one is there twice")
    if reduce(or_, (row[3] for row in fields)) & ~_KNOWN_FLAGS:
        raise MalformedRows("the list has a flag that this version does not know")


def _prune(directory: Path, in_use: int | None) -> None:
    for serial in list_serials(directory)[2:]:
        if serial != in_use:
            list_path(directory, serial).unlink()


def set_aside(path: Path) -> Path:
    """Rename a damaged list file to `.damaged`, so that it is kept but never opened again."""
    kept = path.with_name(path.name + ".damaged")
    path.replace(kept)
    sync_directory(path.parent)
    return kept


class ListFile:
    """A list opened for look-ups. Several threads may use it, one at a time is quickest.

    Raises:
        ListDamaged: when opened or asked: missing, cut short, corrupt, no list file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_size(path)
        # immutable: no locks, no -wal, no change checks; true because nobody writes it again.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            self._base = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._base.execute("PRAGMA cache_size=-2000")
            self._base.execute("PRAGMA trusted_schema=OFF")
            self._base.execute("PRAGMA cell_size_check=ON")
            meta = dict(self._base.execute("SELECT name, value FROM meta"))
            self.serial: int = meta["serial"]
            self.rows: int = meta["rows"]
        except (sqlite3.Error, KeyError) as error:
            raise ListDamaged(path, f"not a list of this version ({error})") from error

    def get(self, key: bytes) -> Ticket | None:
        """The ticket of a 16-byte ticket key, or None when it is not on the list."""
        row = self._one(
            "SELECT product, entries, flags, valid_from, valid_until FROM ticket WHERE key = ?", key
        )
        if row is None:
            return None
        product, entries, flags, valid_from, valid_until = row
        return Ticket(key, product, entries, Status(flags), valid_from, valid_until)

    def packed(self) -> Iterator[bytes]:
        """The rows as they were packed, some thousands at a time, ascending."""
        try:
            cursor = self._base.execute("SELECT * FROM ticket ORDER BY key")
            while rows := cursor.fetchmany(8192):
                yield b"".join(_pack(rows))
        except (sqlite3.Error, struct.error) as error:
            raise ListDamaged(self.path, str(error)) from error

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        self._base.close()

    def _one(self, query: str, key: bytes) -> tuple[int, ...] | None:
        try:
            row: tuple[int, ...] | None = self._base.execute(query, (key,)).fetchone()
        except sqlite3.Error as error:
            raise ListDamaged(self.path, str(error)) from error
        return row


def _pack(rows: Iterable[_Fields]) -> Iterator[bytes]:
    return starmap(_ROW.pack, rows)


def _check_size(path: Path) -> None:
    """Refuse a file that a power cut or a bad card has cut short, before a guest finds the hole."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would hold whoever opens it
            raise ListDamaged(path, "no file")
        size = found.st_size
        with path.open("rb") as file:
            header = file.read(32)
    except OSError as error:
        raise ListDamaged(path, error.strerror or str(error)) from error
    if len(header) < 32 or not header.startswith(b"SQLite format 3\x00"):
        raise ListDamaged(path, "not a database")
    page, pages = _HEADER.unpack(header)
    if size != (65_536 if page == 1 else page) * pages:
        raise ListDamaged(path, f"{size} bytes long instead of {page * pages}")


def rows_hash(path: Path) -> bytes:
    """BLAKE2b-256 over the rows as packed: what the list statement signs.

    Raises:
        ListDamaged: missing, cut short or corrupt.
    """
    digest = blake2b(digest_size=32)
    with closing(ListFile(path)) as opened:
        for rows in opened.packed():
            digest.update(rows)
    return digest.digest()


def copy_list(source: Path, directory: Path, serial: int, rows: int, signed: bytes) -> bytes:
    """Build `list-<serial>.db` in `directory` from the rows of `source`, if they were signed.

    Only rows cross over: whoever wrote `source` may have made it a database that answers a look-up
    otherwise than a reading of the whole, by an index or a view, or may write to it afterwards.

    Args:
        rows: How many there are to be; reading ends behind them, however many follow.
        signed: BLAKE2b-256 they must have.
    Returns:
        The BLAKE2b-256 found; nothing was built when it is not `signed`.
    Raises:
        ListDamaged: `source` is missing, cut short, corrupt or no plain file.
        ListNotWritten: disk full or read-only; nothing partial is left.
    """
    with closing(ListFile(source)) as opened:
        taken = _Taken(opened.packed(), rows, signed)
        try:
            build_list(directory, serial, taken, in_use=serial)
        except MalformedRows as error:
            if taken.whole:
                raise ListDamaged(source, error.cause) from error
    return taken.digest.digest()


class _Taken:
    """The rows of another's list as a file, hashed as they are read: no row after the last."""

    def __init__(self, packed: Iterator[bytes], rows: int, signed: bytes) -> None:
        self.digest = blake2b(digest_size=32)
        self.whole = True
        self._packed, self._left, self._signed = packed, rows * ROW_BYTES, signed

    def read(self, size: int, /) -> bytes:
        """At least one row, at most about `size` bytes; empty at the end, if all was as signed."""
        pieces, got = [], 0
        while got < size and (piece := next(self._packed, b"")):
            self.digest.update(piece)
            pieces.append(piece)
            got += len(piece)
            self._left -= len(piece)
            if self._left < 0:
                self._refuse("it has more rows than were signed")
        if not pieces and self.digest.digest() != self._signed:
            self._refuse("its rows are not those that were signed")
        return b"".join(pieces)

    def _refuse(self, what: str) -> NoReturn:
        self.whole = False
        raise MalformedRows(what)


def _bound(rows: int) -> None:
    """Keep a database that was made to fill memory, disk or time from doing so.

    Source: sqlite.org/security.html, "Untrusted SQLite Database Files".
    """
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU, _MOST_CPU))
    most = rows * 2 * ROW_BYTES + (1 << 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    with suppress(OSError):  # short of memory, the kernel is to end this child before its parent
        Path("/proc/self/oom_score_adj").write_text("1000")


_MOST_MEMORY = 1 << 29
_MOST_CPU = 600
"""Seconds; a Pi copies ten million rows in half of it."""
NOT_WRITTEN = 3
"""Exit code of a child that could not write its copy."""
_USAGE = "usage: python -P -m store.listfile hash PATH | copy PATH DIRECTORY SERIAL ROWS HASH\n"


def _main(arguments: list[str]) -> int:
    """A child at low priority hashes a list, or makes a copy of what it signs; prints the hash.

    Exit code 1: the file is damaged; 3: the copy could not be written, why is told on stderr.
    """
    try:
        match arguments:
            case ["hash", path]:
                found = rows_hash(Path(path))
            case ["copy", path, directory, serial, rows, signed]:
                _bound(int(rows))
                place = Path(directory), int(serial), int(rows)
                found = copy_list(Path(path), *place, bytes.fromhex(signed))
            case _:
                sys.stderr.write(_USAGE)
                return 2
        sys.stdout.write(found.hex() + "\n")
    except ListNotWritten as error:
        sys.stderr.write(error.cause)
        return NOT_WRITTEN
    except GateError as error:
        sys.stderr.write(f"{error.cause}\n{error.remedy}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
