"""Who may pass, and why not: every reason that this hardware can show, in their order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.clock import ClockState
from admission.decide import GAP, Claim, ClaimState, decide
from admission.direction import Direction
from admission.history import Standing
from admission.rules import AntiPassback, CheckInList, Fallback, GatePolicy, Product
from admission.verdict import NEXT_STEP, Reason
from tests.admission.admission_cases import (
    DAY,
    DOORS,
    EXIT,
    HOUR,
    MINUTE,
    credential,
    facts,
    reading,
    ticket,
    use,
)
from tickets.credential import Flaw, Format, Rejection
from tickets.rows import Status

INFINITE = float("inf")
SOON, JUST_OVER = int(DOORS + MINUTE), int(DOORS - MINUTE)
OPAQUE = credential(format=Format.OPAQUE, product=None, entries=None, issuer=b"")
TYPED = credential(product=None, entries=None, issuer=b"")
STRICT = GatePolicy("north", on_unknown_clock=Fallback.REFUSE, on_old_list=Fallback.REFUSE)
LISTED = GatePolicy("north", list_required=False)
TAKEN, UNCLAIMED = ClaimState.TAKEN, ClaimState.UNCLAIMED
NO_ANSWER = "cannot be ruled out: no answer from the server"
SURE = GatePolicy("north", on_unclaimed=Fallback.REFUSE)


def ends(at: float) -> CheckInList:
    """The list main, closing at `at`."""
    return CheckInList("main", valid_until=int(at))


BLOCKING: list[tuple[Reason, Mapping[str, Any]]] = [
    (Reason.FORGED, {"credential": Rejection(Flaw.FORGED)}),
    (Reason.REVOKED, {"ticket": Status.REVOKED}),
    (
        Reason.CLOCK_UNTRUSTED,
        {
            "reading": reading(state=ClockState.UNKNOWN, uncertainty=INFINITE),
            "policy": {"on_unknown_clock": Fallback.REFUSE},
            "check_in_list": {"valid_until": int(DOORS)},
        },
    ),
    (Reason.LIST_TOO_OLD, {"list_age": DAY + 1.0, "policy": {"on_old_list": Fallback.REFUSE}}),
    (Reason.CANCELLED, {"ticket": Status.CANCELLED}),
    (Reason.BLOCKED, {"ticket": Status.BLOCKED}),
    (Reason.UNAPPROVED, {"ticket": Status.UNAPPROVED}),
    (Reason.TOO_EARLY, {"credential": credential(valid_from=int(DOORS + DAY))}),
    (Reason.TOO_LATE, {"check_in_list": {"valid_until": int(DOORS - DAY)}}),
    (Reason.WRONG_LIST, {"check_in_list": {"products": frozenset({9})}}),
    (Reason.WRONG_GATE, {"check_in_list": {"gates": frozenset({"south"})}}),
    (Reason.UNPAID, {"ticket": Status.UNPAID}),
    (Reason.NEEDS_ANSWERS, {"ticket": Status.NEEDS_ANSWERS}),
    (Reason.ALREADY_REDEEMED, {"check_in_list": {"entries": 1}, "uses": (use(),)}),
    (
        Reason.ALREADY_INSIDE,
        {"check_in_list": {"entries": 2, "anti_passback": AntiPassback.HARD}, "uses": (use(),)},
    ),
    (Reason.TAKEN_ELSEWHERE, {"claim": Claim(TAKEN, "south", DOORS)}),
    (Reason.FULL, {"check_in_list": {"capacity": 10}, "inside_now": 10}),
]
"""One thing that stands against a ticket, for each reason, in the order they are explained."""


def stack(*against: Mapping[str, Any]) -> dict[str, Any]:
    """Several things against one ticket at once; the first named wins where two exclude another."""
    changes: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    policy: dict[str, Any] = {}
    flags = Status(0)
    for one in reversed(against):
        rules |= one.get("check_in_list", {})
        policy |= one.get("policy", {})
        flags |= one.get("ticket", Status(0))
        changes |= {k: v for k, v in one.items() if k not in {"check_in_list", "policy", "ticket"}}
    changes["ticket"] = ticket(flags=flags)
    changes["check_in_list"] = replace(CheckInList("main"), **rules)
    changes["policy"] = replace(GatePolicy("north"), **policy)
    return changes


def test_a_valid_ticket_is_admitted_without_remark() -> None:
    """The plain case: nothing to see, nothing to do."""
    verdict = decide(facts()).verdict
    assert verdict.admitted
    assert (verdict.reason, verdict.detail, verdict.attention) == (None, "", "")


@pytest.mark.parametrize(("reason", "against"), BLOCKING)
def test_each_thing_against_a_ticket_refuses_it_by_its_name(
    reason: Reason, against: Mapping[str, Any]
) -> None:
    """One reason at a time."""
    assert decide(facts(**stack(against))).verdict.reason is reason


@pytest.mark.parametrize("first", range(len(BLOCKING) - 1))
def test_of_two_reasons_the_earlier_is_told(first: int) -> None:
    """In the order of `Reason`, which is the order in which a steward would explain them."""
    reason, against = BLOCKING[first]
    for later, also in BLOCKING[first + 1 :]:
        told = decide(facts(**stack(against, also))).verdict.reason
        assert told is reason, f"{reason} before {later}"


def test_the_reasons_are_listed_in_the_order_of_their_explanation() -> None:
    """The table above is in the order of the enumeration, so that both say the same."""
    order = list(Reason)
    told = [order.index(reason) for reason, _ in BLOCKING]
    assert told == sorted(told)


NOT_ON_LIST = {"ticket": None}


@pytest.mark.parametrize(
    ("case", "changes", "reason"),
    [
        ("noise", {"credential": Rejection(Flaw.UNREADABLE)}, Reason.UNREADABLE),
        ("another event's", {"credential": Rejection(Flaw.WRONG_EVENT)}, Reason.WRONG_EVENT),
        ("signed, not on the list", NOT_ON_LIST, Reason.UNKNOWN),
        ("same, and no list needed", NOT_ON_LIST | {"policy": LISTED}, None),
        (
            "opaque, not on the list",
            NOT_ON_LIST | {"credential": OPAQUE, "policy": LISTED},
            Reason.UNKNOWN,
        ),
        ("typed, unsigned", NOT_ON_LIST | {"credential": TYPED, "policy": LISTED}, Reason.UNKNOWN),
        ("typed, on the list", {"credential": TYPED}, None),
        ("opaque, on the list", {"credential": OPAQUE}, None),
        (
            "no list needed, but revoked",
            {"ticket": ticket(flags=Status.REVOKED), "policy": LISTED},
            Reason.REVOKED,
        ),
        (
            "no list needed, but used",
            NOT_ON_LIST | {"policy": LISTED, "uses": (use(),)},
            Reason.ALREADY_REDEEMED,
        ),
        ("the list says when", {"ticket": ticket(valid_from=SOON)}, Reason.TOO_EARLY),
        ("the list said when", {"ticket": ticket(valid_until=JUST_OVER)}, Reason.TOO_LATE),
        ("the code says when", {"credential": credential(valid_from=SOON)}, Reason.TOO_EARLY),
        ("the code said when", {"credential": credential(valid_until=JUST_OVER)}, Reason.TOO_LATE),
        (
            "doors not open yet",
            {"check_in_list": CheckInList("main", valid_from=SOON)},
            Reason.TOO_EARLY,
        ),
        ("for this gate", {"check_in_list": CheckInList("main", gates=frozenset({"north"}))}, None),
        ("of this list", {"check_in_list": CheckInList("main", products=frozenset({1}))}, None),
    ],
)
def test_what_decides_is_the_list_the_code_and_the_rules(
    case: str, changes: dict[str, Any], reason: Reason | None
) -> None:
    """Each of the three may hold a ticket back."""
    assert decide(facts(**changes)).verdict.reason is reason, case


@pytest.mark.parametrize("flaw", Flaw)
def test_every_flaw_of_a_code_is_a_reason(flaw: Flaw) -> None:
    """What the parser finds is told by the same name, with its detail."""
    verdict = decide(facts(credential=Rejection(flaw, "so it is"))).verdict
    assert verdict.reason is Reason(flaw.value)
    assert verdict.detail == "so it is"


# -- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "ahead", "uncertainty", "reason"),
    [
        ("opens in a minute, clock good", 60, 0.05, Reason.TOO_EARLY),
        ("opens in a minute, clock ± 30 s", 60, 30.0, Reason.TOO_EARLY),
        ("opens in a minute, clock ± 60 s", 60, 60.0, None),
        ("opened just now", 0, 0.0, None),
        ("closed a minute ago, clock good", -60, 0.05, Reason.TOO_LATE),
        ("closed a minute ago, clock ± 30 s", -60, 30.0, Reason.TOO_LATE),
        ("closed a minute ago, clock ± 60 s", -60, 60.0, None),
        ("closed long ago, nobody knows the time", -DAY, INFINITE, None),
    ],
)
def test_windows_are_judged_on_the_time_and_its_uncertainty(
    case: str, ahead: int, uncertainty: float, reason: Reason | None
) -> None:
    """A guest is refused for the time only if it is so wherever within ± uncertainty it is."""
    limit = int(DOORS) + ahead
    rules = CheckInList("main", valid_from=limit) if ahead >= 0 else ends(limit)
    held = reading(state=ClockState.HELD, uncertainty=uncertainty)
    assert decide(facts(reading=held, check_in_list=rules)).verdict.reason is reason, case


HELD_BADLY = reading(state=ClockState.HELD, uncertainty=90.0)
UNKNOWN = reading(state=ClockState.UNKNOWN, uncertainty=INFINITE)
NEAR = ends(DOORS + MINUTE)


@pytest.mark.parametrize(
    ("case", "clock", "rules", "untrusted"),
    [
        ("synchronised, limit near", reading(uncertainty=0.9), ends(DOORS), False),
        ("synchronised ± 90 s, limit near", reading(uncertainty=90.0), NEAR, True),
        ("synchronised ± 16 s, limit far", reading(uncertainty=16.0), NEAR, False),
        ("held, limit near", HELD_BADLY, NEAR, True),
        ("held, limit far", HELD_BADLY, ends(DOORS + HOUR), False),
        ("unknown, some limit", UNKNOWN, ends(DOORS + DAY), True),
        ("unknown, no limit", UNKNOWN, CheckInList("main"), False),
    ],
)
def test_what_the_clock_cannot_decide_follows_the_policy(
    case: str, clock: Any, rules: CheckInList, untrusted: bool
) -> None:
    """`on_unknown_clock`: admit and mark, or refuse; and only where a limit is in doubt."""
    lenient = decide(facts(reading=clock, check_in_list=rules)).verdict
    strict = decide(facts(reading=clock, check_in_list=rules, policy=STRICT)).verdict
    assert lenient.admitted, case
    assert ("clock not trusted" in lenient.attention) is untrusted, case
    assert (strict.reason is Reason.CLOCK_UNTRUSTED) is untrusted, case


@pytest.mark.parametrize(
    ("age", "old"), [(0.0, False), (DAY, False), (DAY + 1.0, True), (None, False)]
)
def test_an_old_list_follows_the_policy(age: float | None, old: bool) -> None:
    """After 24 h: admit and mark, or refuse. What is not known is not held against a guest."""
    lenient = decide(facts(list_age=age)).verdict
    assert lenient.admitted
    assert ("list too old" in lenient.attention) is old
    strict = decide(facts(list_age=age, policy=STRICT)).verdict
    assert (strict.reason is Reason.LIST_TOO_OLD) is old


def test_times_are_told_in_the_gates_own_zone() -> None:
    """The steward's watch shows it, the page beside the detail too."""
    policy = GatePolicy("north", timezone="Europe/Berlin")
    rules = CheckInList("main", valid_from=int(DOORS + HOUR))
    verdict = decide(facts(check_in_list=rules, policy=policy)).verdict
    assert verdict.detail == "valid from 20:00:00 CET"


def test_a_time_of_another_day_is_told_with_its_date() -> None:
    """ "Valid from 18:00" on the wrong day would send the guest to wait."""
    rules = CheckInList("main", valid_from=int(DOORS + DAY))
    assert decide(facts(check_in_list=rules)).verdict.detail == "valid from 2026-11-19 18:00 UTC"


# -- claims --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "claim", "policy", "reason", "said"),
    [
        ("none due", Claim(), SURE, None, ""),
        ("granted", Claim(ClaimState.GRANTED), SURE, None, ""),
        ("taken", Claim(TAKEN, "south", DOORS), SURE, Reason.TAKEN_ELSEWHERE, "south 18:00:00 UTC"),
        ("taken, no time", Claim(TAKEN, "south"), SURE, Reason.TAKEN_ELSEWHERE, "south"),
        (
            "taken, mad time",
            Claim(TAKEN, "s", 1e300),
            SURE,
            Reason.TAKEN_ELSEWHERE,
            "s at an unknown time",
        ),
        (
            "taken, no number",
            Claim(TAKEN, "s", float("nan")),
            SURE,
            Reason.TAKEN_ELSEWHERE,
            "s at an unknown time",
        ),
        (
            "refused by name",
            Claim(ClaimState.REFUSED, reason="cancelled"),
            SURE,
            Reason.CANCELLED,
            "cancelled",
        ),
        (
            "refused oddly",
            Claim(ClaimState.REFUSED, reason="moon"),
            SURE,
            Reason.TAKEN_ELSEWHERE,
            "moon",
        ),
        ("no answer, strict", Claim(UNCLAIMED), SURE, Reason.TAKEN_ELSEWHERE, NO_ANSWER),
        ("no answer, lenient", Claim(UNCLAIMED), GatePolicy("north"), None, ""),
    ],
)
def test_the_authority_s_answer_is_heard(
    case: str, claim: Claim, policy: GatePolicy, reason: Reason | None, said: str
) -> None:
    """Its no is a refusal that says where; its silence follows the provisioned policy."""
    verdict = decide(facts(claim=claim, policy=policy)).verdict
    assert (verdict.reason, verdict.detail) == (reason, said), case


def test_an_entry_that_nobody_could_check_is_marked() -> None:
    """The record and the screen say so; conflicts are reported later."""
    verdict = decide(facts(claim=Claim(UNCLAIMED))).verdict
    assert verdict.attention == "unclaimed: not checked with other gates"


# -- capacity, attention -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "inside", "changes", "reason"),
    [
        ("one place left", 9, {}, None),
        ("full", 10, {}, Reason.FULL),
        ("over-full", 12, {}, Reason.FULL),
        ("no place at all", 0, {"check_in_list": CheckInList("main", capacity=0)}, Reason.FULL),
        ("staff still get in", 10, {"product": Product(1, staff=True)}, None),
        ("everybody still gets out", 10, {"direction": EXIT}, None),
    ],
)
def test_a_full_area_admits_nobody_but_staff(
    case: str, inside: int, changes: dict[str, Any], reason: Reason | None
) -> None:
    """`capacity` people, as far as this gate knows."""
    full = {"check_in_list": CheckInList("main", capacity=10), "inside_now": inside} | changes
    assert decide(facts(**full)).verdict.reason is reason, case


def test_the_steward_is_told_what_to_look_at() -> None:
    """A product's own text goes before the general remark of the list."""
    child = Product(1, attention="concession: check the pass")
    flagged = ticket(flags=Status.ATTENTION)
    assert decide(facts(product=child)).verdict.attention == "concession: check the pass"
    assert decide(facts(ticket=flagged)).verdict.attention == "special ticket: please check"
    both = decide(facts(ticket=flagged, product=child)).verdict
    assert both.attention == "concession: check the pass"


def test_several_remarks_are_all_told() -> None:
    """None hides another."""
    child = Product(1, attention="check the pass")
    verdict = decide(facts(product=child, claim=Claim(UNCLAIMED), list_age=DAY + 1.0)).verdict
    assert verdict.attention.split("; ") == [
        "check the pass",
        "unclaimed: not checked with other gates",
        "list too old",
    ]


TEST_TICKET = Product(1, test=True)


@pytest.mark.parametrize("flag", ["ADDONS", "MEDIUM", "LINK", "AMBIGUOUS", "EXCHANGED"])
def test_what_only_a_pretix_list_says_of_a_row_makes_it_no_ticket_here(flag: str) -> None:
    """Signed and on the list: what the list means by it is not known, so nobody enters by it."""
    strange = facts(ticket=ticket(flags=Status[flag]))
    assert decide(strange).verdict.reason is Reason.UNKNOWN


@pytest.mark.parametrize(
    ("case", "product", "training", "said"),
    [
        ("real ticket, real lane", Product(1), False, None),
        ("test ticket, training", TEST_TICKET, True, None),
        ("test ticket, real lane", TEST_TICKET, False, "a test ticket"),
        ("real ticket, training", Product(1), True, "lane in training: test tickets only"),
    ],
)
def test_training_and_service_admit_each_their_own_tickets(
    case: str, product: Product, training: bool, said: str | None
) -> None:
    """A test ticket opens no gate, and training burns nobody's ticket; out is open to both."""
    verdict = decide(facts(product=product, training=training)).verdict
    assert verdict.reason is (Reason.WRONG_LIST if said else None), case
    assert verdict.detail == (said or ""), case
    leaving = decide(facts(product=product, training=training, direction=EXIT)).verdict
    assert (leaving.admitted, leaving.attention) == (True, ""), case


# -- exits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "against"), BLOCKING)
def test_whatever_is_against_a_ticket_its_holder_gets_out(
    reason: Reason, against: Mapping[str, Any]
) -> None:
    """I11: an exit is never refused; it records and warns."""
    verdict = decide(facts(**stack(against), direction=EXIT)).verdict
    assert verdict.admitted
    of_entries = {Reason.ALREADY_REDEEMED, Reason.ALREADY_INSIDE, Reason.FULL}
    warning = "" if reason in of_entries else f"exit with warning: {reason.value}"
    assert verdict.attention.startswith(warning)
    assert bool(verdict.attention) is bool(warning)


ANY_FACTS = st.builds(
    lambda picked, more: facts(**stack(*picked), **more),
    st.lists(st.sampled_from([against for _, against in BLOCKING])),
    st.fixed_dictionaries(
        {
            "direction": st.sampled_from(Direction),
            "product": st.builds(
                Product,
                st.just(1),
                people=st.integers(1, 3),
                staff=st.booleans(),
                attention=st.sampled_from(["", "look"]),
            ),
            "resume_open": st.booleans(),
        }
    ),
)
HISTORY = st.lists(
    st.builds(
        use,
        st.sampled_from(Direction),
        st.sampled_from(Standing),
        ago=st.integers(-HOUR, HOUR),
        here=st.booleans(),
    )
)


@given(ANY_FACTS, HISTORY)
def test_any_facts_get_one_whole_answer(known: Any, history: list[Any]) -> None:
    """Admitted or one reason with a next step; out is always open; nothing raises."""
    decision = decide(replace(known, uses=tuple(history)))
    verdict = decision.verdict
    assert verdict.admitted is (verdict.reason is None)
    assert verdict.reason is None or NEXT_STEP[verdict.reason]
    assert verdict.admitted or known.direction is not EXIT
    assert decision.left >= 0
    assert verdict.admitted or decision.resumes is None


# -- a card's message counts once ----------------------------------------------------------------


def message(shown, last=None, **changes):
    """A card's message `shown`, after `last`."""
    card = credential(format=Format.NTAG424, issuer=b"", counter=shown)
    return facts(credential=card, counter=last, **changes)


@pytest.mark.parametrize("shown", [0, 6, 7])
def test_a_card_s_message_that_is_not_newer_than_the_last_is_replayed(shown):
    assert decide(message(shown, last=7)).verdict.reason is Reason.REPLAYED


@pytest.mark.parametrize("last", [None, 0, 7])
def test_a_newer_message_of_a_card_is_admitted(last):
    verdict = decide(message(8, last=last)).verdict
    assert verdict.admitted
    assert not verdict.attention


def test_a_counter_that_begins_again_is_a_replay_not_a_new_card():
    """No chip goes round: behind its last counter it gives no more messages."""
    assert decide(message(0, last=2**24 - 1)).verdict.reason is Reason.REPLAYED


@pytest.mark.parametrize(("shown", "told"), [(7 + GAP, False), (8 + GAP, True)])
def test_a_gap_in_a_card_s_readings_is_told_and_refuses_nobody(shown, told):
    verdict = decide(message(shown, last=7)).verdict
    assert verdict.admitted
    assert bool(verdict.attention) is told


def test_a_replay_is_told_before_the_entry_that_the_first_one_made():
    uses = (use(),)
    assert decide(message(7, last=7, uses=uses)).verdict.reason is Reason.REPLAYED


def test_who_leaves_with_a_replayed_message_is_let_out_with_a_warning():
    verdict = decide(message(7, last=7, direction=EXIT)).verdict
    assert verdict.admitted
    assert "replayed" in verdict.attention


def test_a_live_answer_has_no_counter_and_is_never_a_replay():
    assert decide(message(None, last=7)).verdict.admitted


def test_a_card_that_is_on_no_list_is_unknown_whatever_the_policy():
    """It says who it is, not what it was sold for."""
    open_policy = replace(facts().policy, list_required=False)
    assert decide(message(8, ticket=None, policy=open_policy)).verdict.reason is Reason.UNKNOWN
