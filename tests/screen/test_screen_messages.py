"""What the gate program says is read strictly, and never breaks the screen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screen.errors import MessageMalformed
from screen.messages import LONGEST_MESSAGE, LONGEST_TEXT, Event, Status, read_message, read_status
from tests.rigs.fake_scanner import lane, status

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
keys = st.sampled_from([*Event.model_fields, *Status.model_fields])


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    try:
        assert read_message(data) is None
    except MessageMalformed as error:
        assert error.cause and error.remedy


@given(st.sampled_from(["event", "status"]), st.dictionaries(keys, json_values))
def test_no_values_break_the_reader(name, told):
    base = {"seq": 1, "kind": "verdict"} if name == "event" else status()
    try:
        read = read_message(json.dumps({name: base | told}).encode())
    except MessageMalformed:
        return
    assert isinstance(read, Event | Status)


def test_a_healthy_status_is_read_as_sent():
    told = status(lane("entry-1", entered=12, question={"presentation": "ab", "at": 5.0}))
    read = read_message(json.dumps({"status": told}).encode())
    assert isinstance(read, Status)
    assert read.lanes[0].entered == 12
    assert read.lanes[0].question is not None
    assert read.server.online


def test_absent_and_null_facts_are_empty():
    read = read_message(b'{"event": {"seq": 3, "kind": "verdict", "reason": null}}')
    assert isinstance(read, Event)
    assert (read.reason, read.detail, read.at) == ("", "", None)


def test_an_unbounded_uncertainty_is_none():
    told = status(clock={"state": "unknown", "uncertainty": float("inf")})
    assert read_status(json.dumps(told).encode()).clock.uncertainty is None


def test_a_message_of_a_later_version_is_passed_over():
    assert read_message(b'{"weather": "rain"}') is None


def test_text_is_cut_and_cleaned_of_direction_marks():
    detail = "ok\u202eevil\x00" + "x" * 2 * LONGEST_TEXT
    read = read_message(json.dumps({"event": {"seq": 1, "kind": "a", "detail": detail}}).encode())
    assert isinstance(read, Event)
    assert read.detail.startswith("ok evil ")
    assert len(read.detail) == LONGEST_TEXT


def test_conflicts_of_any_shape_become_one_line_each():
    server = {"online": True, "conflicts": ["plain", {"ticket": "a1b2", "gate": "south-2"}]}
    read = read_status(json.dumps(status(server=server)).encode())
    assert read.server.conflicts == ("plain", "ticket a1b2, gate south-2")


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("empty", b""),
        ("half", b'{"status": {"lanes": ['),
        ("not JSON", b"<html>"),
        ("not UTF-8", b'{"event": {"seq": 1, "kind": "\xff"}}'),
        ("nested without end", b'{"event": ' + b"[" * 60_000),
        ("another type", b'{"event": {"seq": "one", "kind": 7}}'),
        ("too long", b'{"event": {"seq": 1, "kind": "' + b"a" * LONGEST_MESSAGE + b'"}}'),
    ],
)
def test_a_damaged_message_is_a_named_error(case, data):
    with pytest.raises(MessageMalformed) as caught:
        read_message(data)
    assert "gate program" in caught.value.cause
