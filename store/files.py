"""Making files survive a power cut."""

import os
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
