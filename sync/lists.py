"""List files: fetched, checked, and fetched again until the newest list is there."""

import logging
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from store.listfile import (
    ListDamaged,
    ListNotWritten,
    build_list,
    list_path,
    rows_hash,
    set_aside,
)
from sync.backend import Source
from sync.errors import ServerFault
from tickets.bodies import ListHead, NamesHead
from tickets.errors import GateError
from tickets.statements import Statement

log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
"""Seconds before a body that was refused is downloaded again; doubled each time."""


class ListRefused(ServerFault):
    """The body of a list is not what its statement signed; the list before stays in use."""

    def __init__(self, serial: int, what: str) -> None:
        super().__init__(
            f"the body of list {serial} is not the one that was signed: {what}",
            "Have the server publish the list again; check what stands between gate and server",
        )


@dataclass(frozen=True, slots=True)
class _PutOff:
    """A body that cannot be used: 30 MB need not come over a mobile link every ten seconds."""

    hash: bytes
    error: GateError
    pause: float
    until: float
    """Monotonic seconds."""


class Lists:
    """The list files of a directory; one thread fetches, any may call `suspect`.

    Args:
        monotonic: Seconds that never jump.
    """

    def __init__(
        self, backend: Source, directory: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._backend, self._directory, self._monotonic = backend, directory, monotonic
        self._suspected = threading.Event()
        self._suspected.set()  # nobody knows what the card did while sync was away
        self._put_off: _PutOff | None = None

    def suspect(self) -> None:
        """Have the next `check` look into the newest file; from any thread."""
        self._suspected.set()

    def try_again(self) -> None:
        """Download also what was refused lately."""
        self._put_off = None

    def check(self, newest: Statement | None) -> None:
        """Set the newest file aside when it is suspected and does not hold what was signed.

        Raises:
            ListNotWritten: damaged, and the card is read-only.
        """
        if newest is None or not self._suspected.is_set():
            return
        self._suspected.clear()
        path = list_path(self._directory, newest.serial)
        if (damage := _damage(path, _head(newest))) is None:
            return
        log.error("%s", damage)
        try:
            if path.exists():
                set_aside(path)
        except OSError as error:
            self._suspected.set()
            raise ListNotWritten(path, error) from error

    def restore(self, newest: Statement | None) -> None:
        """Fetch the newest list when its file is not there; errors as in `fetch`."""
        if newest is not None and not list_path(self._directory, newest.serial).exists():
            self.fetch(newest)

    def fetch(self, statement: Statement) -> None:
        """Download and build the file of a verified list statement.

        Raises:
            ServerFault: not to be had now; ask again.
            ListRefused, MalformedRows, ListNotWritten: of no use; the same is raised without a
                download until a pause is over.
        """
        head, late = _head(statement), self._put_off
        if late and late.hash == head.hash and self._monotonic() < late.until:
            raise late.error.with_traceback(None)
        try:
            self._download(statement.serial, head)
        except OSError as error:
            fault = ListNotWritten(list_path(self._directory, statement.serial), error)
            self._pause(head.hash, fault)
            raise fault from error
        except GateError as error:
            if isinstance(error, ListRefused) or not isinstance(error, ServerFault):
                self._pause(head.hash, error)
            raise
        self._put_off = None

    def _pause(self, body: bytes, error: GateError) -> None:
        late = self._put_off
        again = late is not None and late.hash == body
        pause = min(2 * late.pause, _LONGEST_PAUSE) if late and again else _FIRST_PAUSE
        self._put_off = _PutOff(body, error, pause, self._monotonic() + pause)

    def _download(self, serial: int, head: ListHead) -> None:
        with tempfile.TemporaryFile(dir=self._directory) as rows:
            sink = UnpackedRows(list_path(self._directory, serial), serial, head, rows)
            # gzip of random ids does not shrink below a half, nor ever grows by more than this.
            self._backend.rows(head.hash, sink.write, limit=head.size + head.size // 100 + 4096)
            sink.finish()
            rows.seek(0)
            build_list(self._directory, serial, rows)


def _head(statement: Statement) -> ListHead:
    if not isinstance(statement.body, ListHead):
        raise TypeError(f"a {statement.type} has no rows")
    return statement.body


def _damage(path: Path, head: ListHead) -> str | None:
    try:
        whole = rows_hash(path) == head.hash
    except ListDamaged as error:
        return str(error)
    return None if whole else f"{path.name} does not hold the rows that were signed"


class UnpackedRows:
    """Unpacks a compressed list into a file, slice by slice: never more than was announced."""

    def __init__(self, path: Path, serial: int, head: ListHead | NamesHead, file: BinaryIO) -> None:
        """``path``: where the rows go in the end, to be named in errors."""
        self._path, self._serial = path, serial
        self._head, self._file = head, file
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._digest = blake2b(digest_size=32)
        self._size = 0

    def write(self, data: bytes) -> None:
        """One piece of the body as it comes."""
        while data:
            try:
                rows = self._stream.decompress(data, 1 << 20)
            except zlib.error as error:
                raise ListRefused(self._serial, str(error)) from error
            data = self._stream.unconsumed_tail
            self._size += len(rows)
            if self._size > self._head.size or self._stream.unused_data:
                raise ListRefused(self._serial, f"longer than {self._head.size} bytes")
            self._digest.update(rows)
            self._keep(rows)

    def _keep(self, rows: bytes) -> None:
        # Named here: to the session that reads the body, an OSError is one of the network.
        try:
            self._file.write(rows)
        except OSError as error:
            raise ListNotWritten(self._path, error) from error

    def finish(self) -> None:
        """The body has ended: is it whole, and the one that was signed?"""
        if not self._stream.eof or self._size != self._head.size:
            raise ListRefused(self._serial, f"{self._size} of {self._head.size} bytes")
        if self._digest.digest() != self._head.hash:
            raise ListRefused(self._serial, "its hash is another")
