"""From what an event sells and lets in to the rules that this gate's lanes go by."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from admission.plain_values import MAX_TEXT
from admission.pretix_policy import PretixEvent, PretixList, PretixProduct
from admission.pretix_rules import read_rules
from admission.pretix_situation import Dates
from admission.rules import CheckInList, EventPolicy, Product
from sync.pretix import wire
from sync.pretix.catalog import Catalog
from sync.pretix.errors import ListMissing, ListTwice, ZoneUnknown
from sync.pretix.intake import product_number
from tickets.cose import key_id

LOOK = "special ticket: please check"
"""What a steward is told of a ticket that the organiser marked without a word."""
_LANGUAGES = ("en", "de", "fr", "es")


def member_name(name: str, event: str) -> str:
    """What one event's list is called in records: its name alone is another event's too."""
    return f"{name} ({event})"


def policy_of(
    base: sqlite3.Connection, catalogs: Iterable[Catalog], names: Iterable[str], gate: int | None
) -> EventPolicy:
    """The rules of the check-in lists called `names`, of every event that has such a list.

    Args:
        base: pretix.db, inside a transaction: kinds of ticket get their numbers there.
        names: What the gate's lanes admit.
        gate: pretix' number of the place where this device stands.
    A list that is not there, or there twice, is left out: see `check_lists`.

    Raises:
        ZoneUnknown, TooManyKinds: an event that this gate cannot judge.
    """
    chosen = list(catalogs)
    lists: dict[str, CheckInList] = {}
    for name in dict.fromkeys(names):
        members = {
            member_name(name, catalog.event.slug): _check_in_list(name, catalog, found)
            for catalog in chosen
            if (found := _named(name, catalog)) is not None
        }
        if members:
            lists |= members | {name: CheckInList(name, members=tuple(members))}
    products = {p.number: p for c in chosen for p in _products(base, c)}
    events = {catalog.event.slug: _event(catalog, gate) for catalog in chosen}
    return EventPolicy(lists=lists, products=products, events=events)


def list_names(catalogs: Iterable[Catalog], names: Iterable[str]) -> dict[int, str]:
    """What records call the lists that lanes admit, by pretix' number of the list."""
    wanted = list(dict.fromkeys(names))
    return {
        row.id: member_name(name, catalog.event.slug)
        for catalog in catalogs
        for name in wanted
        if (row := _named(name, catalog)) is not None
    }


def check_lists(catalogs: Sequence[Catalog], names: Iterable[str]) -> None:
    """See that every lane knows whom to admit.

    Raises:
        ListMissing, ListTwice: which list is meant is for the organiser to say.
    """
    for name in names:
        rows = {catalog.event.slug: _all_named(name, catalog) for catalog in catalogs}
        for event, found in rows.items():
            if len(found) > 1:
                raise ListTwice(name, event)
        if not any(rows.values()):
            raise ListMissing(name, sorted({row.name for c in catalogs for row in c.lists}))


def _all_named(name: str, catalog: Catalog) -> list[wire.CheckInListRow]:
    return [row for row in catalog.lists if row.name.strip() == name]


def _named(name: str, catalog: Catalog) -> wire.CheckInListRow | None:
    found = _all_named(name, catalog)
    return found[0] if len(found) == 1 else None


def _check_in_list(name: str, catalog: Catalog, row: wire.CheckInListRow) -> CheckInList:
    return CheckInList(
        member_name(name, catalog.event.slug),
        entries=0 if row.allow_multiple_entries else 1,
        reentry_after_exit=row.allow_entry_after_exit,
        pretix=PretixList(
            event=catalog.event.slug,
            items=None if row.all_products else frozenset(row.limit_products),
            subevent=row.subevent,
            include_pending=row.include_pending,
            addon_match=row.addon_match,
            exit_all_at=wire.seconds(row.exit_all_at) or None,
            rules=read_rules(json.dumps(row.rules, separators=(",", ":")) if row.rules else ""),
        ),
    )


def _event(catalog: Catalog, gate: int | None) -> PretixEvent:
    event = catalog.event
    dates: dict[int, Dates] = {0: _dates(event)}
    dates |= {subevent.id: _dates(subevent) for subevent in catalog.subevents}
    try:
        return PretixEvent(
            timezone=event.timezone,
            keys=frozenset(key_id(key) for key in catalog.keys),
            dates=dates,
            gate=gate,
            media_enforced=bool(catalog.settings.reusable_media_usage_enforced),
        )
    except ValueError as error:
        raise ZoneUnknown(event.slug, event.timezone) from error


def _dates(of: wire.Event | wire.SubEvent) -> Dates:
    times = (of.date_from, of.date_to, of.date_admission)
    return Dates(*(wire.seconds(at) or None for at in times))


def _products(base: sqlite3.Connection, catalog: Catalog) -> Iterator[Product]:
    """Each kind that somebody bought, and each that could be: signed codes look those up."""
    slug, asks = catalog.event.slug, catalog.asks
    items = {item.id: item for item in catalog.items}
    for item in catalog.items:
        for variation in (0, *(variation.id for variation in item.variations)):
            product_number(base, slug, item.id, variation, 0)
    query = "SELECT number, item, variation, subevent FROM product WHERE event = ?"
    for number, item_id, variation_id, subevent in base.execute(query, (slug,)).fetchall():
        found = items.get(item_id)
        varied = {v.id: v for v in found.variations}.get(variation_id) if found else None
        yield Product(
            number,
            name=_name(found, varied),
            attention=_attention(found, varied),
            pretix=PretixProduct(
                event=slug,
                item=item_id,
                variation=variation_id or None,
                subevent=subevent or None,
                questions=bool(asks.get(item_id)),
                medium=bool(found and found.media_policy and found.media_type),
            ),
        )


def _name(item: wire.Item | None, variation: wire.Variation | None) -> str:
    if item is None:
        return ""
    parts = [item.internal_name or _text(item.name)]
    parts += [_text(variation.value)] if variation else []
    return " / ".join(part for part in parts if part)[:MAX_TEXT]


def _attention(item: wire.Item | None, variation: wire.Variation | None) -> str:
    marked = [part for part in (variation, item) if part is not None]
    texts = [part.checkin_text.strip() for part in marked if part.checkin_text]
    if any(texts):
        return "; ".join(dict.fromkeys(filter(None, texts)))[:MAX_TEXT]
    return LOOK if any(part.checkin_attention for part in marked) else ""


def _text(value: Any) -> str:
    """A text of pretix, which may come in several languages."""
    if isinstance(value, Mapping):
        known = [value[name] for name in _LANGUAGES if value.get(name)]
        value = next(iter([*known, *value.values()]), "")
    return value if isinstance(value, str) else ""
