"""The one decision: may this credential pass? Pure; the order is how a steward would explain it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from admission.clock import Reading, clock_time
from admission.direction import Direction
from admission.history import (
    Standing,
    Use,
    entries_spent,
    inside,
    newest_drawing,
    on_list,
    resumable,
    without,
)
from admission.pretix_judge import (
    checked_out,
    is_sure,
    misplaced,
    rule_refusals,
    spent,
)
from admission.pretix_policy import NO_EVENT, PretixEvent
from admission.rules import (
    AntiPassback,
    CheckInList,
    Fallback,
    GatePolicy,
    GroupRule,
    Product,
)
from admission.verdict import ADMITTED, Reason, Verdict, refused
from tickets.ad2 import WINDOW
from tickets.credential import Credential, Format, Rejection
from tickets.rows import Status, Ticket

DAY = 86_400.0
GAP = 20
"""Readings of a card between two showings that need no word: its owner's phone reads it too."""


class ClaimState(StrEnum):
    """What is known of the claim at the authority."""

    NONE = "none"
    """No claim is due, or none was asked yet."""
    GRANTED = "granted"
    TAKEN = "taken"
    REFUSED = "refused"
    UNCLAIMED = "unclaimed"
    """Due, but no authority answered within its budget."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An authority's answer; `where` and `at` say who was faster, `reason` why it refused."""

    state: ClaimState = ClaimState.NONE
    where: str = ""
    at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision may depend on. Times in seconds."""

    credential: Credential | Rejection
    ticket: Ticket | None
    """The list row (with the deltas since); None: not on the list."""
    product: Product
    uses: tuple[Use, ...]
    check_in_list: CheckInList
    direction: Direction
    reading: Reading
    policy: GatePolicy
    claim: Claim = Claim()
    list_age: float | None = 0.0
    """Since the list was last known to be current; None: there is nothing to tell it by."""
    resume_open: bool = False
    """This lane came back after a crash less than 120 s ago."""
    training: bool = False
    """The lane is in training mode: test tickets count, real ones do not, and the reverse."""
    counter: int | None = None
    """Highest counter of this card's messages shown here or, as far as known, at another gate;
    None: none was, or what is shown is no message.
    """
    inside_now: int = 0
    """People inside on this list, as far as this gate knows."""
    follows: bool = False
    """A further person of a group that is shown once: the code was judged with the first."""
    event: PretixEvent = NO_EVENT
    """Of the ticket, at a pretix server."""
    ambiguous: bool = False
    """Several tickets have this code, and the list does not tell which of them is meant."""
    by_medium: bool = False
    """A reusable medium was shown, which stands for the ticket."""


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


def _rejected(facts: Facts) -> Verdict | None:
    if isinstance(facts.credential, Rejection):
        return refused(Reason(facts.credential.flaw.value), facts.credential.detail)
    return None


def _wrong_event(facts: Facts) -> Verdict | None:
    here, sold = facts.check_in_list.pretix, facts.product.pretix
    if here and sold and sold.event != here.event:
        return refused(Reason.WRONG_EVENT, f"for {sold.event}")
    return None


def _flag(status: Status, reason: Reason) -> Callable[[Facts], Verdict | None]:
    bits = int(status)  # `&` of two enum flags costs as much as all other tests together

    def test(facts: Facts) -> Verdict | None:
        return refused(reason) if facts.ticket and int(facts.ticket.flags) & bits else None

    return test


def _stale(facts: Facts) -> Verdict | None:
    if (drawn_at := _drawn_at(facts)) is None:
        return _not_live(facts)
    age, doubt = facts.reading.at - drawn_at, facts.reading.uncertainty
    if abs(age) <= WINDOW + doubt:
        return None
    if age < 0:
        return refused(Reason.STALE_CODE, f"drawn {-age:.0f} s ahead of now: the phone's clock")
    return refused(Reason.STALE_CODE, f"drawn {_told(drawn_at, facts)}")


def _not_live(facts: Facts) -> Verdict | None:
    """A ticket that lives on a phone counts by its live code alone: all else can be copied."""
    shown = facts.credential
    if isinstance(shown, Rejection) or shown.format is Format.AD2 or facts.follows:
        return None
    listed = bool(facts.ticket and int(facts.ticket.flags) & int(Status.BOUND))
    if listed or shown.holder_key:
        return refused(Reason.STALE_CODE, "a ticket of a phone, without its live code")
    return None


def _drawn_at(facts: Facts) -> int | None:
    """When the live code was drawn that is to be judged; None: there is none."""
    shown = facts.credential
    return None if isinstance(shown, Rejection) or facts.follows else shown.drawn_at


def _replayed(facts: Facts) -> Verdict | None:
    if (drawn_at := _drawn_at(facts)) is not None:
        newest = newest_drawing(facts.uses)
        used_up = newest is not None and drawn_at <= newest
        return refused(Reason.REPLAYED, "this code was used before") if used_up else None
    shown = _counter(facts)
    if shown is None or facts.counter is None or shown > facts.counter:
        return None
    return refused(Reason.REPLAYED, "this reading of the card was shown before")


def _counter(facts: Facts) -> int | None:
    return facts.credential.counter if isinstance(facts.credential, Credential) else None


def _clock(facts: Facts) -> Verdict | None:
    if facts.policy.on_unknown_clock is Fallback.REFUSE and _unsure(facts):
        error = facts.reading.uncertainty
        doubt = f" ± {error:.0f} s" if error < DAY else ""
        return refused(Reason.CLOCK_UNTRUSTED, f"clock {facts.reading.state}{doubt}")
    return None


def _list_age(facts: Facts) -> Verdict | None:
    if facts.policy.on_old_list is Fallback.REFUSE and _list_is_old(facts):
        return refused(Reason.LIST_TOO_OLD)
    return None


def _unknown(facts: Facts) -> Verdict | None:
    if facts.ticket is not None:
        return None
    if facts.check_in_list.pretix and not facts.product.pretix:
        return refused(Reason.UNKNOWN)  # signed, but of no product that is sold here
    # The code under a signed ticket's picture names the ticket, but no issuer has signed it.
    signed = isinstance(facts.credential, Credential) and bool(facts.credential.issuer)
    return None if signed and not facts.policy.list_required else refused(Reason.UNKNOWN)


def _ambiguous(facts: Facts) -> Verdict | None:
    return refused(Reason.AMBIGUOUS) if facts.ambiguous else None


def _windows(facts: Facts) -> list[tuple[int | None, int | None]]:
    rules = facts.check_in_list
    windows = [(rules.valid_from, rules.valid_until)]
    if facts.ticket:
        windows.append((facts.ticket.valid_from or None, facts.ticket.valid_until or None))
    if isinstance(facts.credential, Credential):
        windows.append((facts.credential.valid_from, facts.credential.valid_until))
    return windows


def _told(at: float, facts: Facts) -> str:
    """A time as the steward's own watch shows it."""
    return clock_time(at, facts.reading.at, facts.policy.timezone)


def _leaves_pretix(facts: Facts) -> bool:
    """Times, rules and questions of pretix are about entries alone."""
    return facts.direction is Direction.EXIT and facts.check_in_list.pretix is not None


def _early(facts: Facts) -> Verdict | None:
    if _leaves_pretix(facts):
        return None
    latest = facts.reading.at + facts.reading.uncertainty
    for start, _ in _windows(facts):
        if start is not None and latest < start:
            return refused(Reason.TOO_EARLY, f"valid from {_told(start, facts)}")
    return None


def _late(facts: Facts) -> Verdict | None:
    if _leaves_pretix(facts):
        return None
    earliest = facts.reading.at - facts.reading.uncertainty
    for _, end in _windows(facts):
        if end is not None and earliest > end:
            return refused(Reason.TOO_LATE, f"valid until {_told(end, facts)}")
    return None


def _unsure(facts: Facts) -> bool:
    """Whether some limit lies within the clock's uncertainty, and that is worth a word.

    Within a second of a limit a synchronised clock decides for the guest: nobody asked could do
    better. But the kernel calls itself synchronised with an error of up to 16 s.
    """
    reading = facts.reading
    if is_sure(reading):
        return False
    if len({refusal is None for refusal in _rule_refusals(facts)}) > 1:
        return True
    limits: list[float] = [
        limit for window in _windows(facts) for limit in window if limit is not None
    ]
    if (drawn_at := _drawn_at(facts)) is not None:
        limits += [drawn_at - WINDOW, drawn_at + WINDOW]
    return any(abs(reading.at - limit) <= reading.uncertainty for limit in limits)


def _wrong_list(facts: Facts) -> Verdict | None:
    if facts.product.test != facts.training and facts.direction is Direction.ENTRY:
        detail = "lane in training: test tickets only" if facts.training else "a test ticket"
        return refused(Reason.WRONG_LIST, detail)
    products = facts.check_in_list.products
    if products and facts.product.number not in products:
        return refused(Reason.WRONG_LIST, facts.product.name)
    here, sold = facts.check_in_list.pretix, facts.product.pretix
    if here and sold and (why := misplaced(here, sold)):
        return refused(Reason.WRONG_LIST, why)
    return None


def _wrong_gate(facts: Facts) -> Verdict | None:
    gates = facts.check_in_list.gates
    if gates and facts.policy.gate not in gates:
        return refused(Reason.WRONG_GATE, f"for {', '.join(sorted(gates))}")
    return None


def _unpaid(facts: Facts) -> Verdict | None:
    if not (facts.ticket and int(facts.ticket.flags) & int(Status.UNPAID)):
        return None
    here = facts.check_in_list.pretix
    at_the_desk = bool(here and here.include_pending)
    return refused(Reason.UNPAID, "this entrance takes who pays later" if at_the_desk else "")


def _rules(facts: Facts) -> Verdict | None:
    refusals = _rule_refusals(facts)
    # What a doubtful clock cannot decide is `_clock`'s and a mark's business, not a refusal's.
    if not refusals or None in refusals:
        return None
    return refused(Reason.RULES, refusals[0] or "")


def _rule_refusals(facts: Facts) -> list[str | None]:
    here = facts.check_in_list.pretix
    if here is None or here.rules is None or facts.direction is Direction.EXIT:
        return []
    sold, uses = facts.product.pretix, _uses(facts)
    return rule_refusals(here.rules, sold, facts.event, uses, facts.reading)


def _needs_answers(facts: Facts) -> Verdict | None:
    if _leaves_pretix(facts):
        return None
    sold = facts.product.pretix
    unasked = facts.ticket is None and sold is not None and sold.questions
    return refused(Reason.NEEDS_ANSWERS) if unasked else _NEEDS_ANSWERS(facts)


_NEEDS_ANSWERS = _flag(Status.NEEDS_ANSWERS, Reason.NEEDS_ANSWERS)


def _medium(facts: Facts) -> Verdict | None:
    sold = facts.product.pretix
    if sold is None or not sold.medium or facts.by_medium:
        return None
    if not (facts.ticket and int(facts.ticket.flags) & int(Status.EXCHANGED)):
        return refused(Reason.NEEDS_MEDIUM)
    return refused(Reason.ALREADY_EXCHANGED) if facts.event.media_enforced else None


def _uses(facts: Facts) -> tuple[Use, ...]:
    """What counts on the list, with the check-outs that nobody had to scan."""
    uses, here = on_list(facts.uses, facts.check_in_list.name), facts.check_in_list.pretix
    if here is None or here.exit_all_at is None:
        return uses
    return checked_out(uses, here.exit_all_at, facts.reading.at, facts.event.zone)


def _spent(facts: Facts) -> int:
    rules, uses = facts.check_in_list, _uses(facts)
    if rules.pretix:
        return spent(uses, rules.reentry_after_exit)
    return entries_spent(uses, rules.reentry_after_exit)


def entries_allowed(facts: Facts) -> int:
    """Entries this ticket has on this list; 0: any number."""
    if facts.product.staff:
        return 0
    if facts.check_in_list.entries is not None:
        return facts.check_in_list.entries
    if facts.ticket:
        return facts.ticket.entries
    signed = facts.credential.entries if isinstance(facts.credential, Credential) else None
    return 1 if signed is None else signed


def _used(facts: Facts) -> Verdict | None:
    allowed = entries_allowed(facts)
    if facts.direction is Direction.EXIT or not allowed or _spent(facts) < allowed:
        return None
    last = [u for u in _uses(facts) if u.direction is Direction.ENTRY][-1]
    doubt = ", interrupted: ask the guest" if last.standing is Standing.INTERRUPTED else ""
    return refused(
        Reason.ALREADY_REDEEMED,
        f"entered {last.where} {_told(last.at, facts)}{doubt}",
    )


def _inside(facts: Facts) -> Verdict | None:
    rules = facts.check_in_list
    if facts.product.staff or facts.direction is Direction.EXIT:
        return None
    uses = on_list(facts.uses, rules.name)
    if rules.anti_passback is AntiPassback.HARD and inside(uses) >= facts.product.people:
        return refused(Reason.ALREADY_INSIDE, _last_entry(uses, facts))
    if rules.anti_passback is AntiPassback.TIMED:
        # Either side of now: an entry recorded by a clock that ran ahead refuses no longer either.
        span = 60 * rules.passback_minutes
        entries = [u for u in uses if u.direction is Direction.ENTRY]
        if sum(abs(facts.reading.at - u.at) < span for u in entries) >= facts.product.people:
            return refused(Reason.ALREADY_INSIDE, _last_entry(uses, facts))
    return None


def _last_entry(uses: tuple[Use, ...], facts: Facts) -> str:
    entries = [u for u in uses if u.direction is Direction.ENTRY]
    return f"entered {entries[-1].where} {_told(entries[-1].at, facts)}" if entries else ""


def _claim(facts: Facts) -> Verdict | None:
    claim = facts.claim
    if claim.state is ClaimState.TAKEN:
        when = f" {_told(claim.at, facts)}" if claim.at is not None else ""
        return refused(Reason.TAKEN_ELSEWHERE, f"{claim.where}{when}".strip())
    if claim.state is ClaimState.REFUSED:
        known = claim.reason in {reason.value for reason in Reason}
        return refused(Reason(claim.reason) if known else Reason.TAKEN_ELSEWHERE, claim.reason)
    if claim.state is ClaimState.UNCLAIMED and facts.policy.on_unclaimed is Fallback.REFUSE:
        return refused(Reason.TAKEN_ELSEWHERE, "cannot be ruled out: no answer from the server")
    return None


def _full(facts: Facts) -> Verdict | None:
    capacity = facts.check_in_list.capacity
    if facts.direction is Direction.ENTRY and capacity is not None and not facts.product.staff:
        return refused(Reason.FULL) if facts.inside_now >= capacity else None
    return None


TESTS: tuple[Callable[[Facts], Verdict | None], ...] = (
    _rejected,
    _wrong_event,
    _flag(Status.REVOKED, Reason.REVOKED),
    _stale,
    _replayed,
    _clock,
    _list_age,
    _unknown,
    _ambiguous,
    _flag(Status.CANCELLED, Reason.CANCELLED),
    _flag(Status.BLOCKED, Reason.BLOCKED),
    _flag(Status.UNAPPROVED, Reason.UNAPPROVED),
    _early,
    _late,
    _wrong_list,
    _wrong_gate,
    _unpaid,
    _rules,
    _needs_answers,
    _medium,
    _used,
    _inside,
    _claim,
    _full,
)
"""In the order of `Reason`; the first that answers decides."""


def _list_is_old(facts: Facts) -> bool:
    # Nothing known of its age is no news of its being old: only what is known refuses (I11).
    return facts.list_age is not None and facts.list_age > facts.policy.old_list_after


def _marks(facts: Facts) -> Verdict:
    """Admitted: with all that the steward should look at, and what is left of a group."""
    verdict = ADMITTED
    uses = on_list(facts.uses, facts.check_in_list.name)
    if facts.product.attention:
        verdict = verdict.noting(facts.product.attention)
    elif facts.ticket and facts.ticket.flags & Status.ATTENTION:
        verdict = verdict.noting("special ticket: please check")
    if facts.direction is Direction.ENTRY and _soft_passback(facts, uses):
        verdict = verdict.noting("already inside")
    if facts.claim.state is ClaimState.UNCLAIMED:
        verdict = verdict.noting("unclaimed: not checked with other gates")
    if _unsure(facts):
        verdict = verdict.noting("clock not trusted: times not checked")
    if _list_is_old(facts):
        verdict = verdict.noting("list too old")
    if _gap(facts):
        verdict = verdict.noting("card was read elsewhere in between")
    return replace(verdict, detail=_group(facts))


def _gap(facts: Facts) -> bool:
    """Whether the card was read so often since it was last shown that somebody may collect."""
    shown = _counter(facts)
    return shown is not None and facts.counter is not None and shown - facts.counter > GAP


def _soft_passback(facts: Facts, uses: tuple[Use, ...]) -> bool:
    soft = facts.check_in_list.anti_passback is AntiPassback.SOFT
    return soft and not facts.product.staff and inside(uses) >= facts.product.people


def _alert(facts: Facts) -> str:
    uses = on_list(facts.uses, facts.check_in_list.name)
    if facts.direction is Direction.ENTRY and _soft_passback(facts, uses):
        return "A ticket that is already inside has entered again"
    return ""


def _left(facts: Facts) -> int:
    allowed = entries_allowed(facts)
    if not allowed or facts.direction is Direction.EXIT:
        return 0
    return allowed - _spent(facts) - 1


def _group(facts: Facts) -> str:
    if entries_allowed(facts) <= 1 or facts.direction is Direction.EXIT:
        return ""
    left = _left(facts)
    if not left:
        return "the last of this ticket"
    shown_once = facts.product.group is GroupRule.ONE_SHOWS_ALL
    return f"{left} left, they may follow" if shown_once else f"{left} left, show again"
