"""A gate that has synced with a real pretix decides without it as it does, ticket by ticket.

The verdicts are those that were recorded: that a real pretix still gives them, scan by scan, is
what test_pretix_matrix.py asks, once.
"""

from pathlib import Path

import pytest

from admission.history import Use
from scanner.books import Books
from scanner.elsewhere import MirrorElsewhere
from sync.pretix.policy import member_name
from tests.pretix.conftest import Everything
from tests.rigs.pretix_gate import NAME, PretixGate
from tests.rigs.pretix_parity import agree, decision
from tests.rigs.pretix_plan import Plan
from tests.rigs.pretix_verdicts import Scan, recorded_verdicts
from tickets.rows import unpack

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-everything")]


class Synced:
    """What a gate at one place believes after its first sync."""

    def __init__(self, directory: Path, everything: Everything, place: str) -> None:
        server, plan = everything
        lists = sorted({name for event in plan.events.values() for name in event.lists})
        device = server.device(f"parity {place}", gate=place)
        self.gate = PretixGate(
            directory, server.url, device.token, events=tuple(plan.events), lists=lists
        )
        self.gate.poll()
        assert self.gate.puller.fault is None
        believed, rows = self.gate.believed, self.gate.rows()
        assert believed.newest_chain is not None
        self.books = Books(
            self.gate.badge.enrolment.event_key,
            believed.keyring.trust(NAME),
            self.gate.policy,
            1,
            lambda key: unpack(rows[key]) if key in rows else None,
            believed.overlay(believed.newest_chain),
        )
        mirror = directory / "mirror.db"
        self._elsewhere = MirrorElsewhere(mirror, lambda: ("", b""), lambda name, error: None)

    def uses(self, key: bytes) -> tuple[Use, ...]:
        """In the order of time, as `merge` puts them."""
        return tuple(sorted(self._elsewhere.uses(key), key=lambda use: use.at))


def test_every_ticket_at_every_list_gets_the_server_s_verdict(
    everything: Everything, tmp_path: Path
) -> None:
    """Entry and exit; by codes alone, as no reader here reads the number of a tag as a ticket."""
    plan = everything.plan
    gates = {
        place: Synced(_made(tmp_path / f"at-{place}"), everything, place) for place in _places(plan)
    }
    told = [v for v in recorded_verdicts() if _is_comparable(plan, v.scan)]
    wrong = []
    for verdict in told:
        scan = verdict.scan
        here, secret = gates[scan.gate], plan.event(scan.event).ticket(scan.ticket).secret
        ours = decision(here.books, here.uses, secret, member_name(scan.list, scan.event), scan)
        if not agree(verdict, ours):
            wrong.append((verdict, ours))
    assert wrong == []
    assert len(told) > 3000


def _places(plan: Plan) -> list[str]:
    return ["", *plan.gates]


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _is_comparable(plan: Plan, scan: Scan) -> bool:
    """A gate never asks to let in who has not paid, and knows no test orders of a live shop."""
    shown = plan.event(scan.event).ticket(scan.ticket)
    asked = scan.ignore_unpaid or scan.ticket == "test-mode"
    return not asked and shown.source_type == "barcode"
