"""The matrix: every ticket at every list of its event, in and out, and what pretix says to it.

    server_verdicts(server, plan)   the whole matrix, asked of a real server (about 3,500 scans)
    recorded_verdicts()             the same from tests/pretix/recorded, without a server

A decision that claims parity is given what the server's API says (the recorded exchanges, or a
sync) and compared with each verdict. `Verdict.scan.ticket` is a name of the plan's event.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.rigs.pretix_plan import EventPlan, Plan, plan_from_json
from tests.rigs.pretix_rig import Server, answer_of

RECORDED = Path(__file__).parents[1] / "pretix/recorded"
Kind = Literal["entry", "exit"]


class Scan(NamedTuple):
    """One question. `list` and `ticket` are names in the plan, `gate` that of the device or ""."""

    event: str
    list: str
    ticket: str
    kind: Kind
    at: datetime
    gate: str = ""
    ignore_unpaid: bool = False


class Verdict(NamedTuple):
    """The server's answer: status and reason as in `Answer`, what the steward is told besides."""

    scan: Scan
    status: str
    reason: str
    attention: bool
    texts: tuple[str, ...]


def scans(plan: Plan) -> list[Scan]:
    """Every scan of the matrix."""
    made = [scan for event in plan.events.values() for scan in _all_of(event, plan.now)]
    return made + list(_unpaid(plan)) + list(_other_times(plan)) + list(_gates(plan))


def server_verdicts(server: Server, plan: Plan) -> list[Verdict]:
    """Ask a server for the verdict on each scan of the matrix; it stores none of them."""

    def ask(scan: Scan) -> Verdict:
        event = plan.event(scan.event)
        raw = server.raw_redeem(
            event.list(scan.list), event.ticket(scan.ticket), scan.kind, scan.at, scan.gate,
            simulate=True, ignore_unpaid=scan.ignore_unpaid,
        )  # fmt: skip
        status, reason = answer_of(raw)
        body: dict[str, Any] = raw.json() if status != "crash" else {"require_attention": False}
        attention, texts = body["require_attention"], tuple(body.get("checkin_texts", ()))
        return Verdict(scan, status, reason, attention, texts)

    wanted = scans(plan)
    for gate in {scan.gate for scan in wanted}:
        server.api(server.token(gate=gate))  # made once, before there are threads
    with ThreadPoolExecutor(server.workers + 1) as pool:
        return list(pool.map(ask, wanted))


def recorded_plan() -> Plan:
    """The plan of the recorded exchanges."""
    return plan_from_json(json.loads((RECORDED / "plan.json").read_text()))


def recorded_verdicts() -> list[Verdict]:
    """The matrix as a server answered it when tests/pretix/recorded was made."""
    rows = json.loads((RECORDED / "verdicts.json").read_text())
    return [verdict_from_json(row) for row in rows]


def verdict_to_json(verdict: Verdict) -> list[Any]:
    """A row of verdicts.json."""
    scan = verdict.scan._replace(at=verdict.scan.at.isoformat())  # type: ignore[arg-type]
    return [*scan, verdict.status, verdict.reason, verdict.attention, list(verdict.texts)]


def verdict_from_json(row: list[Any]) -> Verdict:
    """The other way."""
    event, on, ticket, kind, at, gate, ignore_unpaid = row[:7]
    scan = Scan(event, on, ticket, kind, datetime.fromisoformat(at), gate, ignore_unpaid)
    return Verdict(scan, row[7], row[8], row[9], tuple(row[10]))


def _all_of(event: EventPlan, now: datetime) -> Iterator[Scan]:
    kinds: tuple[Kind, ...] = ("entry", "exit")
    for on in event.lists:
        for ticket in event.tickets:
            for kind in kinds:
                yield Scan(event.slug, on, ticket, kind, now)


def _unpaid(plan: Plan) -> Iterator[Scan]:
    """With a steward who lets unpaid guests in, where the list allows it."""
    for on in plan.event("tokyo").lists:
        for ticket in ("pending", "pending-valid", "unpaid-extra", "unapproved", "expired"):
            yield Scan("tokyo", on, ticket, "entry", plan.now, ignore_unpaid=True)


def _other_times(plan: Plan) -> Iterator[Scan]:
    """Rules know days and doors: after midnight in Berlin, and 9 minutes before the start."""
    berlin = plan.event("berlin")
    for on in berlin.lists:
        for ticket in ("once", "yesterday", "midnight", "in-again"):
            yield Scan("berlin", on, ticket, "entry", plan.now + timedelta(hours=12))
        yield Scan("berlin", on, "fresh", "entry", plan.now - timedelta(minutes=69))
    for on in plan.event("series").lists:
        yield Scan("series", on, "today", "entry", plan.now + timedelta(minutes=6))


def _gates(plan: Plan) -> Iterator[Scan]:
    for on in ("gate", "gate-other", "none"):
        for gate in plan.gates:
            for ticket in ("fresh", "once"):
                yield Scan("berlin", on, ticket, "entry", plan.now, gate)
