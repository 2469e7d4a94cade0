"""Power cuts of a real file system under a real program, replayed without a virtual machine.

A program works on ext4 on a loop device, whose writes and flushes QEMU's block layer logs
(qemu-storage-daemon: blklogwrites, exported by FUSE). Then, for many moments of the log, a disk
image is made as a cut could have left it: all that was written up to the last flush, and of what
came after it a random part, torn at 512-byte sectors. Each image is mounted, which replays the
file system's own journal, and checked.

Needs root, loop devices, FUSE and the Debian packages qemu-utils, qemu-system-common, e2fsprogs.
Source of the log's format: Linux, Documentation/admin-guide/device-mapper/log-writes.rst.
"""

import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import BinaryIO

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SIZE = 64 << 20
"""Bytes of the disk."""
NEEDED = ("qemu-storage-daemon", "losetup", "mke2fs", "mount")

Check = Callable[[Path, list[str]], str]
"""check(directory after the cut, lines acknowledged before it) -> what is wrong, or ""."""


@dataclass(frozen=True, slots=True)
class Write:
    """One entry of the log."""

    end: int
    """Bytes of the log up to and with this entry."""
    sector: int
    flags: int
    data: bytes
    """Zeros for a discard."""


@dataclass
class Report:
    """What came of the cuts."""

    acknowledged: int = 0
    flushes: int = 0
    cuts: int = 0
    wrong: list[str] = field(default_factory=list)
    """One line for each cut that lost something."""


def cut_power(
    directory: Path, workload: Sequence[str], check: Check, *, cuts: int = 60, seed: int = 1
) -> Report:
    """Run a workload once, then check the disk after cuts at random moments of its run.

    Args:
        directory: For disks and logs, empty; some 300 MB.
        workload: A command that ends by itself; "{dir}" in it becomes the mounted directory.
            Each line it prints acknowledges something.
    """
    lost = [program for program in NEEDED if shutil.which(program) is None]
    assert not lost, f"missing, see .ci/apt-packages.txt: {', '.join(lost)}"
    disk, start, log, mounted = (directory / n for n in ("disk", "start", "log", "mounted"))
    mounted.mkdir()
    _run("truncate", "-s", str(SIZE), str(disk))
    _run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(disk))
    _copy(disk, start)
    with _logging(disk, log, directory / "export") as export, _mounted(export, mounted):
        lines = _acknowledgements([w.format(dir=mounted) for w in workload], log)
        end = log.stat().st_size
    writes = [write for write in _entries(log) if write.end <= end]
    report = Report(len(lines), sum(bool(write.flags & FLUSH) for write in writes))
    assert report.flushes, "no flush reached the disk"
    with start.open("r+b") as base:
        for image, before in _images(base, directory / "cut", writes, cuts, Random(seed)):
            told = [line for at, line in lines if at <= before]
            report.cuts += 1
            try:
                with _mounted(image, mounted):
                    wrong = check(mounted, told)
            except subprocess.CalledProcessError as error:
                wrong = f"does not mount: {error.stderr}"
            if wrong:
                report.wrong.append(wrong)
    return report


def _acknowledgements(command: list[str], log: Path) -> list[tuple[int, str]]:
    """Run the workload: (bytes of the log when the line was read, line) of each line.

    What the log held by then was on its way to the disk before, never later than the line.
    """
    lines: list[tuple[int, str]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            lines.append((log.stat().st_size, line.rstrip("\n")))
    assert program.returncode == 0, "the workload failed"
    return lines


# -- disks as they were after a cut --------------------------------------------------------------


def _images(
    base: BinaryIO, image: Path, writes: list[Write], cuts: int, chance: Random
) -> Iterator[tuple[Path, int]]:
    """For each cut an image, and the bytes of the log there were when the cut write began."""
    moments = set(chance.sample(range(1, len(writes)), min(cuts, len(writes) - 1)))
    pending: list[Write] = []
    for number, write in enumerate(writes):
        if write.flags & FLUSH:  # makes durable whatever was written before it
            for earlier in pending:
                _put(base, earlier)
            pending = []
        if write.data:
            if write.flags & FUA:
                _put(base, write)
            pending.append(write)
        if number in moments:
            base.flush()
            _copy(Path(base.name), image)
            with image.open("r+b") as file:
                for flying in pending:
                    _tear(file, flying, chance)
            yield image, writes[number - 1].end


def _put(file: BinaryIO, write: Write) -> None:
    file.seek(write.sector * SECTOR)
    file.write(write.data)


def _tear(file: BinaryIO, write: Write, chance: Random) -> None:
    """Write it whole, in part, or not at all: a disk's cache keeps no order."""
    fate = chance.random()
    if fate < 0.4:
        _put(file, write)
    elif fate < 0.7 and not write.flags & DISCARD:
        for offset in range(0, len(write.data), SECTOR):
            if chance.random() < 0.5:
                file.seek(write.sector * SECTOR + offset)
                file.write(write.data[offset : offset + SECTOR])


def _entries(log: Path) -> Iterator[Write]:
    """Read a write log: a super block, then a header sector and the data of each entry."""
    with log.open("rb") as file:
        magic, version, _, sector = struct.unpack("<QQQI", file.read(28))
        assert (magic, version) == (MAGIC, 1), "not a write log"
        position = sector
        while True:
            file.seek(position)
            header = file.read(32)
            if len(header) < 32 or not any(header):
                return
            first, count, flags, _ = struct.unpack("<QQQQ", header)
            position += sector
            data = bytes(count * SECTOR)
            if count and not flags & DISCARD:
                file.seek(position)
                data = file.read(count * SECTOR)
                position += -(-len(data) // sector) * sector
            yield Write(position, first, flags, data)


# -- the machinery below -------------------------------------------------------------------------


@contextmanager
def _logging(disk: Path, log: Path, export: Path) -> Iterator[Path]:
    """A file whose content is `disk`; its writes and flushes go to `log`."""
    for file in (log, export):
        file.touch()
    daemon = subprocess.Popen([
        "qemu-storage-daemon",
        *("--blockdev", f"file,node-name=disk,filename={disk}"),
        *("--blockdev", f"file,node-name=log,filename={log}"),
        *("--blockdev", f"blklogwrites,node-name=both,file=disk,log=log,log-sector-size={SECTOR}"),
        *("--export", f"fuse,id=export,node-name=both,mountpoint={export},writable=on"),
    ])  # fmt: skip
    try:
        give_up = time.monotonic() + 10
        while not export.stat().st_size:
            assert daemon.poll() is None, "qemu-storage-daemon ended"
            assert time.monotonic() < give_up, "qemu-storage-daemon does not export the disk"
            time.sleep(0.02)
        yield export
    finally:
        daemon.terminate()
        daemon.wait()


@contextmanager
def _mounted(image: Path, mount_point: Path) -> Iterator[None]:
    with ExitStack() as undo:
        device = _run("losetup", "--find", "--show", str(image))
        undo.callback(_run, "losetup", "-d", device)
        _run("mount", "-o", "noatime", device, str(mount_point))
        undo.callback(_run, "umount", str(mount_point))
        yield


def _copy(source: Path, target: Path) -> None:
    _run("cp", "--sparse=always", str(source), str(target))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
