"""What a process has in memory stays there: no core file, whoever is told to write one.

Sources: core(5), getrlimit(2); proc(5), coredump_filter.
"""

import resource
from pathlib import Path

from tickets.errors import GateError

_FILTER = Path("/proc/self/coredump_filter")


class MemoryNotPrivate(GateError):
    """The kernel would still write this process's memory to the disk when it crashes."""


def keep_off_disk() -> None:
    """Have the kernel write no core of this process, nor of any that it starts.

    The limit alone does not bind a handler that cores are piped to, such as systemd-coredump: so
    no kind of memory is left in it either.

    Raises:
        MemoryNotPrivate: the kernel refuses.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if _FILTER.exists():  # a kernel that cannot write cores has none
            _FILTER.write_text("0", "ascii")
    except (OSError, ValueError) as error:
        raise MemoryNotPrivate(
            f"core files cannot be turned off: {error}",
            "Start it from the unit files that come with Admit, or as a user who owns its /proc",
        ) from error
