"""A directory that pictures are dropped into: which one is next, and where it goes afterwards."""

import os
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import DeviceNotFound

UNFINISHED = frozenset({".tmp", ".part", ".partial", ".crdownload", ".download", ".swp"})
MOST_FILES = 10_000
"""Names looked at in one go; a fuller directory is read a piece at a time."""


@dataclass(frozen=True, slots=True)
class _Look:
    size: int
    changed: int
    since: float


class PictureFolder:
    """New files of one directory in order of name, each once, each only when it stopped growing."""

    def __init__(self, path: Path, settled: float = 0.3) -> None:
        self._path = path
        self._settled = settled
        self._looks: dict[str, _Look] = {}
        self._done: set[tuple[str, int, int]] = set()

    def next(self, now: float) -> Path | None:
        """Return the next picture that has kept size and time for ``settled`` seconds, or None.

        Raises:
            DeviceNotFound: the directory is missing or may not be read.
        """
        looks: dict[str, _Look] = {}
        for name, size, changed in self._files():
            look = self._looks.get(name)
            if look is None or (look.size, look.changed) != (size, changed):
                look = _Look(size, changed, now)
            looks[name] = look
        self._looks = looks
        for name in sorted(looks):
            if now - looks[name].since >= self._settled:
                return self._path / name
        return None

    def put_away(self, path: Path, folder: str) -> None:
        """Move ``path`` to a sub-directory, or, where that cannot be, remember it as done."""
        look = self._looks.pop(path.name, None)
        target = self._path / folder
        try:
            target.mkdir(exist_ok=True)
            path.rename(_free_name(target, path.name))
        except OSError:  # a read-only directory or card: shown once all the same
            if look is not None:
                self._done.add((path.name, look.size, look.changed))

    def _files(self) -> list[tuple[str, int, int]]:
        files: list[tuple[str, int, int]] = []
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if len(files) >= MOST_FILES:
                        break
                    if _is_candidate(entry.name) and entry.is_file():
                        status = entry.stat()
                        file = (entry.name, status.st_size, status.st_mtime_ns)
                        if file not in self._done:
                            files.append(file)
        except FileNotFoundError as error:
            if self._path.is_dir():  # a file went while we looked: look again
                return files
            raise self._missing(error) from error
        except OSError as error:
            raise self._missing(error) from error
        return files

    def _missing(self, error: OSError) -> DeviceNotFound:
        return DeviceNotFound(
            f"The picture directory {self._path} cannot be read: {error.strerror}",
            "Create it, readable by the gate's user, or correct the camera's URI",
        )


def _is_candidate(name: str) -> bool:
    return not name.startswith(".") and not name.endswith("~") and _suffix(name) not in UNFINISHED


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _free_name(folder: Path, name: str) -> Path:
    """``name`` in ``folder``, numbered if one of that name was shown before: never overwrite."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    return path
