"""What is fuzzed: every parser of bytes from outside, by name.

A target takes bytes and returns; what it lets escape is a find. Each allows only the errors that
its parser's docstring names, and checks what must hold of what was read.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.fuzz import (
    device_targets,
    file_targets,
    mirror_targets,
    pretix_targets,
    server_targets,
    socket_targets,
    ticket_targets,
)

Target = Callable[[bytes], object]

TARGETS: Mapping[str, Target] = {
    **ticket_targets.TARGETS,
    **device_targets.TARGETS,
    **socket_targets.TARGETS,
    **server_targets.TARGETS,
    **pretix_targets.TARGETS,
    **file_targets.TARGETS,
    **mirror_targets.TARGETS,
}

HERE = Path(__file__).parent
SEEDS, FINDS = HERE / "seeds", HERE / "finds"
MAX_INPUT = 4096
"""Longest input in bytes: above what a code, a tag or most messages hold."""


def inputs(name: str) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of the seeds of a target, and of what was once found with it."""
    for directory in (SEEDS / name, FINDS / name):
        if directory.is_dir():
            for path in sorted(directory.iterdir()):
                yield path.name, path.read_bytes()
