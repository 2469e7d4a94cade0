"""The peer's table, told again: every case of pretix' own gate software that is about a decision.

Source of the cases, by their names: libpretixsync, AsyncCheckProviderTest and its test of reusable
media. Each row is one story at one gate, which records what it admits, as a real one does. Where
the peer decides wrongly, see `test_scanner_pretix_weak.py`. EciClean is the readers' business
(`tests/drivers/test_drivers_wedge_frames.py`), JsonLogic that of `tests/admission`; a gate takes no
answers to questions, and lets nobody in who has not paid.
"""

from typing import Any, NamedTuple

import pytest

from tests.rigs.pretix_desk import CODES, NEXT_YEAR, Desk

DOORS = "2020-01-01 10:00"
"""UTC; 19:00 in Tokyo."""
ONE_SIDE = "2020-01-01 21:00"
OTHER_SIDE = "2020-01-01 22:10"
"""Around 2020-01-01 23:00 in Central Europe, which is the next morning in Tokyo."""
MARK = {"buildTime": ["custom", "2020-01-01T23:00:00.000+01:00"]}
NOW = {"var": "now"}
ADMISSION, END = {"buildTime": ["date_admission"]}, {"buildTime": ["date_to"]}
LATER = {"isAfter": [NOW, MARK, 0]}
SOONER = {"isBefore": [NOW, MARK, 0]}


def var(name: str) -> dict[str, str]:
    """A variable of the rules."""
    return {"var": name}


def one_of(kind: str, *numbers: int) -> dict[str, Any]:
    """The rule that the editor writes for "is one of"."""
    lookups = [{"lookup": [kind, str(number), "as people call it"]} for number in numbers]
    return {"inList": [var(kind), {"objectList": lookups}]}


class Case(NamedTuple):
    """`steps`: (way, UTC, what comes of it: `ok` or a reason)."""

    name: str
    steps: list[tuple[str, str, str]]
    on: str = "all"
    code: str = "paid"
    rules: Any = None
    gate: int | None = None


def once(name: str, result: str, on: str = "all", code: str = "paid", at: str = DOORS) -> Case:
    """A story of one entry."""
    return Case(name, [("in", at, result)], on, code)


DECISIONS = [
    once("SimpleSuccess", "ok"),
    once("SuccessFilteredList", "ok", on="multi"),
    once("SimpleInvalid", "unknown", code="never-sold"),
    once("WrongEvent", "wrong_event", code="of-other-event"),
    once("SimpleCanceled", "cancelled", code="cancelled"),
    once("SimpleBlocked", "blocked", code="blocked"),
    once("RequireApproval", "unapproved", code="unapproved"),
    once("InvalidProduct", "wrong_list", on="multi", code="merch"),
    once("SimpleUnpaid", "unpaid", code="unpaid"),
    once("UnpaidIgnoreWithoutIncludePending", "unpaid", on="multi", code="unpaid"),
    once("ValidSetOnOrder", "ok", on="multi", code="unpaid-but-valid"),
    once("UnpaidAllowedIfSetOnOrder", "ok", code="unpaid-but-valid"),
    once("SimpleValidFrom, before", "too_early", code="from-4-march", at="2023-03-03 23:59:59"),
    once("SimpleValidFrom, after", "ok", code="from-4-march", at="2023-03-04 00:00:01"),
    once("SimpleValidUntil, before", "ok", code="until-4-march", at="2023-03-03 23:59:59"),
    once("SimpleValidUntil, after", "too_late", code="until-4-march", at="2023-03-04 00:00:01"),
    once("SimpleRedeemed", "already_redeemed", code="used"),
    once("SimpleRedeemedOnOtherList", "ok", on="no-return", code="used"),
    Case("RedeemedLocally", [("in", DOORS, "ok"), ("in", DOORS, "already_redeemed")]),
    Case("AllowMultiEntry", [("in", DOORS, "ok"), ("in", DOORS, "ok")], on="multi"),
    Case("AllowMultiExit", [("in", DOORS, "ok"), ("out", DOORS, "ok"), ("out", DOORS, "ok")]),
    Case(
        "AllowSingleEntryAfterExit",
        [
            ("in", DOORS, "ok"),
            ("out", DOORS, "ok"),
            ("in", DOORS, "ok"),
            ("in", DOORS, "already_redeemed"),
        ],
    ),
    Case(
        "SingleEntryAfterExitForbidden",
        [("in", DOORS, "ok"), ("out", DOORS, "ok"), ("in", DOORS, "already_redeemed")],
        on="no-return",
    ),
    once("AddonMatchDisabled", "wrong_list", on="extras", code="with-extras"),
    once("AddonMatchValid", "ok", on="extra-match", code="with-extras"),
    once("AddonMatchAmbiguous", "ambiguous", on="all-match", code="with-extras"),
]

RULES = [
    Case(
        "RulesSimple", [("in", DOORS, "rules"), ("out", DOORS, "ok")], rules={"and": [False, True]}
    ),
    Case("RulesSimple, true", [("in", DOORS, "ok")], rules={"and": [True, True]}),
    Case("RulesProduct, another", [("in", DOORS, "rules")], rules=one_of("product", 2)),
    Case("RulesProduct", [("in", DOORS, "ok")], rules=one_of("product", 1, 2)),
    Case("RulesVariation, another", [("in", DOORS, "rules")], rules=one_of("variation", 3)),
    Case("RulesVariation", [("in", DOORS, "ok")], rules=one_of("variation", 3, 2)),
    Case("RulesGate, nowhere", [("in", DOORS, "rules")], rules=one_of("gate", 1)),
    Case("RulesGate, another", [("in", DOORS, "rules")], rules=one_of("gate", 1), gate=2),
    Case("RulesGate", [("in", DOORS, "ok")], rules=one_of("gate", 1, 2), gate=2),
    Case("RulesGate, signed", [("in", DOORS, "ok")], "multi", "signed", one_of("gate", 1, 2), 2),
    Case("RulesGate, signed 2", [("in", DOORS, "rules")], "multi", "signed", one_of("gate", 1), 2),
    Case(
        "RulesEntriesNumber",
        [
            ("in", DOORS, "ok"),
            ("in", DOORS, "ok"),
            ("out", DOORS, "ok"),
            ("in", DOORS, "ok"),
            ("in", DOORS, "rules"),
        ],
        rules={"<": [var("entries_number"), 3]},
    ),
    Case(
        "RulesEntryStatus",
        [("in", DOORS, "ok"), ("in", DOORS, "rules"), ("out", DOORS, "ok"), ("in", DOORS, "ok")],
        rules={"or": [{"==": [var("entry_status"), "absent"]}, {"<": [var("entries_number"), 1]}]},
    ),
    Case(
        "RulesEntriesToday: three a day, of Tokyo",
        [
            *[("in", DOORS, "ok")] * 3,
            ("in", DOORS, "rules"),
            ("in", "2020-01-01 14:50", "rules"),
            *[("in", "2020-01-01 15:10", "ok")] * 3,
            ("out", "2020-01-01 15:10", "ok"),
            ("in", "2020-01-01 15:10", "rules"),
        ],
        rules={"<": [var("entries_today"), 3]},
    ),
    Case(
        "RulesEntriesDays: any two days, as often as you like",
        [
            *[("in", DOORS, "ok")] * 3,
            *[("in", "2020-01-03 10:00", "ok")] * 3,
            ("in", "2020-01-03 14:50", "ok"),
            ("in", "2020-01-03 15:10", "rules"),
        ],
        rules={"or": [{">": [var("entries_today"), 0]}, {"<": [var("entries_days"), 2]}]},
    ),
    Case(
        "RulesEntriesSince: once before a time and once after it",
        [
            ("in", ONE_SIDE, "ok"),
            ("in", ONE_SIDE, "rules"),
            ("in", OTHER_SIDE, "ok"),
            ("in", OTHER_SIDE, "rules"),
        ],
        rules={
            "or": [
                {"<=": [var("entries_number"), 0]},
                {"and": [LATER, {"<=": [{"entries_since": [MARK]}, 0]}]},
            ]
        },
    ),
    Case(
        "RulesEntriesSinceTimeOfDay: once before and once after 23:00, each day",
        [
            (way, at, result)
            for at in (
                "2020-01-01 13:00",
                "2020-01-01 14:01",
                "2020-01-02 13:00",
                "2020-01-02 14:01",
            )
            for way, result in (("in", "ok"), ("in", "rules"))
        ],
        rules={
            "or": [
                {"<=": [var("entries_today"), 0]},
                {
                    "and": [
                        {"isAfter": [NOW, {"buildTime": ["customtime", "23:00:00"]}, 0]},
                        {"<=": [{"entries_since": [{"buildTime": ["customtime", "23:00:00"]}]}, 0]},
                    ]
                },
            ]
        },
    ),
    Case(
        "RulesEntriesBefore: late only for who was here early",
        [("in", ONE_SIDE, "ok"), ("in", OTHER_SIDE, "ok")],
        rules={"or": [SOONER, {"and": [LATER, {">=": [{"entries_before": [MARK]}, 1]}]}]},
    ),
    Case(
        "RulesEntriesBefore, was not",
        [("in", OTHER_SIDE, "rules")],
        rules={"or": [SOONER, {"and": [LATER, {">=": [{"entries_before": [MARK]}, 1]}]}]},
    ),
    Case(
        "RulesEntriesDaysSince: one day after a time",
        [
            ("in", ONE_SIDE, "ok"),
            ("in", ONE_SIDE, "rules"),
            *[("in", "2020-01-02 22:10", "ok")] * 2,
            ("in", "2020-01-03 22:10", "rules"),
        ],
        rules={
            "or": [
                {"<=": [var("entries_number"), 0]},
                {
                    "and": [
                        LATER,
                        {
                            "or": [
                                {">": [var("entries_today"), 0]},
                                {"<=": [{"entries_days_since": [MARK]}, 0]},
                            ]
                        },
                    ]
                },
            ]
        },
    ),
    Case(
        "RulesEntriesDaysBefore: only who was here on two days",
        [
            ("in", "2019-12-30 21:00", "ok"),
            ("in", "2019-12-31 21:00", "ok"),
            ("in", "2020-01-02 22:10", "ok"),
        ],
        rules={"or": [SOONER, {"and": [LATER, {">=": [{"entries_days_before": [MARK]}, 2]}]}]},
    ),
    Case(
        "RulesEntriesDaysBefore, on one",
        [("in", "2019-12-30 21:00", "ok"), ("in", "2020-01-02 22:10", "rules")],
        rules={"or": [SOONER, {"and": [LATER, {">=": [{"entries_days_before": [MARK]}, 2]}]}]},
    ),
    Case(
        "RulesMinutesSinceLastEntry: three hours between entries",
        [
            ("in", "2020-01-01 10:00", "ok"),
            ("in", "2020-01-01 12:55", "rules"),
            ("in", "2020-01-01 13:01", "ok"),
            ("in", "2020-01-01 15:55", "rules"),
            ("in", "2020-01-01 16:02", "ok"),
        ],
        rules={
            "or": [
                {"<=": [var("minutes_since_last_entry"), -1]},
                {">": [var("minutes_since_last_entry"), 180]},
            ]
        },
    ),
    Case(
        "RulesMinutesSinceFirstEntry: three hours from the first",
        [
            ("in", "2020-01-01 10:00", "ok"),
            ("in", "2020-01-01 12:55", "ok"),
            ("in", "2020-01-01 13:01", "rules"),
        ],
        rules={
            "or": [
                {"<=": [var("minutes_since_first_entry"), -1]},
                {"<": [var("minutes_since_first_entry"), 180]},
            ]
        },
    ),
    Case(
        "RulesIsAfterTolerance",
        [
            ("in", "2020-01-01 08:45", "rules"),
            ("in", "2020-01-01 08:51", "ok"),
            ("in", "2020-01-01 09:10", "ok"),
        ],
        rules={"isAfter": [NOW, ADMISSION, 10]},
    ),
    Case(
        "RulesIsAfterSubevent: the doors of its own date",
        [
            ("in", "2020-02-01 08:45", "rules"),
            ("in", "2020-02-01 08:51", "ok"),
            ("in", "2020-02-01 09:10", "ok"),
        ],
        code="february",
        rules={"isAfter": [NOW, ADMISSION, 10]},
    ),
    Case(
        "RulesIsAfterNoTolerance",
        [("in", "2020-01-01 08:51", "rules"), ("in", "2020-01-01 09:10", "ok")],
        rules={"isAfter": [NOW, ADMISSION, None]},
    ),
    Case(
        "RulesIsBeforeTolerance",
        [("in", "2020-01-01 14:05", "ok"), ("in", "2020-01-01 14:15", "rules")],
        rules={"isBefore": [NOW, END, 10]},
    ),
    Case(
        "RulesIsBeforeNoTolerance",
        [("in", "2020-01-01 13:55", "ok"), ("in", "2020-01-01 14:05", "rules")],
        rules={"isBefore": [NOW, END]},
    ),
    Case(
        "RulesIsAfterCustomDateTime",
        [("in", "2020-01-01 21:51", "rules"), ("in", "2020-01-01 22:01", "ok")],
        rules={"isAfter": [NOW, {"buildTime": ["custom", "2020-01-01T22:00:00.000Z"]}]},
    ),
    Case(
        "RulesIsAfterCustomTime: 14:00 in Tokyo",
        [("in", "2020-01-01 04:50", "rules"), ("in", "2020-01-01 05:01", "ok")],
        rules={"isAfter": [NOW, {"buildTime": ["customtime", "14:00"]}]},
    ),
    Case(
        "RulesCompareIsoweekday: Sunday has begun in Tokyo",
        [("in", "2022-04-06 21:55", "rules"), ("in", "2022-04-09 22:05", "ok")],
        rules={">=": [var("now_isoweekday"), 6]},
    ),
]

QUESTIONS = [
    once("QuestionsForOtherItem", "ok", code="merch-unasked", on="extras"),
    once("QuestionNotDuringCheckin", "ok", code="paid"),
    once("QuestionsFilled", "ok", code="answered"),
    once("QuestionsRequired", "needs_answers", code="asked"),
    Case("Questions are no matter on the way out", [("out", DOORS, "ok")], code="asked"),
]

SIGNED = [
    once("SignedAndValid", "ok", code="signed"),
    Case(
        "SignedAndValid, twice",
        [("in", DOORS, "ok"), ("in", DOORS, "already_redeemed")],
        code="signed",
    ),
    once("SignedAndValidServerId", "ok", on="multi", code="signed"),
    once("SignedAndNotYetValid", "too_early", code="signed-from", at="2023-02-03 22:59"),
    once("SignedAndNotYetValid, then", "ok", code="signed-from", at="2023-02-03 23:01"),
    once("SignedAndNotLongerValid", "too_late", code="signed-until", at="2023-02-03 11:01"),
    once("SignedAndNotLongerValid, before", "ok", code="signed-until", at="2023-02-03 10:59"),
    once("SignedAndRevoked", "revoked", code="signed-revoked"),
    once("SignedAndBlocked", "blocked", code="signed-blocked"),
    once("SignedUnknownProduct", "unknown", code="signed-unknown-item"),
    once("SignedInvalidSignature", "unknown", code="signed-by-another"),
    once("SignedMultipleLists, of another event", "wrong_event", on="other", code="signed"),
    once("SignedMultipleLists, of both", "ok", on="joint", code="signed"),
    once("A signed ticket of another kind", "wrong_list", on="extras", code="signed"),
    once("A signed ticket whose product asks questions", "needs_answers", code="signed-asked"),
    once("A signed ticket for another date", "wrong_list", on="february-only", code="signed"),
]

SEVERAL = [
    Case(
        "SimpleMultipleLists: a ticket of this event, once",
        [("in", DOORS, "ok"), ("in", DOORS, "already_redeemed")],
        on="joint",
    ),
    Case(
        "SimpleMultipleLists: of the other, which has many entries",
        [("in", DOORS, "ok"), ("in", DOORS, "ok")],
        on="joint",
        code="of-other-event",
    ),
]

YEARS, IN_2026, IN_2027 = "band-two-events-years", "2026-01-05 00:00", "2027-01-05 00:00"
MEDIA = [
    once("MediumNotActive", "unknown", code="band-off"),
    once("MediumExpired", "unknown", code="band-expired", at="2026-01-01 00:00:01"),
    once("MediumExpired, before", "ok", code="band-expired", at="2025-12-01 00:00:01"),
    once("TwoTicketsTimesOverlappingSameEvent", "ambiguous", code="band-overlap"),
    once("TwoTicketsTimesOverlappingDifferentEvents", "ok", code="band-two-events"),
    once("TwoTicketsNonOverlappingSameEvent", "ok", code="band-years", at="2026-01-01 00:00:01"),
    once("TwoTicketsNonOverlappingSameEvent, 2", "ok", code="band-years", at=NEXT_YEAR),
    once("NonOverlappingDifferentEvents", "ok", "joint", YEARS, IN_2026),
    once("NonOverlappingDifferentEvents, 2", "too_early", "all", YEARS, IN_2026),
    once("NonOverlappingDifferentEvents, 3", "ok", "other", YEARS, IN_2026),
    once("NonOverlappingDifferentEvents, 4", "ok", "all", YEARS, IN_2027),
    once("NonOverlappingDifferentEvents, 5", "too_late", "other", YEARS, IN_2027),
    once("SpaceBetweenSameEvent", "ok", code="band-seasons", at="2026-01-01 00:00:01"),
    once("SpaceBetweenSameEvent, 2", "ok", code="band-seasons", at="2026-09-01 00:00:01"),
    once("SpaceBetween: the next", "too_early", code="band-seasons", at="2026-08-01 00:00:01"),
    once("SpaceBetween: the last", "too_late", code="band-seasons", at=NEXT_YEAR),
]

TABLE = DECISIONS + RULES + QUESTIONS + SIGNED + SEVERAL + MEDIA


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_a_case_of_the_peer_s_table(case: Case) -> None:
    """What is admitted is recorded, and counts for the next step."""
    desk = Desk(rules=case.rules, gate=case.gate)
    told = [(way, at, desk.show(case.code, case.on, way, at)) for way, at, _ in case.steps]
    assert told == case.steps


def test_each_case_has_its_own_name() -> None:
    """Or one would hide another."""
    assert len({case.name for case in TABLE}) == len(TABLE)


def test_every_ticket_of_the_desk_is_shown_by_some_case() -> None:
    """None is left over."""
    weak = {"one-extra", "extra-of-one", "cancelled-signed", "known-signed"}
    assert set(CODES) - {case.code for case in TABLE} <= weak
