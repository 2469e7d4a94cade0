"""The organiser's rules, read from a signed statement: whole or refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.plain_values import MAX_COUNT, MAX_ID, MAX_TEXT, MAX_TIME
from admission.pretix_policy import PretixEvent, PretixList, PretixProduct
from admission.pretix_rules import read_rules
from admission.pretix_situation import Dates
from admission.rules import (
    MAX_CAPACITY,
    MAX_MINUTES,
    AntiPassback,
    CheckInList,
    EventPolicy,
    GroupRule,
    PolicyMalformed,
    Product,
    policy_from_body,
    policy_to_body,
)
from tickets.credential import PretixRight

NAMES = st.text(min_size=1, max_size=MAX_TEXT)
IDS = st.none() | st.integers(0, MAX_ID)
PRETIX_LISTS = st.builds(
    PretixList,
    NAMES,
    items=st.none() | st.frozensets(st.integers(0, MAX_ID), max_size=3),
    subevent=IDS,
    include_pending=st.booleans(),
    addon_match=st.booleans(),
    exit_all_at=st.none() | st.integers(0, MAX_TIME),
    rules=st.sampled_from(["", '{"and": [true]}', "{", '{"<": [{"var": "entries_today"}, 1]}']).map(
        read_rules
    ),
)
PRETIX_PRODUCTS = st.builds(
    PretixProduct,
    NAMES,
    st.integers(0, MAX_ID),
    variation=IDS,
    subevent=IDS,
    questions=st.booleans(),
    medium=st.booleans(),
)
MOMENTS = st.none() | st.integers(0, MAX_TIME)
PRETIX_EVENTS = st.builds(
    PretixEvent,
    st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]),
    keys=st.frozensets(st.binary(min_size=8, max_size=8), max_size=2),
    dates=st.dictionaries(
        st.integers(0, MAX_ID), st.builds(Dates, MOMENTS, MOMENTS, MOMENTS), max_size=2
    ),
    gate=IDS,
    media_enforced=st.booleans(),
)
COUNTS = st.integers(0, MAX_COUNT)
TIMES = st.none() | st.integers(0, MAX_TIME)
LISTS = st.builds(
    CheckInList,
    NAMES,
    products=st.frozensets(COUNTS, max_size=5),
    valid_from=TIMES,
    valid_until=TIMES,
    entries=st.none() | COUNTS,
    reentry_after_exit=st.booleans(),
    anti_passback=st.sampled_from(AntiPassback),
    passback_minutes=st.integers(0, MAX_MINUTES),
    gates=st.frozensets(NAMES, max_size=3),
    capacity=st.none() | st.integers(0, MAX_CAPACITY),
    pretix=st.none() | PRETIX_LISTS,
)
PRODUCTS = st.builds(
    Product,
    COUNTS,
    name=st.text(max_size=MAX_TEXT),
    group=st.sampled_from(GroupRule),
    people=st.integers(1, MAX_COUNT),
    staff=st.booleans(),
    test=st.booleans(),
    attention=st.text(max_size=MAX_TEXT),
    pretix=st.none() | PRETIX_PRODUCTS,
)
POLICIES = st.builds(
    lambda lists, products, events: EventPolicy(
        {entry.name: entry for entry in lists}, {entry.number: entry for entry in products}, events
    ),
    st.lists(LISTS, max_size=3),
    st.lists(PRODUCTS, max_size=3),
    st.dictionaries(NAMES, PRETIX_EVENTS, max_size=2),
)


def body(list_: dict[str, Any] | None = None, product: dict[str, Any] | None = None) -> Any:
    """A policy of one list and one product, with these fields."""
    return {"lists": {"main": list_ or {}}, "products": {"1": product or {}}}


@given(POLICIES)
def test_rules_survive_the_way_through_a_statement(policy: EventPolicy) -> None:
    """What the organiser wrote is what the gate reads."""
    assert policy_from_body(policy_to_body(policy)) == policy


def test_absent_fields_have_their_defaults() -> None:
    """A list with a name alone admits every ticket, as often as the ticket says."""
    assert policy_from_body(body()) == EventPolicy({"main": CheckInList("main")}, {1: Product(1)})


def test_a_product_that_the_rules_do_not_name_is_a_plain_one() -> None:
    """Single person, no pass, nothing to look at."""
    assert EventPolicy().product(7) == Product(7)


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        7,
        "lists",
        [],
        {},
        {"lists": {}},
        {"products": {}},
        {"lists": [], "products": {}},
        {"lists": {}, "products": {}, "gates": {}},
        {"lists": {"": {}}, "products": {}},
        {"lists": {7: {}}, "products": {}},
        {"lists": {b"main": {}}, "products": {}},
        {"lists": {"x" * (MAX_TEXT + 1): {}}, "products": {}},
        {"lists": {"main": None}, "products": {}},
        {"lists": {}, "products": {1: {}}},
        {"lists": {}, "products": {"one": {}}},
        {"lists": {}, "products": {"01": {}}},
        {"lists": {}, "products": {"-1": {}}},
        {"lists": {}, "products": {" 1": {}}},
        {"lists": {}, "products": {"1_0": {}}},
        {"lists": {}, "products": {"१": {}}},
        {"lists": {}, "products": {"65536": {}}},
        {"lists": {}, "products": {"9" * 5000: {}}},
    ],
)
def test_another_shape_is_refused(malformed: Any) -> None:
    """By name, so that the last rules stay in force."""
    with pytest.raises(PolicyMalformed):
        policy_from_body(malformed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "vip"),
        ("no_such_rule", True),
        (7, True),
        ("products", {}),
        ("products", "12"),
        ("products", [True]),
        ("products", [1.0]),
        ("products", ["1"]),
        ("products", [float("inf")]),
        ("products", [-1]),
        ("products", [MAX_COUNT + 1]),
        ("products", [None]),
        ("products", [1] * (MAX_COUNT + 1)),
        ("valid_from", -1),
        ("valid_from", MAX_TIME + 1),
        ("valid_from", 10**400),
        ("valid_from", 1.5),
        ("valid_from", "18:00"),
        ("valid_until", True),
        ("entries", -1),
        ("entries", MAX_COUNT + 1),
        ("reentry_after_exit", 1),
        ("reentry_after_exit", None),
        ("anti_passback", "very hard"),
        ("anti_passback", 1),
        ("passback_minutes", -5),
        ("passback_minutes", None),
        ("passback_minutes", 10**9),
        ("gates", "north"),
        ("gates", [7]),
        ("gates", [""]),
        ("capacity", -1),
        ("capacity", 1e6),
    ],
)
def test_a_list_s_field_of_another_kind_or_size_is_refused(field: Any, value: object) -> None:
    """A rule read wrongly admits wrongly, or refuses everybody."""
    with pytest.raises(PolicyMalformed):
        policy_from_body(body(list_={field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 2),
        ("colour", "red"),
        ("name", 7),
        ("name", "x" * (MAX_TEXT + 1)),
        ("group", "all_at_once"),
        ("group", None),
        ("people", 0),
        ("people", MAX_COUNT + 1),
        ("people", True),
        ("staff", "yes"),
        ("test", 1),
        ("attention", None),
        ("attention", "x" * 100_000),
    ],
)
def test_a_product_s_field_of_another_kind_or_size_is_refused(field: Any, value: object) -> None:
    """The same for what was sold."""
    with pytest.raises(PolicyMalformed):
        policy_from_body(body(product={field: value}))


def test_the_refusal_says_what_and_fits_a_line() -> None:
    """It is shown to a steward and kept in a record, whatever was sent."""
    with pytest.raises(PolicyMalformed, match="unknown fields 'colour'"):
        policy_from_body(body(product={"colour": "red"}))
    huge = {f"field {n}" * 1000: 1 for n in range(100)}
    with pytest.raises(PolicyMalformed) as told:
        policy_from_body(body(list_=huge))
    assert len(str(told.value)) <= 300


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)
FIELDS = [*CheckInList.__slots__, *Product.__slots__]
NEARLY = st.fixed_dictionaries(
    {
        "lists": st.dictionaries(
            st.text(max_size=5), st.dictionaries(st.sampled_from(FIELDS), PLAIN, max_size=3)
        ),
        "products": st.dictionaries(
            st.from_regex("[0-9]{1,6}"), st.dictionaries(st.sampled_from(FIELDS), PLAIN, max_size=3)
        ),
    }
)


@given(PLAIN | NEARLY)
def test_any_body_is_a_policy_or_is_refused_by_name(junk: Any) -> None:
    """Nested, typed and sized as it likes: nothing else is raised."""
    try:
        policy = policy_from_body(junk)
    except PolicyMalformed as error:
        assert len(str(error)) <= 300
    else:
        assert policy_from_body(policy_to_body(policy)) == policy


def test_nesting_without_end_is_refused_at_its_first_level() -> None:
    """Nothing here follows it down."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PolicyMalformed):
        policy_from_body(body(list_={"gates": deep}))


# -- pretix ----------------------------------------------------------------------------------------

FESTIVAL = {"timezone": "Asia/Tokyo", "dates": {"0": [1, 2, None]}, "keys": [b"key-of-8"]}
TICKET = {"event": "fest", "item": 7, "variation": 2}


def joint(**lists: Any) -> Any:
    """A policy of these lists and a list `main` that stands for all of them."""
    return {"lists": lists | {"main": {"members": list(lists)}}, "products": {}}


def test_a_joint_list_stands_for_one_list_of_each_event() -> None:
    """A lane names it; each ticket is judged on the list of its own event."""
    policy = policy_from_body(joint(a={"pretix": {"event": "a"}}, b={"pretix": {"event": "b"}}))
    assert [entry.name for entry in policy.lists_of("main")] == ["a", "b"]
    assert [entry.name for entry in policy.lists_of("a")] == ["a"]
    assert policy.lists_of("c") == ()


@pytest.mark.parametrize(
    "malformed",
    [
        {"lists": {"main": {"members": ["none"]}}, "products": {}},
        joint(a={}),
        joint(a={"pretix": {"event": "a"}}, b={"pretix": {"event": "a"}}),
        {"lists": {"main": {"pretix": {}}}, "products": {}},
        {"lists": {"main": {"pretix": {"event": "a", "item": [1]}}}, "products": {}},
        {"lists": {"main": {"pretix": {"event": "a", "rules": {"and": []}}}}, "products": {}},
        {"lists": {}, "products": {"1": {"pretix": {"event": "a"}}}},
        {"lists": {}, "products": {}, "events": {"a": {"timezone": "Mars/Olympus"}}},
        {"lists": {}, "products": {}, "events": {"a": {"timezone": "../../etc/passwd"}}},
        {"lists": {}, "products": {}, "events": {"a": {"keys": [b"short"]}}},
        {"lists": {}, "products": {}, "events": {"a": {"dates": {"0": [1, 2]}}}},
    ],
)
def test_pretix_fields_of_another_shape_refuse_the_policy(malformed: Any) -> None:
    """By name, so that the last rules stay in force."""
    with pytest.raises(PolicyMalformed):
        policy_from_body(malformed)


def test_rules_that_cannot_be_read_refuse_no_policy() -> None:
    """One list's fault must not close the others."""
    policy = policy_from_body(body({"pretix": {"event": "a", "rules": '{"unless": 1}'}}))
    rules = policy.lists["main"].pretix
    assert rules is not None
    assert rules.rules is not None
    assert "unless" in rules.rules.fault


def test_rules_of_any_length_refuse_no_policy() -> None:
    """What is too long is cut, and refused as too long."""
    entry = CheckInList("main", pretix=PretixList("a", rules=read_rules('"' + "x" * 10**6 + '"')))
    read = policy_from_body(policy_to_body(EventPolicy({"main": entry}))).lists["main"].pretix
    assert read is not None
    assert read.rules is not None
    assert "longer than" in read.rules.fault


@pytest.mark.parametrize(
    ("case", "issuer", "right", "found"),
    [
        ("as sold", b"key-of-8", PretixRight(7, 2, 9), ("Ticket, child", 2, 9)),
        ("a variation that is gone", b"key-of-8", PretixRight(7, 5), ("Ticket, child", 5, None)),
        ("an item that is gone", b"key-of-8", PretixRight(8), ("", None, None)),
        ("a key of no event here", b"another8", PretixRight(7, 2), ("", None, None)),
    ],
)
def test_a_signed_code_says_what_was_sold_and_its_key_for_which_event(
    case: str, issuer: bytes, right: PretixRight, found: tuple[str, int | None, int | None]
) -> None:
    """Nothing on a list is needed for it."""
    policy = policy_from_body(
        {
            "lists": {},
            "products": {"3": {"name": "Ticket, child", "pretix": TICKET}},
            "events": {"other": {}, "fest": FESTIVAL},
        }
    )
    product = policy.signed_product(issuer, right)
    sold = product.pretix
    told = (product.name, sold and sold.variation, sold and sold.subevent)
    assert told == found, case
    assert policy.events["fest"].dates_of(None) == Dates(1, 2)
    assert policy.events["fest"].dates_of(9) == Dates()
