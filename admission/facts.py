"""All that a decision may depend on, and what is read from it in more than one place."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from admission.clock import Reading, clock_time
from admission.direction import Direction
from admission.history import Use, on_list
from admission.pretix_judge import checked_out
from admission.pretix_policy import NO_EVENT, PretixEvent
from admission.rules import CheckInList, GatePolicy, Product
from admission.verdict import Reason, Verdict, refused
from tickets.credential import Credential, Rejection
from tickets.rows import Status, Ticket


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


def flagged(status: Status, reason: Reason) -> Callable[[Facts], Verdict | None]:
    """A test: refuses for ``reason`` what the list says ``status`` of."""
    bits = int(status)  # `&` of two enum flags costs as much as all other tests together

    def test(facts: Facts) -> Verdict | None:
        return refused(reason) if facts.ticket and int(facts.ticket.flags) & bits else None

    return test


def told(at: float, facts: Facts) -> str:
    """A time as the steward's own watch shows it."""
    return clock_time(at, facts.reading.at, facts.policy.timezone)


def leaves_pretix(facts: Facts) -> bool:
    """Times, rules and questions of pretix are about entries alone."""
    return facts.direction is Direction.EXIT and facts.check_in_list.pretix is not None


def drawn_at(facts: Facts) -> int | None:
    """When the live code was drawn that is to be judged; None: there is none."""
    shown = facts.credential
    return None if isinstance(shown, Rejection) or facts.follows else shown.drawn_at


def shown_counter(facts: Facts) -> int | None:
    """The counter of the card's message that is shown; None: it is none."""
    return facts.credential.counter if isinstance(facts.credential, Credential) else None


def uses_on_list(facts: Facts) -> tuple[Use, ...]:
    """What counts on the list, with the check-outs that nobody had to scan."""
    uses, here = on_list(facts.uses, facts.check_in_list.name), facts.check_in_list.pretix
    if here is None or here.exit_all_at is None:
        return uses
    return checked_out(uses, here.exit_all_at, facts.reading.at, facts.event.zone)


def list_is_old(facts: Facts) -> bool:
    """Whether the list is known to be too old."""
    # Nothing known of its age is no news of its being old: only what is known refuses (I11).
    return facts.list_age is not None and facts.list_age > facts.policy.old_list_after
