"""Lists, opened only from files of our own, made of the rows that the organiser signed.

sync owns the files it wrote, and could write to one after it was verified; and a database that
gives the right rows as a whole may give others to a look-up. So the rows are copied into a file of
scanner's own. A child at low priority does it, so that no lane waits for a million of them; nobody
waits for the child either, whatever the card does to it.
"""

import json
import re
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
from store.listfile import NOT_WRITTEN, ListDamaged, ListFile, list_path, list_serials
from tickets.bodies import ListHead
from tickets.statements import Statement

HASH_WITHIN = 900.0
"""Seconds for one list; a Pi copies a million rows in a tenth of it at the lowest priority."""
AGAIN_AFTER = 60.0
"""Seconds until a file whose child was killed, or could not be started, is tried once more."""
MOST_COPIES, COPIES_WITHIN = 5, 900.0
"""How often one list is copied within so many seconds: whoever took over sync could write to its
file again and again, and each time a whole list would wear the card."""
_REMEMBERED = 8

Stamp = tuple[str, int, int, int]
"""(path, inode, ctime in ns, size): another file, or one written again, has another. The kernel
sets the ctime at each write, and who may not set the clock cannot set it back. Two writes within
one tick of its clock have the same one: what is opened by its stamp is a file of our own."""


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
    """Hashes and copies list files, one at a time, each once. Not thread-safe."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, memory: Path | None = None
    ) -> None:
        """`memory`: a file of scanner's own that keeps what was found across restarts."""
        self._now, self._memory = now, memory
        self._lasting = _remembered(memory)
        self._found = OrderedDict(self._lasting)
        self._at_work: _Hashing | None = None
        self._failed: tuple[float, ListNotChecked] | None = None
        self._dying: list[subprocess.Popen[bytes]] = []
        self._copied: dict[Path, list[float]] = {}
        """When each file was begun to be copied."""

    @property
    def busy(self) -> bool:
        """Whether a file is being hashed or copied."""
        return self._at_work is not None

    def works_on(self, path: Path) -> bool:
        """Whether `path` is being hashed or copied now."""
        return self._at_work is not None and self._at_work.stamp[0] == str(path)

    def hash(self, path: Path, wait: float) -> bytes | None:
        """BLAKE2b-256 over the rows; empty: unreadable. None: not known yet, ask again.

        Args:
            wait: Seconds to wait for it at most.
        Raises:
            ListNotChecked: the child came to nothing; it is tried again in a minute.
        """
        return self._asked(path, wait, ("hash", str(path)))

    def copy(self, path: Path, own: Path, head: ListHead, wait: float) -> bytes | None:
        """As `hash`, of sync's file; `own` is made of its rows if they are those of `head`.

        A file that was found right before is copied all the same: its copy was lost or spoilt.

        Raises:
            ListNotChecked: also when the copy cannot be written, e.g. the card is full, or when
                one was begun too often.
        """
        if self._found.get(_stamp(path)) == head.hash:
            del self._found[_stamp(path)]
        serial = re.sub(r"\D", "", own.stem)
        told = (str(own.parent), serial, str(head.rows), head.hash.hex())
        found = self._asked(path, wait, ("copy", str(path), *told))
        if found == head.hash and own.exists():
            self._remember(_stamp(own), found, lasting=True)
        return found

    def _asked(self, path: Path, wait: float, job: tuple[str, ...]) -> bytes | None:
        stamp = _stamp(path)
        if stamp not in self._found:
            self._work(path, stamp, wait, job)
        return self._found.get(stamp)

    def _work(self, path: Path, stamp: Stamp, wait: float, job: tuple[str, ...]) -> None:
        if self._at_work is None or self._at_work.stamp != stamp:
            self._begin(path, stamp, job)
        if self._at_work is None:
            return
        process, late = self._at_work.process, self._at_work.since + HASH_WITHIN
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            if self._now() > late:
                self._fail(path, f"not within {HASH_WITHIN:.0f} s")
            return
        if process.returncode == NOT_WRITTEN:
            self._fail(path, "no room for the gate's own copy, or the card takes no writes")
        if process.returncode not in (0, 1):
            self._fail(path, f"its check ended with status {process.returncode}")
        done = _answer(process)
        self._end()
        if _stamp(path) == stamp:  # else it was written meanwhile, and is hashed anew
            self._remember(stamp, done, lasting=job[0] == "hash")

    def _begin(self, path: Path, stamp: Stamp, job: tuple[str, ...]) -> None:
        self._end()
        if self._failed and self._now() - self._failed[0] < AGAIN_AFTER:
            raise self._failed[1]
        if job[0] == "copy":
            self._count(path)
        try:
            self._at_work = _Hashing(stamp, _start(job), self._now())
        except OSError as error:
            self._fail(path, error.strerror or str(error))

    def _count(self, path: Path) -> None:
        """Note that a copy is begun; refuse one that is begun too often."""
        late = self._now() - COPIES_WITHIN
        self._copied = {
            each: kept
            for each, ats in self._copied.items()
            if (kept := [a for a in ats if a > late])
        }
        begun = self._copied.setdefault(path, [])
        if len(begun) >= MOST_COPIES:
            raise ListNotChecked(path, "it changes again and again")
        begun.append(self._now())

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

    def _remember(self, stamp: Stamp, done: bytes, lasting: bool) -> None:
        """Keep what was found of a file; `lasting`: of one of our own, for the next start too."""
        self._failed = None
        self._found[stamp] = done
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        if not lasting or not done or self._memory is None:
            return
        self._lasting[stamp] = done
        if len(self._lasting) > _REMEMBERED:
            self._lasting.popitem(last=False)
        rows = [[*known, found.hex()] for known, found in self._lasting.items()]
        with suppress(OSError):  # a full card: the next start hashes again, as it would anyway
            replace_durably(self._memory, json.dumps(rows).encode(), mode=0o600)


class ListFiles:
    """Opens the files of list statements. Not thread-safe."""

    def __init__(self, directory: Path, own: Path, hasher: RowsHasher) -> None:
        """`directory` is sync's; it is only read. `own` is scanner's, and made when needed."""
        self._directory, self._own, self._hasher = directory, own, hasher
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
        assert isinstance(head.body, ListHead)
        path, own = (list_path(place, head.serial) for place in (self._directory, self._own))
        # Of an earlier run; the card may have spoilt it.
        if own.exists() and not self._hasher.works_on(path):
            found = self._hasher.hash(own, wait)
            if found == head.body.hash:
                return ListFile(own)
            if found is None:
                return None
        if not path.exists():  # sync is still building it
            return None
        self._make_room(own)
        found = self._hasher.copy(path, own, head.body, wait)
        if found is None:
            return None
        if found != head.body.hash:
            raise ListDamaged(path, "its rows are not what the organiser signed")
        return ListFile(own) if own.exists() else None  # gone again: it is made anew

    def _make_room(self, coming: Path) -> None:
        """Make the directory, and hold no more than the copy in force beside the one to come."""
        try:
            self._own.mkdir(mode=0o700, exist_ok=True)
            in_force = {file.path for file in self._opened.values()}
            for serial in list_serials(self._own):
                path = list_path(self._own, serial)
                if in_force and path not in {coming, *in_force}:
                    path.unlink()
        except OSError as error:
            raise ListNotChecked(self._own, error.strerror or str(error)) from error


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


def _start(job: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = ["nice", "-n", "19", sys.executable, "-P", "-m", "store.listfile", *job]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)


def _answer(process: subprocess.Popen[bytes]) -> bytes:
    """What an ended child said; nothing of one that could not read the file."""
    if process.returncode != 0 or process.stdout is None:
        return b""
    try:
        return bytes.fromhex(process.stdout.read(200).decode("ascii").strip())
    except ValueError:
        return b""
