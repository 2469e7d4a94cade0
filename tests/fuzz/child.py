"""The process that fuzzes: imports all parsers once under atheris' eyes, then forks per target.

`python -m tests.fuzz.child` reads a JSON line a target, `{"target", "options", "finds", "log"}`,
and answers each with the exit code of the fork that fuzzed it: libFuzzer ends its process.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

PACKAGES = ["tickets", "admission", "store", "drivers", "config", "scanner", "sync"]
PACKAGES += ["screen", "central"]


def main() -> None:
    """Serve until the input ends."""
    import atheris

    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=PACKAGES, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

    for line in sys.stdin:
        asked = json.loads(line)
        if (pid := os.fork()) == 0:
            log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            target = _keeping(TARGETS[asked["target"]], Path(asked["finds"]))
            atheris.Setup(["fuzz", *asked["options"]], target)
            atheris.Fuzz()
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _keeping(target: Callable[[bytes], object], finds: Path) -> Callable[[bytes], None]:
    """The target, which writes down what ends it: libFuzzer's own alarm may end that before it has.

    Under the name that libFuzzer gives it, so that it is there once.
    """

    def keeping(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            (finds / f"crash-{sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
            raise

    return keeping


if __name__ == "__main__":
    main()
