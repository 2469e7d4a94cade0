"""Whether a gate's books lead to the verdicts of a pretix server."""

from collections.abc import Callable

from admission.clock import ClockState, Reading
from admission.decide import Decision, Facts, decide
from admission.direction import Direction
from admission.history import Use
from admission.rules import GatePolicy
from admission.verdict import FROM_PRETIX, Reason
from scanner.books import Books
from tests.rigs.pretix_verdicts import Scan, Verdict
from tickets.rows import Status

SAME: dict[str, frozenset[Reason]] = {
    name: frozenset({reason}) for name, reason in FROM_PRETIX.items()
} | {
    "invalid_time": frozenset({Reason.TOO_EARLY, Reason.TOO_LATE}),
    # The server does not find a ticket that is of another event, or for another date of a series:
    # to it such a code is like any other text. Nor does it find a ticket that was cancelled while
    # its order stands. The gate knows better, and tells the steward.
    "invalid": frozenset({Reason.UNKNOWN, Reason.WRONG_EVENT, Reason.WRONG_LIST, Reason.CANCELLED}),
}
"""What a server's word may be called here."""

Uses = Callable[[bytes], tuple[Use, ...]]


def decision(books: Books, uses: Uses, secret: str, on: str, scan: Scan) -> Decision:
    """What a gate decides of a scan, as `scanner.admissions` gathers the facts.

    Args:
        on: What the gate calls the scan's list.
    """
    at = scan.at.timestamp()
    shown, code = books.read(secret.encode())
    assert code is not None
    chosen = books.choose(shown, code, on, at)
    assert chosen is not None
    choice, by_medium = chosen
    row = books.ticket(choice.candidate.key)
    if row is not None and row.flags & Status.MEDIUM:
        row = None
    product = books.product(shown, row)
    return decide(
        Facts(
            shown,
            row,
            product,
            uses(choice.candidate.key),
            choice.check_in_list,
            Direction(scan.kind),
            Reading(at, 0.0, ClockState.SYNCHRONISED),
            GatePolicy("north"),
            event=books.event(product),
            ambiguous=choice.ambiguous,
            by_medium=by_medium,
        )
    )


def agree(theirs: Verdict, ours: Decision) -> bool:
    """Whether the gate's reason is the server's, and it looks where the server says to look."""
    reason = ours.verdict.reason or ours.overruled
    if theirs.status == "ok":
        told = bool(theirs.attention or theirs.texts)
        return reason is None and bool(ours.verdict.attention) is told
    if theirs.status == "crash":  # it fails to put into words why a rule refuses
        return reason is Reason.RULES
    return reason in SAME[theirs.reason or theirs.status]
