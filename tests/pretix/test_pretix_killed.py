"""sync ends amid its uploads as a power cut would end it: pretix has each scan once."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.pretix.conftest import Evening
from tests.rigs.pretix_real_gate import PretixRealGate
from tests.rigs.real_gate import until
from tests.rigs.tcp_wire import Wire

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("gate")]

SCANS = 10


def stored(evening: Evening) -> list[Any]:
    """Rows of check-ins that stand."""
    return [row for row in evening.server.checkins("evening") if row["successful"]]


def test_sync_killed_amid_its_uploads_uploads_each_scan_once(
    evening: Evening, tmp_path: Path
) -> None:
    """Killed where it hurts: pretix has stored a scan, its answer is still on the way."""
    codes = [evening.ticket() for _ in range(SCANS)]
    device = evening.server.device("north")
    more = f'token = "{device.token}"\norganizer = "admit"\nevents = ["evening"]'
    with (
        closing(Wire(evening.server.port)) as wire,
        PretixRealGate(tmp_path, "north", wire.url, more, "door") as gate,
    ):
        gate.start()
        gate.ready("in")
        until(lambda: "sync" not in gate.faults(), "all tickets are here", 30)
        wire.cut()
        for code in codes:
            gate.enter(code)
        wire.mend()
        wire.delay = 0.5
        for number in (2, 5):
            until(lambda n=number: len(stored(evening)) >= n, f"{number} are stored", 60)
            gate.kill("sync")
            assert len(stored(evening)) < SCANS
            gate.start("sync")
        wire.delay = 0.0
        until(lambda: len(stored(evening)) >= SCANS, "all are stored", 60)
        gate.ready("in")
        until(lambda: gate.status()["server"]["waiting"] == 0, "all are acknowledged", 30)
        rows, state = stored(evening), gate.status()["server"]
        journal = [e.record.presentation for e in gate.records() if e.record.kind == "scan"]
    assert sorted(row["secret"] for row in rows) == sorted(codes)
    assert sorted(row["nonce"] for row in rows) == sorted(p.hex() for p in journal if p)
    assert {row["device"] for row in rows} == {device.id}
    assert (state["parked"], state["conflicts"]) == (0, [])
