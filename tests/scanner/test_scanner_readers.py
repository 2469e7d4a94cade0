"""The readers' parent: real children, real sockets; one reader's trouble is its own."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import segno

from admission.errors import GateError
from drivers.messages import Heartbeat, Notice, Sighting, encode
from scanner.readers import Reader, Readers, fault_name

PATIENCE = 20.0


class Bench:
    """Two cameras on directories, and what was heard of them."""

    def __init__(self, base: Path) -> None:
        self.folders = [base / "one", base / "two"]
        self.seen: list[tuple[int, bytes]] = []
        self.faults: list[tuple[int, str, GateError | None]] = []
        for folder in self.folders:
            folder.mkdir()
        self.readers = Readers([self._reader(number) for number in range(2)])

    def _reader(self, number: int) -> Reader:
        def sighted(seen: Sighting) -> None:
            self.seen.append((number, seen.payload))

        def faulty(name: str, error: GateError | None) -> None:
            self.faults.append((number, name, error))

        return Reader(f"camera:files:{self.folders[number]}?hold=0.3&blank=0.3", sighted, faulty)

    def show(self, number: int, code: str) -> None:
        """Hold a code up to one camera."""
        aside = self.folders[number] / ".aside.png"
        segno.make(code, micro=False).save(str(aside), scale=6, kind="png")
        aside.rename(self.folders[number] / f"{time.monotonic_ns()}.png")

    def until(self, true: Callable[[], bool]) -> None:
        """Serve until something is so."""
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, (self.seen, self.faults)
            self.readers.step(0.05)

    def pid(self, number: int) -> int:
        """The child's process id."""
        process = self.readers.all[number].process
        assert process is not None
        return process.pid


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Both cameras up and looking."""
    bench = Bench(tmp_path)
    bench.until(lambda: all(reader.state == "ok" for reader in bench.readers.all))
    yield bench
    bench.readers.close()


def test_a_code_held_up_is_sighted(bench: Bench) -> None:
    """Real pixels through a real child."""
    bench.show(0, "TICKET-1")
    bench.until(lambda: (0, b"TICKET-1") in bench.seen)


def test_a_killed_reader_comes_back_and_the_other_goes_on(bench: Bench) -> None:
    """I10: every reader is a child that can be killed alone."""
    other = bench.pid(1)
    os.kill(bench.pid(0), signal.SIGKILL)
    bench.until(lambda: any(name == "reader" and error for _, name, error in bench.faults))
    bench.show(1, "TICKET-2")
    bench.until(lambda: (1, b"TICKET-2") in bench.seen)
    bench.until(lambda: (0, "reader", None) in bench.faults)
    bench.show(0, "TICKET-3")
    bench.until(lambda: (0, b"TICKET-3") in bench.seen)
    assert bench.pid(1) == other


def test_a_silent_reader_is_killed_and_started_anew(bench: Bench) -> None:
    """A hung decoder says nothing; after two seconds it is replaced."""
    hung = bench.pid(0)
    os.kill(hung, signal.SIGSTOP)
    bench.until(lambda: bench.readers.all[0].process is None or bench.pid(0) != hung)
    bench.until(lambda: (0, "reader", None) in bench.faults)
    causes = [error.cause for _, name, error in bench.faults if name == "reader" and error]
    assert "said nothing for 2 s" in causes[0]


class Stuck:
    """A child that hangs in its device: no signal ends it until `gone`."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.child, self.gone = child, False

    def kill(self) -> None:
        """It takes no notice."""

    def poll(self) -> int | None:
        """Whether it is gone."""
        return -9 if self.gone else None

    def wait(self, timeout: float | None = None) -> int:
        """Whoever waits for it waits for ever."""
        if timeout is None:
            raise AssertionError("the readers' thread would hang here")
        raise subprocess.TimeoutExpired("reader", timeout)


def test_a_child_that_cannot_be_killed_stops_no_other_reader(bench: Bench) -> None:
    """A camera that hangs in the kernel: nobody waits, and no second child hangs beside it."""
    reader = bench.readers.all[0]
    assert reader.process is not None
    child, stuck = reader.process, Stuck(reader.process)
    reader.process = stuck  # type: ignore[assignment]
    os.kill(child.pid, signal.SIGSTOP)
    bench.until(lambda: any(name == "reader" and error for _, name, error in bench.faults))
    bench.show(1, "TICKET-4")
    bench.until(lambda: (1, b"TICKET-4") in bench.seen)
    reader.start_at = 0.0
    bench.readers.step(0.0)
    assert reader.process is None
    child.kill()
    child.wait()
    stuck.gone = True
    bench.until(lambda: (0, "reader", None) in bench.faults)


def test_a_child_that_cannot_be_started_is_a_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No memory or no process to be had: tried again, and the gate goes on."""

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", refuse)
        os.kill(bench.pid(0), signal.SIGKILL)
        bench.until(lambda: any("cannot be started" in str(e) for _, _, e in bench.faults))
    bench.until(lambda: (0, "reader", None) in bench.faults)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("reader", "reader 2"),
        ("PictureError", "reader 2: picture error"),
        ("device_not_found", "reader 2: device not found"),
    ],
)
def test_a_readers_fault_is_named_in_words(name: str, shown: str) -> None:
    """The steward reads which reader and what, not the name of a class."""
    assert fault_name(2, name) == shown


def test_a_notice_is_passed_on_and_is_no_fault() -> None:
    """A guest is told to hold a card still; nothing is broken."""
    told: list[object] = []
    reader = Reader("nfc:sim:/x", told.append, lambda *fault: told.append(fault), (), told.append)
    notice = Notice("hold_still", "The card left the field", "Hold the card still", 1.0)
    readers = Readers([reader])
    readers._understand(reader, encode(notice))
    readers._understand(reader, encode(Heartbeat(2.0, 9, "ok", {"polls": 9, "taps": 1})))
    assert told == [notice]
    assert (reader.state, reader.counters) == ("ok", {"polls": 9, "taps": 1})
