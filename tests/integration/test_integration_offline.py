"""I9: an evening without a network, then online: every record at central once, conflicts told.

The scans are made on a bench with a clock moved by hand; the journal file they fill is then put
under a real scanner, a real sync and a real central.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from central.organiser.overview import alarms, conflicts, counts, entries, parked_records
from central.schema import record
from store.journal import Journal
from store.records import Kind
from tests.integration.conftest import POLICY
from tests.rigs.central_rig import CentralRig, Device, serving
from tests.rigs.gate_rig import EVENT, EVENT_SECRET, GateRig, code, row
from tests.rigs.real_gate import RealGate, until
from tickets.key_files import Role, SecretKey, new_key

pytestmark = pytest.mark.heavy

ELSEWHERE = 12
"""Tickets that had entered at another gate while this one was offline."""


@pytest.fixture
def central(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CentralRig]:
    """A server of the bench's event: its event key is the bench's."""
    from tests.rigs import central_rig

    def known(role: Role, event: str) -> SecretKey:
        return SecretKey(role, event, EVENT_SECRET) if role is Role.EVENT else new_key(role, event)

    monkeypatch.setattr(central_rig, "new_key", known)
    csv = "id,product,entries,status\n" + "".join(f"T{n},1,1,valid\n" for n in range(6000))
    with serving(tmp_path, csv=csv, policy=POLICY) as rig:
        yield rig


def evening(directory: Path, scans: int) -> list[bytes]:
    """Fill a journal with an evening's scans; returns the presentations that stand.

    Of ten guests eight walk in, one turns back, and one shows a used ticket.
    """
    directory.mkdir(parents=True)
    gate = GateRig(directory, [row(f"T{n}") for n in range(scans)], person="0.1")
    for number in range(scans):
        used = number % 10 == 9
        gate.person("never" if number % 10 == 4 else "0.3")
        gate.sight(code(f"T{number - 1 if used else number}"))
        gate.advance(7.5 if number % 10 == 4 else 0.6)
        gate.lane.clear_sensor()
        gate.advance(1.6)
    assert len(gate.scans()) == scans
    standing = [r.presentation for r in gate.records(Kind.PASSAGE) if r.presentation]
    gate.journal.close()
    return standing


def enter_elsewhere(central: CentralRig, client: httpx.Client) -> None:
    """Gate south admitted some of the same tickets, and told central before."""
    south = Device(client, central.enrol_token("south"), "south")
    records = []
    for number in range(ELSEWHERE):
        presentation = bytes([number]) * 16
        records.append(south.scan(presentation, central.key(f"T{number * 10}")))
        records.append(south.outcome(presentation))
    assert {answer["result"] for answer in south.upload(*records)} == {"stored"}


def at_central(central: CentralRig, gate: str) -> Counter[int]:
    """How often each record of a gate's journal is at central, by seq."""
    from central.schema import device

    query = select(record.c.seq, func.count()).join(device, device.c.device == record.c.device)
    query = query.where(device.c.gate == gate).group_by(record.c.seq)
    with central.central.database.reading() as connection:
        return Counter({int(seq): int(n) for seq, n in connection.execute(query)})


@pytest.mark.parametrize(
    "scans", [120, pytest.param(5000, marks=[pytest.mark.heavy, pytest.mark.timeout(600)])]
)
def test_an_evening_offline_is_at_central_once_and_conflicts_are_told_at_both_ends(
    tmp_path: Path, central: CentralRig, scans: int
) -> None:
    """The gate was alone all evening; another one admitted twelve of the same tickets."""
    gate = RealGate(tmp_path, "north", central, central.url)
    own = gate.state / "scanner"
    standing = evening(own, scans)
    (own / "training.db").unlink()
    with httpx.Client(base_url=central.url) as client:
        enter_elsewhere(central, client)
    with gate:
        gate.start()
        gate.ready()
        head = gate.status()["journal"]["seq"]
        until(lambda: gate.status()["server"].get("waiting") == 0, "all sent", 300)
        until(lambda: len(at_central(central, "north")) >= head, "all at central", 60)
        journal = gate.journal()
        assert gate.chain_holds()
        told = until(lambda: gate.status()["server"]["conflicts"], "conflicts at the gate")
        assert {conflict["gate"] for conflict in told} == {"south"}
        assert len(told) == ELSEWHERE
    assert Counter(entry.seq for entry in journal) == at_central(central, "north")
    held = {bytes.fromhex(e["presentation"]) for e in entries(central.central, 10_000)}
    assert set(standing) <= held
    assert counts(central.central)["entries"] == len(standing) + ELSEWHERE
    found = conflicts(central.central)
    assert {frozenset((c["entry"]["gate"], c["other"]["gate"])) for c in found} == {
        frozenset(("north", "south"))
    }
    assert len(found) == ELSEWHERE
    assert parked_records(central.central) == []
    assert alarms(central.central) == []
    Journal(own / "journal.db", EVENT).close()
