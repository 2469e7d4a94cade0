"""A gate without a link decides as the pretix server does, for every ticket at every list.

The server's side is a recording of a real one (tests/pretix, where a newer one is held against it).
"""

from collections import Counter
from functools import cache

import pytest

from admission.clock import ClockState, Reading
from admission.decide import Decision, Facts, decide
from admission.direction import Direction
from admission.rules import GatePolicy
from admission.verdict import FROM_PRETIX, Reason
from tests.rigs.pretix_books import Converted, Recorded, recorded
from tests.rigs.pretix_verdicts import Scan, Verdict, recorded_plan, recorded_verdicts
from tickets.rows import Status

PLAN = recorded_plan()
SAME: dict[str, frozenset[Reason]] = {
    name: frozenset({reason}) for name, reason in FROM_PRETIX.items()
} | {
    "invalid_time": frozenset({Reason.TOO_EARLY, Reason.TOO_LATE}),
    # The server does not find a ticket that is of another event, or for another date of a series:
    # to it such a code is like any other text. The gate knows better, and tells the steward.
    "invalid": frozenset({Reason.UNKNOWN, Reason.WRONG_EVENT, Reason.WRONG_LIST}),
}


@cache
def found() -> Recorded:
    """What the recorded server told."""
    return recorded()


@cache
def gate(name: str) -> Converted:
    """A gate that has synced with it, and stands where the server says."""
    return Converted(found(), PLAN.gates.get(name))


def decision(scan: Scan) -> Decision:
    """What the gate decides, as `scanner.admissions` gathers the facts."""
    here, at = gate(scan.gate), scan.at.timestamp()
    shown, code = here.books.read(PLAN.event(scan.event).ticket(scan.ticket).secret.encode())
    assert code is not None
    chosen = here.books.choose(shown, code, f"{scan.event}/{scan.list}", at)
    assert chosen is not None
    choice, by_medium = chosen
    key = choice.candidate.key
    row = here.books.ticket(key)
    if row is not None and row.flags & Status.MEDIUM:
        row = None
    product = here.books.product(shown, row)
    return decide(
        Facts(
            shown,
            row,
            product,
            tuple(here.uses[key]),
            choice.check_in_list,
            Direction(scan.kind),
            Reading(at, 0.0, ClockState.SYNCHRONISED),
            GatePolicy("north"),
            event=here.books.event(product),
            ambiguous=choice.ambiguous,
            by_medium=by_medium,
        )
    )


def agree(theirs: Verdict) -> bool:
    """Whether the gate's reason is the server's, and it looks where the server says to look."""
    ours = decision(theirs.scan)
    reason = ours.verdict.reason or ours.overruled
    if theirs.status == "ok":
        told = bool(theirs.attention or theirs.texts)
        return reason is None and bool(ours.verdict.attention) is told
    if theirs.status == "crash":  # it fails to put into words why a rule refuses
        return reason is Reason.RULES
    return reason in SAME[theirs.reason or theirs.status]


VERDICTS = [
    verdict
    for verdict in recorded_verdicts()
    if not verdict.scan.ignore_unpaid  # a gate never lets in who has not paid
]


@pytest.mark.parametrize("kind", Direction)
@pytest.mark.parametrize("slug", PLAN.events)
def test_every_ticket_at_every_list_gets_the_server_s_verdict(slug: str, kind: Direction) -> None:
    """Admitted or not, and why; on the way out what is against a ticket is a warning."""
    scans = [v for v in VERDICTS if (v.scan.event, v.scan.kind) == (slug, kind)]
    told = [v for v in scans if f"{slug}/{v.scan.list}" in gate("").policy.lists]
    assert len(told) > len(scans) * 0.9
    assert [v for v in told if not agree(v)] == []


def test_whoever_leaves_is_let_out_whatever_the_server_says() -> None:
    """I11; the check-out is uploaded with force."""
    leaving = [v.scan for v in VERDICTS if v.scan.kind == "exit" and v.status != "ok"]
    told = [scan for scan in leaving if f"{scan.event}/{scan.list}" in gate("").policy.lists]
    for scan in told:
        one = decision(scan)
        assert one.verdict.admitted
        assert one.verdict.attention == f"exit with warning: {one.overruled}"


def test_the_matrix_has_every_reason_that_a_list_can_give() -> None:
    """Or the parity above would say little."""
    seen = Counter(v.reason or v.status for v in VERDICTS if v.status != "ok")
    assert set(seen) >= {
        *("invalid", "revoked", "ambiguous", "canceled", "blocked", "unapproved"),
        *("invalid_time", "product", "unpaid", "rules", "incomplete", "exchange"),
        "already_redeemed",
    }


def test_another_date_and_another_event_are_called_by_their_names() -> None:
    """Where the server only says `invalid`."""
    at = PLAN.now
    other_date = decision(Scan("series", "today", "tomorrow", "entry", at)).verdict
    other_event = decision(Scan("tokyo", "everything", "of-berlin", "entry", at)).verdict
    assert (other_date.reason, other_date.detail) == (Reason.WRONG_LIST, "for another date")
    assert (other_event.reason, other_event.detail) == (Reason.WRONG_EVENT, "for berlin")
