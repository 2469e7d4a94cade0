"""A fresh Debian with systemd in a container, by `tests/rigs/nsp`. Needs root and a minute.

with Machine.fresh(tmp_path) as machine:
    machine.push_project("/root/admit"); machine.run("cd /root/admit && ./install")
"""

import hashlib
import io
import os
import shutil
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


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str


class Machine:
    """One container.

    Args:
        directory: For its root, some 700 MB.
        network: `host`: a server on this computer's loopback is on its own; `private`: none.
    """

    def __init__(self, directory: Path, network: str) -> None:
        self.root = directory / "root"
        suite = os.environ.get("NSP_SUITE", "trixie")  # each Debian's Python has its own wheels
        self.wheels = CACHE / f"wheels-{suite}-{_locks()}"
        self.wheels.mkdir(parents=True, exist_ok=True)
        # No unit may do what the container may not: ask for the kernel's clock (SYS_TIME), have a
        # network of its own (NET_ADMIN). systemd does without the latter, in silence.
        extra = f"--bind={self.wheels}:/wheels --capability=CAP_SYS_TIME,CAP_NET_ADMIN"
        names = {"NSP_RUN": str(directory), "NSP_NET": network, "NSP_EXTRA": extra}
        self._environment = os.environ | names

    @classmethod
    @contextmanager
    def fresh(cls, directory: Path, network: str = "host") -> Iterator[Self]:
        """A machine that was never used, until the block ends."""
        machine = cls(directory, network)
        machine.nsp("up")
        try:
            yield machine
        finally:
            machine.nsp("down")
            shutil.rmtree(machine.root)

    def nsp(self, *words: str) -> None:
        """Call the rig, which has to work."""
        done = self._call(*words)
        assert done.status == 0, f"nsp {' '.join(words)}: {done.out}{done.err}"

    def run(self, command: str) -> str:
        """Run a shell command as root, which has to work; returns what it printed."""
        done = self.try_(command)
        assert done.status == 0, f"{command}: {done.out}{done.err}"
        return done.out.strip()

    def try_(self, command: str) -> Done:
        """Run a shell command as root."""
        return self._call("run", command)

    def _call(self, *words: str) -> Done:
        done = subprocess.run(
            [NSP, *words], env=self._environment, capture_output=True, text=True, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def push_project(self, place: str) -> None:
        """Unpack the committed project there, as from a release."""
        packed = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(self.root / place.lstrip("/"), filter="data")

    def fetch_wheels(self, project: str) -> None:
        """Fill /wheels with all that the locks name; kept for the next run."""
        if (self.wheels / ".complete").exists():
            return
        fetch = "/tmp/fetch/bin/pip download --quiet --no-deps --dest /wheels --require-hashes"
        lock = f"--only-binary :all: -r {project}/requirements-dev.lock"
        self.nsp("fetch", f"python3 -m venv /tmp/fetch && {fetch} {lock}")
        (self.wheels / ".complete").touch()

    def main_pid(self, unit: str) -> int:
        """The process of a unit; 0: it does not run."""
        return int(self.run(f"systemctl show --property MainPID --value {unit}"))


def _locks() -> str:
    texts = [(ROOT / name).read_bytes() for name in ("requirements.lock", "requirements-dev.lock")]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def eventually(fact: Callable[[], object], within: float = 30.0) -> None:
    """Wait for a fact about other processes; fails when it does not come true."""
    end = time.monotonic() + within
    while not fact():
        assert time.monotonic() < end, f"did not come true within {within:.0f} s"
        time.sleep(0.2)
