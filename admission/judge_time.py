"""What time says against a ticket, as far as this clock can tell it."""

from admission.direction import Direction
from admission.facts import Facts, drawn_at, leaves_pretix, list_is_old, told, uses_on_list
from admission.pretix_judge import is_sure, rule_refusals
from admission.rules import Fallback
from admission.verdict import Reason, Verdict, refused
from tickets.ad2 import WINDOW
from tickets.credential import Credential

DAY = 86_400.0


def clock(facts: Facts) -> Verdict | None:
    """Times that this clock cannot tell, where policy refuses then."""
    if facts.policy.on_unknown_clock is Fallback.REFUSE and unsure(facts):
        error = facts.reading.uncertainty
        doubt = f" ± {error:.0f} s" if error < DAY else ""
        return refused(Reason.CLOCK_UNTRUSTED, f"clock {facts.reading.state}{doubt}")
    return None


def list_age(facts: Facts) -> Verdict | None:
    """No news for long, where policy refuses then."""
    if facts.policy.on_old_list is Fallback.REFUSE and list_is_old(facts):
        return refused(Reason.LIST_TOO_OLD)
    return None


def windows(facts: Facts) -> list[tuple[int | None, int | None]]:
    """All windows of time that count, as (from, until)."""
    rules = facts.check_in_list
    found = [(rules.valid_from, rules.valid_until)]
    if facts.ticket:
        found.append((facts.ticket.valid_from or None, facts.ticket.valid_until or None))
    if isinstance(facts.credential, Credential):
        found.append((facts.credential.valid_from, facts.credential.valid_until))
    return found


def early(facts: Facts) -> Verdict | None:
    """Before a window opens."""
    if leaves_pretix(facts):
        return None
    latest = facts.reading.at + facts.reading.uncertainty
    for start, _ in windows(facts):
        if start is not None and latest < start:
            return refused(Reason.TOO_EARLY, f"valid from {told(start, facts)}")
    return None


def late(facts: Facts) -> Verdict | None:
    """After a window has closed."""
    if leaves_pretix(facts):
        return None
    earliest = facts.reading.at - facts.reading.uncertainty
    for _, end in windows(facts):
        if end is not None and earliest > end:
            return refused(Reason.TOO_LATE, f"valid until {told(end, facts)}")
    return None


def unsure(facts: Facts) -> bool:
    """Whether some limit lies within the clock's uncertainty, and that is worth a word.

    Within a second of a limit a synchronised clock decides for the guest: nobody asked could do
    better. But the kernel calls itself synchronised with an error of up to 16 s.
    """
    reading = facts.reading
    if is_sure(reading):
        return False
    if len({refusal is None for refusal in rule_answers(facts)}) > 1:
        return True
    limits: list[float] = [
        limit for window in windows(facts) for limit in window if limit is not None
    ]
    if (drawn := drawn_at(facts)) is not None:
        limits += [drawn - WINDOW, drawn + WINDOW]
    return any(abs(reading.at - limit) <= reading.uncertainty for limit in limits)


def rules_refuse(facts: Facts) -> Verdict | None:
    """The rules of a pretix list."""
    refusals = rule_answers(facts)
    # What a doubtful clock cannot decide is `clock`'s and a mark's business, not a refusal's.
    if not refusals or None in refusals:
        return None
    return refused(Reason.RULES, refusals[0] or "")


def rule_answers(facts: Facts) -> list[str | None]:
    """What the rules of a pretix list say; empty: there are none, or they do not count."""
    here = facts.check_in_list.pretix
    if here is None or here.rules is None or facts.direction is Direction.EXIT:
        return []
    sold, uses = facts.product.pretix, uses_on_list(facts)
    return rule_refusals(here.rules, sold, facts.event, uses, facts.reading)
