"""List files are hashed by a child, once each, and nobody waits for it."""

import os
import sys
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from scanner import list_files
from scanner.list_files import AGAIN_AFTER, HASH_WITHIN, ListNotChecked, RowsHasher
from store.listfile import build_list
from tests.rigs.gate_rig import row
from tickets.rows import pack

LONG = 30.0
START = Callable[[Path], "Popen[bytes]"]
STOPPED = (sys.executable, "-c", "import signal; signal.raise_signal(signal.SIGSTOP)")
KILLED = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")


class Bench:
    """A hasher whose children are counted, and whose time is moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.children = 100.0, list[Popen[bytes]]()
        self.command: tuple[str, ...] = ()
        self._real = list_files._start
        monkeypatch.setattr(list_files, "_start", self._start)
        self.hasher = RowsHasher(now=lambda: self.at)

    def _start(self, job: tuple[str, ...]) -> "Popen[bytes]":
        child = Popen(self.command, stdout=PIPE) if self.command else self._real(job)
        self.children.append(child)
        return child


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One, whose children are gone afterwards."""
    bench = Bench(monkeypatch)
    yield bench
    for child in bench.children:
        child.kill()
        child.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A list with one row."""
    return build_list(tmp_path, 1, pack(row("anna")))


def test_a_list_is_hashed_as_it_was_signed(bench: Bench, path: Path) -> None:
    """BLAKE2b-256 over the packed rows."""
    expected = blake2b(pack(row("anna")), digest_size=32).digest()
    assert bench.hasher.hash(path, LONG) == expected
    assert not bench.hasher.busy


@pytest.mark.parametrize("content", [None, b"no list at all"])
def test_each_file_is_hashed_once(bench: Bench, path: Path, content: bytes | None) -> None:
    """A damaged one too: hashed twice a second it would wear the card out."""
    if content is not None:
        path.write_bytes(content)
    found = {bench.hasher.hash(path, LONG) for _ in range(10)}
    assert len(found) == len(bench.children) == 1


def test_another_file_at_the_same_place_is_hashed_anew(bench: Bench, path: Path) -> None:
    """sync set the damaged one aside and fetched it again."""
    path.write_bytes(b"no list at all")
    assert bench.hasher.hash(path, LONG) == b""
    path.unlink()
    build_list(path.parent, 1, pack(row("anna")))
    assert bench.hasher.hash(path, LONG)


def test_nobody_waits_for_a_child_that_hangs(bench: Bench, path: Path) -> None:
    """The card stalls: the answer is `not known yet`, and after a quarter of an hour a fault."""
    bench.command = STOPPED
    for _ in range(3):
        assert bench.hasher.hash(path, 0.0) is None
    assert bench.hasher.busy
    assert len(bench.children) == 1
    bench.at += HASH_WITHIN + 1
    with pytest.raises(ListNotChecked):
        bench.hasher.hash(path, 0.0)
    assert not bench.hasher.busy


def test_a_child_that_was_killed_says_nothing_against_the_file(bench: Bench, path: Path) -> None:
    """Short of memory: tried again after a minute, not at once."""
    bench.command = KILLED
    for _ in range(3):
        with pytest.raises(ListNotChecked, match="status -9"):
            bench.hasher.hash(path, LONG)
    assert len(bench.children) == 1
    bench.command = ()
    bench.at += AGAIN_AFTER + 1
    assert bench.hasher.hash(path, LONG)


def test_a_file_that_vanishes_is_no_verdict(bench: Bench, path: Path) -> None:
    """What takes its place is looked at for itself."""
    path.rename(path.with_name("away"))
    assert not bench.hasher.hash(path, LONG)
    path.with_name("away").rename(path)
    assert bench.hasher.hash(path, LONG)


def restarted(bench: Bench, memory: Path) -> RowsHasher:
    """The hasher of the next run."""
    return RowsHasher(now=lambda: bench.at, memory=memory)


def test_a_list_that_did_not_change_is_not_hashed_at_the_next_start(
    bench: Bench, path: Path
) -> None:
    """Ready within two seconds, whatever its size."""
    memory = path.with_name("lists.json")
    found = restarted(bench, memory).hash(path, LONG)
    assert restarted(bench, memory).hash(path, LONG) == found
    assert len(bench.children) == 1


def test_a_list_written_behind_our_back_is_hashed_again(bench: Bench, path: Path) -> None:
    """Even with its old size and its old time of modification: the kernel knows of the write."""
    memory = path.with_name("lists.json")
    found = restarted(bench, memory).hash(path, LONG)
    before = path.stat()
    (path.parent / "elsewhere").mkdir()
    other = build_list(path.parent / "elsewhere", 1, pack(row("mallory")))
    with path.open("r+b") as file:
        file.write(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert restarted(bench, memory).hash(path, LONG) not in {found, None}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[["x", 1, 2, 3, "zz"]]', b"\xff"])
def test_a_damaged_memory_is_no_memory(bench: Bench, path: Path, content: bytes) -> None:
    """The list is hashed, as at a first start."""
    memory = path.with_name("lists.json")
    memory.write_bytes(content)
    assert restarted(bench, memory).hash(path, LONG)
    assert len(bench.children) == 1
