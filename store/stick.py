"""A USB stick between a server and its gates: one folder, its files, and how they go wrong.

    admit/index.json      what the server wrote, with sizes and hashes; written last
    admit/statements/     signed statements, in the order of their names     server -> gate
    admit/lists/          compressed bodies of lists                         server -> gate
    admit/enrolments/     event keys, sealed to one gate each                server -> gate
    admit/answers/        what became of records, signed                     server -> gate
    admit/requests/       gates that ask to be enrolled                      gate -> server
    admit/records/        journal records, signed by the gate                gate -> server

Nothing here is believed for where it lies: gates believe signatures, servers too. The index tells a
stick that was pulled out too early from a forged one. Every file is written aside, synced and
renamed; none is followed through a link. Source: docs/adr/0012.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from tickets.errors import GateError

FOLDER = "admit"
"""The one folder of a stick that is looked at."""
FORMAT = 1
INDEX = "index.json"
TO_GATE = ("statements", "lists", "enrolments", "answers")
TO_SERVER = ("requests", "records")
MOST_FILES = 20_000
"""Most files of one folder that are looked at."""
MOST_INDEX = 1 << 22
"""Largest index in bytes."""

_NAME = re.compile(r"(statements|lists|enrolments|answers)/[0-9a-z][0-9a-z.-]{0,120}")
_SLICE = 1 << 20
_DIGEST = 16
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_WORKS_ON = "The gate works on with what it has read."


class StickFault(GateError):
    """The stick cannot be used as it is; the base of all that another or the same one cures."""


class StickMissing(StickFault):
    """There is no stick, or it is none of ours."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"there is no Admit stick at {directory}",
            f"Put the stick in. {_WORKS_ON} A new one is made by: admit central stick DIR",
        )


class StickGone(StickFault):
    """It was pulled out while it was in use, or it is broken."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"the stick went away or cannot be read: {what}",
            f"Put it in again and leave it in; if it stays, take another stick. {_WORKS_ON}",
        )


class StickFull(StickFault):
    """No room for what is to be written."""

    def __init__(self) -> None:
        super().__init__(
            "the stick is full",
            "Put in another stick that the server has made; nothing is lost, all is in the journal",
        )


class StickReadOnly(StickFault):
    """It can be read, but not written."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"the stick cannot be written: {what}",
            "Move its lock, or mount it for the gate's user. The journal has all: nothing is lost",
        )


class StickTorn(StickFault):
    """A file is cut short, zeroed or missing: pulled out before all was written."""

    def __init__(self, what: object) -> None:
        super().__init__(
            f"the stick was pulled out too early, or is worn: {what}",
            f"Make it again at the server: admit central stick DIR. {_WORKS_ON}",
        )


class StickOfAnotherEvent(StickFault):
    """It was made for another event."""

    def __init__(self, ours: str, theirs: str) -> None:
        super().__init__(
            f"the stick is of event {theirs[:40]!r}, this gate is of {ours!r}",
            f"Put in the stick of {ours}. {_WORKS_ON}",
        )


@dataclass(frozen=True, slots=True)
class Held:
    """A file of the index."""

    size: int
    digest: str
    """BLAKE2b-128 in hex."""


@dataclass(frozen=True, slots=True)
class Index:
    """What the server wrote."""

    event: str
    made: int
    """Unix seconds."""
    files: Mapping[str, Held]
    """By name, such as `lists/4711.gz`."""

    def within(self, folder: str) -> list[str]:
        """Names of one folder, in order."""
        return sorted(name for name in self.files if name.startswith(f"{folder}/"))


def digest_of(data: bytes) -> str:
    """BLAKE2b-128 of ``data`` in hex."""
    return blake2b(data, digest_size=_DIGEST).hexdigest()


class Stick:
    """The folder of a stick that is mounted at ``directory``, or is not. Raises `StickFault`s."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def index(self) -> Index:
        """What the server wrote.

        Raises:
            StickMissing, StickTorn, StickGone.
        """
        try:
            return _index(self.read(INDEX, MOST_INDEX))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StickTorn(f"{INDEX} is damaged") from error

    def write_index(self, event: str, files: Mapping[str, Held], now: float) -> None:
        """Say what the stick holds, once it does, and remove what the index before held."""
        held = {name: [file.size, file.digest] for name, file in files.items()}
        said = {"format": FORMAT, "event": event, "made": int(now), "files": held}
        self.write(INDEX, json.dumps(said, indent=0).encode())
        for folder in TO_GATE:
            for name in self.names(folder):
                if name not in files:
                    self.remove(name)

    def checked(self, index: Index, name: str, most: int) -> bytes:
        """The file ``name`` as the index has it. Raises StickTorn: it is another."""
        data, held = self.read(name, most), index.files[name]
        if (len(data), digest_of(data)) != (held.size, held.digest):
            raise StickTorn(f"{name} is not as it was written")
        return data

    def stream(self, index: Index, name: str, sink: Callable[[bytes], object]) -> None:
        """Give the file to ``sink`` piece by piece. Raises StickTorn at its end: it is another."""
        digest, held = blake2b(digest_size=_DIGEST), index.files[name]
        left = held.size + 1
        with self._opened(name) as handle:
            while left > 0 and (piece := self._piece(handle, min(left, _SLICE))):
                left -= len(piece)
                digest.update(piece)
                sink(piece)
        if left != 1 or digest.hexdigest() != held.digest:
            raise StickTorn(f"{name} is not as it was written")

    def read(self, name: str, most: int) -> bytes:
        """A whole file. Raises StickTorn: missing (but the index), larger, or no file."""
        pieces, left = [], most + 1
        with self._opened(name) as handle:
            while left > 0 and (piece := self._piece(handle, min(left, _SLICE))):
                left -= len(piece)
                pieces.append(piece)
        if left <= 0:
            raise StickTorn(f"{name} is larger than {most} bytes")
        return b"".join(pieces)

    def write(self, name: str, *pieces: bytes) -> Held:
        """As `write_pieces`."""
        return self.write_pieces(name, pieces)

    def write_pieces(self, name: str, pieces: Iterable[bytes]) -> Held:
        """Write a file: whole or as it was before, and on the stick's memory when this returns."""
        folder, _, file = name.rpartition("/")
        aside = f".{file}.new"
        with self._naming(writing=True), self._folder(folder, make=True) as parent:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            handle = os.open(aside, flags, 0o644, dir_fd=parent)
            try:
                size, digest = _write_all(handle, pieces)
                os.fsync(handle)
            finally:
                os.close(handle)
            os.rename(aside, file, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)
        return Held(size, digest)

    def names(self, folder: str) -> list[str]:
        """Names of a folder's files, in order; none when there is no folder."""
        with self._naming():
            try:
                with self._folder(folder) as parent:
                    found = _listed(parent)
            except FileNotFoundError:
                return []
        return [f"{folder}/{file}" for file in sorted(found)]

    def remove(self, name: str) -> None:
        """Remove a file that may be gone already."""
        folder, _, file = name.rpartition("/")
        with self._naming(writing=True):
            try:
                with self._folder(folder) as parent:
                    os.unlink(file, dir_fd=parent)
            except FileNotFoundError:
                return

    def prepare(self) -> None:
        """Make the folder on a new stick. Raises StickMissing: there is nothing mounted."""
        try:
            (self.directory / FOLDER).mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise StickMissing(self.directory) from error
        except OSError as error:
            raise _named(error, writing=True) from error

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        folder, _, file = name.rpartition("/")
        with self._naming():
            handle = self._open(folder, file)
        try:
            yield handle
        finally:
            os.close(handle)

    def _open(self, folder: str, file: str) -> int:
        try:
            with self._folder(folder) as parent:
                # Not blocking: a pipe on the stick must not hold the gate.
                flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
                handle = os.open(file, flags, dir_fd=parent)
        except FileNotFoundError as error:
            if file == INDEX:
                raise StickMissing(self.directory) from error
            raise StickTorn(f"{folder}/{file} is missing") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise StickTorn(f"{file} is no file")
        return handle

    def _piece(self, handle: int, most: int) -> bytes:
        with self._naming():
            return os.read(handle, most)

    @contextmanager
    def _folder(self, name: str, make: bool = False) -> Iterator[int]:
        """A folder, opened link by link from where the stick is mounted."""
        handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in filter(None, (FOLDER, name)):
                if make and step != FOLDER:
                    with _present_is_fine():
                        os.mkdir(step, 0o755, dir_fd=handle)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                inner = os.open(step, flags, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _naming(self, writing: bool = False) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise StickMissing(self.directory) from error
        except OSError as error:
            raise _named(error, writing) from error


@contextmanager
def _present_is_fine() -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        return


def _listed(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        names = (entry.name for entry in entries)
        return list(islice((name for name in names if not name.startswith(".")), MOST_FILES))


def _named(error: OSError, writing: bool) -> StickFault:
    if error.errno in _FULL:
        return StickFull()
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return StickTorn("there is a link or a file where a folder should be")
    if writing and error.errno in _READ_ONLY:
        return StickReadOnly(error.strerror or error)
    return StickGone(error.strerror or error)


def _write_all(handle: int, pieces: Iterable[bytes]) -> tuple[int, str]:
    size, digest = 0, blake2b(digest_size=_DIGEST)
    for piece in pieces:
        size += len(piece)
        digest.update(piece)
        left = memoryview(piece)
        while left:
            left = left[os.write(handle, left[:_SLICE]) :]
    return size, digest.hexdigest()


def _index(data: bytes) -> Index:
    said = json.loads(data)
    if said["format"] != FORMAT:
        raise ValueError("another format")
    files = {}
    for name, (size, digest) in said["files"].items():
        good = type(size) is int and size >= 0 and type(digest) is str and len(digest) == 32
        if not (good and _NAME.fullmatch(name)):
            raise ValueError("a name or size that no server writes")
        files[name] = Held(size, digest)
    if not (type(said["event"]) is str and type(said["made"]) is int):
        raise ValueError("no event or time")
    return Index(said["event"], said["made"], files)
