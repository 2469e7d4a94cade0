"""A pretix server in the place of the organiser's own: fetched, signed here, and then as ever.

Fills `sync.backend.Source`. `statements` is where the work is done: each call fetches what is new,
within a time, and publishes it through the notary. Read next: `download`, `policy`, `notary`.
"""

import base64
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from admission.rules import policy_to_body
from store.mirror import Mirror
from sync.answers import Beat, ConflictRow, RecordAnswers, Redemption, WireStatement
from sync.errors import AnswerMalformed, ServerFault
from sync.pretix import wire
from sync.pretix.api import Pretix
from sync.pretix.authority import PretixAuthority
from sync.pretix.catalog import Catalog, Catalogs
from sync.pretix.checkins import CheckIns
from sync.pretix.codes import Codes
from sync.pretix.download import Download, OutOfTime
from sync.pretix.enrolment import Badge
from sync.pretix.errors import (
    BodyGone,
    EventMissing,
    EventTakenAway,
    Loading,
    NoEvent,
    PretixRefused,
    ProfileForbids,
    TooManyKinds,
)
from sync.pretix.intake import Intake, microseconds
from sync.pretix.key_change import KeyChange
from sync.pretix.notary import Notary
from sync.pretix.places import Places
from sync.pretix.policy import check_lists, list_names, policy_of
from sync.pretix.redeemed import name_lists, redemptions
from sync.pretix.staging import Staging
from sync.pretix.uploads import Uploads
from tickets.errors import GateError
from tickets.trust import MAX_PRETIX_KEYS

log = logging.getLogger(__name__)
SELDOM = 60.0
"""Seconds between two looks at lists, items, questions, dates, keys, media and the device."""
ROUND = 20.0
"""Seconds a round may take; a full download goes on at the next."""
WITHOUT_ORDERS = frozenset({"pretixscan_online_noorders", "pretixscan_online_kiosk"})
"""Security profiles under which only signed codes are known."""

_OF_AN_EVENT = (EventTakenAway, EventMissing, ProfileForbids, PretixRefused, AnswerMalformed)
"""Faults that say nothing of the other events."""


class PretixServer:
    """The chosen events of one organizer. `statements` is called by one thread.

    Args:
        events: Short forms of the events; none: the one the server suggests.
        lists: What the gate's lanes admit.
        signed_suffice: The gate admits signed codes that are on no list.
        codes: Where codes of scans are asked for that the server knows by nothing else.
        monotonic: Seconds that never jump.
    """

    kind = "pretix"

    def __init__(
        self,
        api: Pretix,
        badge: Badge,
        staging: Staging,
        mirror: Mirror,
        directory: Path,
        *,
        events: Sequence[str],
        lists: Sequence[str],
        signed_suffice: bool,
        codes: Codes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._badge, self._staging, self._mirror = api, badge, staging, mirror
        self._events, self._lists = tuple(events), tuple(lists)
        self._signed_suffice, self._monotonic = signed_suffice, monotonic
        enrolment = badge.enrolment
        self.intake = Intake(
            staging,
            enrolment.event_key,
            device=lambda: badge.enrolment.device_id,
            taken=lambda: mirror.position("redemptions"),
            claimed=self._claimed,
        )
        self.places = Places(staging.path)
        self.check_ins = CheckIns(api, self._organizer)
        self.uploads = Uploads(
            self.check_ins,
            self.places,
            self.intake,
            mirror,
            codes,
            keys=lambda: tuple({key for c in list(self._known.values()) for key in c.keys}),
            rules=self._list_row,
            device=lambda: badge.enrolment.device_id,
        )
        self._download = Download(api, staging, self.intake, self._organizer, monotonic)
        self._catalogs = Catalogs(api, staging, self._organizer)
        self._notary = Notary(
            staging, enrolment.notary, enrolment.event, directory, mirror=mirror, now=api.now
        )
        self._key_change = KeyChange(staging, api.now)
        self._known: dict[str, Catalog] = {}
        self._looked: float | None = None
        self._profile = ""
        self._gate: int | None = None
        self._away: dict[str, ServerFault] = {}
        """Events that could not be looked at the last time, and why."""
        self.fault: GateError | None = None
        """Why the last round did not bring everything; None: it did."""
        self.notice: GateError | None = None
        """What is to be known of the server though everything came; None: nothing."""

    @property
    def url(self) -> str:
        """The server's address."""
        return self._api.url

    @property
    def last_contact(self) -> float | None:
        """Monotonic seconds of the last good answer; None: never."""
        return self._api.last_contact

    # -- Source --------------------------------------------------------------------------------

    def statements(self, after: int) -> tuple[list[WireStatement], int]:
        """See `Source`: what is here is published even where the server fails half-way."""
        self.fault = None
        try:
            self._round()
        except ServerFault as fault:
            self.fault = fault
        if self._known:
            self._publish()
        return self._notary.statements(after)

    def rows(self, digest: bytes, sink: Callable[[bytes], object], limit: int) -> None:
        """See `Source`."""
        if not self._notary.body(digest, sink):
            raise BodyGone

    def redemptions(self, after: int) -> tuple[list[Redemption], int]:
        """See `Source`: check-ins at other gates, and our own as the server has them."""
        return redemptions(self._staging, after)

    def conflicts(self, after: int) -> tuple[list[ConflictRow], int]:
        """See `Source`: pretix tells none."""
        return [], after

    @property
    def bearer_left(self) -> int | None:
        """See `sync.roles.Server`: a device's token does not run out."""
        return None

    def push(
        self, epoch: bytes, entries: Sequence[dict[str, Any]], tip: tuple[int, bytes]
    ) -> RecordAnswers:
        """See `Backend`; pretix keeps no journal, so `tip` stays here."""
        return self.uploads.push(epoch, entries)

    def heartbeat(self, nonce: str, health: dict[str, Any]) -> Beat:
        """The server's time, signed here in answer to `nonce`; pretix has no wishes."""
        signed = self._notary.time(self._api.time(), bytes.fromhex(nonce))
        return Beat(time=base64.b64encode(signed).decode())

    def authority(self) -> PretixAuthority:
        """The same server, asked before a release."""
        return PretixAuthority(
            self._api,
            self.check_ins,
            self.places,
            self._mirror,
            self._staging,
            device=lambda: self._badge.enrolment.device_id,
            monotonic=self._monotonic,
        )

    def fetch_again(self) -> None:
        """Have everything fetched from the start, beside what is here."""
        with self._staging.transaction() as base:
            base.execute("DELETE FROM note WHERE name LIKE '%/revokedsecrets'")
            base.execute("DELETE FROM note WHERE name LIKE '%/blockedsecrets'")
            base.execute("DELETE FROM note WHERE name LIKE '%/reusablemedia'")
            base.execute("DELETE FROM catalog")
        for event in self._known:
            self._download.refetch(event)
        self._looked = None

    # -- a round -------------------------------------------------------------------------------

    def _round(self) -> None:
        self._download.begin(ROUND)
        seldom = self._looked is None or self._monotonic() - self._looked >= SELDOM
        if seldom:
            self._look()
        faults = list(self._away.values())
        try:
            for slug in self._known.keys() - self._away.keys():
                faults += self._fetch(self._known[slug])
            if seldom and self._has_orders:
                self._download.media()
        except OutOfTime:
            self._looked = None if seldom else self._looked  # media have not had their turn
            faults.append(self._download.loading or Loading(next(iter(self._known), "the event")))
        if faults:
            raise faults[0]

    def _look(self) -> None:
        """See who we are, what the events sell and let in; a lost event takes no other along."""
        device = self._api.one(wire.DeviceInfo, "/api/v1/device/info", "who it is").device
        self._badge.still_good()
        self._badge.tell(self._api)
        self._badge.learn(device.security_profile)
        self._profile = device.security_profile
        self._gate = device.gate.id if device.gate else None
        self._away.clear()
        chosen = self._chosen()
        # After a restart too: what is said of one event alone would be refused, or let in, as its.
        lasts = ((e, self._catalogs.last(e)) for e in chosen if e not in self._known)
        self._known |= {event: last for event, last in lasts if last is not None}
        for event in chosen:
            try:
                self._known[event] = self._catalogs.fetch(event)
            except _OF_AN_EVENT as fault:
                self._away[event] = fault
        self._looked = self._monotonic()

    def _chosen(self) -> tuple[str, ...]:
        """The events to admit tickets of; others are forgotten."""
        events = self._events or self._suggested()
        before = set(filter(None, self._staging.note("events").split()))
        for event in before - set(events):
            self.intake.drop_event(event)
            self._known.pop(event, None)
        self._staging.put("events", " ".join(events))
        return events

    def _suggested(self) -> tuple[str, ...]:
        """The event that the server suggests for this device and its gate, or the last one."""
        before = tuple(self._staging.note("events").split()[:1])
        query = f"?current_event={before[0]}" if before else ""
        found = self._api.maybe(wire.Selection, f"/api/v1/device/eventselection{query}", "an event")
        events = (found.event.slug,) if found else before
        if not events:
            raise NoEvent
        return events

    @property
    def _has_orders(self) -> bool:
        return self._profile not in WITHOUT_ORDERS

    def _fetch(self, catalog: Catalog) -> list[ServerFault]:
        """Codes taken back first: no signed code is believed that the server no longer knows."""
        slug = catalog.event.slug
        try:
            self._download.secrets(slug)
            if self._has_orders:
                self._orders(catalog)
            elif not self._signed_suffice or self._staging.count("position"):
                raise ProfileForbids(self._api.url, f"the orders of {slug}")
        except _OF_AN_EVENT as fault:
            return [fault]
        return []

    def _orders(self, catalog: Catalog) -> None:
        slug, asks = catalog.event.slug, catalog.asks
        told = sorted((item, sorted(questions)) for item, questions in asks.items())
        asked = repr((told, catalog.event.testmode))
        if self._staging.note(f"{slug}/asks") != asked:  # each ticket is to be judged anew
            self._download.refetch(slug)
            self._staging.put(f"{slug}/asks", asked)
        self._download.orders(slug, asks, catalog.event.testmode)

    def _publish(self) -> None:
        """Rules before tickets, so that they name each kind; none of it keeps back what follows.

        A list that was renamed keeps no cancellation from the lanes.
        """
        catalogs = list(self._known.values())
        faults = []
        for step in (self._keys, self._rules, lambda _: self._notary.rows(), self._check):
            try:
                step(catalogs)
            except ServerFault as fault:
                faults.append(fault)
        self.fault = next(iter(faults), self.fault)

    def _keys(self, catalogs: Sequence[Catalog]) -> None:
        keys = {key for catalog in catalogs for key in catalog.keys}
        if len(keys) > MAX_PRETIX_KEYS:
            raise TooManyKinds("keys of signed codes")
        self._notary.keyset(keys)
        self.notice = self._key_change.look(catalogs)

    def _check(self, catalogs: Sequence[Catalog]) -> None:
        check_lists(catalogs, self._lists)

    def _rules(self, catalogs: Sequence[Catalog]) -> None:
        with self._staging.transaction() as base:
            policy = policy_of(base, catalogs, self._lists, self._gate)
            name_lists(self._staging, list_names(catalogs, self._lists))
            self._notary.policy(policy_to_body(policy))

    def _organizer(self) -> str:
        return self._badge.enrolment.organizer

    def _list_row(self, number: int) -> wire.CheckInListRow | None:
        rows = (row for catalog in list(self._known.values()) for row in catalog.lists)
        return next((row for row in rows if row.id == number), None)

    def _claimed(self, number: int, direction: str, at: int) -> bytes | None:
        """The presentation that this gate claimed by a check-in; None: by none."""
        for found, name, way, when in self._mirror.claims_at(at / 1_000_000, 0.000_01):
            place = self.places.find(name)
            told = (place.list, way, microseconds(when)) if place else None
            if told == (number, direction, at):
                return found
        return None
