"""Notes when an event's key for signed codes is another than before: its tickets may be refused.

pretix has one key an event and changes it never by itself. Whoever does (a clone, a restored
database, an intruder) turns tickets sold before into strangers at a gate that knows no orders.
"""

from collections.abc import Callable, Iterable

from sync.pretix.catalog import Catalog
from sync.pretix.errors import SigningKeyChanged
from sync.pretix.staging import Staging

SHOWN_FOR = 86_400
"""Seconds for which a change is shown."""


class KeyChange:
    """What keys the events had, across restarts.

    Args:
        now: Unix seconds.
    """

    def __init__(self, staging: Staging, now: Callable[[], float]) -> None:
        self._staging, self._now = staging, now

    def look(self, catalogs: Iterable[Catalog]) -> SigningKeyChanged | None:
        """The first event whose key went within a day; a key that is added is no change."""
        changed = [self._changed(catalog) for catalog in catalogs]
        return next((SigningKeyChanged(event) for event in changed if event), None)

    def _changed(self, catalog: Catalog) -> str:
        event, keys = catalog.event.slug, {key.hex() for key in catalog.keys}
        had, at = f"{event}/keys", f"{event}/keys changed"
        before = set(self._staging.note(had).split())
        if before - keys:
            self._staging.put(at, str(int(self._now())))
        if before != keys:
            self._staging.put(had, " ".join(sorted(keys)))
        since = self._staging.note(at)
        return event if since and self._now() - int(since) < SHOWN_FOR else ""
