"""A gate without a link decides as the pretix server does, for every ticket at every list.

The server's side is a recording of a real one (tests/pretix, where a newer one is held against it).
"""

from collections import Counter
from functools import cache

import pytest

from admission.decide import Decision
from admission.direction import Direction
from admission.verdict import Reason
from tests.rigs import pretix_parity
from tests.rigs.pretix_books import Converted, Recorded, recorded
from tests.rigs.pretix_parity import agree
from tests.rigs.pretix_verdicts import Scan, recorded_plan, recorded_verdicts

PLAN = recorded_plan()


@cache
def found() -> Recorded:
    """What the recorded server told."""
    return recorded()


@cache
def gate(name: str) -> Converted:
    """A gate that has synced with it, and stands where the server says."""
    return Converted(found(), PLAN.gates.get(name))


def decision(scan: Scan) -> Decision:
    """What the gate decides."""
    here, secret = gate(scan.gate), PLAN.event(scan.event).ticket(scan.ticket).secret
    on = f"{scan.event}/{scan.list}"
    return pretix_parity.decision(here.books, lambda key: tuple(here.uses[key]), secret, on, scan)


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
    assert [v for v in told if not agree(v, decision(v.scan))] == []


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
