"""The commands that `admit central backup` names for PostgreSQL, run as they are printed."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from admission.clock import FakeClock
from central import imports
from central.app import create_app
from central.organiser import overview
from central.organiser.backup import backup, put_back
from central.organiser.errors import BackupFault
from central.restored import go_on
from tests.rigs.central_rig import Device, make_event
from tests.rigs.organiser_rig import TestClient
from tests.rigs.postgres_rig import Cluster

pytestmark = pytest.mark.heavy


def run(remedy: str) -> None:
    """Run the command of a remedy with the tools of the server's own version."""
    command = remedy.removeprefix("Run: ").split("; then: ")[0]
    path = f"/usr/lib/postgresql/15/bin:{os.environ['PATH']}"
    subprocess.run(shlex.split(command), check=True, env=os.environ | {"PATH": path})


def test_a_dump_is_put_back_and_the_server_goes_on(
    postgres: Cluster, tmp_path: Path, clock: FakeClock
) -> None:
    """Nothing is lost or doubled there either: gates send again, cursors and serials rise."""
    url = postgres.new_database()
    rig = make_event(tmp_path, now=lambda: clock.at, database=url)
    north = Device(TestClient(create_app(rig.central)), rig.enrol_token("north"), "north")
    records = [
        record
        for number in (1, 2)
        for record in (
            north.scan(bytes([number]) * 16, rig.key(f"A{number}")),
            north.outcome(bytes([number]) * 16),
        )
    ]
    north.upload(*records[:2])
    with pytest.raises(BackupFault) as told:
        backup(url, tmp_path / "event.dump")
    run(told.value.remedy)
    north.upload(*records[2:])
    imports.cancel(rig.central, "A3")
    seen = north.get("/v1/statements").json()["next"]
    with pytest.raises(BackupFault) as told:
        put_back(url, tmp_path / "event.dump")
    rig.central.database.close()
    run(told.value.remedy)
    assert overview.counts(rig.central)["records"] == 2
    go_on(rig.central)
    assert north.get(f"/v1/statements?after={seen}").json()["statements"]
    north.upload(*records)
    assert overview.counts(rig.central)["entries"] == 2
    assert overview.alarms(rig.central) == []
    rig.central.database.close()
