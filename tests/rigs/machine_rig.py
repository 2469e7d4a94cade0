"""A fresh Debian with systemd in a container, by `tests/rigs/nsp`. Needs root and a minute.

with Machine.fresh(tmp_path) as machine:
    machine.push_project("/root/admit"), machine.run("cd /root/admit && ./install")
"""

import hashlib
import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
NSP = ROOT / "tests" / "rigs" / "nsp"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "admit-nsp"
LOCK = ROOT / "requirements.lock"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str


class Machine:
    """One container. It shares this computer's network, so that a server here is its loopback."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.wheels = CACHE / f"wheels-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
        self.wheels.mkdir(parents=True, exist_ok=True)
        # Whether a unit may ask the kernel for its clock only shows where the container may.
        extra = f"--bind={self.wheels}:/wheels --capability=CAP_SYS_TIME"
        names = {"NSP_RUN": str(directory), "NSP_NET": "host", "NSP_EXTRA": extra}
        self._environment = os.environ | names

    @classmethod
    @contextmanager
    def fresh(cls, directory: Path) -> Iterator[Self]:
        """A machine that was never used, until the block ends."""
        machine = cls(directory)
        machine.nsp("up")
        try:
            yield machine
        finally:
            machine.nsp("down")

    def nsp(self, *words: str, data: bytes | None = None) -> Done:
        """Call the rig; a status of its own other than 0 fails the test."""
        done = self._call(*words, data=data)
        assert done.status == 0, f"nsp {' '.join(words)}: {done.out}{done.err}"
        return done

    def run(self, command: str) -> str:
        """Run a shell command as root, which has to work; returns what it printed."""
        done = self.try_(command)
        assert done.status == 0, f"{command}: {done.out}{done.err}"
        return done.out.strip()

    def try_(self, command: str) -> Done:
        """Run a shell command as root."""
        return self._call("run", command)

    def _call(self, *words: str, data: bytes | None = None) -> Done:
        done = subprocess.run(
            [NSP, *words], env=self._environment, input=data, capture_output=True, check=False
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def push_project(self, place: str) -> None:
        """Unpack the committed project there, as from a release."""
        packed = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(self.root / place.lstrip("/"), filter="data")

    def fetch_wheels(self, project: str) -> None:
        """Fill /wheels with what the lock names; kept for the next run. Needs the network once."""
        if (self.wheels / ".complete").exists():
            return
        self.run(
            "python3 -m venv /tmp/fetch && /tmp/fetch/bin/pip download --quiet --dest /wheels"
            f" --require-hashes --only-binary :all: -r {project}/requirements.lock"
        )
        (self.wheels / ".complete").touch()

    def main_pid(self, unit: str) -> int:
        """The process of a unit; 0: it does not run."""
        return int(self.run(f"systemctl show --property MainPID --value {unit}"))


def eventually(fact: Callable[[], object], within: float = 30.0) -> None:
    """Wait for a fact about other processes; fails when it does not come true."""
    end = time.monotonic() + within
    while not fact():
        assert time.monotonic() < end, f"did not come true within {within:.0f} s"
        time.sleep(0.2)
