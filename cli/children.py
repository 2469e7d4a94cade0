"""Keeps processes running on a desk, as the service manager does on a gate."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from shutil import which
from typing import IO

AGAIN_AFTER = 1.0
"""Seconds between the end of a process and its restart."""


@dataclass(slots=True)
class Child:
    """One process: `python -P -m` and these words."""

    words: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    restarts: int = field(default=-1)

    def keep(self, now: float) -> None:
        """Start it when it is not running and its pause is over."""
        if self.process is not None and self.process.poll() is not None:
            self.process, self.start_at = None, now + AGAIN_AFTER
        if self.process is None and now >= self.start_at:
            # However the parent ends, the child is killed with it: setpriv(1), prctl(2).
            guard = ["setpriv", "--pdeathsig", "KILL"] if which("setpriv") else []
            command = [*guard, sys.executable, "-P", "-m", *self.words]
            self._start(command)
            self.restarts += 1

    def _start(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is the parent's to deal with: it kills them
        )

    def kill(self) -> None:
        """End it at once; every part of Admit is made to be killed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass(slots=True)
class Announcer(Child):
    """A process that takes any free port, and says which: ``{"url": …}``, its first line.

    It is started again at the port that it had, so that its address stays; where that is taken
    meanwhile, at any.
    """

    url: str = ""
    """Where it serves; empty until it says so."""
    started: float = 0.0

    def _start(self, command: list[str]) -> None:
        quick_end = time.monotonic() - self.started < AGAIN_AFTER * 2
        port = self.url.rpartition(":")[2] if self.url and not quick_end else "0"
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, "--port", port],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                if line.startswith(b'{"url":'):
                    self.url = str(json.loads(line)["url"])


def keep_running(children: Sequence[Child]) -> None:
    """Start all and keep them running until the user interrupts."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        while True:
            for child in children:
                child.keep(time.monotonic())
            time.sleep(0.1)
    finally:
        for child in children:
            child.kill()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
