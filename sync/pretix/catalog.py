"""What an event sells and lets in: its dates, keys, items, questions and check-in lists.

Kept as pretix.db's `catalog`, asked for with `If-Modified-Since` where the server knows how.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import BaseModel, TypeAdapter, ValidationError

from sync.errors import AnswerMalformed
from sync.pretix import wire
from sync.pretix.api import Pretix, event_path
from sync.pretix.errors import EventMissing, EventTakenAway, PretixRefused
from sync.pretix.staging import Staging

_Row = TypeVar("_Row", bound=BaseModel)
_MOST_PAGES = 2_000
SIGNED = "pretix_sig1"


class _Parts(BaseModel):
    """What a catalog is made of, as it is kept."""

    event: wire.Event
    items: tuple[wire.Item, ...]
    questions: tuple[wire.Question, ...]
    subevents: tuple[wire.SubEvent, ...]
    lists: tuple[wire.CheckInListRow, ...]
    settings: wire.Settings


@dataclass(frozen=True, slots=True)
class Catalog:
    """All of one event but its tickets."""

    event: wire.Event
    keys: tuple[bytes, ...]
    """32-byte Ed25519 keys that sign its codes."""
    items: tuple[wire.Item, ...]
    questions: tuple[wire.Question, ...]
    subevents: tuple[wire.SubEvent, ...]
    lists: tuple[wire.CheckInListRow, ...]
    settings: wire.Settings

    @property
    def asks(self) -> dict[int, frozenset[int]]:
        """Items -> questions that are asked at the check-in."""
        asked: dict[int, set[int]] = {}
        for question in self.questions:
            for item in question.items if question.ask_during_checkin else ():
                asked.setdefault(item, set()).add(question.id)
        return {item: frozenset(found) for item, found in asked.items()}


class Catalogs:
    """Fetches and keeps what changes seldom."""

    def __init__(self, api: Pretix, staging: Staging, organizer: Callable[[], str]) -> None:
        self._api, self._staging, self._organizer = api, staging, organizer

    def fetch(self, event: str) -> Catalog:
        """The catalog of an event as it is at the server now.

        Raises:
            EventTakenAway, EventMissing: the device may not read it, or there is none.
        """
        path = event_path(self._organizer(), event)
        try:
            found = self._api.one(wire.Event, path, f"event {event}")
        except PretixRefused as error:
            if error.status == 403:
                raise EventTakenAway(event) from error
            if error.status == 404:
                raise EventMissing(event) from error
            raise
        subevents = self._list(wire.SubEvent, event, "subevents") if found.has_subevents else ()
        parts = _Parts(
            event=found,
            items=self._list(wire.Item, event, "items"),
            questions=self._list(wire.Question, event, "questions"),
            subevents=subevents,
            lists=self._list(wire.CheckInListRow, event, "checkinlists"),
            settings=self._api.one(wire.Settings, f"{path}settings/", f"the settings of {event}"),
        )
        catalog = self._catalog(parts)
        told = parts.model_dump_json()
        if self._staging.note(_last(event)) != told:
            self._staging.put(_last(event), told)
        return catalog

    def last(self, event: str) -> Catalog | None:
        """The catalog as it was fetched last, before a restart too; None: it never was."""
        try:
            return self._catalog(_Parts.model_validate_json(self._staging.note(_last(event))))
        except ValidationError:  # never, or by another version of this software
            return None

    def _catalog(self, parts: _Parts) -> Catalog:
        told = {name: getattr(parts, name) for name in _Parts.model_fields}
        return Catalog(keys=_keys(parts.event, self._api.url), **told)

    def _list(self, row: type[_Row], event: str, resource: str) -> tuple[_Row, ...]:
        path = event_path(self._organizer(), event, f"{resource}/")
        modified, kept = self._kept(event, resource)
        rows: list[_Row] = []
        newest = ""
        for number in range(1, _MOST_PAGES):
            query, unless = [("page", str(number))], modified if number == 1 else ""
            page = self._api.page(row, path, query, f"the {resource} of {event}", unless)
            if page is None:
                return tuple(TypeAdapter(list[row]).validate_python(kept))  # type: ignore[valid-type]
            rows += page.rows
            newest = newest or page.modified
            if not page.more:
                break
        if newest:
            self._keep(event, resource, newest, [found.model_dump(mode="json") for found in rows])
        return tuple(rows)

    def _kept(self, event: str, resource: str) -> tuple[str, Any]:
        query = "SELECT modified, body FROM catalog WHERE (event, resource) = (?, ?)"
        with self._staging.transaction() as base:
            found = base.execute(query, (event, resource)).fetchone()
        return (found[0], json.loads(found[1])) if found else ("", None)

    def _keep(self, event: str, resource: str, modified: str, rows: list[Any]) -> None:
        values = (event, resource, modified, json.dumps(rows))
        with self._staging.transaction() as base:
            base.execute("INSERT OR REPLACE INTO catalog VALUES (?, ?, ?, ?)", values)


def _last(event: str) -> str:
    """The note that holds it; it goes when the event is dropped."""
    return f"{event}/catalog"


def _keys(event: wire.Event, url: str) -> tuple[bytes, ...]:
    """The event's keys: base64 of PEM each, Ed25519."""
    return tuple(_key(text, url) for text in event.valid_keys.get(SIGNED, []))


def _key(text: str, url: str) -> bytes:
    try:
        key = load_pem_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise AnswerMalformed(url, "a key of its signed codes is none") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AnswerMalformed(url, "a key of its signed codes is of another kind")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
