"""Every test of the peer has its answer here: a case of our table, a test, or why it has none.

Source of the names: libpretixsync's AsyncCheckProviderTest, its tests of reusable media, of the
order sync and of JSON logic; pretixscan-proxy's tests of its two interfaces.
"""

import ast
from pathlib import Path

import pytest

from tests.scanner.test_scanner_pretix_table import TABLE

ROOT = Path(__file__).parents[2]
BROKEN, BOTH = "tests/sync/test_sync_pretix_broken.py::", "tests/sync/test_sync_pretix.py::"
RULES = "tests/admission/test_admission_pretix_rules.py::"

CASES = (
    *("SimpleSuccess", "SuccessFilteredList", "SimpleInvalid", "WrongEvent"),
    *("SimpleCanceled", "SimpleBlocked", "RequireApproval", "InvalidProduct"),
    *("SimpleUnpaid", "UnpaidIgnoreWithoutIncludePending", "ValidSetOnOrder"),
    *("UnpaidAllowedIfSetOnOrder", "SimpleValidFrom", "SimpleValidUntil"),
    *("SimpleRedeemed", "RedeemedLocally", "SimpleRedeemedOnOtherList"),
    *("AllowMultiEntry", "AllowMultiExit", "AllowSingleEntryAfterExit"),
    *("SingleEntryAfterExitForbidden", "AddonMatchDisabled", "AddonMatchValid"),
    *("AddonMatchAmbiguous", "RulesSimple", "RulesProduct", "RulesVariation", "RulesGate"),
    *("RulesEntriesNumber", "RulesEntryStatus", "RulesEntriesToday", "RulesEntriesDays"),
    *("RulesEntriesSince", "RulesEntriesSinceTimeOfDay", "RulesEntriesBefore"),
    *("RulesEntriesDaysSince", "RulesEntriesDaysBefore", "RulesMinutesSinceLastEntry"),
    *("RulesMinutesSinceFirstEntry", "RulesIsAfterTolerance", "RulesIsAfterNoTolerance"),
    *("RulesIsAfterSubevent", "RulesIsAfterCustomDateTime", "RulesIsAfterCustomTime"),
    *("RulesIsBeforeTolerance", "RulesIsBeforeNoTolerance", "RulesCompareIsoweekday"),
    *("QuestionsForOtherItem", "QuestionNotDuringCheckin", "QuestionsFilled", "QuestionsRequired"),
    *("SignedAndValid", "SignedAndValidServerId", "SignedAndNotYetValid"),
    *("SignedAndNotLongerValid", "SignedAndRevoked", "SignedAndBlocked", "SignedUnknownProduct"),
    *("SignedInvalidSignature", "SignedMultipleLists", "SimpleMultipleLists"),
    *("MediumNotActive", "MediumExpired", "TwoTicketsTimesOverlappingSameEvent"),
    *("TwoTicketsTimesOverlappingDifferentEvents", "TwoTicketsNonOverlappingSameEvent"),
    *("NonOverlappingDifferentEvents", "SpaceBetween"),
)
"""Told again in our table, under the same name."""

ELSEWHERE = {
    "EciClean": [
        "tests/drivers/test_drivers_wedge_frames.py::test_the_escape_of_a_character_set_is_taken_off"
    ],
    "a valid scan is one row of the queue": [
        "tests/pretix/test_pretix_killed.py::test_sync_killed_amid_its_uploads_uploads_each_scan_once"
    ],
    "a refused scan is no check-in, but reported": [
        "tests/sync/test_sync_pretix_uploads.py"
        "::test_a_refused_scan_is_reported_with_the_fields_that_are_read"
    ],
    "UnpaidAllowed": [
        "tests/scanner/test_scanner_pretix_weak.py"
        "::test_the_entrance_that_takes_unpaid_guests_says_so_and_still_refuses"
    ],
    "OrderSync InitialDownload": [BOTH + "test_a_paid_ticket_is_on_the_list"],
    "OrderSync ByPage": [BROKEN + "test_orders_bought_while_pages_are_turned_shift_nobody_past_us"],
    "OrderSync InterruptedResume": [BROKEN + "test_what_was_read_is_not_read_again"],
    "OrderSync InterruptedMultipleTimes": [
        BROKEN + "test_a_first_download_cut_at_any_request_is_resumed_and_complete"
    ],
    "OrderSync SimpleDiff": [BOTH + "test_a_cancellation_is_a_delta_and_acts"],
    "OrderSync DiffInterruptedRetry": [
        BROKEN + "test_an_interrupted_diff_begins_at_the_same_place_again"
    ],
    "JsonLogic, operators and truthiness": [
        RULES + "test_operators_compute_what_they_do_at_the_server"
    ],
    "JsonLogic, unknown operator": [RULES + "test_rules_that_are_not_understood_refuse_by_name"],
    "proxy SyncTest, event without permission": [
        BROKEN + "test_one_event_taken_away_leaves_the_others_up_to_date"
    ],
}
"""Told by a test of another part."""

NOWHERE = {
    "QuestionsIgnored": "a gate takes no answers: who has to give one is sent to a person",
    "QuestionsInvalidInput": "the same",
    "Search": "a gate has no search: it holds no name, mail or order code that could be found",
    "SearchMultipleLists": "the same",
    "StatusInfo": "a gate counts its own lanes; totals of the event are at the server",
    "proxy ProxyApiTest": "no proxy: each gate is a device of its own and serves nobody",
    "proxy AdminApiTest": "the same",
    "proxy PretixApiTest": "the same",
}
"""What has no place in a gate, and why."""


def test_what_the_table_is_said_to_tell_it_tells() -> None:
    """By its name before the comma or colon that tells variants apart."""
    told = {case.name.split(",")[0].split(":")[0] for case in TABLE}
    told |= {name.removesuffix("SameEvent") for name in told if name.startswith("SpaceBetween")}
    assert set(CASES) - told == set()


@pytest.mark.parametrize("name", [name for names in ELSEWHERE.values() for name in names])
def test_a_test_that_is_named_exists(name: str) -> None:
    file, test = name.split("::")
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_no_test_of_the_peer_has_two_answers() -> None:
    names = [*CASES, *ELSEWHERE, *NOWHERE]
    assert len(set(names)) == len(names)
    assert all(NOWHERE.values())
