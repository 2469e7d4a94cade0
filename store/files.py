"""Making files survive a power cut."""

import os
import stat
from errno import EINVAL
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable; creating or renaming a file does not."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_durably(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Write ``data`` aside, fsync, rename over ``path``, fsync the directory.

    A reader sees the old or the new file, whole, before and after a power cut.
    """
    aside = path.with_name(f".{path.name}.new")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(handle)
    finally:
        os.close(handle)
    aside.rename(path)
    sync_directory(path.parent)


def open_foreign(path: Path) -> int:
    """Open for reading a file that another, maybe hostile process keeps; returns its descriptor.

    Raises:
        OSError: it cannot be, or it is no plain file: a pipe would hold whoever opens it.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(EINVAL, "it is no plain file", str(path))


def read_foreign(path: Path, most: int) -> bytes:
    """The first ``most`` bytes of such a file, however large it is made. Raises OSError."""
    handle = open_foreign(path)
    with os.fdopen(handle, "rb") as file:
        return file.read(most)
