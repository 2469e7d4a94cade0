"""What a record makes of the presentation it names: one answer for gate, claims and server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.history import COUNTING, Standing
from central.redemptions import add_up
from store.records import Entry, Kind, Record, entry_to_json
from store.uses import fold, standing_after
from sync.settle import fact_of

P = b"P" * 16
DETAILS = st.sampled_from(["", "counts", "counts: sensor suspect", "annul: nobody", "group", "by "])


@pytest.mark.parametrize(
    ("kind", "detail", "standing"),
    [
        (Kind.PASSAGE, "", Standing.PASSED),
        (Kind.INTERRUPTED, "", Standing.INTERRUPTED),
        (Kind.NO_PASSAGE, "", Standing.ANNULLED),
        (Kind.NO_PASSAGE, "counts: sensor suspect", Standing.PASSED),
        (Kind.ABORTED, "evacuation", Standing.ANNULLED),
        (Kind.ABORTED, "counts", Standing.PASSED),
        (Kind.RESUMED, "by 00", Standing.RESUMED),
        (Kind.OPERATOR, "annul: nobody there", Standing.ANNULLED),
        (Kind.OPERATOR, "mode", None),
        (Kind.SCAN, "", None),
        (Kind.FORCED, "", None),
    ],
)
def test_what_a_record_makes_of_a_presentation(kind, detail, standing):
    assert standing_after(kind, detail) is standing


@given(st.sampled_from(Kind), DETAILS)
def test_gate_claims_and_server_read_a_record_alike(kind, detail):
    scan = Record(Kind.SCAN, P, ticket_key=P, list="main", direction="entry", verdict="admitted")
    after = Record(kind, P, detail=detail)
    entries = [Entry(n, r, bytes(32), bytes(32)) for n, r in enumerate((scan, after), 1)]
    (use,) = fold(
        (r.kind.value, P, r.at, "1", "main", "entry", r.detail, None) for r in (scan, after)
    )
    body = json.loads(json.dumps([entry_to_json(entry) for entry in entries]))
    assert add_up(body).stands == (use.standing in COUNTING)
    fact = fact_of(entries[1])
    if kind not in (Kind.SCAN, Kind.RESUMED):
        assert (fact.counts if fact else None) == (
            None if standing_after(kind, detail) is None else use.counts
        )
