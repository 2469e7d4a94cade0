"""One entry right, many gates: who holds it, who gives it back, who comes too late."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.direction import Direction
from admission.history import Standing, Use, entries_spent, inside
from admission.rules import AntiPassback, CheckInList, Product
from central.app import create_app
from central.counting import Right, Tally
from central.imports import cancel
from central.statements import publish_policy
from store.records import Kind
from tests.central.conftest import ON_SQLITE, TestClient
from tests.rigs.central_rig import CentralRig, Device, make_event

GRANTED = {"result": "granted"}
ANNULLED = {"result": "annulled"}
OVERTAKEN = {"result": "refused", "reason": "annulled"}


def new() -> bytes:
    """A presentation id."""
    return os.urandom(16)


def test_one_ticket_is_granted_to_one_of_eight(rig: CentralRig, north: Device) -> None:
    """Eight gates ask in the same moment; one is told yes, seven where it was used."""
    gates = [Device(north.client, rig.enrol_token(f"g{n}"), f"g{n}") for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda gate: gate.claim(new(), rig.key("A1")), gates))
    assert sorted(answer["result"] for answer in answers) == ["granted"] + ["taken"] * 7
    winner = gates[[answer["result"] for answer in answers].index("granted")].gate
    assert {answer.get("gate", winner) for answer in answers} == {winner}


def test_a_claim_is_idempotent(rig: CentralRig, north: Device) -> None:
    """A gate that did not hear the answer asks again and hears the same."""
    presentation = new()
    assert north.claim(presentation, rig.key("A1")) == GRANTED
    assert north.claim(presentation, rig.key("A1")) == GRANTED
    assert north.open_claims() == [presentation.hex()]


def test_taken_says_where_and_when(rig: CentralRig, north: Device, south: Device) -> None:
    """The steward can tell the guest where the ticket was used."""
    north.claim(new(), rig.key("A1"), at=1234.0)
    answer = south.claim(new(), rig.key("A1"))
    assert answer == {"result": "taken", "gate": "north", "at": 1234.0}


def test_an_annulled_claim_frees_the_ticket(rig: CentralRig, north: Device, south: Device) -> None:
    """Nobody went through at one gate, so the guest may enter at the other."""
    presentation = new()
    north.claim(presentation, rig.key("A1"))
    assert north.annul(presentation) == ANNULLED
    assert south.claim(new(), rig.key("A1")) == GRANTED
    assert north.claim(presentation, rig.key("A1")) == OVERTAKEN


def test_a_guest_who_turned_back_is_not_in_their_own_way(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """The claim of the entry that was not made is given back with the next: in one transaction."""
    first = new()
    assert north.claim(first, rig.key("A1")) == GRANTED
    assert north.claim(new(), rig.key("A1"))["result"] == "taken"
    assert north.claim(new(), rig.key("A1"), instead_of=first.hex()) == GRANTED
    assert north.claim(first, rig.key("A1")) == OVERTAKEN
    assert south.claim(new(), rig.key("A1"))["result"] == "taken"


def test_a_gate_gives_back_its_own_claims_alone(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """Otherwise a gate could open what another holds."""
    first = new()
    north.claim(first, rig.key("A1"))
    answer = south.claim(new(), rig.key("A1"), instead_of=first.hex())
    assert answer["error"] == "claim_of_another_device"
    assert south.claim(new(), rig.key("A1"))["result"] == "taken"


@pytest.mark.parametrize("word", [None, 1, "", "00", "x" * 32])
def test_what_it_is_instead_of_is_a_presentation(
    rig: CentralRig, north: Device, word: object
) -> None:
    assert north.claim(new(), rig.key("A1"), instead_of=word)["error"] == "body_malformed"


def test_a_claim_instead_of_itself_gives_nothing_back(rig: CentralRig, north: Device) -> None:
    presentation = new()
    for _ in range(2):
        assert north.claim(presentation, rig.key("A1"), instead_of=presentation.hex()) == GRANTED


def test_a_claim_overtaken_by_its_annulment_is_refused(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """A slow claim must not take a ticket that its gate has long given up."""
    presentation = new()
    assert north.annul(presentation) == ANNULLED
    assert north.claim(presentation, rig.key("A1")) == OVERTAKEN
    assert south.claim(new(), rig.key("A1")) == GRANTED


@ON_SQLITE
@pytest.mark.parametrize(
    "order", sorted(set(permutations(["claim", "claim", "annul", "record", "annul"], 4)))
)
def test_in_every_order_a_turned_back_guest_may_enter_elsewhere(
    rig: CentralRig, north: Device, south: Device, order: tuple[str, ...]
) -> None:
    """Claims, annulments and the record `no_passage` may arrive in any order, any number."""
    presentation = new()
    scan = north.scan(presentation, rig.key("A1")), north.outcome(presentation, Kind.NO_PASSAGE)
    steps = {
        "claim": lambda: north.claim(presentation, rig.key("A1")),
        "annul": lambda: north.annul(presentation),
        "record": lambda: north.upload(*scan),
    }
    for step in order:
        steps[step]()
    assert north.open_claims() == []
    assert south.claim(new(), rig.key("A1")) == GRANTED


@pytest.mark.parametrize("order", list(permutations(["claim", "record", "annul"])))
def test_in_every_order_a_passage_keeps_the_ticket_used(
    rig: CentralRig, north: Device, south: Device, order: tuple[str, ...]
) -> None:
    """What the lane did is what counts, whenever its messages arrive."""
    presentation = new()
    steps = {
        "claim": lambda: north.claim(presentation, rig.key("A1")),
        "annul": lambda: north.annul(presentation),
        "record": lambda: north.upload(
            north.scan(presentation, rig.key("A1")), north.outcome(presentation)
        ),
    }
    for step in order:
        steps[step]()
    assert north.open_claims() == []
    assert south.claim(new(), rig.key("A1"))["result"] == "taken"


def test_only_its_gate_may_touch_a_claim(rig: CentralRig, north: Device, south: Device) -> None:
    """A broken gate can neither annul nor take over another's claim."""
    presentation = new()
    north.claim(presentation, rig.key("A1"))
    assert south.annul(presentation)["error"] == "claim_of_another_device"
    assert south.claim(presentation, rig.key("A1"))["error"] == "claim_of_another_device"
    assert north.open_claims() == [presentation.hex()]


def test_a_presentation_is_for_one_ticket(rig: CentralRig, north: Device) -> None:
    """An id that is used twice would let the second guest in on the first one's claim."""
    presentation = new()
    north.claim(presentation, rig.key("A1"))
    assert north.claim(presentation, rig.key("A2"))["error"] == "presentation_reused"


@pytest.mark.parametrize(
    ("ticket", "check_in_list", "reason"),
    [
        ("nobody", "main", "unknown"),
        ("X9", "main", "cancelled"),
        ("A1", "side door", "wrong_list"),
    ],
)
def test_a_claim_is_refused(
    rig: CentralRig, north: Device, ticket: str, check_in_list: str, reason: str
) -> None:
    """What the server knows better than a gate with an old list."""
    answer = north.claim(new(), rig.key(ticket), list=check_in_list)
    assert answer == {"result": "refused", "reason": reason}


def test_a_cancellation_acts_on_the_next_claim(rig: CentralRig, north: Device) -> None:
    """Gates that have not heard of it yet hear of it here."""
    cancel(rig.central, "A1")
    assert north.claim(new(), rig.key("A1"))["reason"] == "cancelled"


def test_before_any_ticket_is_known_every_ticket_has_one_entry(tmp_path: Path) -> None:
    """A server without a list still keeps two gates from admitting one signed ticket."""
    rig = make_event(tmp_path, csv=None, policy=None)
    gate = Device(TestClient(create_app(rig.central)), rig.enrol_token("north"), "north")
    assert gate.claim(new(), rig.key("A1")) == GRANTED
    assert gate.claim(new(), rig.key("A1"))["result"] == "taken"


@pytest.mark.parametrize(("ticket", "allowed"), [("A1", 1), ("G4", 4), ("U0", 9), ("S1", 9)])
def test_as_many_entries_as_the_ticket_allows(
    rig: CentralRig, north: Device, ticket: str, allowed: int
) -> None:
    """A group ticket enters four times; a staff pass and an unlimited ticket as often as asked."""
    answers = [north.claim(new(), rig.key(ticket))["result"] for _ in range(9)]
    assert answers == ["granted"] * allowed + ["taken"] * (9 - allowed)


def test_the_list_says_how_many_entries(rig: CentralRig, north: Device) -> None:
    """A check-in list's own number goes before the ticket's."""
    publish_policy(rig.central, {"lists": {"main": {"entries": 2}}, "products": {}})
    answers = [north.claim(new(), rig.key("G4"))["result"] for _ in range(3)]
    assert answers == ["granted", "granted", "taken"]


def test_lists_count_apart(rig: CentralRig, north: Device) -> None:
    """An entry right is per check-in list."""
    assert north.claim(new(), rig.key("A1"), list="main") == GRANTED
    assert north.claim(new(), rig.key("A1"), list="again") == GRANTED


def test_an_exit_gives_the_entry_back_where_the_list_says_so(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """Out at one gate, in again at the other."""
    entry, exit_ = new(), new()
    north.upload(north.scan(entry, rig.key("A1"), list="again"), north.outcome(entry))
    assert south.claim(new(), rig.key("A1"), list="again")["result"] == "taken"
    left = {"list": "again", "direction": "exit"}
    south.upload(south.scan(exit_, rig.key("A1"), at=5000.0, **left), south.outcome(exit_))
    assert south.claim(new(), rig.key("A1"), list="again", at=6000.0) == GRANTED


def test_an_exit_is_never_refused(rig: CentralRig, north: Device) -> None:
    """Whoever wants out gets out, known or not, however often."""
    for ticket in ("A1", "A1", "X9", "nobody"):
        assert north.claim(new(), rig.key(ticket), direction="exit") == GRANTED


def test_hard_anti_passback_holds_across_gates(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """A ticket with many entries cannot be handed back over the fence to another gate."""
    inside_ = new()
    north.upload(north.scan(inside_, rig.key("U0"), list="hard"), north.outcome(inside_))
    answer = south.claim(new(), rig.key("U0"), list="hard")
    assert answer == {
        "result": "refused", "reason": "already_inside", "gate": "north", "at": 1001.0
    }  # fmt: skip
    assert south.claim(new(), rig.key("S1"), list="hard") == GRANTED


USES = st.lists(
    st.tuples(
        st.sampled_from(Direction),
        st.integers(0, 50),
        st.sampled_from([Standing.OPEN, Standing.PASSED]),
    ),
    max_size=12,
)


@given(USES, st.booleans(), st.sampled_from(AntiPassback), st.integers(0, 3))
def test_central_counts_as_gates_count(
    made: list[tuple[Direction, int, Standing]], reentry: bool, passback: AntiPassback, allowed: int
) -> None:
    """Whatever happened, server and gate agree on whether one more entry is too many."""
    uses = [
        Use(bytes([n]), way, "main", float(at), "gate", standing)
        for n, (way, at, standing) in enumerate(sorted(made, key=lambda use: use[1]))
    ]
    rules = CheckInList("main", reentry_after_exit=reentry, anti_passback=passback)
    tally = Tally(Right(allowed, Product(1), rules))
    for use in uses:
        tally.add(use)
    spent = allowed and entries_spent(uses, reentry) >= allowed
    within = passback is AntiPassback.HARD and inside(uses) >= 1
    assert (tally.objection(100.0) is not None) == bool(spent or within)


def test_a_signed_ticket_on_no_list_is_granted_once_where_a_gate_admits_such(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """A gate without a list must be able to claim; two such gates admit a ticket once."""
    key = rig.key("sold at the door")
    assert north.claim(new(), key) == {"result": "refused", "reason": "unknown"}
    assert north.claim(new(), key, unlisted=False)["reason"] == "unknown"
    assert north.claim(new(), key, unlisted=True) == GRANTED
    assert south.claim(new(), key, unlisted=True)["result"] == "taken"


def test_a_ticket_on_the_list_is_judged_by_its_row(rig: CentralRig, north: Device) -> None:
    """A gate whose list is old cannot bring a cancelled ticket back."""
    assert north.claim(new(), rig.key("X9"), unlisted=True)["reason"] == "cancelled"
    assert [north.claim(new(), rig.key("G4"), unlisted=True) for _ in range(4)] == [GRANTED] * 4
    assert north.claim(new(), rig.key("G4"), unlisted=True)["result"] == "taken"


@pytest.mark.parametrize("unlisted", [1, "true", None, [], {}])
def test_unlisted_is_true_or_false(rig: CentralRig, north: Device, unlisted: object) -> None:
    """Anything else is no claim, rather than a guess."""
    answer = north.claim(new(), rig.key("A1"), unlisted=unlisted)
    assert answer["error"] == "body_malformed"


def use(way: Direction, at: float, where: str) -> Use:
    """A use that stands."""
    return Use(new(), way, "main", at, where, Standing.PASSED, here=False)


IN, OUT = Direction.ENTRY, Direction.EXIT


@pytest.mark.parametrize(
    ("case", "uses", "free"),
    [
        ("entered", [use(IN, 10, "north")], False),
        ("entered and left", [use(IN, 10, "north"), use(OUT, 20, "south")], True),
        ("entered by a fast clock and left", [use(OUT, 20, "south"), use(IN, 90, "north")], True),
        ("left, then entered, one gate", [use(OUT, 20, "north"), use(IN, 90, "north")], False),
        ("entered twice, left once",
         [use(OUT, 20, "south"), use(IN, 25, "south"), use(IN, 90, "north")], False),
        ("one exit gives back one entry",
         [use(OUT, 20, "south"), use(IN, 80, "north"), use(IN, 90, "north")], False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("passback", [AntiPassback.OFF, AntiPassback.HARD])
def test_clocks_of_two_gates_that_differ_lose_no_exit(
    case: str, uses: list[Use], free: bool, passback: AntiPassback
) -> None:
    """A guest who left may come back, though the clock of the entry ran ahead."""
    tally = Tally(
        Right(1, Product(1), CheckInList("main", reentry_after_exit=True, anti_passback=passback))
    )
    for one in uses:
        tally.add(one)
    assert (tally.objection(100.0) is None) == free, case


@pytest.mark.parametrize(("at", "free"), [(1000, True), (99_000, True), (99_500, False),
                                          (100_500, False), (101_000, True)])  # fmt: skip
def test_timed_passback_bars_around_an_entry_and_not_for_hours(at: float, free: bool) -> None:
    """An entry recorded by a clock that ran ahead bars no guest until that time has come."""
    rules = CheckInList("main", anti_passback=AntiPassback.TIMED, passback_minutes=10)
    tally = Tally(Right(0, Product(1), rules))
    tally.add(use(IN, 100_000, "north"))
    assert (tally.objection(at) is None) == free


def test_a_guest_back_after_an_exit_that_seems_too_early_is_no_conflict(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """The clock at the first entry ran an hour ahead of the other gate's."""
    key = rig.key("A1")
    first, out, second = new(), new(), new()
    again = {"list": "again"}
    north.upload(north.scan(first, key, at=9000.0, **again), north.outcome(first))
    south.upload(
        south.scan(out, key, at=5500.0, direction="exit", **again), south.outcome(out, at=5501.0)
    )
    assert south.claim(second, key, at=5600.0, **again) == GRANTED
    answers = south.upload(south.scan(second, key, at=5600.0, **again), south.outcome(second))
    assert [answer for answer in answers if "conflict" in answer] == []
    assert south.claim(new(), key, at=5700.0, **again)["result"] == "taken"


STEP = st.tuples(
    st.sampled_from(["claim", "annul", "passed", "turned back"]),
    st.integers(0, 1),
    st.integers(0, 3),
)


@settings(max_examples=25)
@given(st.lists(STEP, max_size=14))
def test_in_any_order_of_calls_claims_grant_no_more_than_the_ticket_allows(
    steps: list[tuple[str, int, int]],
) -> None:
    """Two gates, four presentations each, one ticket: held and standing by claim is one at most."""
    with TemporaryDirectory() as directory:
        rig = make_event(Path(directory))
        try:
            _run(rig, steps)
        finally:
            rig.central.database.close()


def _run(rig: CentralRig, steps: list[tuple[str, int, int]]) -> None:
    client = TestClient(create_app(rig.central))
    gates = [Device(client, rig.enrol_token(name), name) for name in ("north", "south")]
    granted: set[tuple[int, int]] = set()
    given_back: set[tuple[int, int]] = set()
    through: set[tuple[int, int]] = set()
    for what, g, n in steps:
        gate, presentation, mine = gates[g], bytes([g, n]) * 8, (g, n)
        if what == "claim":
            answer: dict[str, Any] = gate.claim(presentation, rig.key("A1"))
            assert not (mine in given_back and answer == GRANTED)
            granted |= {mine} if answer == GRANTED else set()
        elif what == "annul" and mine not in through:
            gate.annul(presentation)
            granted.discard(mine)
            given_back.add(mine)
        elif mine in granted and mine not in through:  # gates record what they were granted
            kind = Kind.PASSAGE if what == "passed" else Kind.NO_PASSAGE
            gate.upload(gate.scan(presentation, rig.key("A1")), gate.outcome(presentation, kind))
            if kind is Kind.PASSAGE:
                through.add(mine)
            else:
                granted.discard(mine)
                given_back.add(mine)
        assert len(granted) <= 1
    assert gates[0].get("/v1/conflicts").json()["conflicts"] == []
