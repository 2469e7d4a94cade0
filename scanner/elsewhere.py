"""What other gates reported of a ticket, from the mirror that sync keeps."""

import threading
from collections.abc import Callable
from pathlib import Path

from admission.direction import Direction
from admission.errors import GateError
from admission.history import Standing, Use
from store.mirror_reader import MirrorReader, RedemptionElsewhere

Report = Callable[[str, GateError | None], None]
"""report(name, error): a fault of the gate, or None when it is over."""


class MirrorElsewhere:
    """Uses at other gates, from the mirror; each thread reads through its own connection."""

    def __init__(self, path: Path, own: Callable[[], tuple[str, bytes]], report: Report) -> None:
        """`own` tells (device, journal epoch): our scans come back from the server, and the
        journal knows them better. `report` hears when answers are stale.
        """
        self._path, self._own, self._report = path, own, report
        self._readers = threading.local()

    def uses(self, ticket_key: bytes) -> tuple[Use, ...]:
        """Entries and exits at other gates that this one has heard of; at most 20 ms."""
        if not hasattr(self._readers, "mirror"):
            self._readers.mirror = MirrorReader(self._path)
            self._readers.stale = False
        own = self._own()
        found = self._readers.mirror.redemptions(ticket_key)
        if found.stale or self._readers.stale:
            self._readers.stale = found.stale
            self._report("mirror", self._readers.mirror.fault if found.stale else None)
        return tuple(
            _use(row)
            for row in found.rows
            if (row.device, row.epoch) != own and row.direction in _DIRECTIONS
        )


_DIRECTIONS = frozenset(direction.value for direction in Direction)


def _use(row: RedemptionElsewhere) -> Use:
    return Use(
        presentation=row.presentation,
        direction=Direction(row.direction),
        check_in_list=row.list,
        at=row.at,
        where=row.gate,
        standing=Standing.PASSED if row.stands else Standing.ANNULLED,
        here=False,
        counter=row.counter,
    )
