"""How often a ticket enters: numbers, re-entry, anti-passback, groups, and after a crash."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.decide import Claim as Answer
from admission.decide import ClaimState, Facts, decide, entries_allowed
from admission.direction import Direction
from admission.history import Standing, Use, entries_spent, inside, on_list, without
from admission.rules import AntiPassback, CheckInList, GatePolicy, GroupRule, Product
from admission.verdict import Reason
from tests.admission.admission_cases import (
    DAY,
    DOORS,
    ENTRY,
    EXIT,
    HOUR,
    MINUTE,
    credential,
    facts,
    ticket,
    use,
)

MAIN = CheckInList("main")
REENTRY = CheckInList("main", reentry_after_exit=True)
PLAIN, STAFF = Product(1), Product(9, "Crew", staff=True)
IN, OUT = use(ago=HOUR), use(EXIT, ago=HOUR / 2)
USED, INSIDE = Reason.ALREADY_REDEEMED, Reason.ALREADY_INSIDE


def shown(
    *uses: Use,
    entries: int = 1,
    rules: CheckInList = MAIN,
    product: Product = PLAIN,
    **more: Any,
) -> Facts:
    """A ticket for a number of entries, that did this and that so far."""
    row = ticket(entries=entries)
    return facts(ticket=row, uses=uses, check_in_list=rules, product=product, **more)


def reason_of(known: Facts) -> Reason | None:
    """Why it is refused; None: admitted."""
    return decide(known).verdict.reason


@pytest.mark.parametrize(
    ("case", "known", "reason"),
    [
        ("never used", shown(), None),
        ("used once", shown(IN), USED),
        ("used at another gate", shown(use(here=False, where="south")), USED),
        ("used on another list", shown(use(check_in_list="backstage")), None),
        ("released just now, outcome open", shown(use(standing=Standing.OPEN)), USED),
        ("interrupted long ago", shown(use(standing=Standing.INTERRUPTED)), USED),
        ("nobody went through", shown(use(standing=Standing.ANNULLED)), None),
        ("taken over by a resumed one", shown(use(standing=Standing.RESUMED)), None),
        ("only ever left", shown(OUT), None),
        ("one of two used", shown(IN, entries=2), None),
        ("two of two used", shown(IN, use(), entries=2), USED),
        ("used often, unlimited", shown(*[use() for _ in range(50)], entries=0), None),
        ("the list allows one of five", shown(IN, entries=5, rules=replace(MAIN, entries=1)), USED),
        ("the list allows any number", shown(IN, rules=replace(MAIN, entries=0)), None),
        ("staff, used often", shown(*[use() for _ in range(50)], product=STAFF), None),
        ("left, and no re-entry", shown(IN, OUT), USED),
        ("left, re-entry allowed", shown(IN, OUT, rules=REENTRY), None),
        ("inside, re-entry allowed", shown(IN, rules=REENTRY), USED),
        ("left twice, entered once more", shown(IN, OUT, OUT, use(), rules=REENTRY), USED),
        (
            "an exit before the entry gives nothing",
            shown(use(EXIT, ago=DAY), IN, rules=REENTRY),
            USED,
        ),
        ("still in the exit", shown(IN, use(EXIT, Standing.OPEN), rules=REENTRY), USED),
        ("turned round in the exit", shown(IN, use(EXIT, Standing.ANNULLED), rules=REENTRY), USED),
        (
            "the gate died at the exit",
            shown(IN, use(EXIT, Standing.INTERRUPTED), rules=REENTRY),
            None,
        ),
    ],
)
def test_a_ticket_enters_as_often_as_it_may(case: str, known: Facts, reason: Reason | None) -> None:
    """An entry counts unless nobody went through; an exit gives it back where the list says so."""
    assert reason_of(known) is reason, case


@pytest.mark.parametrize(
    ("case", "known", "allowed"),
    [
        ("the list's row", shown(entries=3), 3),
        ("the check-in list before the row", shown(entries=3, rules=replace(MAIN, entries=2)), 2),
        ("the code when there is no row", shown(credential=credential(entries=4)), 1),
        ("the code, no row", facts(ticket=None, credential=credential(entries=4)), 4),
        ("the code, unlimited", facts(ticket=None, credential=credential(entries=0)), 0),
        ("neither says", facts(ticket=None, credential=credential(entries=None)), 1),
        ("staff, whatever is said", shown(product=STAFF, rules=replace(MAIN, entries=2)), 0),
    ],
)
def test_how_many_entries_is_said_by(case: str, known: Facts, allowed: int) -> None:
    """The rules of the list, then the ticket's row, then the signed code; 0 is any number."""
    assert entries_allowed(known) == allowed, case


def test_a_used_ticket_is_told_where_and_when() -> None:
    """The last entry, so that the steward can ask the guest about it."""
    known = shown(use(ago=DAY), use(ago=MINUTE, where="south"), entries=2)
    assert decide(known).verdict.detail == "entered south 17:59:00 UTC"
    broken = shown(use(ago=MINUTE, standing=Standing.INTERRUPTED))
    assert decide(broken).verdict.detail.endswith("UTC, interrupted: ask the guest")


def test_exits_are_admitted_however_often() -> None:
    """Whoever wants out gets out, used up or not."""
    known = shown(IN, OUT, OUT, direction=EXIT)
    assert decide(known).verdict.admitted
    assert decide(known).verdict.attention == ""


# -- anti-passback -------------------------------------------------------------------------------

HARD = CheckInList("main", entries=0, anti_passback=AntiPassback.HARD)
SOFT = replace(HARD, anti_passback=AntiPassback.SOFT)
TIMED = replace(HARD, anti_passback=AntiPassback.TIMED, passback_minutes=10)
OFF = replace(HARD, anti_passback=AntiPassback.OFF)
FAMILY = Product(4, "Family", people=2)


@pytest.mark.parametrize(
    ("case", "known", "reason", "mark"),
    [
        ("off, inside", shown(IN, rules=OFF), None, ""),
        ("hard, first entry", shown(rules=HARD), None, ""),
        ("hard, inside", shown(IN, rules=HARD), INSIDE, ""),
        ("hard, inside by another gate", shown(use(here=False), rules=HARD), INSIDE, ""),
        ("hard, left", shown(IN, OUT, rules=HARD), None, ""),
        ("hard, still in the exit", shown(IN, use(EXIT, Standing.OPEN), rules=HARD), INSIDE, ""),
        ("hard, back again", shown(IN, OUT, use(ago=60), rules=HARD), INSIDE, ""),
        ("hard, family, one in", shown(IN, rules=HARD, product=FAMILY), None, ""),
        ("hard, family, both in", shown(IN, use(), rules=HARD, product=FAMILY), INSIDE, ""),
        ("hard, family, one left", shown(IN, use(), OUT, rules=HARD, product=FAMILY), None, ""),
        ("hard, staff", shown(IN, rules=HARD, product=STAFF), None, ""),
        ("soft, first entry", shown(rules=SOFT), None, ""),
        ("soft, inside", shown(IN, rules=SOFT), None, "already inside"),
        ("soft, left", shown(IN, OUT, rules=SOFT), None, ""),
        ("soft, family, one in", shown(IN, rules=SOFT, product=FAMILY), None, ""),
        ("soft, staff", shown(IN, rules=SOFT, product=STAFF), None, ""),
        ("soft, going out", shown(IN, rules=SOFT, direction=EXIT), None, ""),
        ("timed, long ago", shown(use(ago=600), rules=TIMED), None, ""),
        ("timed, just now", shown(use(ago=599), rules=TIMED), INSIDE, ""),
        ("timed, left meanwhile", shown(use(ago=60), use(EXIT, ago=30), rules=TIMED), INSIDE, ""),
        ("timed, family, one in", shown(use(ago=60), rules=TIMED, product=FAMILY), None, ""),
        ("timed, staff", shown(use(ago=60), rules=TIMED, product=STAFF), None, ""),
        ("timed, the clock ran a day ahead then", shown(use(ago=-DAY), rules=TIMED), None, ""),
        ("timed, the clock was set back a minute", shown(use(ago=-60), rules=TIMED), INSIDE, ""),
        (
            "nobody went through",
            shown(use(standing=Standing.ANNULLED, ago=9), rules=HARD),
            None,
            "",
        ),
    ],
)
def test_a_ticket_is_not_handed_back_over_the_fence(
    case: str, known: Facts, reason: Reason | None, mark: str
) -> None:
    """hard refuses, soft admits and marks, timed refuses for N minutes; `people` may be inside."""
    verdict = decide(known).verdict
    assert (verdict.reason, verdict.attention) == (reason, mark), case


@pytest.mark.parametrize(
    ("case", "known", "alerts"),
    [
        ("soft, inside", shown(IN, rules=SOFT), True),
        ("soft, first entry", shown(rules=SOFT), False),
        ("soft, going out", shown(IN, rules=SOFT, direction=EXIT), False),
        ("soft, inside, but used up", shown(IN, rules=replace(SOFT, entries=1)), False),
        ("hard, refused", shown(IN, rules=HARD), False),
    ],
)
def test_soft_anti_passback_alerts_whenever_it_admits(
    case: str, known: Facts, alerts: bool
) -> None:
    """Marked on the record, and told aloud: somebody may stand there with a copy."""
    assert bool(decide(known).alert) is alerts, case


def test_who_is_inside_is_told_since_when() -> None:
    """So that the steward can ask."""
    assert decide(shown(IN, rules=HARD)).verdict.detail == "entered north-1 17:00:00 UTC"
    assert decide(shown(use(ago=60), rules=TIMED)).verdict.detail == "entered north-1 17:59:00 UTC"


# -- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "detail", "left"),
    [
        (0, "3 left, show again", 3),
        (2, "1 left, show again", 1),
        (3, "the last of this ticket", 0),
    ],
)
def test_a_group_is_told_how_many_are_left(used: int, detail: str, left: int) -> None:
    """Both group rules: how many may still come after this one."""
    decision = decide(shown(*[use() for _ in range(used)], entries=4))
    assert (decision.verdict.detail, decision.left) == (detail, left)


def test_a_group_that_is_shown_once_need_not_show_again() -> None:
    """`one_shows_all`: the rest may follow."""
    band = Product(4, group=GroupRule.ONE_SHOWS_ALL, people=4)
    assert decide(shown(IN, entries=4, product=band)).verdict.detail == "2 left, they may follow"


@pytest.mark.parametrize(
    "known",
    [shown(), shown(IN, entries=0), shown(IN, product=STAFF), shown(IN, entries=4, direction=EXIT)],
)
def test_nobody_else_is_told_a_number(known: Facts) -> None:
    """Single tickets, passes for any number, and whoever leaves."""
    decision = decide(known)
    assert (decision.verdict.detail, decision.left) == ("", 0)


def test_a_refused_group_has_none_left() -> None:
    """Nothing follows from a refusal."""
    assert decide(shown(*[use() for _ in range(4)], entries=4)).left == 0


# -- after a crash -------------------------------------------------------------------------------

BROKEN = use(standing=Standing.INTERRUPTED, ago=MINUTE)
AGAIN = "resumed after a restart"


@pytest.mark.parametrize(
    ("case", "known", "resumes"),
    [
        ("at this gate, in time", shown(BROKEN, resume_open=True), True),
        ("too late", shown(BROKEN, resume_open=False), False),
        ("at another gate", shown(replace(BROKEN, here=False), resume_open=True), False),
        ("of another list", shown(replace(BROKEN, check_in_list="vip"), resume_open=True), False),
        ("passed after all", shown(IN, resume_open=True), False),
        (
            "left since: somebody was inside",
            shown(BROKEN, use(EXIT, ago=30), resume_open=True),
            False,
        ),
        (
            "second crash: somebody may be inside by now",
            shown(use(standing=Standing.RESUMED), BROKEN, resume_open=True),
            False,
        ),
        (
            "several people, one of them interrupted",
            shown(BROKEN, use(ago=30), entries=2, resume_open=True),
            True,
        ),
        ("others of the group are left", shown(BROKEN, entries=2, resume_open=True), False),
        (
            "anti-passback asks for an exit",
            shown(BROKEN, rules=HARD, resume_open=True),
            True,
        ),
    ],
)
def test_an_interrupted_admission_is_resumed_once_here_and_soon(
    case: str, known: Facts, resumes: bool
) -> None:
    """It takes the interrupted one's place; a ticket with entries left needs no such grace."""
    decision = decide(known)
    assert (decision.resumes == BROKEN.presentation) is resumes, case
    assert (AGAIN in decision.verdict.attention) is resumes, case


def test_what_else_is_against_a_ticket_stays_against_it_when_resumed() -> None:
    """Resuming forgives the interrupted entry, and nothing else."""
    full = replace(MAIN, capacity=1)
    decision = decide(shown(BROKEN, rules=full, inside_now=1, resume_open=True))
    assert decision.verdict.reason is USED
    assert decision.resumes is None


def test_an_exit_resumes_nothing() -> None:
    """It is open anyway."""
    decision = decide(shown(BROKEN, resume_open=True, direction=EXIT))
    assert decision.verdict.admitted
    assert decision.resumes is None


# -- what must never happen ----------------------------------------------------------------------

POLICIES = st.builds(
    CheckInList,
    st.just("main"),
    entries=st.one_of(st.none(), st.integers(1, 4)),
    reentry_after_exit=st.booleans(),
    anti_passback=st.sampled_from(AntiPassback),
    passback_minutes=st.integers(0, 30),
)
SHOWINGS = st.lists(
    st.tuples(
        st.sampled_from(Direction), st.sampled_from(Standing), st.booleans(), st.integers(0, 900)
    ),
    max_size=20,
)


@given(POLICIES, st.integers(1, 4), st.integers(1, 3), SHOWINGS)
def test_never_more_entries_than_allowed_in_any_order_of_showings(
    rules: CheckInList, entries: int, people: int, showings: list[Any]
) -> None:
    """Entries that stand, less those given back, stay within the ticket whatever happens."""
    uses: tuple[Use, ...] = ()
    at = DOORS
    product = Product(1, people=people)
    for direction, standing, resume_open, later in showings:
        at += later
        known = shown(
            *uses,
            entries=entries,
            rules=rules,
            product=product,
            direction=direction,
            resume_open=resume_open,
            policy=GatePolicy("north"),
            claim=Answer(ClaimState.NONE),
        )
        known = replace(known, reading=replace(known.reading, at=at))
        decision = decide(known)
        if decision.resumes:
            uses = without(uses, decision.resumes)
        if decision.verdict.admitted:
            uses = (*uses, use(direction, standing, at=at))
        standing_now = on_list(uses, "main")
        assert entries_spent(standing_now, rules.reentry_after_exit) <= entries_allowed(known)
        if rules.anti_passback is AntiPassback.HARD:
            assert inside(standing_now) <= people
        if not rules.reentry_after_exit:
            entered = [u for u in standing_now if u.direction is ENTRY]
            assert len(entered) <= entries_allowed(known)
