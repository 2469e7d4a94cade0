"""The recorded matrix is still what a real pretix says: a newer one that changes is found here."""

from typing import Any

import pytest

from tests.pretix.conftest import Everything
from tests.rigs.pretix_record import recorded_exchanges
from tests.rigs.pretix_verdicts import Scan, Verdict, recorded_verdicts

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-everything")]


def test_server_says_what_was_recorded(verdicts: list[Verdict]) -> None:
    """Every ticket, every list, entry and exit; by names, as codes and ids are new each time."""
    before = {verdict.scan: verdict for verdict in recorded_verdicts()}
    changed = [
        (before.get(verdict.scan), verdict)
        for verdict in verdicts
        if before.get(verdict.scan) != verdict
    ]
    assert changed == []
    assert before.keys() == {verdict.scan for verdict in verdicts}


def test_gate_decides_where_a_rule_says_so(verdicts: list[Verdict]) -> None:
    """The device's gate is what a rule on gates looks at."""
    said = {verdict.scan: verdict.status for verdict in verdicts}
    at = verdicts[0].scan.at
    asked = {
        gate: Scan("berlin", "gate", "fresh", "entry", at, gate) for gate in ("north", "south")
    }
    assert said[asked["north"]] == "ok"
    assert said[asked["south"]] == "error"


def test_answers_have_the_recorded_shape(everything: Everything) -> None:
    """Each field that was there is there, of the same kind; new ones may come."""
    api = everything.server.api()
    for kept in recorded_exchanges():
        if kept["method"] == "GET" and kept["when"] == "first" and kept["status"] == 200:
            answer = api.get(kept["path"].removeprefix("/api/v1/"))
            assert _lost(kept["body"], answer.json(), kept["path"]) == []


def _lost(before: Any, now: Any, path: str) -> list[str]:
    """Paths in ``before`` that ``now`` has not. A list is compared by what its rows may hold."""
    if isinstance(before, dict) and isinstance(now, dict):
        gone = [f"{path}.{key}" for key in before.keys() - now.keys()]
        both = before.keys() & now.keys()
        return gone + [
            lost for key in both for lost in _lost(before[key], now[key], f"{path}.{key}")
        ]
    if isinstance(before, list) and isinstance(now, list) and before and now:
        return _lost(_merged(before), _merged(now), f"{path}[]")
    return []


def _merged(rows: list[Any]) -> Any:
    """One row that has what any of them has."""
    if not all(isinstance(row, dict) for row in rows):
        return rows[0]
    return {key: value for row in rows for key, value in row.items() if value not in (None, [])}
