"""The one decision: may this credential pass? Pure; the order is how a steward would explain it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from admission import judge_code, judge_right, judge_time
from admission.direction import Direction
from admission.facts import Claim, ClaimState, Facts, flagged, list_is_old, shown_counter
from admission.history import on_list, resumable, without
from admission.judge_right import entries_allowed, entries_used, soft_passback
from admission.judge_time import unsure
from admission.rules import GroupRule
from admission.verdict import ADMITTED, Reason, Verdict
from tickets.rows import Status

__all__ = ["GAP", "TESTS", "Claim", "ClaimState", "Decision", "Facts", "decide", "entries_allowed"]


GAP = 20
"""Readings of a card between two showings that need no word: its owner's phone reads it too."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and what follows from it."""

    verdict: Verdict
    resumes: bytes | None = None
    """The interrupted admission that this one takes over, if it does."""
    alert: str = ""
    """What the steward must be told aloud although the guest is admitted; empty: nothing."""
    left: int = 0
    """Entries left after this one, of a ticket that allows a number of them."""
    overruled: Reason | None = None
    """What stands against a ticket whose holder is let out all the same."""


def decide(facts: Facts) -> Decision:
    """Say whether a verified credential may pass, and why not.

    An exit is never refused: what would refuse an entry becomes a warning (design, I11).
    """
    interrupted = resumable(facts.uses, facts.check_in_list.name) if facts.resume_open else None
    if interrupted and facts.direction is Direction.ENTRY:
        resumed = replace(facts, uses=without(facts.uses, interrupted.presentation))
        if (verdict := _judge(resumed)).admitted and not _judge(facts).admitted:
            verdict = verdict.noting("resumed after a restart")
            return Decision(verdict, interrupted.presentation, left=_left(resumed))
    verdict = _judge(facts)
    if facts.direction is Direction.EXIT and not verdict.admitted:
        warned = replace(ADMITTED, attention=f"exit with warning: {verdict.reason}")
        return Decision(warned, overruled=verdict.reason)
    if not verdict.admitted:
        return Decision(verdict)
    return Decision(verdict, alert=_alert(facts), left=_left(facts))


def _judge(facts: Facts) -> Verdict:
    for test in TESTS:
        if verdict := test(facts):
            return verdict
    return _marks(facts)


TESTS: tuple[Callable[[Facts], Verdict | None], ...] = (
    judge_code.rejected,
    judge_code.wrong_event,
    flagged(Status.REVOKED, Reason.REVOKED),
    judge_code.stale,
    judge_code.replayed,
    judge_time.clock,
    judge_time.list_age,
    judge_code.unknown,
    judge_code.ambiguous,
    flagged(Status.CANCELLED, Reason.CANCELLED),
    flagged(Status.BLOCKED, Reason.BLOCKED),
    flagged(Status.UNAPPROVED, Reason.UNAPPROVED),
    judge_time.early,
    judge_time.late,
    judge_right.wrong_list,
    judge_right.wrong_gate,
    judge_right.unpaid,
    judge_time.rules_refuse,
    judge_right.needs_answers,
    judge_right.medium,
    judge_right.used,
    judge_right.inside_already,
    judge_right.claimed,
    judge_right.full,
)
"""In the order of `Reason`; the first that answers decides."""


def _marks(facts: Facts) -> Verdict:
    """Admitted: with all that the steward should look at, and what is left of a group."""
    verdict = ADMITTED
    uses = on_list(facts.uses, facts.check_in_list.name)
    if facts.product.attention:
        verdict = verdict.noting(facts.product.attention)
    elif facts.ticket and facts.ticket.flags & Status.ATTENTION:
        verdict = verdict.noting("special ticket: please check")
    if facts.direction is Direction.ENTRY and soft_passback(facts, uses):
        verdict = verdict.noting("already inside")
    if facts.claim.state is ClaimState.UNCLAIMED:
        verdict = verdict.noting("unclaimed: not checked with other gates")
    if unsure(facts):
        verdict = verdict.noting("clock not trusted: times not checked")
    if list_is_old(facts):
        verdict = verdict.noting("list too old")
    if _gap(facts):
        verdict = verdict.noting("card was read elsewhere in between")
    return replace(verdict, detail=_group(facts))


def _gap(facts: Facts) -> bool:
    """Whether the card was read so often since it was last shown that somebody may collect."""
    shown = shown_counter(facts)
    return shown is not None and facts.counter is not None and shown - facts.counter > GAP


def _alert(facts: Facts) -> str:
    uses = on_list(facts.uses, facts.check_in_list.name)
    if facts.direction is Direction.ENTRY and soft_passback(facts, uses):
        return "A ticket that is already inside has entered again"
    return ""


def _left(facts: Facts) -> int:
    allowed = entries_allowed(facts)
    if not allowed or facts.direction is Direction.EXIT:
        return 0
    return allowed - entries_used(facts) - 1


def _group(facts: Facts) -> str:
    if entries_allowed(facts) <= 1 or facts.direction is Direction.EXIT:
        return ""
    left = _left(facts)
    if not left:
        return "the last of this ticket"
    shown_once = facts.product.group is GroupRule.ONE_SHOWS_ALL
    return f"{left} left, they may follow" if shown_once else f"{left} left, show again"
