"""Asking pretix before a release. Its check-in is the claim, the presentation its nonce.

pretix leaves no tombstone where it had nothing to annul: a claim that got no answer is annulled,
waited out and annulled again; and one that shows up even later, among our own check-ins, once more.
"""

import logging
import threading
import time
from collections.abc import Callable

from admission.verdict import FROM_PRETIX
from store.mirror import Mirror
from sync.answers import OpenClaim
from sync.backend import Claim, ClaimResult, Granted, Refused, Taken, Unreachable
from sync.errors import ClaimOnTheWay, ServerFault, ServerRefused
from sync.pretix.api import Pretix
from sync.pretix.checkins import CheckIns, Said
from sync.pretix.errors import DeviceRevoked, PretixRefused
from sync.pretix.places import Place, Places
from sync.pretix.redeemed import device_name
from sync.pretix.staging import Staging

log = logging.getLogger(__name__)
ON_THE_WAY = 60.0
"""Seconds in which a request that nobody waits for any more may still be served: what usual web
servers and proxies allow. A later one is found among our own check-ins."""
CLOCKS_APART = 60.0
"""Seconds between a claim's time and the server's, beyond which it is no time to judge by."""
_USED = "already_redeemed"
_BY_TIME = frozenset({"invalid_time", "rules"})
_CONFLICT, _BAD = 409, 400


class PretixAuthority:
    """Fills `sync.backend.Authority`. Thread-safe.

    Args:
        device: Our own number at the organizer.
        monotonic: Seconds that never jump.
    """

    kind = "pretix"

    def __init__(
        self,
        api: Pretix,
        check_ins: CheckIns,
        places: Places,
        mirror: Mirror,
        staging: Staging,
        *,
        device: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._check_ins, self._places = api, check_ins, places
        self._mirror, self._staging, self._device = mirror, staging, device
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._unanswered: dict[bytes, float] = {}
        """Claims that may still be on their way -> monotonic seconds until which."""
        self._before = monotonic() + ON_THE_WAY
        """Until when that may be so of any claim of an earlier run."""
        self._asked: set[bytes] = set()
        """Claims on their way that were annulled once already."""
        self._gone: set[bytes] = set()
        """Claims that the server was seen to hold no more."""

    def claim(self, claim: Claim, seconds: float) -> ClaimResult:
        """See `Authority`."""
        end = self._monotonic() + seconds
        place = self._places.find(claim.list, claim.ticket_key)
        if place is None or (place.position is None and claim.code is None):
            return Unreachable()  # nothing of it is known there by a name that we have
        self._leaves(claim.presentation)
        try:
            self._give_back_before(claim, place, end)
            said = self._check_ins.redeem(
                place,
                claim.presentation,
                claim.direction,
                claim.at,
                code=claim.code,  # its number would not tell that the ticket has another one now
                seconds=max(0.001, end - self._monotonic()),
            )
        except (ServerFault, DeviceRevoked):  # what it was shows in the probes and the next round
            return Unreachable()
        with self._lock:
            self._unanswered.pop(claim.presentation, None)
        if said.reason in _BY_TIME and abs(claim.at - self._api.now()) > CLOCKS_APART:
            log.warning("pretix judged a claim by a time that is not the server's own")
            return Unreachable()  # the gate itself weighs how sure it is of the time
        return _result(said, place, claim.at)

    def _give_back_before(self, claim: Claim, place: Place, end: float) -> None:
        """Whatever of this ticket this gate still holds for nobody must not be in its way."""
        held = [
            (intent.presentation, intent.at)
            for intent in self._mirror.open_intents()
            if (intent.ticket_key, intent.list) == (claim.ticket_key, claim.list)
            and intent.presentation != claim.presentation
            and (intent.verdict == "refused" or intent.counts is False)
        ]
        if claim.instead_of is not None:
            held.append((claim.instead_of, claim.at))
        for presentation, at in dict(held).items():
            left = max(0.001, end - self._monotonic())
            self._check_ins.annul(place, presentation, at, left)

    def annul(self, presentation: bytes) -> None:
        """See `Authority`.

        Raises:
            ClaimOnTheWay: it may arrive yet; call again.
            ServerRefused: it stands at the server, and stays: status 409.
        """
        known = self._mirror.claimed(presentation)
        place = self._places.find(known.list) if known else None
        if known is None or place is None:
            raise ServerRefused(self._api.url, _CONFLICT, "list_missing", "no such list any more")
        until = self._on_the_way_until(presentation)
        if not self._waits(presentation, until):
            try:
                there = self._check_ins.annul(place, presentation, known.ended or known.at)
            except PretixRefused as error:
                if error.status != _BAD:
                    raise
                raise ServerRefused(self._api.url, _CONFLICT, "stands", error.said) from error
            if there:
                self._forget(presentation, gone=True)
                return
        if self._monotonic() < until:
            raise ClaimOnTheWay
        self._forget(presentation)

    def _waits(self, presentation: bytes, until: float) -> bool:
        """Whether it was asked for once already and is to be waited for; notes the first time."""
        with self._lock:
            asked = presentation in self._asked
            self._asked.add(presentation)
        return asked and self._monotonic() < until

    def _leaves(self, presentation: bytes) -> None:
        now = self._monotonic()
        with self._lock:
            left = self._unanswered.items()
            self._unanswered = {old: until for old, until in left if until > now}
            self._unanswered[presentation] = now + ON_THE_WAY

    def _on_the_way_until(self, presentation: bytes) -> float:
        with self._lock:
            return self._unanswered.get(presentation, self._before)

    def _forget(self, presentation: bytes, gone: bool = False) -> None:
        with self._lock:
            self._unanswered.pop(presentation, None)
            self._asked.discard(presentation)
            if gone:
                self._gone.add(presentation)

    def open_claims(self) -> list[OpenClaim]:
        """Our check-ins that stand at the server, as last downloaded, although they were annulled.

        Others need no look: what stands in the journal is uploaded, what was not acted on has its
        intent.
        """
        given_back = self._mirror.given_back() - self._gone
        if not given_back:
            return []
        query = (
            "SELECT c.presentation, p.key, l.name, c.at FROM checkin c"
            " JOIN position p ON p.id = c.position JOIN list l ON l.id = c.list"
            " WHERE c.stands = 1 AND c.device = ?"
        )
        with self._staging.transaction() as base:
            rows = base.execute(query, (self._device(),)).fetchall()
        return [
            OpenClaim.model_construct(presentation=p, ticket_key=key, list=name, at=at / 1e6)
            for p, key, name, at in rows
            if p in given_back
        ]

    def probe(self, seconds: float) -> bool:
        """See `Authority`."""
        return self._api.answers(seconds)


def _result(said: Said, place: Place, at: float) -> ClaimResult:
    if said.ok:
        return Granted()
    if said.reason == _USED:
        return _taken(said, place, at)
    reason = FROM_PRETIX.get(said.reason)  # 404 without one: of the list or event, not the ticket
    if reason is None:
        log.error("pretix cannot judge a claim at list %d: %s", place.list, said.words)
        return Unreachable()
    return Refused(reason.value)


def _taken(said: Said, place: Place, at: float) -> Taken:
    here = [row for row in said.before if row.list == place.list]
    if not here:
        return Taken("another device", at)
    last = max(here, key=lambda row: row.datetime)
    return Taken(device_name(last.device_id), last.datetime.timestamp())
