"""PyPI's `cwt` in a venv of its own: another implementation of COSE and CWT to compare with.

Installed once from requirements-cwt.txt, hashes checked, into ``$XDG_CACHE_HOME/admit-cwt/<key>``.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCK = HERE / "requirements-cwt.txt"
INSIDE = HERE / "cwt_inside.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "admit-cwt"


def ask(**question: str) -> dict[str, Any]:
    """Have that implementation answer one question, see cwt_inside.py; bytes are hex."""
    ran = subprocess.run(
        [_python(), "-I", INSIDE],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def _python() -> Path:
    version = f"{sys.implementation.cache_tag}-{sys.version_info.micro}"
    home = CACHE / hashlib.sha256(version.encode() + LOCK.read_bytes()).hexdigest()[:16]
    home.mkdir(parents=True, exist_ok=True)
    python = home / "venv/bin/python"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "installed").exists():
            shutil.rmtree(home / "venv", ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
            pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
            locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", LOCK]
            subprocess.run([*pip, *locked], check=True)
            (home / "installed").touch()
    return python
