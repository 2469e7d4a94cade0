"""A gate whose device may not read orders: signed codes are all it knows, and its own journal.

pretix' own gate software forgets a scan with its upload: the ticket is valid again there.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.pretix.conftest import Evening
from tests.rigs.pretix_real_gate import PretixRealGate
from tests.rigs.real_gate import until
from tests.rigs.tcp_wire import Wire

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("gate")]

USED = ("refused", "already_redeemed")


@pytest.fixture
def wire(evening: Evening) -> Iterator[Wire]:
    """The way from the gate to the server."""
    with closing(Wire(evening.server.port)) as made:
        yield made


def shown(gate: PretixRealGate, code: str) -> tuple[str, str | None]:
    said = gate.present(code)
    return said["verdict"], said.get("reason")


def standing(evening: Evening, code: str) -> int:
    """Entries of a ticket at the server."""
    rows = evening.server.checkins("evening")
    return sum(row["successful"] and row["secret"] == code for row in rows)


@pytest.mark.parametrize("profile", ["pretixscan_online_noorders", "pretixscan_online_kiosk"])
def test_a_signature_only_ticket_stays_used_after_its_upload(
    evening: Evening, wire: Wire, tmp_path: Path, profile: str
) -> None:
    """With the link cut at both showings, so that nobody but the gate itself can say no."""
    code, device = evening.ticket(), evening.server.device("door", profile=profile)
    more = f'token = "{device.token}"\norganizer = "admit"\nevents = ["evening"]'
    with PretixRealGate(tmp_path, "door", wire.url, more, "door", list_required=False) as gate:
        gate.start()
        gate.ready("in")
        wire.cut()
        gate.enter(code)
        wire.mend()
        until(lambda: standing(evening, code) == 1, "the entry is uploaded", 30)
        until(lambda: gate.status()["server"]["waiting"] == 0, "and acknowledged", 30)
        wire.cut()
        assert shown(gate, code) == USED
        gate.kill("scanner")
        gate.start("scanner")
        gate.ready(None)
        assert shown(gate, code) == USED
    assert standing(evening, code) == 1
