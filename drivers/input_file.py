"""A contact made of a file: active as long as it exists. For training, demonstrations, scripts."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from drivers.uri import DriverUri

LOOK_EVERY = 0.05
"""Seconds between two looks."""


class FileInput:
    """Looks from a thread of its own; a level, so that a restart in between misses nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._on_change: list[Callable[[bool], None]] = []
        self._closed = threading.Event()
        self.active = os.path.lexists(path)
        threading.Thread(target=self._look, name=f"input {path.name}", daemon=True).start()

    @classmethod
    def open(cls, uri: DriverUri) -> Self:
        """Open ``input:file:/run/admit/fire``."""
        return cls(Path(uri.address))

    def watch(self, on_change: Callable[[bool], None]) -> None:
        self._on_change.append(on_change)

    def close(self) -> None:
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.is_set():
            time.sleep(LOOK_EVERY)
            active = os.path.lexists(self._path)
            if active != self.active:
                self.active = active
                for on_change in self._on_change:
                    on_change(active)
