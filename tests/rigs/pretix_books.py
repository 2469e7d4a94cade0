"""The recorded answers of a pretix server as a gate's books: small, plain, no sync, no store.

One gate, every event and list of the recording; list names are `EVENT/NAME`. What a real gate
believes comes through sync; this is the shortest way from the API's JSON to a decision.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from admission.direction import Direction
from admission.history import Standing, Use
from admission.pretix_policy import PretixEvent, PretixList, PretixProduct
from admission.pretix_rules import read_rules
from admission.pretix_situation import Dates
from admission.rules import CheckInList, EventPolicy, Product, policy_from_body, policy_to_body
from scanner.books import Books
from tests.rigs.pretix_record import recorded_exchanges
from tickets.cose import key_id
from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.links import link_rows
from tickets.pretix_sig1 import key_from_valid_keys
from tickets.rows import Status, Ticket
from tickets.trust import trust_of

EVENT_KEY = bytes(range(32))
_Sold = tuple[str, int, int | None, int | None]


def seconds(text: str | None) -> int | None:
    """Unix seconds of a time of the API."""
    return None if text is None else int(datetime.fromisoformat(text).timestamp())


def name_of(secret: str) -> bytes:
    """The ticket key of a code."""
    return ticket_key(EVENT_KEY, Credential(Format.OPAQUE, secret.encode()))


@dataclass
class Recorded:
    """The resources of each event, by name, all pages together."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[tuple[str, str], list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    media: list[dict[str, Any]] = field(default_factory=list)


def recorded() -> Recorded:
    """What the first sync of the recording brought."""
    found = Recorded()
    for kept in recorded_exchanges():
        path = kept["path"].split("?")[0].removeprefix("/api/v1/organizers/admit/")
        parts = path.strip("/").split("/")
        if kept["when"] != "first" or kept["method"] != "GET":
            continue
        if parts[0] == "reusablemedia":
            found.media += kept["body"]["results"]
        elif parts[0] == "events" and len(parts) == 2:
            found.events[parts[1]] = kept["body"]
        elif parts[0] == "events" and len(parts) == 3 and "results" in kept["body"]:
            found.rows[parts[1], parts[2]] += kept["body"]["results"]
        elif parts[0] == "events" and parts[2:] == ["settings"]:
            found.events[parts[1]]["settings"] = kept["body"]
    return found


class Converted:
    """A gate's books, and the uses of each ticket."""

    def __init__(self, found: Recorded, gate: int | None = None) -> None:
        self._found, self._gate = found, gate
        self._numbers: dict[_Sold, int] = {}
        self.uses: dict[bytes, list[Use]] = defaultdict(list)
        self._rows: dict[bytes, Ticket] = {}
        self._key_of: dict[int, bytes] = {}
        for slug in found.events:
            self._dead_codes(slug)
        self._tickets()
        self.policy = policy_from_body(policy_to_body(self._policy()))
        keys = [key for slug in found.events for key in self._keys(slug)]
        trust = trust_of("PRETIX", {}, pretix_keys=keys)
        self.books = Books(EVENT_KEY, trust, self.policy, 1, self._rows.get)

    # -- rows ----------------------------------------------------------------------------------

    def _dead_codes(self, slug: str) -> None:
        for row in self._found.rows[slug, "blockedsecrets"]:
            if row["blocked"]:
                self._put(Ticket(name_of(row["secret"]), 0, 1, Status.BLOCKED))
        for row in self._found.rows[slug, "revokedsecrets"]:
            self._put(Ticket(name_of(row["secret"]), 0, 1, Status.REVOKED))

    def _tickets(self) -> None:
        orders = [o for slug in self._found.events for o in self._found.rows[slug, "orders"]]
        positions = [(order, one) for order in orders for one in order["positions"]]
        self._key_of = {one["id"]: name_of(one["secret"]) for _, one in positions}
        linked = {one for medium in self._found.media for one in _positions(medium)}
        for medium in self._found.media:
            # Those of NFC too, whose numbers no gate reads: the decision is the same for all.
            if medium["active"] and _positions(medium):
                key, until = name_of(medium["identifier"]), seconds(medium["expires"]) or 0
                self._put(Ticket(key, 0, 0, Status.MEDIUM, 0, until))
                self._link(key, _positions(medium))
        for order, one in positions:
            addons = [other["id"] for _, other in positions if other["addon_to"] == one["id"]]
            self._position(order, one, addons, one["id"] in linked)

    def _position(
        self, order: dict[str, Any], one: dict[str, Any], addons: list[int], exchanged: bool
    ) -> None:
        asked = _asked(self._found.rows[order["event"], "questions"], one["item"])
        open_ = asked - {answer["question"] for answer in one["answers"]}
        flags = _order_flags(order)
        for status, holds in (
            (Status.CANCELLED, one["canceled"]),
            (Status.BLOCKED, one["blocked"]),
            (Status.NEEDS_ANSWERS, open_),
            (Status.ADDONS, addons),
            (Status.EXCHANGED, exchanged),
            (Status.ATTENTION, order["checkin_attention"] or order["checkin_text"]),
        ):
            flags |= status if holds else Status(0)
        sold = (order["event"], one["item"], one["variation"], one["subevent"])
        number = self._numbers.setdefault(sold, len(self._numbers) + 1)
        window = (seconds(one["valid_from"]) or 0, seconds(one["valid_until"]) or 0)
        key = name_of(one["secret"])
        self._put(Ticket(key, number, 1, flags, *window))
        self._link(key, addons)
        for row in one["checkins"]:
            self._use(order["event"], key, row)

    def _use(self, slug: str, key: bytes, row: dict[str, Any]) -> None:
        names = {one["id"]: one["name"] for one in self._found.rows[slug, "checkinlists"]}
        at = datetime.fromisoformat(row["datetime"]).timestamp()
        on = f"{slug}/{names.get(row['list'], 'not told')}"
        use = Use(row["id"].to_bytes(16), Direction(row["type"]), on, at, "", Standing.PASSED)
        self.uses[key] = sorted([*self.uses[key], use], key=lambda use: use.at)

    def _put(self, row: Ticket) -> None:
        self._rows[row.key] = row

    def _link(self, parent: bytes, children: Sequence[int]) -> None:
        known = [self._key_of[child] for child in children if child in self._key_of]
        for row in link_rows(parent, known):
            self._put(row)

    # -- policy --------------------------------------------------------------------------------

    def _policy(self) -> EventPolicy:
        return EventPolicy(
            {entry.name: entry for slug in self._found.events for entry in self._lists(slug)},
            {product.number: product for product in self._products()},
            {slug: self._event(slug) for slug in self._found.events},
        )

    def _lists(self, slug: str) -> Iterator[CheckInList]:
        for row in self._found.rows[slug, "checkinlists"]:
            items = None if row["all_products"] else frozenset(row["limit_products"])
            yield CheckInList(
                f"{slug}/{row['name']}",
                entries=0 if row["allow_multiple_entries"] else 1,
                reentry_after_exit=row["allow_entry_after_exit"],
                pretix=PretixList(
                    slug, items, row["subevent"], row["include_pending"], row["addon_match"],
                    seconds(row["exit_all_at"]), read_rules(json.dumps(row["rules"])),
                ),
            )  # fmt: skip

    def _products(self) -> Iterator[Product]:
        for slug in self._found.events:
            for sold in self._found.rows[slug, "items"]:
                variations = [v["id"] for v in sold["variations"]]
                for one in [None, *variations]:
                    self._numbers.setdefault((slug, sold["id"], one, None), 0)
        for place, ((slug, item, variation, subevent), number) in enumerate(self._numbers.items()):
            row = next(i for i in self._found.rows[slug, "items"] if i["id"] == item)
            of_variation = [v for v in row["variations"] if v["id"] == variation]
            told = [one["checkin_text"] for one in (*of_variation, row) if one["checkin_text"]]
            look = any(one["checkin_attention"] for one in (*of_variation, row))
            yield Product(
                number or 10_000 + place,
                row["name"]["en"],
                attention="; ".join(told) or ("special ticket: please check" if look else ""),
                pretix=PretixProduct(
                    slug, item, variation, subevent,
                    questions=bool(_asked(self._found.rows[slug, "questions"], item)),
                    medium=bool(row["media_policy"] and row["media_type"]),
                ),
            )  # fmt: skip

    def _event(self, slug: str) -> PretixEvent:
        event = self._found.events[slug]
        dates = {one["id"]: _dates(one) for one in self._found.rows[slug, "subevents"]}
        return PretixEvent(
            event["timezone"],
            frozenset(key_id(key) for key in self._keys(slug)),
            {0: _dates(event)} | dates,
            self._gate,
            bool(event["settings"].get("reusable_media_usage_enforced")),
        )

    def _keys(self, slug: str) -> list[bytes]:
        told = self._found.events[slug].get("valid_keys", {}).get("pretix_sig1", [])
        return [key_from_valid_keys(text) for text in told]


def _positions(medium: Mapping[str, Any]) -> list[int]:
    return [one if isinstance(one, int) else one["id"] for one in medium["linked_orderpositions"]]


def _asked(questions: Sequence[Mapping[str, Any]], item: int) -> set[int]:
    return {q["id"] for q in questions if q["ask_during_checkin"] and item in q["items"]}


def _order_flags(order: Mapping[str, Any]) -> Status:
    flags = Status(0)
    if order["status"] not in ("p", "n"):
        flags |= Status.CANCELLED
    if order["status"] == "n" and order["require_approval"]:
        flags |= Status.UNAPPROVED
    if order["status"] == "n" and not order["valid_if_pending"]:
        flags |= Status.UNPAID
    return flags


def _dates(row: Mapping[str, Any]) -> Dates:
    start, end, admission = (row[name] for name in ("date_from", "date_to", "date_admission"))
    return Dates(seconds(start), seconds(end), seconds(admission))
