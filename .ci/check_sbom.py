"""The bill of materials of a release names what the lock installs, each at its version.

.venv/bin/python .ci/check_sbom.py requirements.lock dist/admit-VERSION.cdx.json
"""

import json
import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = {"pip", "setuptools"}
"""What a new virtual environment holds before anything is installed into it."""
_PINNED = re.compile(r"^[A-Za-z0-9._-]+==[^\\\n]+", re.MULTILINE)


def locked(lock: str) -> dict[str, str]:
    """Versions by name, of what this machine and Python install."""
    pins = [Requirement(line) for line in _PINNED.findall(lock)]
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).lstrip("=") for pin in here}


def differences(lock: str, bill: str) -> list[str]:
    """What the bill lacks, has too much, or names at another version."""
    parts = json.loads(bill)["components"]
    told = {canonicalize_name(part["name"]): part["version"] for part in parts}
    wanted = locked(lock)
    return [
        f"{name}: locked {wanted.get(name)}, in the bill {told.get(name)}"
        for name in sorted((wanted.keys() | told.keys()) - OWN)
        if wanted.get(name) != told.get(name)
    ]


def main(lock: str, bill: str) -> int:
    """Print the differences; 1 when there are any."""
    pins = Path(lock).read_text("utf-8")
    wrong = differences(pins, Path(bill).read_text("utf-8"))
    print("\n".join(wrong) or f"{bill} has all {len(locked(pins))} packages of the lock")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
