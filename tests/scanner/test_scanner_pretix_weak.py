"""Where pretix' own gate software decides wrongly without a link, this gate decides right.

The numbers are those of a study of libpretixsync 8ebc571; what is about uploads, downloads and
clocks of the others is shown where it is built (sync, scanner/clock).
"""

from dataclasses import replace

import pytest

from admission.clock import ClockState
from admission.direction import Direction
from admission.history import Standing
from admission.pretix_situation import Dates
from admission.rules import Fallback, GatePolicy
from admission.verdict import Reason
from tests.rigs.pretix_desk import SIGNED, Desk, at, key_of
from tickets.rows import Status, Ticket

DOORS = "2020-01-01 10:00"
NOW = {"var": "now"}
AT_DOORS = {"isAfter": [NOW, {"buildTime": ["date_admission"]}]}


def test_1_a_signed_ticket_that_no_list_knows_stays_used() -> None:
    """The peer forgets it as soon as the scan is uploaded; the journal is never forgotten."""
    desk = Desk()
    assert desk.show("signed", "all", "in", DOORS) == "ok"
    assert desk.show("signed", "all", "in", "2020-01-01 12:00") == "already_redeemed"


def test_1_a_signed_ticket_stays_used_when_the_list_learns_of_it() -> None:
    """It has one name, whether its signature or the list vouches for it."""
    desk = Desk()
    desk.record(key_of(SIGNED["known-signed"]), Direction.ENTRY, "all", at(DOORS))
    assert desk.show("known-signed", "all", "in", DOORS) == "already_redeemed"


def test_3_what_another_gate_admitted_counts_here() -> None:
    """The peers do not know of each other; here an entry elsewhere is an entry."""
    desk = Desk(rules={"<": [{"var": "entries_number"}, 1]})
    desk.record(key_of(b"paid"), Direction.ENTRY, "all", at(DOORS))
    assert desk.show("paid", "all", "in", DOORS) == "rules"


def test_7_a_clock_that_may_be_wrong_does_not_judge_by_rules_of_time_in_silence() -> None:
    """An hour before doors by a clock that may be two hours off: by policy, and marked."""
    doubt = {"uncertainty": 7200.0, "state": ClockState.HELD}
    desk = Desk(rules=AT_DOORS)
    early = desk.decide("paid", "all", "in", "2020-01-01 08:00", **doubt).verdict
    assert early.admitted
    assert "clock not trusted" in early.attention
    desk.gate = GatePolicy("north", on_unknown_clock=Fallback.REFUSE)
    strict = desk.decide("merch", "all", "in", "2020-01-01 08:00", **doubt).verdict
    assert strict.reason is Reason.CLOCK_UNTRUSTED


@pytest.mark.parametrize("uncertainty", [7200.0, float("inf")])
def test_7_what_no_clock_could_change_is_judged_by_any_clock(uncertainty: float) -> None:
    """The product is wrong whenever it is; and three hours early is early by this clock too."""
    doubt = {"uncertainty": uncertainty, "state": ClockState.HELD}
    wrong = {"and": [AT_DOORS, {"==": [{"var": "product"}, 99]}]}
    desk = Desk(rules=wrong)
    assert desk.decide("paid", "all", "in", DOORS, **doubt).verdict.reason is Reason.RULES
    desk = Desk(rules=AT_DOORS)
    three_early = desk.decide("paid", "all", "in", "2020-01-01 06:00", **doubt).verdict
    assert three_early.admitted is (uncertainty == float("inf"))
    long_open = desk.decide("merch", "all", "in", "2020-01-01 12:00", **doubt).verdict
    assert long_open.admitted


@pytest.mark.parametrize("when", ["date_to", "date_admission"])
def test_8_an_event_without_end_or_admission_begins_when_it_begins(when: str) -> None:
    """The peer refuses everybody then, by `rules`."""
    rules = {"isAfter": [NOW, {"buildTime": [when]}]}
    desk = Desk(rules=rules, dates=Dates(start=at(DOORS)))
    assert desk.show("paid", "all", "in", "2020-01-01 09:59") == "rules"
    assert desk.show("paid", "all", "in", "2020-01-01 10:01") == "ok"


def test_8_today_begins_at_local_midnight_and_has_no_end() -> None:
    """As at the server: an entry that a faster clock dated after midnight counts as of today."""
    desk = Desk(rules={"<": [{"var": "entries_today"}, 1]})
    desk.record(key_of(b"paid"), Direction.ENTRY, "all", at("2020-01-01 15:00:30"))
    assert desk.show("paid", "all", "in", "2020-01-01 14:59:50") == "rules"


def test_9_the_one_add_on_that_fits_is_admitted_by_the_ticket_s_code() -> None:
    """The peer keeps the ticket itself among those that fit, and calls it ambiguous."""
    desk = Desk()
    assert desk.show("one-extra", "extra-match", "in", DOORS) == "ok"
    assert desk.show("one-extra", "extra-match", "in", DOORS) == "already_redeemed"


def test_9_by_whichever_code_an_add_on_entered_it_has_entered() -> None:
    """Its own code and that of its ticket are one entry."""
    desk = Desk()
    assert desk.show("one-extra", "extra-match", "in", DOORS) == "ok"
    assert desk.show("extra-of-one", "extra-match", "in", DOORS) == "already_redeemed"
    assert desk.show("one-extra", "all", "in", DOORS) == "ok"


def test_10_a_code_on_the_list_is_refused_when_it_is_withdrawn_or_blocked() -> None:
    """The peer looks at these lists only for codes that it has no ticket for."""
    desk = Desk()
    assert desk.show("signed-revoked", "all", "in", DOORS) == "revoked"
    assert desk.show("blocked", "all", "in", DOORS) == "blocked"


@pytest.mark.parametrize(
    ("when", "result"),
    [
        ("2020-01-01 17:59", "already_redeemed"),
        ("2020-01-01 18:00", "ok"),
        ("2020-01-05 12:00", "ok"),
    ],
)
def test_11_who_is_checked_out_by_the_clock_is_out_without_a_download(
    when: str, result: str
) -> None:
    """`exit_all_at` is at 03:00 in Tokyo, the first time on 2020-01-02."""
    desk = Desk(exit_all_at="2020-01-01 18:00")
    assert desk.show("paid", "all", "in", DOORS) == "ok"
    assert desk.show("paid", "all", "in", when) == result


def test_11_the_next_day_s_check_out_counts_too() -> None:
    """The server moves its time on by a day, and may not be there to say so."""
    desk = Desk(exit_all_at="2020-01-01 18:00")
    assert desk.show("paid", "all", "in", "2020-01-02 10:00") == "ok"
    assert desk.show("paid", "all", "in", "2020-01-02 17:59") == "already_redeemed"
    assert desk.show("paid", "all", "in", "2020-01-02 18:01") == "ok"


def test_11_no_return_is_no_return_after_the_clock_s_check_out_either() -> None:
    """As at the server."""
    desk = Desk(exit_all_at="2020-01-01 18:00")
    assert desk.show("paid", "no-return", "in", DOORS) == "ok"
    assert desk.show("paid", "no-return", "in", "2020-01-02 10:00") == "already_redeemed"


def test_a_cancelled_ticket_with_a_fresh_signature_is_cancelled() -> None:
    """pretix issues one (its issue 2467, open); where the order is known it opens nothing."""
    desk = Desk()
    assert desk.show("cancelled-signed", "all", "in", DOORS) == "cancelled"


def test_a_row_alone_admits_nobody_who_is_not_on_a_list_where_lists_are_required() -> None:
    """A gate that has the orders need not trust a signature that the server does not know."""
    desk = Desk(list_required=True)
    assert desk.show("signed", "all", "in", DOORS) == "unknown"
    assert desk.show("known-signed", "all", "in", DOORS) == "ok"


def test_two_forced_entries_and_one_exit_let_the_guest_back_in() -> None:
    """As the server counts: the last check-in decides. A count would keep them out for good."""
    desk = Desk()
    for minute in (0, 1):
        desk.record(key_of(b"paid"), Direction.ENTRY, "all", at(DOORS) + 60 * minute)
    desk.record(key_of(b"paid"), Direction.EXIT, "all", at(DOORS) + 180)
    assert desk.show("paid", "all", "in", "2020-01-01 11:00") == "ok"
    assert desk.show("paid", "all", "in", "2020-01-01 11:01") == "already_redeemed"


def test_an_exit_gives_the_entry_back_once_its_guest_is_through() -> None:
    """They may still turn round, while somebody else shows a copy at the entrance."""
    desk = Desk()
    assert desk.show("paid", "all", "in", DOORS) == "ok"
    key = key_of(b"paid")
    desk.record(key, Direction.EXIT, "all", at(DOORS) + 60)
    leaving, left = replace(desk.uses[key][-1], standing=Standing.OPEN), desk.uses[key][-1]
    desk.uses[key][-1] = leaving
    assert desk.show("paid", "all", "in", "2020-01-01 10:02") == "already_redeemed"
    desk.uses[key][-1] = left
    assert desk.show("paid", "all", "in", "2020-01-01 10:02") == "ok"


def test_the_entrance_that_takes_unpaid_guests_says_so_and_still_refuses() -> None:
    """Whether to let them in is a person's decision: a gate never ignores what is unpaid."""
    desk = Desk()
    pending = desk.decide("unpaid", "all", "in", DOORS).verdict
    strict = desk.decide("unpaid", "multi", "in", DOORS).verdict
    assert (pending.reason, pending.detail) == (Reason.UNPAID, "this entrance takes who pays later")
    assert (strict.reason, strict.detail) == (Reason.UNPAID, "")


def test_a_pointer_between_rows_is_no_ticket() -> None:
    """Nor is a medium that stands for nothing this gate knows."""
    desk = Desk()
    assert desk.show("band-expired", "all", "in", "2026-02-01 00:00") == "unknown"


@pytest.mark.parametrize("on", ["all", "extras", "february-only", "joint"])
def test_a_kind_of_ticket_that_the_rules_do_not_name_is_admitted_nowhere(on: str) -> None:
    """First sold a moment ago, or of an event that was left out: the rows may be ahead of them."""
    desk = Desk()
    policy = replace(desk.policy, products={})
    desk.books = replace(desk.books, policy=policy)
    assert desk.show("merch", on, "in", DOORS) == "wrong_list"
    assert desk.decide("merch", on, "out", DOORS).verdict.admitted


def test_a_medium_that_stands_for_nothing_is_no_ticket_though_its_number_is_signed() -> None:
    """As at the server, which looks for a medium before it looks for withdrawn codes."""
    desk = Desk()
    band = Ticket(key_of(SIGNED["signed"]), 0, 0, Status.MEDIUM)
    desk.books = replace(desk.books, listed={band.key: band}.get)
    assert desk.show("signed", "all", "in", DOORS) == "unknown"
