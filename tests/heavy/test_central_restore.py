"""A real gate whose server is killed and goes on from an older copy: nothing lost or doubled."""

from pathlib import Path

import pytest

from central.organiser import overview
from central.organiser.backup import backup, put_back
from central.restored import go_on
from tests.rigs.central_rig import make_event, reopen
from tests.rigs.real_gate import RealGate, code_of, until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]


def test_a_real_gate_gives_a_restored_server_what_it_has_forgotten(tmp_path: Path) -> None:
    """Entries after the copy come back by themselves, and cancellations reach the gate again."""
    rig = make_event(tmp_path)
    rig.start()
    port = int(rig.url.rsplit(":", 1)[1])
    with RealGate(tmp_path, "north", rig, rig.url) as gate:
        gate.start()
        gate.ready()
        gate.enter(code_of(rig, "A1"))
        until(lambda: overview.counts(rig.central)["entries"] == 1, "the first entry is here")
        backup(rig.db, tmp_path / "copy")
        gate.enter(code_of(rig, "A2"))
        until(lambda: overview.counts(rig.central)["entries"] == 2, "the second entry is here")
        before = gate.status()["list"]["serial"]

        rig.kill()
        rig.central.database.close()
        put_back(rig.db, tmp_path / "copy")
        again = reopen(rig)
        go_on(again.central)
        assert overview.counts(again.central)["entries"] == 1
        again.start(port)
        try:
            within = 60.0
            until(
                lambda: overview.counts(again.central)["entries"] == 2,
                "the gate sends what was forgotten",
                within,
            )
            until(lambda: gate.status()["list"]["serial"] > before, "a newer list", within)
            assert overview.conflicts(again.central) == []
            assert overview.alarms(again.central) == []
            assert gate.faults().keys() <= {"clock"}
            refused = gate.present(code_of(rig, "A2"))
            assert refused["verdict"] == "refused"
        finally:
            again.kill()
            again.central.database.close()
