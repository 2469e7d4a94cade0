"""Records of many gates: each answered for itself, each counted once, none lost."""

import os
import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event as sqlalchemy_event

from admission.clock import FakeClock
from central.organiser import overview
from central.records import SLICE
from central.redemptions import add_up
from store.records import Kind
from tests.central.conftest import ON_SQLITE
from tests.rigs.central_rig import CentralRig, Device


def new() -> bytes:
    """A presentation id."""
    return os.urandom(16)


def results(answers: list[dict[str, Any]]) -> list[str]:
    """What became of each record."""
    return [answer["result"] for answer in answers]


def standing(gate: Device) -> dict[str, bool]:
    """What the feed of redemptions says of each presentation in the end."""
    rows = gate.get("/v1/redemptions").json()["redemptions"]
    return {row["presentation"]: row["stands"] for row in rows}


def test_an_entry_reaches_the_other_gates(rig: CentralRig, north: Device, south: Device) -> None:
    """What was used at one gate is told to all, with all they need to refuse it."""
    presentation = new()
    north.upload(north.scan(presentation, rig.key("A1"), at=1234.5), north.outcome(presentation))
    assert south.get("/v1/redemptions?after=0").json() == {
        "redemptions": [
            {
                "cursor": 1,
                "presentation": presentation.hex(),
                "ticket_key": rig.key("A1").hex(),
                "list": "main",
                "direction": "entry",
                "at": 1234.5,
                "gate": "north",
                "device": north.name,
                "epoch": north.epoch.hex(),
                "stands": True,
            }
        ],
        "next": 1,
    }
    assert south.get("/v1/redemptions?after=1").json() == {"redemptions": [], "next": 1}


def test_records_sent_twice_and_shuffled_count_once(rig: CentralRig, north: Device) -> None:
    """A gate that did not hear the answers sends everything again, in any batches and order."""
    evening = []
    for _ in range(40):
        presentation = new()
        evening += [north.scan(presentation, rig.key("U0")), north.outcome(presentation)]
    random.Random(7).shuffle(evening)
    first = north.upload(*evening[:50]) + north.upload(*evening[30:])
    assert results(first) == ["stored"] * 50 + ["duplicate"] * 20 + ["stored"] * 30
    assert set(results(north.upload(*evening))) == {"duplicate"}
    assert overview.counts(rig.central)["records"] == 80
    assert overview.counts(rig.central)["entries"] == 40
    assert sum(standing(north).values()) == 40
    assert overview.alarms(rig.central) == []


@ON_SQLITE
@pytest.mark.parametrize(
    ("case", "scan", "outcome", "detail", "stands"),
    [
        ("went through", {}, Kind.PASSAGE, "", True),
        ("the gate died", {}, Kind.INTERRUPTED, "", True),
        ("turned back", {}, Kind.NO_PASSAGE, "", False),
        ("evacuation", {}, Kind.ABORTED, "", False),
        ("sensor not trusted", {}, Kind.NO_PASSAGE, "counts: sensor suspect", True),
        ("steward annulled it", {}, Kind.OPERATOR, "annul: nobody there", False),
        ("steward did something else", {}, Kind.OPERATOR, "mode", True),
        ("outcome not yet known", {}, None, "", True),
        ("guest was let in again", {}, Kind.RESUMED, "", False),
        ("went out", {"direction": "exit"}, Kind.PASSAGE, "", True),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_what_counts_as_an_entry(  # noqa: PLR0917
    rig: CentralRig,
    north: Device,
    case: str,
    scan: dict[str, str],
    outcome: Kind | None,
    detail: str,
    stands: bool,
    backwards: bool,
) -> None:
    """The outcome decides, in the same batch, in a later one, or arriving before its scan."""
    presentation = new()
    records = [north.scan(presentation, rig.key("A1"), **scan)]
    if outcome is not None:
        records.append(north.outcome(presentation, outcome, detail=detail))
    for record in reversed(records) if backwards else records:
        assert results(north.upload(record)) == ["stored"]
    assert standing(north) == {presentation.hex(): stands}, case


def test_a_full_transaction_asks_the_database_no_more_than_one_record(
    rig: CentralRig, north: Device
) -> None:
    """What a thousand gates' uploads cost is statements: their number is that of transactions."""
    asked: list[str] = []
    listens = (rig.central.database.engine, "before_cursor_execute", lambda *row: asked.append(row))

    def cost(presentations: int) -> int:
        records = []
        for _ in range(presentations):
            presentation = new()
            records += [north.scan(presentation, rig.key("U0")), north.outcome(presentation)]
        asked.clear()
        assert set(results(north.upload(*records))) == {"stored"}
        return len(asked)

    sqlalchemy_event.listen(*listens)
    cost(1)  # the first of a journal makes its row
    assert cost(SLICE // 2) == cost(1)
    sqlalchemy_event.remove(*listens)


def test_a_batch_may_hold_a_record_twice_and_its_fork(rig: CentralRig, north: Device) -> None:
    """Within one transaction as well as between two."""
    first = north.outcome(new(), Kind.FAULT)
    north.seq -= 1
    other = north.outcome(new(), Kind.FAULT)
    assert results(north.upload(first, first, other)) == ["stored", "duplicate", "fork"]
    told = {alarm["name"] for alarm in overview.alarms(rig.central)}
    assert told == {"fork", "rewritten"}  # the head names the second one


def test_a_resumed_entry_is_never_counted_twice(rig: CentralRig, north: Device) -> None:
    """The new scan and its `resumed` are judged together, wherever they lie in a batch."""
    old, again, key = new(), new(), rig.key("A1")
    north.upload(north.scan(old, key), north.outcome(old, Kind.INTERRUPTED))
    before = [north.outcome(new(), Kind.FAULT) for _ in range(SLICE - 1)]
    scan = north.scan(again, key)
    resumed = north.outcome(old, Kind.RESUMED, detail=f"by {again.hex()}")
    answers = north.upload(*before, scan, resumed, north.outcome(again))
    assert [answer for answer in answers if "conflict" in answer] == []
    assert standing(north) == {old.hex(): False, again.hex(): True}


@pytest.mark.parametrize(
    "scan",
    [{"verdict": "refused", "reason": "unknown"}, {"verdict": "checked"}, {"direction": None}],
)
def test_a_scan_that_admits_nobody_redeems_nothing(
    rig: CentralRig, north: Device, south: Device, scan: dict[str, Any]
) -> None:
    """Refusals and the check mode leave the ticket as it was, and give its claim back."""
    presentation = new()
    north.claim(presentation, rig.key("A1"))
    assert results(north.upload(north.scan(presentation, rig.key("A1"), **scan))) == ["stored"]
    assert standing(north) == {}
    assert north.open_claims() == []
    assert south.claim(new(), rig.key("A1")) == {"result": "granted"}


def test_an_exit_stands_once_its_guest_is_through(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """Until then they may turn round, and their ticket must not let a second person in."""
    entry, exit_ = new(), new()
    north.upload(north.scan(entry, rig.key("A1"), list="again"), north.outcome(entry))
    north.upload(north.scan(exit_, rig.key("A1"), list="again", direction="exit"))
    assert south.claim(new(), rig.key("A1"), list="again")["result"] == "taken"
    north.upload(north.outcome(exit_))
    assert south.claim(new(), rig.key("A1"), list="again") == {"result": "granted"}


def test_a_resumed_entry_counts_once(rig: CentralRig, north: Device) -> None:
    """The guest whose gate died under them is let in again, and that is no conflict."""
    first, again = new(), new()
    north.upload(
        north.scan(first, rig.key("A1")),
        north.outcome(first, Kind.INTERRUPTED),
        north.scan(again, rig.key("A1")),
        north.outcome(first, Kind.RESUMED),
        north.outcome(again),
    )
    assert standing(north) == {first.hex(): False, again.hex(): True}
    assert overview.conflicts(rig.central) == []


def test_the_record_settles_its_claim(rig: CentralRig, north: Device) -> None:
    """A claim is open until its outcome is known here, and counts once together with it."""
    first, second = new(), new()
    north.claim(first, rig.key("G4"))
    north.upload(north.scan(first, rig.key("G4")))
    assert north.open_claims() == [first.hex()]
    north.upload(north.outcome(first))
    assert north.open_claims() == []
    answers = [north.claim(p, rig.key("G4"))["result"] for p in (second, new(), new(), new())]
    assert answers == ["granted", "granted", "granted", "taken"]


def test_two_gates_cut_off_from_each_other_are_both_told(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """One ticket entered at two gates that could not ask: kept, shown, told to both ends."""
    first, second = new(), new()
    one = north.upload(north.scan(first, rig.key("A1"), at=100.0), north.outcome(first))
    two = south.upload(south.scan(second, rig.key("A1"), at=200.0), south.outcome(second))
    assert "conflict" not in one[0]
    assert two[0]["conflict"] == {
        "presentation": first.hex(),
        "ticket_key": rig.key("A1").hex(),
        "list": "main",
        "gate": "north",
        "at": 100.0,
    }
    (told,) = north.get("/v1/conflicts").json()["conflicts"]
    assert (told["presentation"], told["other"]["gate"], told["stands"]) == (
        first.hex(),
        "south",
        True,
    )
    (told,) = south.get("/v1/conflicts").json()["conflicts"]
    assert (told["presentation"], told["other"]["gate"]) == (second.hex(), "north")
    (shown,) = overview.conflicts(rig.central)
    assert (shown["other"]["gate"], shown["entry"]["gate"]) == ("north", "south")


def test_a_conflict_ends_when_one_of_its_entries_is_annulled(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """A late outcome sets it right, and both gates hear of that too."""
    first, second = new(), new()
    north.upload(north.scan(first, rig.key("A1")), north.outcome(first))
    south.upload(south.scan(second, rig.key("A1")))
    assert len(overview.conflicts(rig.central)) == 1
    answer = south.upload(south.outcome(second, Kind.NO_PASSAGE))
    assert "conflict" not in answer[0]
    assert overview.conflicts(rig.central) == []
    (told,) = north.get("/v1/conflicts").json()["conflicts"]
    assert told["stands"] is False


@ON_SQLITE
@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_conflicts_do_not_depend_on_the_order_of_arrival(
    rig: CentralRig, north: Device, order: tuple[int, ...]
) -> None:
    """Three entries on a ticket for one are two conflicts, whoever reports first."""
    presentations = [bytes([n]) * 16 for n in range(3)]
    records = [
        north.scan(presentation, rig.key("A1"), at=100.0 * n)
        for n, presentation in enumerate(presentations)
    ]
    records.append(north.outcome(presentations[0]))
    for place in order:
        north.upload(records[place])
    found = {row["entry"]["presentation"] for row in overview.conflicts(rig.central)}
    assert found == {presentations[1].hex(), presentations[2].hex()}


def test_another_record_under_the_same_number_is_a_fork(rig: CentralRig, north: Device) -> None:
    """A journal restored from a copy, or a cloned gate: nothing is replaced, somebody is told."""
    seq, head = north.seq, north.head
    north.upload(north.scan(new(), rig.key("A1")))
    north.seq, north.head = seq, head
    other = north.scan(new(), rig.key("A2"))
    assert results(north.upload(other, other)) == ["fork", "fork"]
    told = {alarm["name"] for alarm in overview.alarms(rig.central)}
    assert told == {"fork", "rewritten"}  # the head names the second one
    assert [row["reason"] for row in overview.parked_records(rig.central)] == ["fork"]
    assert overview.counts(rig.central)["entries"] == 2  # the guest did go in: see docs/adr/0021


def test_a_changed_record_is_parked(rig: CentralRig, north: Device) -> None:
    """A record that does not match its own hash is kept as it came and counts for nothing."""
    record = north.scan(new(), rig.key("A1")) | {"list": "vip"}
    (answer,) = north.upload(record)
    assert answer == {"seq": 1, "result": "parked", "reason": "hash does not match"}
    (kept,) = overview.parked_records(rig.central)
    assert '"list": "vip"' in kept["raw"]
    assert north.upload(record) == [answer]
    assert len(overview.parked_records(rig.central)) == 1
    assert standing(north) == {}


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ("of another event", {"event": "OTHER"}),
        ("short id", {"presentation": b"\1" * 8}),
        ("list name without end", {"list": "x" * 2000}),
        ("before 1970", {"at": -1.0}),
        ("in the year 30000", {"at": 9e11}),
    ],
)
def test_a_record_that_others_could_not_read_is_parked(
    rig: CentralRig, north: Device, south: Device, case: str, changes: dict[str, Any]
) -> None:
    """No gate can put into the feed what would stop the others from reading it."""
    facts = {"presentation": new(), "ticket_key": rig.key("A1")} | changes
    (answer,) = north.upload(north.scan(**facts))
    assert answer["result"] == "parked", case
    assert standing(south) == {}


def test_one_gate_cannot_speak_for_another(rig: CentralRig, north: Device, south: Device) -> None:
    """An outcome for somebody else's presentation annuls nothing."""
    presentation = new()
    north.upload(north.scan(presentation, rig.key("A1")), north.outcome(presentation))
    (answer,) = south.upload(south.outcome(presentation, Kind.NO_PASSAGE))
    assert (answer["result"], answer["reason"]) == ("parked", "presentation of another gate")
    assert standing(south) == {presentation.hex(): True}


def test_a_gap_that_lasts_is_an_alarm(rig: CentralRig, north: Device, clock: FakeClock) -> None:
    """Missing records are noticed, but not at once: a scan may wait for its outcome."""
    first, second = north.record(Kind.MODE), north.record(Kind.MODE)
    north.upload(second)
    assert overview.alarms(rig.central) == []
    clock.advance(61.0)
    (alarm,) = overview.alarms(rig.central)
    assert (alarm["name"], alarm["detail"].split()[0]) == ("gap", "1")
    north.upload(first)
    assert overview.alarms(rig.central) == []


def test_a_record_that_links_to_another_is_an_alarm(rig: CentralRig, north: Device) -> None:
    """A rewritten journal shows where it was rewritten; what it says is still taken."""
    north.upload(north.record(Kind.MODE))
    north.head = bytes(32)
    assert results(north.upload(north.record(Kind.MODE))) == ["stored"]
    assert [alarm["name"] for alarm in overview.alarms(rig.central)] == ["chain"]


KINDS = st.sampled_from([k.value for k in Kind])
ROWS = st.fixed_dictionaries(
    {"kind": KINDS, "detail": st.sampled_from(["", "counts", "annul"])},
    optional={
        "verdict": st.sampled_from(["admitted", "refused", "checked"]),
        "direction": st.sampled_from(["entry", "exit", "up"]),
        "ticket_key": st.just("00" * 16),
        "list": st.just("main"),
    },
)


@given(st.lists(ROWS, max_size=6))
def test_any_records_add_up_to_something(rows: list[dict[str, Any]]) -> None:
    """Whatever a gate claims about a presentation, an outcome follows, and only scans redeem."""
    outcome = add_up(rows)
    if outcome.scan is not None:
        assert (outcome.scan["kind"], outcome.scan["verdict"]) == ("scan", "admitted")
    assert outcome.closed or outcome.stands


def test_a_gates_records_settle_its_own_claims_alone(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """Whoever learns of another gate's presentation cannot give its claim back by records."""
    presentation = new()
    assert north.claim(presentation, rig.key("A1")) == {"result": "granted"}
    scan = south.scan(presentation, rig.key("A1"))
    south.upload(scan, south.outcome(presentation, Kind.NO_PASSAGE))
    assert south.claim(new(), rig.key("A1"))["result"] == "taken"
