"""The file of guests' names: there when a page of this gate shows them, else not on its card."""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from store.names_file import NamesNotWritten, build_names, names_path, remove_names
from sync.backend import Source
from sync.lists import UnpackedRows
from tickets.bodies import NamesHead
from tickets.errors import GateError
from tickets.statements import Statement

log = logging.getLogger(__name__)
PAUSE = 60.0
"""Seconds after a failure until the names are asked for again: guests get in without them."""


class NameFiles:
    """Keeps the newest names in place. A failure is told, and holds up nothing.

    Args:
        wanted: Whether a page of this gate shows names; what lies there is removed otherwise.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        backend: Source,
        directory: Path,
        wanted: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend, self._directory, self._wanted = backend, directory, wanted
        self._monotonic = monotonic
        self._fault: tuple[float, GateError] | None = None

    def keep(self, newest: Statement | None) -> GateError | None:
        """Fetch the names of a verified statement unless they are here; why they are not."""
        if newest is None or not isinstance(newest.body, NamesHead):
            return None
        if not self._wanted:
            remove_names(self._directory)
            return None
        if names_path(self._directory, newest.serial).exists():
            self._fault = None
        elif self._fault is None or self._monotonic() >= self._fault[0]:
            self._fetch(newest.serial, newest.body)
        return self._fault[1] if self._fault else None

    def _fetch(self, serial: int, head: NamesHead) -> None:
        try:
            self._download(serial, head)
            self._fault = None
        except GateError as error:
            log.warning("names %d: %s", serial, error)
            self._fault = self._monotonic() + PAUSE, error

    def _download(self, serial: int, head: NamesHead) -> None:
        path = names_path(self._directory, serial)
        try:
            with tempfile.TemporaryFile(dir=self._directory) as rows:
                sink = UnpackedRows(path, serial, head, rows)
                # Sealed names do not shrink; gzip never grows by more than this.
                self._backend.rows(head.hash, sink.write, limit=head.size + head.size // 100 + 4096)
                sink.finish()
                rows.seek(0)
                build_names(self._directory, serial, rows)
        except OSError as error:
            raise NamesNotWritten(path, error) from error
