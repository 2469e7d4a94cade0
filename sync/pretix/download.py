"""One round of fetching: what is new of one event, page by page, each page kept before the next.

Full download of orders: by their date, from the last one seen, so that an interruption costs a
page and nobody who buys meanwhile shifts a ticket past us. Then only what was modified since the
server's own time of the first page. Codes that were taken back come before the orders: no signed
code is believed that the server no longer knows. Source: the device API of pretix 2026.8.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel

from sync.pretix import wire
from sync.pretix.api import Listed, Pretix, event_path, organizer_path
from sync.pretix.errors import Loading
from sync.pretix.intake import Intake
from sync.pretix.staging import Staging
from tickets.rows import Status

_Row = TypeVar("_Row", bound=BaseModel)
Asks = dict[int, frozenset[int]]
OVERLAP = timedelta(seconds=5)
"""What is stamped earlier than what was read may become visible later: transactions take time."""
FIELDS = (
    *("code", "status", "datetime", "require_approval", "valid_if_pending"),
    *("checkin_attention", "checkin_text"),
    *("positions.id", "positions.item", "positions.variation", "positions.subevent"),
    *("positions.secret", "positions.addon_to", "positions.canceled", "positions.blocked"),
    *("positions.valid_from", "positions.valid_until", "positions.checkins"),
)
"""All that is asked of an order; a server that knows `include` sends nothing else."""


class OutOfTime(Exception):
    """The round's time is over; what was read is kept."""


@dataclass(slots=True)
class Full:
    """How far a full download is; it outlives restarts as a note."""

    fetch: int
    """Its number: tickets that it did not bring are gone in the end."""
    first: str = ""
    """The server's time of its first page: where the next question begins."""
    since: str = ""
    """Date of the last order seen."""
    page: int = 1
    """Page of those orders that share this date."""
    done: int = 0
    of: int = 0
    """Orders so far, and about how many there are."""


class Download:
    """Brings pretix.db up to date, one event at a time.

    Args:
        organizer: Its short form.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        api: Pretix,
        staging: Staging,
        intake: Intake,
        organizer: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._staging, self._intake = api, staging, intake
        self._organizer, self._monotonic = organizer, monotonic
        self._until = float("inf")
        self._trial = False
        self.loading: Loading | None = None
        """How far the full download is that goes on; None: there is none."""

    def begin(self, seconds: float) -> None:
        """A round begins that may take so long; pages after that are left to the next."""
        self._until = self._monotonic() + seconds

    def refetch(self, event: str) -> None:
        """Have the orders of an event fetched from the start, beside what is here."""
        with self._staging.transaction():
            self._staging.put(f"{event}/stamp", "")
            self._staging.put(f"{event}/full", "")

    # -- orders --------------------------------------------------------------------------------

    def orders(self, event: str, asks: Asks, trial: bool = False) -> None:
        """Take in what changed of an event's orders.

        Args:
            trial: The event is in test mode: its test orders count.
        Raises:
            OutOfTime: the full download goes on at the next round.
        """
        self._trial = trial
        if stamp := self._staging.note(f"{event}/stamp"):
            self._orders_since(event, asks, stamp)
        else:
            self._all_orders(event, asks)

    def _orders_since(self, event: str, asks: Asks, stamp: str) -> None:
        """Newest first: an order that changes meanwhile moves to pages already read, and is in the
        next round's; no other is passed over. Interrupted, it begins at the same stamp again."""
        fetch = int(self._staging.note(f"{event}/fetch") or 0)
        query = [("modified_since", _earlier(stamp)), ("ordering", "-last_modified")]
        first = ""
        for number in range(1, 1_000_000):
            page = self._order_page(event, asks, [*query, ("page", str(number))])
            first = first or page.generated
            self._intake.orders(event, page.rows, asks, fetch)
            if not page.more:
                break
        if first:
            self._staging.put(f"{event}/stamp", first)

    def _all_orders(self, event: str, asks: Asks) -> None:
        noted = self._staging.note(f"{event}/full")
        full = Full(**json.loads(noted)) if noted else Full(self._staging.rise("fetch"))
        while self._next_orders(event, asks, full):
            self.loading = Loading(event, full.done, full.of)
            self._check_time()
        with self._staging.transaction():
            self._intake.finish(event, full.fetch)
            self._staging.put(f"{event}/fetch", str(full.fetch))
            self._staging.put(f"{event}/stamp", full.first)
            self._staging.put(f"{event}/full", "")
        self.loading = None

    def _next_orders(self, event: str, asks: Asks, full: Full) -> bool:
        """Take in one page together with where it ends; whether there is another."""
        query = [("ordering", "datetime"), ("page", str(full.page))]
        query += [("created_since", full.since)] if full.since else []
        page = self._order_page(event, asks, query)
        last = page.rows[-1].datetime if page.rows else full.since
        # Whole pages of one moment are turned; else the next page begins at the last order seen.
        full.page = full.page + 1 if last == full.since else 1
        full.first, full.since = full.first or page.generated, last
        full.done, full.of = full.done + len(page.rows), full.of or page.count
        with self._staging.transaction():
            self._intake.orders(event, page.rows, asks, full.fetch)
            self._staging.put(f"{event}/full", json.dumps(asdict(full)))
        return page.more

    def _order_page(
        self, event: str, asks: Asks, query: list[tuple[str, str]]
    ) -> Listed[wire.Order]:
        fields = [*FIELDS, "positions.answers"] if asks else FIELDS
        query += [("include_canceled_positions", "true")]
        query += [] if self._trial else [("testmode", "false")]
        query += [("include", field) for field in fields]
        path = event_path(self._organizer(), event, "orders/")
        return self._page(wire.Order, path, query, f"the orders of {event}")

    def _page(
        self, row: type[_Row], path: str, query: list[tuple[str, str]], what: str
    ) -> Listed[_Row]:
        page = self._api.page(row, path, query, what)
        assert page is not None  # only a condition is answered with "as it was"
        return page

    # -- codes taken back or blocked, media ------------------------------------------------------

    def secrets(self, event: str) -> None:
        """Take in codes that were taken back, and those that are blocked or no longer so."""

        def revoked(rows: list[wire.RevokedSecret]) -> None:
            self._intake.secrets(event, [(row.secret, Status.REVOKED, True) for row in rows])

        def blocked(rows: list[wire.BlockedSecret]) -> None:
            told = [(row.secret, Status.BLOCKED, row.blocked) for row in rows]
            self._intake.secrets(event, told)

        path = event_path(self._organizer(), event)
        self._crawl(wire.RevokedSecret, f"{path}revokedsecrets/", "created", event, revoked)
        self._crawl(wire.BlockedSecret, f"{path}blockedsecrets/", "updated", event, blocked)

    def media(self) -> None:
        """Take reusable media in, of all events of the organizer."""
        path = organizer_path(self._organizer(), "reusablemedia/")
        self._crawl(wire.Medium, path, "updated", "", self._intake.media)

    def _crawl(
        self,
        row: type[_Row],
        path: str,
        field: str,
        event: str,
        take: Callable[[list[_Row]], None],
    ) -> None:
        """Read a list by a time that only rises, from the last one seen; each page is kept."""
        place = f"{event}/{path.rsplit('/', 2)[-2]}"
        # The first question overlaps; those after it go on from the last row of the page before.
        since, number = _earlier(self._staging.note(place)), 1
        while True:
            query = [("ordering", field), ("page", str(number))]
            query += [(f"{field}_since", since)] if since else []
            page = self._page(row, path, query, f"{path.rsplit('/', 2)[-2]} of {event}")
            last = str(getattr(page.rows[-1], field)) if page.rows else since
            with self._staging.transaction():
                take(page.rows)
                if page.rows:
                    self._staging.put(place, last)
            if not page.more:
                return
            since, number = (since, number + 1) if last == since else (last, 1)
            self._check_time()

    def _check_time(self) -> None:
        if self._monotonic() > self._until:
            raise OutOfTime


def _earlier(stamp: str) -> str:
    """A little before a server's time, in its own form; empty stays empty."""
    if not stamp:
        return ""
    return (datetime.fromisoformat(stamp) - OVERLAP).isoformat()
