"""Named places in an admission where a crash test kills the process.

In service `failpoint` does nothing. With ADMIT_FAILPOINT=name or name:N in the environment the
process kills itself with SIGKILL the N-th time it comes by, as a power cut would.
"""

import os
import signal
from itertools import count

NAMES = (
    "presented",
    "reserved",
    "claim-intended",
    "claim-answered",
    "before-append",
    "before-commit",
    "committed",
    "released",
    "passage-seen",
    "outcome-recorded",
)
"""In the order in which an admission comes by them."""

_NAME, _, _NUMBER = os.environ.get("ADMIT_FAILPOINT", "").partition(":")
_COUNT = count(1)


def _pass(name: str) -> None:
    """In service: nothing."""


def _kill(name: str) -> None:
    if name == _NAME and next(_COUNT) == int(_NUMBER or 1):
        os.kill(os.getpid(), signal.SIGKILL)


failpoint = _kill if _NAME else _pass
