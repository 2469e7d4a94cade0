"""Journal heads: what a gate signed once it cannot take back; what contradicts is kept for good."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from sqlalchemy import select

from admission.clock import FakeClock
from central.organiser import overview
from central.organiser.advice import alarm_advice
from central.records import MOST_BODIES
from central.schema import evidence, head
from store.records import Kind
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import CentralRig, Device


def new() -> bytes:
    """A presentation id."""
    return os.urandom(16)


def alarms(rig: CentralRig) -> set[str]:
    """Names of the alarms that stand."""
    return {alarm["name"] for alarm in overview.alarms(rig.central)}


def rewind(gate: Device, seq: int, digest: bytes) -> None:
    """Put the gate's journal back to where it was, as a card's older copy does."""
    gate.seq, gate.head = seq, digest


def test_the_farthest_head_is_answered_with_its_signature(rig: CentralRig, north: Device) -> None:
    """A gate whose card was put back learns from its own word how far it had been."""
    north.upload(north.record(Kind.MODE), north.record(Kind.MODE))
    farthest = north.signed_head()
    assert north.send()["known"] == farthest
    rewind(north, 0, bytes(32))
    assert north.send(at=1)["known"] == farthest
    journal = {"journal": {"epoch": north.epoch.hex(), "seq": 0, "head": None}}
    beat = north.post("/v1/heartbeat", {"nonce": "00" * 16, "health": journal}).json()
    assert beat["known"] == farthest
    assert alarms(rig) == set()


@pytest.mark.parametrize("what", ["signature", "key", "device"])
def test_a_head_by_another_is_refused_and_told(rig: CentralRig, north: Device, what: str) -> None:
    """A stolen bearer without the device key takes nothing and gives itself away."""
    every: dict[str, dict[str, Any]] = {
        "signature": {"tip": (1, bytes(31) + b"1")},
        "key": {"key": SigningKey.generate()},
        "device": {"device": "ab" * 8},
    }
    told = north.signed_head(**every[what])
    if what == "signature":
        told |= {"at": 5}
    body = {"epoch": north.epoch.hex(), "head": told, "records": []}
    answer = north.post("/v1/records", body)
    assert (answer.status_code, answer.json()["error"]) == (403, "head_refused")
    assert alarms(rig) == {"head_signature"}


def test_an_upload_without_its_head_is_malformed(north: Device) -> None:
    """Missing, of another journal, or behind the records it goes with."""
    record = north.record(Kind.MODE)
    whole = {"epoch": north.epoch.hex(), "records": [record], "head": north.signed_head()}
    other = north.signed_head(epoch=b"another!")
    behind = north.signed_head(tip=(0, bytes(32)))
    for head_ in (None, {}, other, behind):
        assert north.post("/v1/records", whole | {"head": head_}).status_code == 400
    assert north.post("/v1/records", whole).status_code == 200


@pytest.mark.parametrize("order", ["record first", "head first"])
def test_a_rewritten_past_is_an_alarm_with_both_heads(
    rig: CentralRig, north: Device, order: str
) -> None:
    """Whoever rewrites the journal must sign another head under a number that is signed for."""
    record = north.record(Kind.MODE)
    first = north.signed_head()
    north.upload(*([record] if order == "record first" else []))
    rewind(north, 0, bytes(32))
    north.record(Kind.FAULT)
    second = north.signed_head()
    north.upload()
    assert alarms(rig) == {"rewritten"}
    (alarm,) = overview.alarms(rig.central)
    told = [piece["body"] for piece in alarm["evidence"] if piece["what"] == "head"]
    assert second in told
    assert first in told


def test_a_record_other_than_the_head_named_is_an_alarm(rig: CentralRig, north: Device) -> None:
    """The head came before its record: that is held against it when it comes."""
    north.record(Kind.MODE)
    north.upload()
    rewind(north, 0, bytes(32))
    north.upload(north.record(Kind.FAULT), tip=(2, b"2" * 32))
    assert alarms(rig) == {"rewritten"}
    (alarm,) = overview.alarms(rig.central)
    assert {piece["what"] for piece in alarm["evidence"]} == {"head", "record"}


def test_a_head_that_went_back_is_an_alarm(rig: CentralRig, north: Device) -> None:
    """Signed later, and yet not as far: an older copy of the card works."""
    north.upload(north.record(Kind.MODE), north.record(Kind.MODE))
    rewind(north, 0, bytes(32))
    north.upload(at=5000)
    assert alarms(rig) == {"rolled_back"}


def test_an_upload_that_was_long_on_its_way_is_no_alarm(rig: CentralRig, north: Device) -> None:
    """Its head was signed before the one that overtook it."""
    first = north.record(Kind.MODE)
    late = north.signed_head()
    north.upload(first, north.record(Kind.MODE))
    body = {"epoch": north.epoch.hex(), "head": late, "records": [first]}
    assert north.post("/v1/records", body).json()["answers"][0]["result"] == "duplicate"
    assert alarms(rig) == set()


def test_an_honest_evening_leaves_one_head(rig: CentralRig, north: Device) -> None:
    """Heads that the records bear out are covered by the farthest; nothing piles up."""
    for _ in range(5):
        presentation = new()
        scan = north.scan(presentation, rig.key("U0"))
        north.upload()
        north.upload(scan, north.outcome(presentation))
    with rig.central.database.reading() as connection:
        rows = connection.execute(select(head.c.seq)).scalars().all()
    assert (list(rows), alarms(rig)) == ([10], set())


def test_a_fork_counts_and_keeps_both_records(rig: CentralRig, north: Device) -> None:
    """Two guests went in at two copies of one gate: both are known everywhere, both stay."""
    seq, digest = north.seq, north.head
    first = north.scan(new(), rig.key("A1"))
    north.upload(first)
    rewind(north, seq, digest)
    second = north.scan(new(), rig.key("A2"))
    (answer,) = north.upload(second, second)[:1]
    assert (answer["result"], answer["hash"]) == ("fork", first["hash"])
    assert overview.counts(rig.central)["entries"] == 2
    fork = next(alarm for alarm in overview.alarms(rig.central) if alarm["name"] == "fork")
    kept = [piece["body"] for piece in fork["evidence"] if piece["what"] == "record"]
    assert sorted(body["hash"] for body in kept) == sorted([first["hash"], second["hash"]])
    outcome = north.outcome(bytes.fromhex(second["presentation"]), Kind.NO_PASSAGE)
    north.upload(outcome)
    assert overview.counts(rig.central)["entries"] == 1


@ON_SQLITE
def test_one_number_with_many_bodies_is_bounded(rig: CentralRig, north: Device) -> None:
    """A hacked gate cannot fill the disk with forks of one record; that it tries is an alarm."""
    north.upload(north.record(Kind.MODE))
    for number in range(MOST_BODIES + 3):
        rewind(north, 0, bytes(32))
        (answer,) = north.upload(north.record(Kind.FAULT, detail=str(number)))
        assert answer["result"] == "fork"
    assert len(overview.parked_records(rig.central)) == MOST_BODIES
    assert "flood" in alarms(rig)


def test_records_missing_for_long_are_asked_for(
    rig: CentralRig, north: Device, clock: FakeClock
) -> None:
    """Not at once: a scan waits for its outcome, and others overtake it."""
    first, lost, third, also, last = (north.record(Kind.MODE) for _ in range(5))
    assert "missing" not in north.send(first, third, last)
    clock.advance(61.0)
    assert north.send(last)["missing"] == [[2, 2], [4, 4]]
    north.send(lost, also)
    assert "missing" not in north.send(last)


def test_what_came_before_a_new_enrolment_is_not_missing(
    rig: CentralRig, north: Device, clock: FakeClock
) -> None:
    """A withdrawn gate goes on with its journal under a new key: the server has what it had."""
    north.upload(*(north.record(Kind.MODE) for _ in range(3)))
    anew = Device(north.client, rig.enrol_token(north.gate), north.gate)
    anew.epoch, anew.seq, anew.head = north.epoch, north.seq, north.head
    anew.upload(anew.record(Kind.MODE))
    clock.advance(61.0)
    assert alarms(rig) == set()
    lost, last = anew.record(Kind.MODE), anew.record(Kind.MODE)
    assert "missing" not in anew.send(last)
    clock.advance(61.0)
    assert anew.send(last)["missing"] == [[lost["seq"], lost["seq"]]]
    assert alarms(rig) == {"gap"}


def beat(gate: Device, boot: object, epoch: str = "") -> None:
    """A heartbeat of one run of the gate."""
    health = {"boot": boot, "journal": {"epoch": epoch}}
    nonce = os.urandom(16).hex()
    assert gate.post("/v1/heartbeat", {"nonce": nonce, "health": health}).status_code == 200


def test_heartbeats_that_alternate_are_two_gates_with_one_key(
    rig: CentralRig, north: Device
) -> None:
    """A card copied into a second gate: each works, and the organiser hears of it in a minute."""
    for boot in ("a", "b", "a", "b"):
        beat(north, boot)
        assert alarms(rig) == set()
    beat(north, "a", "ee" * 8)
    assert alarms(rig) == {"clone"}
    (alarm,) = overview.alarms(rig.central)
    assert {piece["body"]["boot"] for piece in alarm["evidence"]} == {"a", "b"}


def test_restarts_are_no_clones(rig: CentralRig, north: Device) -> None:
    """Each run has its own name; one heartbeat that comes late is none either; noise is passed."""
    for boot in ["a", "b", "a", "b", *map(str, range(30)), None, 7, "x" * 65]:
        beat(north, boot)
    assert alarms(rig) == set()


def test_evidence_is_kept_and_bounded(rig: CentralRig, north: Device, tmp_path: Path) -> None:
    """What an alarm rests on stays, a few pieces of it, each whole."""
    for number in range(30):
        rewind(north, 0, bytes(32))
        north.record(Kind.FAULT, detail=str(number))
        north.upload()
    with rig.central.database.reading() as connection:
        bodies = connection.execute(select(evidence.c.body)).scalars().all()
    assert 2 <= len(bodies) <= 16
    assert all(json.loads(body)["signature"] for body in bodies)


def test_a_gate_that_began_anew_is_told_of(rig: CentralRig, north: Device) -> None:
    """Its own word, in its chain: it cannot be lost on the way."""
    north.upload(north.record(Kind.FAULT, detail="restored: 00 ended at 2, was an older copy"))
    assert alarms(rig) == {"restored"}


def test_every_alarm_has_words_for_an_organiser() -> None:
    """What to do, without knowing what a hash is."""
    names = {"fork", "chain", "gap", "rewritten", "rolled_back", "restored", "clone"}
    for name in names | {"head_signature", "flood"}:
        assert "of different versions" not in alarm_advice(name)
