"""Keeps processes running on a desk, as the service manager does on a gate."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from shutil import which

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
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is the parent's to deal with: it kills them
            )
            self.restarts += 1

    def kill(self) -> None:
        """End it at once; every part of Admit is made to be killed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


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
