"""The recorded exchanges are complete enough to test against without a pretix."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.rigs.pretix_record import recorded_exchanges
from tests.rigs.pretix_rules import SERIES_RULES, rules_with
from tests.rigs.pretix_verdicts import Verdict, recorded_plan, recorded_verdicts, scans

OPERATORS = {
    "and", "or", "<", "<=", ">", ">=", "==", "!=", "inList", "isBefore", "isAfter", "buildTime",
    "objectList", "lookup", "var", "entries_since", "entries_before", "entries_days_since",
    "entries_days_before",
}  # fmt: skip
VARIABLES = {
    "product", "variation", "gate", "now", "now_isoweekday", "entries_number", "entries_today",
    "entries_days", "minutes_since_last_entry", "minutes_since_first_entry", "entry_status",
}  # fmt: skip


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    """The matrix as recorded."""
    return recorded_verdicts()


def test_every_scan_of_the_matrix_has_its_verdict(verdicts: list[Verdict]) -> None:
    """None is missing, none is there twice."""
    assert [verdict.scan for verdict in verdicts] == scans(recorded_plan())
    assert len({verdict.scan for verdict in verdicts}) == len(verdicts)


def test_every_reason_that_can_be_simulated_occurs(verdicts: list[Verdict]) -> None:
    """So parity means all of pretix' reasons."""
    found = Counter(verdict.reason for verdict in verdicts if verdict.status == "error")
    assert found.keys() == {
        "invalid", "revoked", "ambiguous", "canceled", "blocked", "unapproved", "invalid_time",
        "product", "unpaid", "rules", "already_redeemed",
    }  # fmt: skip
    kinds = {verdict.status for verdict in verdicts}
    assert kinds == {"ok", "error", "incomplete", "exchange", "crash"}


def test_the_server_crashes_only_where_a_rule_refuses(verdicts: list[Verdict]) -> None:
    """Error 500 is pretix failing to explain a rule that is false: a refusal by rules."""
    crashed = {verdict.scan.list for verdict in verdicts if verdict.status == "crash"}
    rules = rules_with(dict.fromkeys(("item:standard", "item:vip", "gate:north"), 1) | {
        "gate:south": 1, "variation:vip-seated": 1,
    })  # fmt: skip
    assert crashed <= rules.keys()
    assert all(verdict.scan.kind == "entry" for verdict in verdicts if verdict.status == "crash")


def test_exit_is_refused_for_nothing_that_time_or_use_decides(verdicts: list[Verdict]) -> None:
    """pretix itself refuses exits only by what the ticket is."""
    found = {verdict.reason for verdict in verdicts if verdict.scan.kind == "exit"}
    assert not found & {"rules", "invalid_time", "already_redeemed"}


def test_every_rule_has_a_list(verdicts: list[Verdict]) -> None:
    """The lists as the API gave them carry the rules of pretix_rules.py."""
    lists = [row for kept in recorded_exchanges() for row in _lists(kept)]
    named = {row["name"]: row["rules"] for row in lists}
    for name, rule in SERIES_RULES.items():
        assert named[name] == rule


def test_rules_hold_every_operator_variable_and_time() -> None:
    """The whole dialect that pretix' API accepts, each at least once."""
    lists = [row["rules"] for kept in recorded_exchanges() for row in _lists(kept)]
    assert set(_keys(lists)) >= OPERATORS
    named = list(_named(lists, "var"))
    assert {name for name in named if isinstance(name, str)} >= VARIABLES
    times = {words[0] for words in _named(lists, "buildTime") if isinstance(words, list)}
    assert times == {"custom", "customtime", "date_from", "date_to", "date_admission"}


def test_nothing_of_the_recording_machine_is_kept() -> None:
    """No address of it, no usable token."""
    text = "".join(str(kept) for kept in recorded_exchanges())
    assert "127.0.0.1" not in text
    assert "http://pretix.test/api/v1/" in text
    first = recorded_exchanges()[0]
    assert (first["path"], first["body"]["api_token"]) == (
        "/api/v1/device/initialize",
        "an-api-token",
    )


def _lists(kept: dict[str, object]) -> list[dict[str, object]]:
    body = kept["body"]
    if "/checkinlists/" in str(kept["path"]) and isinstance(body, dict):
        rows: list[dict[str, object]] = body["results"]
        return rows
    return []


def _keys(tree: object) -> Iterator[str]:
    """Every key of every object in a tree of JSON."""
    if isinstance(tree, dict):
        yield from tree
    below = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for branch in below:
        yield from _keys(branch)


def _named(tree: object, key: str) -> Iterator[object]:
    """What stands under a key, anywhere in a tree of JSON."""
    if isinstance(tree, dict) and key in tree:
        yield tree[key]
    below = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for branch in below:
        yield from _named(branch, key)
