"""The same across processes and threads: a reader's message until the lane's thread releases.

A child writes sightings to its socket as a reader does; the readers' parent hears them in its
thread, the lane decides in its own. Beside it, in turns: verify + look-up + commit bare.
"""

import argparse
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from admission.direction import Direction
from admission.errors import GateError
from admission.lane_table import State
from benchmarks.bench_admission import LISTED, WARM_UP
from benchmarks.figures import ROOT, Figures, ratio, summary
from benchmarks.gate import Bare, TimedGate, make_list
from benchmarks.tickets import code
from drivers.messages import Sighting as Sighted
from drivers.messages import encode
from drivers.protocols import Signal
from scanner.lane_thread import LaneThread
from scanner.messages import Sensor, Sighting
from scanner.readers import Reader, Readers

ROUNDS = 1000
RELEASED_WITHIN = 5.0
"""Seconds after which a measurement is given up as broken."""


def measure(directory: Path, rounds: int = ROUNDS) -> Figures:
    """Time `rounds` admissions from the child's message to the release, and bare ones."""
    line = _Line(directory, rounds + WARM_UP)
    bare = Bare(directory, 1)
    ours, theirs = [], []
    try:
        for number in range(rounds + WARM_UP):
            payload = code(number)
            theirs.append(bare.prepare(number, payload)().seconds)
            ours.append(line.admit(payload))
    finally:
        line.close()
        bare.close()
    admission, needed = summary(ours[WARM_UP:]), summary(theirs[WARM_UP:])
    return {
        "admitted": line.gate.turnstile.releases,
        "faults": line.gate.faults,
        "message_to_release_ms": admission,
        "bare_ms": needed,
        "ratio_p50": ratio(admission, needed),
        "ratio_p99": ratio(admission, needed, "p99"),
    }


class _Line:
    """A reader child, the readers' thread and a lane's thread, wired as a gate has them."""

    def __init__(self, directory: Path, tickets: int) -> None:
        self._released = threading.Event()
        listed = make_list(directory, 1, LISTED + tickets, range(tickets))
        self.gate = TimedGate(directory / "gate", listed, self._released.set)
        self._seen_at = 0.0
        reader = Reader("bench", self._sighted, _broken)
        self._child = _Child([reader])
        self._lane = LaneThread(self.gate.lane, self.gate.clock, self.gate.turnstile, [reader])
        self._hears = threading.Thread(target=self._child.hear, daemon=True)
        self._hears.start()
        self._lane.start()
        self._child.started.wait()

    def admit(self, payload: bytes) -> float:
        """Have the child see a ticket, and a person walk; seconds to the release."""
        self.gate.next_guest()
        self._released.clear()
        self._child.see(payload)
        if not self._released.wait(RELEASED_WITHIN):
            raise AssertionError("a valid ticket was not admitted")
        took = self.gate.turnstile.released_at - self._seen_at
        for active in (True, False):
            self._lane.queue.put(Sensor(Signal.PASSAGE_IN, active))
        while self.gate.lane.state is not State.LOCKED:
            time.sleep(0.0005)
        return took

    def close(self) -> None:
        """End the child. The lane's thread is a daemon; the journal stays open for it."""
        self._child.enough.set()
        self._hears.join()
        self._child.close()

    def _sighted(self, seen: Sighted) -> None:
        self._seen_at = seen.at
        at = seen.at + self.gate.shift
        self._lane.queue.put(Sighting(seen.payload, seen.medium, seen.size, at, Direction.ENTRY))


class _Child(Readers):
    """The readers' parent over a child that sees what it is told to see."""

    def __init__(self, readers: list[Reader]) -> None:
        super().__init__(readers)
        self.started, self.enough = threading.Event(), threading.Event()
        self._told: TextIO | None = None

    def hear(self) -> None:
        """Hear the child until it is enough."""
        while not self.enough.is_set():
            self.step(0.2)

    def see(self, payload: bytes) -> None:
        """Have the child send this sighting now."""
        assert self._told is not None
        self._told.write(payload.decode("ascii") + "\n")
        self._told.flush()

    def _start(self, reader: Reader) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        read, write = os.pipe()
        reader.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bench_processes", "--fd", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=read,
            cwd=ROOT,
        )
        os.close(read)
        theirs.close()
        self._told = os.fdopen(write, "w", encoding="ascii")
        reader.connection, reader.heard, reader.spoke = ours, self._now(), False
        self._selector.register(ours, selectors.EVENT_READ, reader)
        self.started.set()


def _broken(name: str, error: GateError | None) -> None:
    if error is not None:
        raise AssertionError(f"{name}: {error.cause}")


def main() -> None:
    """The child: send each line of standard input as a sighting, stamped with its time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    wire = socket.socket(fileno=parser.parse_args().fd)
    for line in sys.stdin:
        payload = line.rstrip("\n").encode("ascii")
        wire.send(encode(Sighted(payload, "qr", 200.0, time.monotonic())))


if __name__ == "__main__":
    main()
