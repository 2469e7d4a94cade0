"""One gate at a pretix event in Tokyo, without any wire or disk: codes in, verdicts out.

The books are real, and so is the choice of a ticket and the decision; the journal is a list.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from admission.clock import ClockState, Reading
from admission.decide import Decision, Facts, decide
from admission.direction import Direction
from admission.history import Standing, Use
from admission.pretix_policy import PretixEvent, PretixList, PretixProduct
from admission.pretix_rules import read_rules
from admission.pretix_situation import Dates
from admission.rules import CheckInList, EventPolicy, GatePolicy, Product
from scanner.books import Books
from tests.rigs.pretix_codes import KEY, code, payload
from tickets.cose import key_id
from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.links import link_rows
from tickets.rows import VALID, Status, Ticket
from tickets.trust import trust_of

EVENT_KEY = bytes(32)
TICKET, MERCH, ASKED = 1, 2, 3
"""Items of the event `demo`; the first has a variation 2."""
FEBRUARY = 14
"""A date of the series."""
NEXT_YEAR = "2027-01-01 00:00:01"
LISTS = (
    "all",
    "multi",
    "no-return",
    "extras",
    "extra-match",
    "all-match",
    "other",
    "february-only",
)


def at(text: str) -> int:
    """Unix seconds of a time, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Sold:
    """A position of the server."""

    product: int = 1
    flags: Status = VALID
    valid_from: str = ""
    valid_until: str = ""
    addons: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    """A medium: the tickets it stands for."""


PRODUCTS = {
    1: PretixProduct("demo", TICKET, 2),
    2: PretixProduct("demo", MERCH),
    3: PretixProduct("demo", ASKED, questions=True),
    4: PretixProduct("demo", TICKET, 2, FEBRUARY),
    5: PretixProduct("demo2", 31),
}
TICKETS = {
    "paid": Sold(),
    "cancelled": Sold(flags=Status.CANCELLED),
    "blocked": Sold(flags=Status.BLOCKED),
    "unapproved": Sold(flags=Status.UNAPPROVED | Status.UNPAID),
    "unpaid": Sold(flags=Status.UNPAID),
    "unpaid-but-valid": Sold(),
    "from-4-march": Sold(valid_from="2023-03-04"),
    "until-4-march": Sold(valid_until="2023-03-04"),
    "used": Sold(),
    "merch": Sold(2),
    "merch-unasked": Sold(2),
    "answered": Sold(3),
    "asked": Sold(3, Status.NEEDS_ANSWERS),
    "february": Sold(4),
    "of-other-event": Sold(5),
    "with-extras": Sold(addons=("extra-1", "other-ticket")),
    "extra-1": Sold(2),
    "other-ticket": Sold(1),
    "one-extra": Sold(addons=("extra-of-one",)),
    "extra-of-one": Sold(2),
    "overlap-1": Sold(),
    "overlap-2": Sold(),
    "2026": Sold(valid_from="2026-01-01", valid_until="2026-12-31"),
    "2027": Sold(valid_from="2027-01-01", valid_until="2027-12-31"),
    "2026-other": Sold(5, valid_from="2026-01-01", valid_until="2026-12-31"),
    "spring": Sold(valid_from="2026-01-01", valid_until="2026-07-01"),
    "autumn": Sold(valid_from="2026-09-01", valid_until="2026-12-31"),
    "band-expired": Sold(flags=Status.MEDIUM, valid_until="2026-01-01", bands=("paid",)),
    "band-overlap": Sold(flags=Status.MEDIUM, bands=("overlap-1", "overlap-2")),
    "band-two-events": Sold(flags=Status.MEDIUM, bands=("of-other-event", "overlap-1")),
    "band-years": Sold(flags=Status.MEDIUM, bands=("2026", "2027")),
    "band-two-events-years": Sold(flags=Status.MEDIUM, bands=("2027", "2026-other")),
    "band-seasons": Sold(flags=Status.MEDIUM, bands=("spring", "autumn")),
}
_FROM, _UNTIL = at("2023-02-03 23:00"), at("2023-02-03 11:00")
SIGNED: dict[str, bytes] = {
    "signed": code(payload(TICKET, 2)),
    "signed-from": code(payload(TICKET, 2, valid_from=_FROM)),
    "signed-until": code(payload(TICKET, 2, valid_until=_UNTIL)),
    "signed-revoked": code(payload(TICKET, 2, seed=b"revoked")),
    "signed-blocked": code(payload(TICKET, 2, seed=b"blocked")),
    "signed-unknown-item": code(payload(4242)),
    "signed-by-another": code(payload(TICKET, 2), seed=bytes(32)),
    "signed-asked": code(payload(ASKED)),
    "known-signed": code(payload(TICKET, 2, seed=b"known")),
    "cancelled-signed": code(payload(TICKET, 2, seed=b"cancelled")),
}
ROWS_OF_SIGNED = {
    "signed-revoked": Ticket(b"", 0, 1, Status.REVOKED),
    "signed-blocked": Ticket(b"", 0, 1, Status.BLOCKED),
    "known-signed": Ticket(b"", 1),
    "cancelled-signed": Ticket(b"", 1, 1, Status.CANCELLED),
}
_INNER = {"extra-1", "other-ticket", "overlap-1", "overlap-2", "2026", "2027", "2026-other"}
_INNER |= {"spring", "autumn"}
CODES: dict[str, bytes] = {
    **{name: name.encode() for name in TICKETS if name not in _INNER},
    **SIGNED,
    "never-sold": b"abc",
    "band-off": b"an inactive medium has no row",
}
"""What is held up to the reader, by name."""


def key_of(shown: bytes) -> bytes:
    """The ticket key of a code."""
    return ticket_key(EVENT_KEY, Credential(Format.OPAQUE, shown))


def _rows() -> Iterator[Ticket]:
    for name, one in TICKETS.items():
        key, flags = key_of(name.encode()), one.flags
        window = (at(one.valid_from or "1970-01-01"), at(one.valid_until or "1970-01-01"))
        children = one.addons or one.bands
        if one.addons:
            flags |= Status.ADDONS
        number = 0 if one.bands else one.product
        yield Ticket(key, number, 1, flags, *window)
        yield from link_rows(key, [key_of(child.encode()) for child in children])
    for name, row in ROWS_OF_SIGNED.items():
        yield replace(row, key=key_of(SIGNED[name]))


def _lists(rules: str) -> Iterator[CheckInList]:
    def one(name: str, slug: str = "demo", **changes: Any) -> CheckInList:
        entries, returns = changes.pop("entries", 1), changes.pop("returns", True)
        limits = PretixList(slug, rules=read_rules(rules), **changes)
        return CheckInList(name, entries=entries, reentry_after_exit=returns, pretix=limits)

    yield one("all", include_pending=True, **({"entries": 0} if rules else {}))
    yield one("multi", items=frozenset({TICKET}), entries=0)
    yield one("no-return", returns=False)
    yield one("extras", items=frozenset({MERCH}))
    yield one("extra-match", items=frozenset({MERCH}), addon_match=True)
    yield one("all-match", addon_match=True)
    yield one("other", "demo2", entries=0)
    yield one("february-only", subevent=FEBRUARY)
    yield CheckInList("joint", members=("all", "other"))


class Desk:
    """A gate: `show` a code at a list, and see what comes of it."""

    def __init__(
        self,
        *,
        rules: Any = None,
        gate: int | None = None,
        list_required: bool = False,
        dates: Dates | None = None,
        exit_all_at: str = "",
    ) -> None:
        january = Dates(at("2020-01-01 10:00"), at("2020-01-01 14:00"), at("2020-01-01 09:00"))
        february = Dates(at("2020-02-01 10:00"), None, at("2020-02-01 09:00"))
        demo = PretixEvent(
            "Asia/Tokyo",
            frozenset({key_id(KEY)}),
            {0: dates or january, FEBRUARY: february},
            gate,
        )
        lists = {one.name: one for one in _lists(json.dumps(rules) if rules is not None else "")}
        if exit_all_at:
            for name in LISTS:
                limits = lists[name].pretix
                assert limits is not None
                limits = replace(limits, exit_all_at=at(exit_all_at))
                lists[name] = replace(lists[name], pretix=limits)
        self.policy = EventPolicy(
            lists,
            {number: Product(number, "Ticket", pretix=sold) for number, sold in PRODUCTS.items()},
            {"demo": demo, "demo2": PretixEvent("Asia/Tokyo")},
        )
        rows = {row.key: row for row in _rows()}
        trust = trust_of("DEMO", {}, pretix_keys=(KEY,))
        self.books = Books(EVENT_KEY, trust, self.policy, 1, rows.get)
        self.gate = GatePolicy("north", list_required=list_required)
        self.uses: dict[bytes, list[Use]] = defaultdict(list)
        self._numbers = count(1)
        self.record(key_of(b"used"), Direction.ENTRY, "all", at("2019-12-31 10:00"))

    def record(self, key: bytes, direction: Direction, on: str, when: float) -> None:
        """An entry or exit that stands."""
        presentation = next(self._numbers).to_bytes(16)
        self.uses[key].append(Use(presentation, direction, on, when, "north", Standing.PASSED))

    def decide(self, name: str, on: str, way: str, when: str, **reading: Any) -> Decision:
        """The decision on one showing; what it admits is recorded."""
        shown, key = self.books.read(CODES.get(name, name.encode()))
        assert key is not None
        found = self.books.choose(shown, key, on, at(when))
        assert found is not None
        choice, by_medium = found
        key, rules = choice.candidate.key, choice.check_in_list
        row = self.books.ticket(key)
        if row is not None and row.flags & Status.MEDIUM:
            row = None
        product = self.books.product(shown, row)
        clock = {"at": float(at(when)), "uncertainty": 0.0, "state": ClockState.SYNCHRONISED}
        direction = Direction.ENTRY if way == "in" else Direction.EXIT
        decision = decide(
            Facts(
                shown,
                row,
                product,
                tuple(self.uses[key]),
                rules,
                direction,
                Reading(**(clock | reading)),
                self.gate,
                event=self.books.event(product),
                ambiguous=choice.ambiguous,
                by_medium=by_medium,
            )
        )
        if decision.verdict.admitted:
            self.record(key, direction, rules.name, at(when))
        return decision

    def show(self, name: str, on: str, way: str, when: str) -> str:
        """`ok`, or the reason why not; on the way out what is against it."""
        decision = self.decide(name, on, way, when)
        return decision.verdict.reason or decision.overruled or "ok"
