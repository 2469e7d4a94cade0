"""A record as JSON: what is written is read back, and nothing else is."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.records import (
    FIELDS,
    Entry,
    Kind,
    Record,
    RecordMalformed,
    chain_hash,
    entry_from_json,
    entry_to_json,
)

TIMES = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
NAMES = ("lane", "event", "list", "medium", "format", "direction", "verdict", "reason", "claim")
RECORDS = st.builds(
    Record,
    kind=st.sampled_from(Kind),
    presentation=st.none() | st.binary(max_size=32),
    at=TIMES,
    uncertainty=st.none() | TIMES,
    clock_state=TEXT,
    boot=st.binary(max_size=32),
    monotonic=TIMES,
    ticket_key=st.none() | st.binary(max_size=32),
    counter=st.none() | WHOLE,
    list_serial=st.none() | WHOLE,
    detail=TEXT,
    **dict.fromkeys(NAMES, st.none() | TEXT),
)
DIGESTS = st.binary(min_size=32, max_size=32)
ENTRIES = st.builds(Entry, st.integers(1, 2**53 - 1), RECORDS, DIGESTS, DIGESTS)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary().map(bytes.hex),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def example(**changes: Any) -> dict[str, Any]:
    """An entry as JSON, with some fields changed; `...` removes one."""
    body = entry_to_json(Entry(7, Record(Kind.SCAN, b"P" * 16, at=5.0), b"p" * 32, b"h" * 32))
    return {name: value for name, value in (body | changes).items() if value is not ...}


@given(ENTRIES)
def test_an_entry_survives_json(entry):
    """Through text, with its hash unchanged, so that a server can verify the chain."""
    again = entry_from_json(json.loads(json.dumps(entry_to_json(entry))))
    assert again == entry
    assert chain_hash(again.seq, again.prev, again.record) == chain_hash(
        entry.seq, entry.prev, entry.record
    )


@given(JSON)
def test_json_that_is_no_entry_is_refused_by_name(body):
    """Whatever it is."""
    with pytest.raises(RecordMalformed):
        entry_from_json(body)


@given(st.data())
def test_an_entry_with_a_field_replaced_is_read_or_refused_by_name(data):
    """What is read can be hashed, written and stored: nothing strange gets any further."""
    body = entry_to_json(data.draw(ENTRIES))
    name = data.draw(st.sampled_from([*FIELDS, "seq", "prev", "hash"]))
    body[name] = data.draw(JSON)
    try:
        entry = entry_from_json(body)
    except RecordMalformed:
        return
    chain_hash(entry.seq, entry.prev, entry.record)
    assert entry_from_json(json.loads(json.dumps(entry_to_json(entry)))) == entry


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": ...},
        {"kind": "party"},
        {"seq": ...},
        {"seq": 0},
        {"seq": True},
        {"seq": 2**53},
        {"seq": "7"},
        {"prev": "00"},
        {"hash": ...},
        {"hash": "zz" * 32},
        {"presentation": "abc"},
        {"presentation": "00" * 33},
        {"detail": "x" * 4097},
        {"detail": "\ud800"},
        {"at": 10**400},
        {"at": math.nan},
        {"at": math.inf},
        {"at": "5.0"},
        {"at": None},
        {"monotonic": False},
        {"counter": 2**63},
        {"counter": 1.0},
        {"ticket": "0000"},
    ],
)
def test_a_flawed_entry_is_refused_by_name(changes):
    """Missing, unknown, too large, or of another type."""
    entry_from_json(example())
    with pytest.raises(RecordMalformed):
        entry_from_json(example(**changes))
