"""The rules of a pretix list: what each word of them means, and that none of them can do harm.

Sources: jsonlogic.com's shared tests (those rows whose operators pretix has); pretix 2026.8.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.direction import Direction
from admission.history import Standing, Use
from admission.json_logic import OPERATORS
from admission.pretix_explain import is_told
from admission.pretix_rules import MAX_CALLS, MAX_DEPTH, MAX_RULES, read_rules
from admission.pretix_situation import COUNTS, VARIABLES, Dates, Situation
from tests.admission.admission_cases import ENTRY, EXIT

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
NOW = datetime(2020, 1, 1, 10, tzinfo=UTC)


def at(text: str) -> datetime:
    """`2020-01-01 10:00`, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def used(direction: Direction, when: datetime) -> Use:
    """One use of the ticket."""
    where = when.timestamp()
    return Use(bytes(16), direction, "main", where, "north-1", Standing.PASSED)


def situation(now: datetime = NOW, *uses: Use, **changes: Any) -> Situation:
    """A showing in Tokyo: item 1, variation 2, at gate 3."""
    told: dict[str, Any] = {"zone": TOKYO, "product": 1, "variation": 2, "gate": 3} | changes
    return Situation(now, uses=uses, **told)


def passes(rules: object, now: datetime = NOW, *uses: Use, **changes: Any) -> bool:
    """Whether rules admit a showing."""
    read = read_rules(json.dumps(rules))
    return read is None or read.refusal(situation(now, *uses, **changes)) is None


def why(rules: object, now: datetime = NOW, *uses: Use, **changes: Any) -> str | None:
    """Why rules refuse it; None: they do not."""
    read = read_rules(json.dumps(rules))
    assert read is not None
    return read.refusal(situation(now, *uses, **changes))


def var(name: str) -> dict[str, str]:
    """A variable."""
    return {"var": name}


# -- json logic ------------------------------------------------------------------------------------

SHARED: list[tuple[str, list[Any], bool]] = [
    ("==", [1, 1], True),
    ("==", [1, "1"], True),
    ("==", [1, 2], False),
    ("!=", [1, 2], True),
    ("!=", [1, 1], False),
    ("!=", [1, "1"], False),
    (">", [2, 1], True),
    (">", [1, 1], False),
    (">", [1, 2], False),
    (">", ["2", 1], True),
    (">=", [2, 1], True),
    (">=", [1, 1], True),
    (">=", [1, 2], False),
    (">=", ["2", 1], True),
    ("<", [2, 1], False),
    ("<", [1, 1], False),
    ("<", [1, 2], True),
    ("<", ["1", 2], True),
    ("<", [1, 2, 3], True),
    ("<", [1, 1, 3], False),
    ("<", [1, 4, 3], False),
    ("<=", [2, 1], False),
    ("<=", [1, 1], True),
    ("<=", [1, 2], True),
    ("<=", ["1", 2], True),
    ("<=", [1, 2, 3], True),
    ("<=", [1, 4, 3], False),
    ("or", [True, True], True),
    ("or", [False, True], True),
    ("or", [True, False], True),
    ("or", [False, False], False),
    ("or", [False, False, True], True),
    ("or", [False, False, False], False),
    ("or", [False], False),
    ("or", [True], True),
    ("or", [1, 3], True),
    ("or", [3, False], True),
    ("or", [False, 3], True),
    ("or", [[], True], True),
    ("or", [0, True], True),
    ("or", ["", True], True),
    ("or", ["0", True], True),
    ("and", [True, True], True),
    ("and", [False, True], False),
    ("and", [True, False], False),
    ("and", [False, False], False),
    ("and", [True, True, True], True),
    ("and", [True, True, False], False),
    ("and", [False], False),
    ("and", [True], True),
    ("and", [1, 3], True),
    ("and", [3, False], False),
    ("and", [False, 3], False),
    ("and", [[], True], False),
    ("and", [0, True], False),
    ("and", ["", True], False),
    ("and", ["0", True], True),
]
"""jsonlogic.com/tests.json."""

OF_THE_SERVER: list[tuple[str, list[Any], bool]] = [
    ("==", [None, None], True),
    ("==", [None, 0], False),
    ("==", [True, 1], True),
    ("==", [0, ""], False),
    ("==", [1.0, "1"], False),
    ("==", [1, 1.0], True),
    ("==", ["true", True], False),
    ("<", [None, 1], False),
    ("<", ["a", 1], False),
    ("<", ["a", "b"], True),
    ("<", [1, 2, 3, 4], True),
    ("and", [], True),
    ("or", [], False),
    ("inList", [1, [1, 2]], True),
    ("inList", [1, []], False),
    ("inList", ["a", "cat"], True),
]
"""Where Python's answer is not JavaScript's, the server's counts: it is Python's."""


@pytest.mark.parametrize(("operator", "values", "result"), SHARED + OF_THE_SERVER)
def test_operators_compute_what_they_do_at_the_server(
    operator: str, values: list[Any], result: bool
) -> None:
    assert passes({operator: values}) is result


def test_one_value_needs_no_brackets() -> None:
    assert passes({"and": True})
    assert passes({"==": [{"var": "product"}, 1]})
    assert passes({"==": [{"var": ["product"]}, 1]})


@pytest.mark.parametrize("rules", [{}, [], "", 0, None, False])
def test_a_list_without_rules_admits(rules: object) -> None:
    assert read_rules(json.dumps(rules)) is None
    assert read_rules("") is None


@pytest.mark.parametrize("rules", [True, 7, "any", [False]])
def test_what_is_no_rule_but_true_admits_as_at_the_server(rules: object) -> None:
    assert passes(rules)


# -- variables -------------------------------------------------------------------------------------

YESTERDAY, THIS_MORNING = at("2019-12-31 14:59"), at("2019-12-31 15:00")
"""The last minute of yesterday and the first of today, in Tokyo."""
IN, OUT = used(ENTRY, THIS_MORNING), used(EXIT, THIS_MORNING)


@pytest.mark.parametrize(
    ("variable", "uses", "value"),
    [
        ("product", (), 1),
        ("variation", (), 2),
        ("gate", (), 3),
        ("now_isoweekday", (), 3),
        ("entries_number", (), 0),
        ("entries_number", (IN, OUT, IN), 2),
        ("entries_today", (used(ENTRY, YESTERDAY), IN), 1),
        ("entries_days", (used(ENTRY, YESTERDAY), IN, IN), 2),
        ("entries_days", (OUT,), 0),
        ("minutes_since_last_entry", (), -1),
        ("minutes_since_last_entry", (used(ENTRY, YESTERDAY), IN, OUT), 19 * 60),
        ("minutes_since_first_entry", (), -1),
        ("minutes_since_first_entry", (used(ENTRY, YESTERDAY), IN), 19 * 60 + 1),
        ("minutes_since_last_entry", (used(ENTRY, NOW - timedelta(seconds=119)),), 1),
        ("entry_status", (), "absent"),
        ("entry_status", (IN,), "present"),
        ("entry_status", (IN, OUT), "absent"),
    ],
)
def test_variables(variable: str, uses: tuple[Use, ...], value: object) -> None:
    assert passes({"==": [var(variable), value]}, NOW, *uses)
    assert not passes({"!=": [var(variable), value]}, NOW, *uses)


def test_every_variable_and_every_function_is_tested() -> None:
    """`now` and the functions of a time in the tests below."""
    assert set(VARIABLES) == {
        *("product", "variation", "gate", "now", "now_isoweekday", "entry_status"),
        *("entries_number", "entries_today", "entries_days"),
        *("minutes_since_last_entry", "minutes_since_first_entry"),
    }
    assert len(COUNTS) == 4
    assert set(OPERATORS) == {operator for operator, *_ in SHARED} | {
        *("inList", "isBefore", "isAfter", "objectList", "lookup")
    }


def test_products_are_compared_as_numbers_though_rules_write_them_as_text() -> None:
    """The peer compares text, and its 1 and 01 differ."""
    one = {"objectList": [{"lookup": ["product", "01", "Ticket"]}]}
    assert passes({"inList": [var("product"), one]})
    assert not passes({"inList": [var("product"), one]}, product=2)
    assert not passes({"inList": [var("variation"), one]}, variation=None)


CUTOFF = {"buildTime": ["custom", "2019-12-31T16:00:00+01:00"]}  # midnight in Tokyo


@pytest.mark.parametrize(
    ("function", "count"),
    [
        ("entries_since", 2),
        ("entries_before", 3),
        ("entries_days_since", 1),
        ("entries_days_before", 2),
    ],
)
def test_entries_since_and_before_a_time(function: str, count: int) -> None:
    """The time itself is since; days are those of Tokyo."""
    before = [used(ENTRY, YESTERDAY - timedelta(hours=hours)) for hours in (25, 24, 0)]
    rules = {"==": [{function: [CUTOFF]}, count]}
    assert passes(rules, NOW, *before, IN, IN, OUT)


def test_a_time_without_zone_counts_entries_in_utc_but_is_compared_with_nothing() -> None:
    """As at the server: its database takes it as UTC, its comparison fails."""
    naive = {"buildTime": ["custom", "2019-12-31T15:00:00"]}
    assert passes({"==": [{"entries_since": [naive]}, 1]}, NOW, used(ENTRY, YESTERDAY), IN)
    assert "offset-naive" in str(why({"isAfter": [var("now"), naive]}))


# -- times -----------------------------------------------------------------------------------------

DATES = Dates(
    start=int(at("2020-01-01 10:00").timestamp()),
    end=int(at("2020-01-01 14:00").timestamp()),
    admission=int(at("2020-01-01 09:00").timestamp()),
)


@pytest.mark.parametrize(
    ("when", "first", "last"),
    [
        ("date_from", "2020-01-01 10:00:01", "2020-01-01 09:59:59"),
        ("date_to", "2020-01-01 14:00:01", "2020-01-01 13:59:59"),
        ("date_admission", "2020-01-01 09:00:01", "2020-01-01 08:59:59"),
    ],
)
def test_the_dates_of_the_event(when: str, first: str, last: str) -> None:
    built = {"buildTime": [when]}
    assert passes({"isAfter": [var("now"), built]}, at(first), dates=DATES)
    assert not passes({"isAfter": [var("now"), built]}, at(last), dates=DATES)
    assert passes({"isBefore": [var("now"), built]}, at(last), dates=DATES)
    assert not passes({"isBefore": [var("now"), built]}, at(first), dates=DATES)


@pytest.mark.parametrize("when", ["date_to", "date_admission"])
def test_a_date_that_is_not_set_is_the_event_s_beginning(when: str) -> None:
    """Weak point 8 of the peer: it refuses everybody then."""
    rules = {"isAfter": [var("now"), {"buildTime": [when]}]}
    only_start = Dates(start=DATES.start)
    assert passes(rules, at("2020-01-01 10:00:01"), dates=only_start)
    assert why(rules, at("2020-01-01 09:59:59"), dates=only_start) is not None


def test_an_event_without_any_date_refuses_and_says_so() -> None:
    """A signed ticket for a date of the series that the server has not told of."""
    assert "a time is missing" in str(why({"isAfter": [var("now"), {"buildTime": ["date_from"]}]}))


@pytest.mark.parametrize("minutes", [10, 10.0, "10"])
def test_a_tolerance_widens_the_time_on_its_side(minutes: object) -> None:
    after = {"isAfter": [var("now"), {"buildTime": ["date_admission"]}, minutes]}
    before = {"isBefore": [var("now"), {"buildTime": ["date_to"]}, minutes]}
    assert not passes(after, at("2020-01-01 08:50:00"), dates=DATES)
    assert passes(after, at("2020-01-01 08:50:01"), dates=DATES)
    assert passes(before, at("2020-01-01 14:09:59"), dates=DATES)
    assert not passes(before, at("2020-01-01 14:10:00"), dates=DATES)


@pytest.mark.parametrize("minutes", [None, 0, "", False])
def test_no_tolerance(minutes: object) -> None:
    rules = {"isAfter": [var("now"), {"buildTime": ["date_admission"]}, minutes]}
    assert not passes(rules, at("2020-01-01 08:59:59"), dates=DATES)
    assert passes(rules, at("2020-01-01 09:00:01"), dates=DATES)


@pytest.mark.parametrize(
    "text", ["14:00", "14:00:00", "14:00:00.000", " 14:00", "1999-12-31T14:00:00+05:00"]
)
def test_a_time_of_day_is_today_s_in_the_event_s_zone(text: str) -> None:
    rules = {"isAfter": [var("now"), {"buildTime": ["customtime", text]}]}
    assert not passes(rules, at("2020-01-01 04:59:59"))
    assert passes(rules, at("2020-01-01 05:00:01"))
    assert not passes(rules, at("2020-01-01 15:00:00"))  # Tokyo's next day


@pytest.mark.parametrize("text", ["8:05", "08:05:00"])
def test_an_hour_may_have_one_digit(text: str) -> None:
    rules = {"isAfter": [var("now"), {"buildTime": ["customtime", text]}]}
    assert passes(rules, at("2019-12-31 23:05:01"))
    assert not passes(rules, at("2019-12-31 23:04:59"))


def test_the_day_on_which_clocks_change_has_23_or_25_hours() -> None:
    """New York, 2026-03-08 without 02:00 to 03:00, and 2026-11-01 with 01:00 to 02:00 twice."""
    spring, autumn = at("2026-03-09 03:59:59"), at("2026-11-02 04:59:59")  # 23:59:59 there
    one_today = {"==": [var("entries_today"), 1]}
    first, before = used(ENTRY, at("2026-03-08 05:00")), used(ENTRY, at("2026-03-08 04:59"))
    assert passes(one_today, spring, before, first, zone=NEW_YORK)
    first, before = used(ENTRY, at("2026-11-01 04:00")), used(ENTRY, at("2026-11-01 03:59"))
    assert passes(one_today, autumn, before, first, zone=NEW_YORK)


def test_a_midnight_that_clocks_leave_out_does_not_lose_the_day() -> None:
    """Beirut, 2026-03-29: 00:00 to 01:00 is not there; today begins at 01:00."""
    beirut = ZoneInfo("Asia/Beirut")
    day = at("2026-03-29 09:00")
    midnight = at("2026-03-28 22:00")
    last = used(ENTRY, midnight - timedelta(minutes=1))
    assert passes({"==": [var("entries_today"), 0]}, day, last, zone=beirut)
    assert passes({"==": [var("entries_today"), 1]}, day, used(ENTRY, midnight), zone=beirut)
    assert passes({"==": [var("entries_days"), 2]}, day, last, used(ENTRY, midnight), zone=beirut)


# -- what cannot be understood ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", "not understood"),
        ("[" * 20_000, "not understood"),
        ('{"and": [' + "1" * 5000 + "]}", "not understood"),
        ('{"unless": [1]}', "no operator 'unless'"),
        ('{"and": [true, {"or": [{"if": [1, 2]}]}]}', "no operator 'if'"),
        ('{"==": [{"var": "age"}, 18]}', "no variable"),
        ('{"==": [{"var": []}, 18]}', "no variable"),
        ('{"==": [{"var": {"var": "now"}}, 18]}', "no variable"),
        ('{"and": [{}]}', "an operator is missing"),
        ('{"__note": 1}', "an operator is missing"),
        ('{"isAfter": [{"var": "now"}, {"buildTime": ["date_dinner"]}]}', "no time 'date_dinner'"),
        ('{"isAfter": [{"var": "now"}, {"buildTime": []}]}', "no time"),
        ('{"isAfter": [{"var": "now"}, {"buildTime": ["custom", "tomorrow"]}]}', "tomorrow"),
        ('{"isAfter": [{"var": "now"}, {"buildTime": ["customtime", "25:00"]}]}', "hour must be"),
        ('{"inList": [{"var": "product"}, {"objectList": [{"lookup": [1, "x", ""]}]}]}', "'x'"),
        ('{"inList": [{"var": "product"}, 7]}', "the rule fails"),
        ('{">": [{"var": "product"}, 1, 2]}', "the rule fails"),
        ('{"isAfter": [{"var": "now"}, 7]}', "the rule fails"),
        ('{"isAfter": [{"var": "now"}, {"buildTime": ["date_from"]}, "ten"]}', "ten"),
        ('{"isAfter": [{"var": "now"}, {"buildTime": ["date_from"]}, 1e300]}', "the rule fails"),
        ('{"==": [{"entries_since": ["2020-01-01"]}, 0]}', "a time is missing"),
        ('{"or": [true, {"inList": [{"var": "product"}, 7]}]}', "the rule fails"),
        ('{"and": ' * (MAX_DEPTH + 2) + "true" + "}" * (MAX_DEPTH + 2), "nested deeper"),
        ('{"or": [' + '{"var": "now"},' * MAX_CALLS + "true]}", "more than 2000 operators"),
        ('"' + "x" * MAX_RULES + '"', "longer than 32768"),
    ],
)
def test_rules_that_are_not_understood_refuse_by_name(text: str, cause: str) -> None:
    """The server refuses then too, even what another branch of the rules would admit."""
    rules = read_rules(text)
    assert rules is not None
    refusal = rules.refusal(situation(dates=DATES))
    assert refusal is not None
    assert cause in refusal
    assert len(refusal) <= 120


def test_a_remark_beside_an_operator_does_not_count() -> None:
    """pretix' own editor leaves such, by two low lines."""
    assert passes({"__result": False, "and": [True]})


def test_only_rules_of_the_clock_change_with_time_alone() -> None:
    timed = [
        {"isBefore": [var("now"), {"buildTime": ["date_to"]}]},
        {"and": [True, {"<": [var("entries_today"), 1]}]},
        {"==": [{"entries_since": [{"buildTime": ["customtime", "14:00"]}]}, 0]},
    ]
    still = [{"==": [var("product"), 1]}, {"<": [var("entries_number"), 1]}, {"and": [True]}]
    read = [read_rules(json.dumps(rules)) for rules in timed + still]
    assert [rules.by_clock for rules in read if rules] == [True] * 3 + [False] * 3


TIMES = st.datetimes(timezones=st.just(UTC))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*OPERATORS, *COUNTS, "var", "buildTime", "if", "__x"]),
            inner | st.sampled_from([*VARIABLES, "custom", "date_to", "2020-01-01T00:00:00Z"]),
            max_size=2,
        )
    ),
    max_leaves=20,
)


@given(ANY_JSON, TIMES, st.lists(TIMES, max_size=3))
def test_no_rules_and_no_history_raise(plain: Any, now: datetime, entered: list[datetime]) -> None:
    """Admitted, or refused with one short line."""
    rules = read_rules(json.dumps(plain))
    if rules is not None:
        refusal = rules.refusal(situation(now, *(used(ENTRY, when) for when in entered)))
        assert refusal is None or len(refusal) <= 120


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_no_text_raises(text: str) -> None:
    rules = read_rules(text)
    assert rules is None or rules.text == text


@pytest.mark.parametrize("operator", ["<", "<="])
def test_a_chain_of_any_length_refuses_at_worst(operator: str) -> None:
    """Four thousand numbers fit into a list's rules; Python's own stack holds a thousand calls."""
    told = why({operator: [var("entries_number"), *range(1, 4500)]})
    assert told is not None
    assert told.startswith("the rule fails")


def test_what_a_rule_asks_a_thousand_times_is_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a season's uses each answer takes a millisecond, and the lane waits."""
    asked: list[int] = []

    def days(here: Situation, entries: list[datetime]) -> int:
        asked.append(len(entries))
        return len(entries)

    monkeypatch.setattr(Situation, "days", days)
    rules: object = {"<": [var("entries_days"), 0]}
    for _ in range(MAX_DEPTH - 2):
        rules = {"or": [rules, *[{"<": [var("entries_days"), 0]}] * 10]}
    assert why(rules) == "days with an entry so far: 0"
    assert asked == [0]


@given(st.floats())
def test_no_time_of_a_use_raises(when: float) -> None:
    """They come from other gates and from the server."""
    strange = Use(bytes(16), ENTRY, "main", when, "south", Standing.PASSED)
    rules = read_rules('{"<": [{"var": "entries_today"}, 1]}')
    assert rules is not None
    rules.refusal(situation(NOW, strange))


# -- what the steward is told ----------------------------------------------------------------------

EARLY = {"isAfter": [var("now"), {"buildTime": ["date_admission"]}, 10]}
OVER = {"isBefore": [var("now"), {"buildTime": ["custom", "2019-12-31T10:00:00Z"]}]}
OTHER_KIND = {"==": [var("product"), 2]}
THIRD = {"<": [var("entries_today"), 1]}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (OTHER_KIND, "not with this kind of ticket"),
        ({"inList": [var("variation"), []]}, "not with this kind of ticket"),
        ({"inList": [var("gate"), []]}, "not at this gate"),
        ({"==": [var("now_isoweekday"), 7]}, "not on this day of the week"),
        (EARLY, "only after 17:50 JST"),
        (OVER, "only before 2019-12-31 19:00 JST"),
        (THIRD, "entries today: 1"),
        ({"==": [{"entries_before": [CUTOFF]}, 7]}, "entries before then: 0"),
        ({">": [var("minutes_since_last_entry"), 9000]}, "minutes since the last entry: 1020"),
        ({"==": [var("entry_status"), "absent"]}, "has not left"),
        ({"and": [THIRD, EARLY]}, "only after 17:50 JST"),
        ({"and": [THIRD, OTHER_KIND]}, "not with this kind of ticket"),
        ({"or": [OTHER_KIND, EARLY]}, "only after 17:50 JST"),
        ({"or": [OTHER_KIND, {"and": [EARLY, THIRD]}]}, "only after 17:50 JST"),
        ({"and": [{"or": [True, OTHER_KIND]}, THIRD]}, "entries today: 1"),
        ({"and": [False, True]}, ""),
        (
            {"==": [1, var("product"), 2]},
            "the rule fails: same() takes 2 positional arguments but 3",
        ),
        ({"<": [2, var("product")]}, ""),
        ({"<": [var("now"), 7]}, ""),
        ({"or": []}, ""),
    ],
)
def test_a_refusal_tells_what_the_guest_can_do_about_it(rules: object, told: str) -> None:
    """Eight in the morning before the doors; where one thing would do, the easiest."""
    said = why(rules, at("2020-01-01 08:00"), IN, dates=DATES)
    assert said is not None
    assert said.startswith(told)
    assert bool(said) is bool(told)


def test_there_are_words_for_all_that_rules_can_ask() -> None:
    assert all(is_told(name) for name in [*VARIABLES, *COUNTS])
