"""From a real server's recorded answers through the gate's whole sync: its verdicts, unchanged.

Each ticket is judged by what scanner would read: rows and links of the list, signed rules, the feed
of check-ins. That the decision itself is the server's, tests/scanner shows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from admission.clock import ClockState, Reading
from admission.decide import Decision, Facts, decide
from admission.direction import Direction
from admission.history import Standing, Use
from admission.rules import GatePolicy
from admission.verdict import FROM_PRETIX, Reason
from scanner.books import Books
from tests.rigs.fake_pretix import FakePretix
from tests.rigs.pretix_books import recorded
from tests.rigs.pretix_gate import NAME, PretixGate
from tests.rigs.pretix_verdicts import Scan, Verdict, recorded_plan, recorded_verdicts
from tickets.links import linked
from tickets.rows import Status, Ticket, unpack

PLAN = recorded_plan()
SAME: dict[str, frozenset[Reason]] = {
    name: frozenset({reason}) for name, reason in FROM_PRETIX.items()
} | {
    "invalid_time": frozenset({Reason.TOO_EARLY, Reason.TOO_LATE}),
    "invalid": frozenset({Reason.UNKNOWN, Reason.WRONG_EVENT, Reason.WRONG_LIST}),
}


@dataclass
class Synced:
    """A gate that has fetched everything of the recording."""

    gate: PretixGate
    books: Books
    uses: Mapping[bytes, list[Use]]

    def decide(self, scan: Scan, secret: str) -> Decision:
        """What this gate decides, as `scanner.admissions` gathers the facts."""
        at, on = scan.at.timestamp(), f"{scan.list} ({scan.event})"
        shown, code = self.books.read(secret.encode())
        assert code is not None
        chosen = self.books.choose(shown, code, on, at)
        assert chosen is not None
        choice, by_medium = chosen
        key = choice.candidate.key
        row = self.books.ticket(key)
        row = None if row is not None and row.flags & Status.MEDIUM else row
        product = self.books.product(shown, row)
        return decide(
            Facts(
                shown,
                row,
                product,
                tuple(self.uses.get(key, ())),
                choice.check_in_list,
                Direction(scan.kind),
                Reading(at, 0.0, ClockState.SYNCHRONISED),
                GatePolicy("north"),
                event=self.books.event(product),
                ambiguous=choice.ambiguous,
                by_medium=by_medium,
            )
        )


def uses(gate: PretixGate) -> dict[bytes, list[Use]]:
    """Check-ins of each ticket, as the mirror tells them."""
    found: dict[bytes, list[Use]] = {}
    for row in gate.all_uses():
        way, standing = Direction(row.direction), Standing.PASSED
        use = Use(row.presentation, way, row.list, row.at, row.gate, standing, here=False)
        found.setdefault(row.ticket_key, []).append(use)
    return found


@pytest.fixture(scope="module", params=["", "north", "south"])
def synced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Synced]]:
    """A gate at each place that the recording asked for."""
    server, found = FakePretix(), recorded()
    server.replay(found.events, found.rows, found.media)
    number = PLAN.gates.get(request.param)
    server.device["gate"] = {"id": number, "name": request.param} if number else None
    names = sorted(
        {
            row["name"]
            for (_, kind), rows in found.rows.items()
            for row in rows
            if kind == "checkinlists"
        }
    )
    directory: Path = tmp_path_factory.mktemp("gate")
    gate = PretixGate(directory, server.url, server.token, events=list(found.events), lists=names)
    gate.poll()
    server.stop()
    assert gate.puller.fault is None
    rows: dict[bytes, Ticket] = {key: unpack(packed) for key, packed in gate.rows().items()}
    believed = gate.believed
    assert believed.policy is not None
    trust = believed.keyring.trust(NAME)
    books = Books(gate.badge.enrolment.event_key, trust, believed.policy, 1, rows.get)
    yield request.param, Synced(gate, books, uses(gate))


def agree(theirs: Verdict, ours: Decision) -> bool:
    """Whether the gate's reason is the server's, and it looks where the server says to look."""
    reason = ours.verdict.reason or ours.overruled
    if theirs.status == "ok":
        return reason is None and bool(ours.verdict.attention) is bool(
            theirs.attention or theirs.texts
        )
    if theirs.status == "crash":  # it fails to put into words why a rule refuses
        return reason is Reason.RULES
    return reason in SAME[theirs.reason or theirs.status]


def test_every_recorded_verdict_is_the_gates_own(synced: tuple[str, Synced]) -> None:
    place, here = synced
    wrong, judged = [], 0
    for verdict in recorded_verdicts():
        scan = verdict.scan
        ticket = PLAN.event(scan.event).ticket(scan.ticket)
        if scan.gate != place or scan.ignore_unpaid or ticket.source_type != "barcode":
            continue
        if scan.ticket == "test-mode":
            continue  # on purpose: test orders of a live shop open no gate
        if f"{scan.list} ({scan.event})" not in here.books.policy.lists:
            continue  # of a page that was not recorded
        judged += 1
        if not agree(verdict, decided := here.decide(scan, ticket.secret)):
            wrong.append((verdict, decided))
    assert wrong == []
    assert judged > (1000 if not place else 0)


def test_add_ons_are_found_by_the_code_of_their_ticket(synced: tuple[str, Synced]) -> None:
    _, here = synced
    row = here.books.ticket
    parents = [
        key for key, packed in here.gate.rows().items() if unpack(packed).flags & Status.ADDONS
    ]
    assert parents
    assert all(row(child) for parent in parents for child in linked(parent, row))
