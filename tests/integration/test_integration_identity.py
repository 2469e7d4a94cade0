"""Who a gate is: withdrawn it is worth nothing, copied it is found out. Real processes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from central import enrolment
from central.organiser import overview
from store.journal import read_journal
from store.records import Kind
from tests.rigs.central_rig import CentralRig, make_event
from tests.rigs.real_gate import RealGate, code_of, until

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]
POLICY: dict[str, object] = {"lists": {"main": {}}, "products": {"1": {"name": "Day ticket"}}}


@pytest.fixture
def central(tmp_path: Path) -> Iterator[CentralRig]:
    """A server with a few tickets."""
    csv = "id,product\n" + "".join(f"T{number},1\n" for number in range(20))
    rig = make_event(tmp_path, csv=csv, policy=POLICY)
    rig.start()
    yield rig
    rig.kill()
    rig.central.database.close()


@pytest.fixture
def gate(tmp_path: Path, central: CentralRig) -> Iterator[RealGate]:
    """A gate that works."""
    with RealGate(tmp_path, "north", central, central.url) as made:
        made.start()
        made.ready()
        yield made


def device_of(central: CentralRig) -> str:
    """The gate's number at its server."""
    (row,) = overview.gates(central.central)
    return str(row["device"])


def alarms(central: CentralRig) -> set[str]:
    """Names of the alarms at central."""
    return {alarm["name"] for alarm in overview.alarms(central.central)}


def left(directory: Path) -> set[str]:
    """Names of all files below a directory."""
    return {path.name for path in directory.rglob("*") if path.is_file()}


def test_a_withdrawn_gate_admits_nobody_and_holds_nothing(
    gate: RealGate, central: CentralRig
) -> None:
    """Within one heartbeat: out of service, wiped but for its scans; so also after a restart, until
    it is enrolled anew, when the scans that were not sent go up."""
    gate.enter(code_of(central, "T1"))
    until(lambda: overview.counts(central.central)["entries"] == 1, "the entry at central")
    central.kill()
    gate.enter(code_of(central, "T2"))
    central.start()
    enrolment.revoke(central.central, device_of(central))
    sync, scanner = gate.parts["sync"], gate.parts["scanner"]
    # The server has another address after its start; so has sync, after its own.
    gate.config.write_text(_at(gate.config.read_text(), central.url))
    gate.kill("sync")
    gate.start("sync")
    sync = gate.parts["sync"]
    until(lambda: sync.poll() is not None, "sync to end")
    until(lambda: scanner.poll() is not None, "scanner to end")
    assert left(gate.state / "sync") == {"withdrawn.json", "lock"}
    kept = left(gate.state / "scanner")
    assert kept - {"journal.db-wal", "journal.db-shm"} == {"journal.db", "lock", "serials.json"}
    gate.start()
    assert gate.fault("not_ready") == "the organiser has withdrawn this gate"
    until(lambda: gate.parts["sync"].poll() is None, "sync to wait for a token")
    until(lambda: gate.status()["lanes"][0]["state"] == "out_of_service", "the lane to close")
    assert not gate.status()["ready"]

    before = overview.counts(central.central)["entries"]
    token = central.enrol_token("north")
    gate.kill("sync")
    gate.config.write_text(_with_token(gate.config.read_text(), token))
    gate.start("sync")
    gate.ready()
    assert gate.present(code_of(central, "T2"))["verdict"] == "refused"
    until(
        lambda: overview.counts(central.central)["entries"] == before + 1,
        "the scan that had not been sent",
    )
    assert overview.counts(central.central)["parked"] == 0


def _at(config: str, url: str) -> str:
    return _with(config, "url", url)


def _with_token(config: str, token: str) -> str:
    return _with(config, "token", token)


def _with(config: str, key: str, value: str) -> str:
    lines = (
        f'{key} = "{value}"' if line.startswith(f"{key} = ") else line
        for line in config.splitlines()
    )
    return "\n".join(lines) + "\n"


def test_a_card_that_was_put_back_begins_another_journal(
    gate: RealGate, central: CentralRig, tmp_path: Path
) -> None:
    """Its own entries that the copy does not know still count, and the organiser hears of it."""
    gate.enter(code_of(central, "T1"))
    for part in ("scanner", "sync"):
        gate.kill(part)
    copy = tmp_path / "copy"
    shutil.copytree(gate.state, copy)
    gate.start()
    gate.ready()
    gate.enter(code_of(central, "T2"))
    until(lambda: overview.counts(central.central)["entries"] == 2, "both entries at central")
    before = gate.status()["journal"]["epoch"]
    for part in ("scanner", "sync"):
        gate.kill(part)
    shutil.rmtree(gate.state)
    shutil.copytree(copy, gate.state)
    gate.start()
    gate.ready()
    until(lambda: gate.status()["journal"]["epoch"] not in (before, None), "another journal", 60)
    gate.ready()
    assert gate.present(code_of(central, "T1"))["reason"] == "already_redeemed"
    assert gate.present(code_of(central, "T2"))["verdict"] == "refused"
    gate.enter(code_of(central, "T3"))
    until(lambda: "restored" in alarms(central), "the alarm at central")
    until(lambda: overview.counts(central.central)["entries"] == 3, "the third entry at central")
    first = next(iter(read_journal(gate.state / "scanner" / "journal.db")))
    assert first.record.kind is Kind.FAULT
