"""The process that serves pretix, and the pipe by which it is asked to act: pretix_inside.py."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rigs.pretix_install import environment, interpreter

INSIDE = Path(__file__).with_name("pretix_inside.py")
WITHIN = 60.0
"""Seconds in which it has to be gone."""


@dataclass
class PretixProcess:
    """Served from a database; killed, paused and started again on the same port."""

    directory: Path
    database: Mapping[str, str]
    workers: int
    port: int
    _process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        """Where it is served, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, order: str, **words: object) -> Any:
        """Call a function of pretix_seeds.py in the server's process."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": order, "with": words}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def start(self) -> None:
        """Serve; on the same port as before, if it was served before."""
        variables = environment(self.directory, self.database, self.url)
        self._process = subprocess.Popen(
            [str(interpreter()), str(INSIDE), str(self.port), str(self.workers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log(), text=True,
            env=variables, cwd=self.directory, start_new_session=True,
        )  # fmt: skip
        self.port = int(self._answer())

    def kill(self) -> None:
        """End it as a power cut would: requests under way get no answer."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(WITHIN)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self._process = None

    def restart(self) -> None:
        """Serve again: same database, same port, same devices."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Hold it: it takes connections and answers nobody until `resume`."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, with all it was sent meanwhile."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def _log(self) -> int:
        return os.open(self.directory / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _answer(self) -> Any:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"pretix ended:\n{(self.directory / 'output').read_text()[-3000:]}"
        answer = json.loads(line)
        assert "ok" in answer, answer["error"]
        return answer["ok"]
