"""What the list, its uses and the authority say against a ticket."""

from admission.direction import Direction
from admission.facts import ClaimState, Facts, flagged, leaves_pretix, told, uses_on_list
from admission.history import Standing, Use, entries_spent, inside, on_list
from admission.pretix_judge import misplaced, spent
from admission.rules import AntiPassback, Fallback
from admission.verdict import Reason, Verdict, refused
from tickets.credential import Credential
from tickets.rows import Status


def wrong_list(facts: Facts) -> Verdict | None:
    """Another product, another date, or a test ticket."""
    if facts.product.test != facts.training and facts.direction is Direction.ENTRY:
        detail = "lane in training: test tickets only" if facts.training else "a test ticket"
        return refused(Reason.WRONG_LIST, detail)
    products = facts.check_in_list.products
    if products and facts.product.number not in products:
        return refused(Reason.WRONG_LIST, facts.product.name)
    here, sold = facts.check_in_list.pretix, facts.product.pretix
    if here and sold is None:  # what the rules do not name, they do not admit
        return refused(Reason.WRONG_LIST, "a kind of ticket that the rules do not name")
    if here and sold and (why := misplaced(here, sold)):
        return refused(Reason.WRONG_LIST, why)
    return None


def wrong_gate(facts: Facts) -> Verdict | None:
    """Not for this gate."""
    gates = facts.check_in_list.gates
    if gates and facts.policy.gate not in gates:
        return refused(Reason.WRONG_GATE, f"for {', '.join(sorted(gates))}")
    return None


def unpaid(facts: Facts) -> Verdict | None:
    """The order is open."""
    if not (facts.ticket and int(facts.ticket.flags) & int(Status.UNPAID)):
        return None
    here = facts.check_in_list.pretix
    at_the_desk = bool(here and here.include_pending)
    return refused(Reason.UNPAID, "this entrance takes who pays later" if at_the_desk else "")


def needs_answers(facts: Facts) -> Verdict | None:
    """Questions that nobody has answered."""
    if leaves_pretix(facts):
        return None
    sold = facts.product.pretix
    unasked = facts.ticket is None and sold is not None and sold.questions
    return refused(Reason.NEEDS_ANSWERS) if unasked else _NEEDS_ANSWERS(facts)


_NEEDS_ANSWERS = flagged(Status.NEEDS_ANSWERS, Reason.NEEDS_ANSWERS)


def medium(facts: Facts) -> Verdict | None:
    """To be exchanged for a reusable medium, or exchanged."""
    sold = facts.product.pretix
    if sold is None or not sold.medium or facts.by_medium:
        return None
    if not (facts.ticket and int(facts.ticket.flags) & int(Status.EXCHANGED)):
        return refused(Reason.NEEDS_MEDIUM)
    return refused(Reason.ALREADY_EXCHANGED) if facts.event.media_enforced else None


def entries_used(facts: Facts) -> int:
    """Entry rights that are gone, as the list counts."""
    rules, uses = facts.check_in_list, uses_on_list(facts)
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


def used(facts: Facts) -> Verdict | None:
    """No entry is left."""
    allowed = entries_allowed(facts)
    if facts.direction is Direction.EXIT or not allowed or entries_used(facts) < allowed:
        return None
    last = [u for u in uses_on_list(facts) if u.direction is Direction.ENTRY][-1]
    doubt = ", interrupted: ask the guest" if last.standing is Standing.INTERRUPTED else ""
    return refused(
        Reason.ALREADY_REDEEMED,
        f"entered {last.where} {told(last.at, facts)}{doubt}",
    )


def inside_already(facts: Facts) -> Verdict | None:
    """Inside, and may not be twice."""
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
    return f"entered {entries[-1].where} {told(entries[-1].at, facts)}" if entries else ""


def claimed(facts: Facts) -> Verdict | None:
    """What the authority said."""
    claim = facts.claim
    if claim.state is ClaimState.TAKEN:
        when = f" {told(claim.at, facts)}" if claim.at is not None else ""
        return refused(Reason.TAKEN_ELSEWHERE, f"{claim.where}{when}".strip())
    if claim.state is ClaimState.REFUSED:
        known = claim.reason in {reason.value for reason in Reason}
        return refused(Reason(claim.reason) if known else Reason.TAKEN_ELSEWHERE, claim.reason)
    if claim.state is ClaimState.UNCLAIMED and facts.policy.on_unclaimed is Fallback.REFUSE:
        return refused(Reason.TAKEN_ELSEWHERE, "cannot be ruled out: no answer from the server")
    return None


def full(facts: Facts) -> Verdict | None:
    """The area is full."""
    capacity = facts.check_in_list.capacity
    if facts.direction is Direction.ENTRY and capacity is not None and not facts.product.staff:
        return refused(Reason.FULL) if facts.inside_now >= capacity else None
    return None


def soft_passback(facts: Facts, uses: tuple[Use, ...]) -> bool:
    """Inside already, which is only a mark here."""
    soft = facts.check_in_list.anti_passback is AntiPassback.SOFT
    return soft and not facts.product.staff and inside(uses) >= facts.product.people
