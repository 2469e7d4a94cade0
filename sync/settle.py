"""Settling claims: what the journal says decides; what it does not know is given back.

A claim without a standing entry keeps a guest out for nothing; a standing entry without its claim
lets a second one in. Both are prevented here.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from admission.history import COUNTING, Standing
from store.mirror import Intent, JournalFact, Mirror
from store.records import Entry, Kind
from store.uses import standing_after
from sync.answers import OpenClaim
from sync.backend import Authority
from sync.errors import ClaimOnTheWay, ServerFault, ServerRefused

log = logging.getLogger(__name__)
GRACE = 15.0
"""Seconds after which a claim that the journal does not know was not acted on. A lane acts on no
commit that returns more than 10 s after its claim was asked, however slow the card: until then
an annulment could free a ticket whose guest is let in."""
_NOT_HELD = frozenset({"taken", "refused"})
_OF_THE_MOMENT = frozenset({401, 408, 425, 429})
"""Statuses below 500 that speak of us or of the moment, not of the claim."""
KEPT = 20_000
"""Settled intents that stay: a steward may take an entry back hours later."""
_FORGET_EVERY = 60.0
_ROUND = 200
"""Annulments of one round: the role must give a sign of life between."""


@dataclass(frozen=True, slots=True)
class Action:
    """What to do about one intent."""

    presentation: bytes
    do: Literal["annul", "stands", "not_held"]


def settle(
    intents: Iterable[Intent], caught_up: bool, epoch: bytes, age: Callable[[bytes], float]
) -> list[Action]:
    """Judge every open intent.

    Args:
        caught_up: The journal of `epoch` was read to its head at the time that `age` counts to.
        age: Seconds since the intent of a presentation was made, or found after a restart.
    Returns:
        Actions for those that can be settled; the others wait.
    """
    judged = ((intent, _judge(intent, caught_up, epoch, age)) for intent in intents)
    return [Action(intent.presentation, do) for intent, do in judged if do is not None]


def _judge(
    intent: Intent, caught_up: bool, epoch: bytes, age: Callable[[bytes], float]
) -> Literal["annul", "stands", "not_held"] | None:
    if intent.counts is not None:
        return "stands" if intent.counts else "annul"
    if intent.verdict == "admitted":  # still at the turnstile
        return None
    if intent.result in _NOT_HELD:
        return "not_held"
    if intent.verdict == "refused":
        return "annul"
    # Another epoch's journal cannot be asked any more: an entry in it may stand. Kept.
    readable = caught_up and intent.epoch in (b"", epoch)
    return "annul" if readable and age(intent.presentation) >= GRACE else None


def _is_final(error: ServerRefused) -> bool:
    """Whether the refusal is about this claim and will be the same tomorrow.

    A revoked device is refused everything: what it holds is settled once it may work again.
    """
    about_us = error.status in _OF_THE_MOMENT or error.error == "device_revoked"
    return error.status < 500 and not about_us


def fact_of(entry: Entry) -> JournalFact | None:
    """What a journal entry says of its presentation, if it says something here.

    Source: docs/protocol.md, "What counts as an entry at central".
    """
    record = entry.record
    if record.presentation is None:
        return None
    if record.kind is Kind.SCAN:
        ended = record.at if record.verdict == "refused" else None
        return JournalFact(record.presentation, verdict=record.verdict, ended=ended)
    standing = standing_after(record.kind, record.detail)
    if standing in (None, Standing.RESUMED):
        # A resumed entry's claim is not given back: the server takes the new entry in its place
        # when the records come, and until then it is what keeps others out.
        return None
    counts = standing in COUNTING
    ended = None if counts else record.at
    return JournalFact(record.presentation, None, record.kind.value, counts, ended)


class Settler:
    """Carries out `settle`: closes intents, and annuls until the authority has acknowledged.

    Args:
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        authority: Authority,
        mirror: Mirror,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority, self._mirror, self._monotonic = authority, mirror, monotonic
        self._lock = threading.Lock()
        self._born: dict[bytes, float] = {}
        self._due: dict[bytes, None] = {}
        """To annul; in the order in which they are tried."""
        self._forget_at = monotonic()
        self.to_compare = True
        """The authority's open claims are to be looked at: at start and after it was away."""

    def judge(self, caught_up: bool, epoch: bytes, at: float) -> None:
        """Settle what the journal decides; `at`: monotonic seconds before it was read to its head.

        An intent found here for the first time is not older than this process knows.
        """
        now = self._monotonic()
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY
            self._mirror.forget_intents(KEPT)
        intents = self._mirror.open_intents()
        with self._lock:
            known = {i.presentation: self._born.get(i.presentation, now) for i in intents}
            self._born = known
        for action in settle(intents, caught_up, epoch, lambda p: at - known[p]):
            if action.do == "annul":
                with self._lock:
                    self._due.setdefault(action.presentation)
            else:
                self._mirror.close_intent(action.presentation, action.do)

    def work(self) -> None:
        """Annul what is due, 200 at most. A claim that is refused for itself holds up no other.

        Raises:
            ServerFault: the rest stays due; call again later.
        """
        with self._lock:
            due = list(self._due)[:_ROUND]
        for presentation in due:
            try:
                how = self._give_back(presentation)
            except ClaimOnTheWay:
                continue  # asked again when it has arrived or never will
            except ServerFault:
                with self._lock:  # it may fail at this one alone: the others come first now
                    self._due[presentation] = self._due.pop(presentation, None)
                raise
            self._mirror.close_intent(presentation, how)
            with self._lock:
                self._due.pop(presentation, None)

    def _give_back(self, presentation: bytes) -> Literal["annulled", "not_ours"]:
        try:
            self._authority.annul(presentation)
        except ServerRefused as error:
            if not _is_final(error):
                raise
            # Enrolled again, this gate is another device: the old one's claims are beyond us.
            log.error("claim %s cannot be given back: %s", presentation.hex(), error)
            return "not_ours"
        return "annulled"

    def compare(self, epoch: bytes, note_again: Callable[[], object]) -> None:
        """Take up claims that the authority holds open and we do not: our mirror was lost.

        Args:
            epoch: Of the journal that is read.
            note_again: Has what that journal says noted once more, before the next `judge` but one.
        Raises:
            ServerFault: call again later.
        """
        claims = self._authority.open_claims()
        how_closed = {c.presentation: self._mirror.how_closed(c.presentation) for c in claims}
        unknown = [claim for claim in claims if how_closed[claim.presentation] is None]
        if unknown:
            note_again()  # first: an intent that `judge` finds has its facts noted before the next
        for claim in unknown:
            self._mirror.intend(self._adopted(claim, epoch))
        again = {presentation for presentation, how in how_closed.items() if how == "annulled"}
        for presentation in again:
            log.warning("claim %s is open again", presentation.hex())
        with self._lock:
            self._due |= dict.fromkeys(again)
        self.to_compare = False

    def _adopted(self, claim: OpenClaim, epoch: bytes) -> Intent:
        kind = self._authority.kind
        return Intent(
            claim.presentation, claim.ticket_key, claim.list, "entry", claim.at, kind, epoch
        )
