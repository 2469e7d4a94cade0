"""The list files sync wrote, opened only when their rows are those the organiser signed.

A child at low priority hashes the rows, so that no lane waits for a million of them; nobody waits
for the child either, whatever the card does to it.
"""

import json
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from admission.errors import GateError
from store.files import replace_durably
from store.listfile import ListDamaged, ListFile, list_path
from tickets.bodies import ListHead
from tickets.statements import Statement

HASH_WITHIN = 900.0
"""Seconds for one list; a Pi hashes a million rows in a tenth of it at the lowest priority."""
AGAIN_AFTER = 60.0
"""Seconds until a file whose child was killed, or could not be started, is tried once more."""
_REMEMBERED = 8

Stamp = tuple[str, int, int, int]
"""(path, inode, ctime in ns, size): another file, or one written again, has another. The kernel
sets the ctime at each write, and who may not set the clock cannot set it back."""
SETTLED_AFTER = 2.0
"""Seconds since a file's last change before its hash is kept for the next start: a second write
within one tick of the kernel's clock would have the same stamp."""


@dataclass(slots=True)
class _Hashing:
    """A child at work."""

    stamp: Stamp
    process: subprocess.Popen[bytes]
    since: float


class ListNotChecked(GateError):
    """Nobody could look at a list file just now; nothing is known against it."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"list file {path.name} could not be checked: {what}",
            "The gate tries again by itself; see whether it is short of memory or its card hangs",
        )


class RowsHasher:
    """Hashes list files, one at a time, each once. Not thread-safe."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, memory: Path | None = None
    ) -> None:
        """`memory`: a file of scanner's own that keeps what was found across restarts."""
        self._now, self._memory = now, memory
        self._found = _remembered(memory)
        self._at_work: _Hashing | None = None
        self._failed: tuple[float, ListNotChecked] | None = None
        self._dying: list[subprocess.Popen[bytes]] = []

    @property
    def busy(self) -> bool:
        """Whether a file is being hashed."""
        return self._at_work is not None

    def hash(self, path: Path, wait: float) -> bytes | None:
        """BLAKE2b-256 over the rows; empty: unreadable. None: not known yet, ask again.

        Args:
            wait: Seconds to wait for it at most.
        Raises:
            ListNotChecked: the child came to nothing; it is tried again in a minute.
        """
        stamp = _stamp(path)
        if stamp not in self._found:
            self._work(path, stamp, wait)
        return self._found.get(stamp)

    def _work(self, path: Path, stamp: Stamp, wait: float) -> None:
        if self._at_work is None or self._at_work.stamp != stamp:
            self._begin(path, stamp)
        if self._at_work is None:
            return
        process, late = self._at_work.process, self._at_work.since + HASH_WITHIN
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            if self._now() > late:
                self._fail(path, f"not within {HASH_WITHIN:.0f} s")
            return
        if process.returncode not in (0, 1):
            self._fail(path, f"its check ended with status {process.returncode}")
        done = _answer(process)
        self._end()
        if _stamp(path) == stamp:  # else it was written meanwhile, and is hashed anew
            self._remember(stamp, done)

    def _begin(self, path: Path, stamp: Stamp) -> None:
        self._end()
        if self._failed and self._now() - self._failed[0] < AGAIN_AFTER:
            raise self._failed[1]
        try:
            self._at_work = _Hashing(stamp, _start(path), self._now())
        except OSError as error:
            self._fail(path, error.strerror or str(error))

    def _fail(self, path: Path, what: str) -> NoReturn:
        self._end()
        self._failed = self._now(), ListNotChecked(path, what)
        raise self._failed[1]

    def _end(self) -> None:
        """Let go of the child. It may hang in the kernel: it is killed, and buried later."""
        if self._at_work is not None:
            process, self._at_work = self._at_work.process, None
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
            self._dying.append(process)
        self._dying = [process for process in self._dying if process.poll() is None]

    def _remember(self, stamp: Stamp, done: bytes) -> None:
        self._failed = None
        self._found[stamp] = done
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        if self._memory is not None and time.time() - stamp[2] / 1e9 > SETTLED_AFTER:
            rows = [[*known, found.hex()] for known, found in self._found.items() if found]
            with suppress(OSError):  # a full card: the next start hashes again, as it would anyway
                replace_durably(self._memory, json.dumps(rows).encode(), mode=0o600)


class ListFiles:
    """Opens the files of list statements. Not thread-safe."""

    def __init__(self, directory: Path, hasher: RowsHasher) -> None:
        """`directory` is sync's; it is only read."""
        self._directory, self._hasher = directory, hasher
        self._opened: OrderedDict[bytes, ListFile] = OrderedDict()

    def opened(self, head: Statement) -> ListFile | None:
        """The file of the list `head`, if it was verified before."""
        return self._opened.get(head.digest)

    def open(self, head: Statement, wait: float) -> ListFile | None:
        """The file of the list `head`; None: it is not there, or not verified yet.

        Raises:
            ListDamaged: it does not hold the rows that were signed.
            ListNotChecked: that cannot be told now.
        """
        if head.digest not in self._opened:
            verified = self._verified(head, wait)
            if verified is None:
                return None
            self._opened[head.digest] = verified
            if len(self._opened) > 2:
                self._opened.popitem(last=False)
        return self._opened[head.digest]

    def _verified(self, head: Statement, wait: float) -> ListFile | None:
        path = list_path(self._directory, head.serial)
        assert isinstance(head.body, ListHead)
        if not path.exists():  # sync is still building it
            return None
        found = self._hasher.hash(path, wait)
        if found is None:
            return None
        if found != head.body.hash:
            raise ListDamaged(path, "its rows are not what the organiser signed")
        return ListFile(path)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:  # gone again: no file has this stamp, and the next one is looked at anew
        return str(path), 0, 0, 0
    return str(path), found.st_ino, found.st_ctime_ns, found.st_size


def _remembered(memory: Path | None) -> OrderedDict[Stamp, bytes]:
    """What an earlier run found; nothing of a file that is not there or not whole."""
    try:
        rows = json.loads(memory.read_bytes()) if memory is not None else []
        return OrderedDict(
            ((str(path), int(inode), int(changed), int(size)), bytes.fromhex(found))
            for path, inode, changed, size, found in rows
        )
    except (OSError, ValueError, TypeError):
        return OrderedDict()


def _start(path: Path) -> subprocess.Popen[bytes]:
    command = ["nice", "-n", "19", sys.executable, "-P", "-m", "store.listfile", "hash", str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)


def _answer(process: subprocess.Popen[bytes]) -> bytes:
    """What an ended child said; nothing of one that could not read the file."""
    if process.returncode != 0 or process.stdout is None:
        return b""
    try:
        return bytes.fromhex(process.stdout.read(200).decode("ascii").strip())
    except ValueError:
        return b""
