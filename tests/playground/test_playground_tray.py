"""The tray: every ticket is what it says, and its turn ends when somebody went through."""

from datetime import UTC, datetime

import pytest

from admission.verdict import Reason
from playground.tray import FEW, GROUP, KINDS, MADE, NOTHING, POLICY, Tray
from tests.rigs.gate_rig import EVENT_SECRET
from tickets.credential import Credential, Flaw, Rejection
from tickets.csv_rows import BadRow, TicketRow, read_rows
from tickets.key_files import Role, new_key
from tickets.keys import cti_of
from tickets.parse import parse
from tickets.trust import trust_of

NOW = datetime(2026, 7, 3, 18, 0, tzinfo=UTC)
ISSUER = new_key(Role.ISSUER, "DEMO")
TRUST = trust_of("DEMO", {ISSUER.kid: ISSUER.public})


def tray() -> Tray:
    """A tray whose first guests have their tickets."""
    made = Tray(ISSUER, EVENT_SECRET)
    list(made.more_guests(NOW))
    return made


def rows(made: Tray) -> dict[str, TicketRow]:
    """The next guests' rows, by ticket."""
    found: dict[str, TicketRow] = {}
    for row in read_rows(made.more_guests(NOW)):
        assert not isinstance(row, BadRow), row
        found[row.id] = row
    return found


def test_what_is_expected_is_a_verdict_a_reason_or_nothing() -> None:
    known = {"admitted", NOTHING, *(reason.value for reason in Reason)}
    assert {kind.expected for kind in KINDS.values()} <= known


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "noise"])
def test_every_ticket_is_read_as_what_it_is(kind: str, training: bool) -> None:
    made = tray()
    made.training = training
    code = made.code(kind)
    assert code is not None
    for payload in (code.encode(), made.signed(kind)):
        found = parse(payload, TRUST)
        if kind in ("forged", "other_event"):
            flaw = Flaw.FORGED if kind == "forged" else Flaw.WRONG_EVENT
            assert isinstance(found, Rejection)
            assert found.flaw is flaw
        else:
            assert isinstance(found, Credential)
            assert found.ticket_id == cti_of(EVENT_SECRET, made.name(kind))


@pytest.mark.parametrize("training", [False, True])
def test_every_ticket_shown_is_on_the_list(training: bool) -> None:
    made = Tray(ISSUER, EVENT_SECRET)
    listed = rows(made)
    made.training = training
    for kind in KINDS.keys() - {"noise", "forged", "other_event"}:
        row = listed[made.name(kind)]
        assert row.product == KINDS[kind].product + 10 * training


def test_each_product_is_a_test_product_once_more() -> None:
    products = POLICY["products"]
    assert isinstance(products, dict)
    assert {number for number, product in products.items() if product["test"]} == {
        str(int(number) + 10) for number, product in products.items() if not product["test"]
    }


def test_a_guest_who_turned_back_has_the_same_ticket_still() -> None:
    made = tray()
    assert made.name("valid") == made.name("valid") == "valid-0"


def test_who_went_in_is_followed_by_the_next_guest_and_may_leave() -> None:
    made = tray()
    made.went_through("valid", "valid-0")
    assert (made.name("valid"), made.name("leaving")) == ("valid-1", "valid-0")
    made.went_through("leaving", "valid-0")
    assert made.name("leaving") == "leaving-0"


def test_a_refused_guest_is_followed_by_the_next() -> None:
    made = tray()
    made.refused("valid", "valid-0")
    made.refused("cancelled", "cancelled-0")
    assert (made.name("valid"), made.name("cancelled")) == ("valid-1", "cancelled-0")


def test_a_group_goes_in_one_by_one_on_one_ticket() -> None:
    made = tray()
    names = []
    for _ in range(GROUP + 1):
        names.append(made.name("group"))
        made.went_through("group", made.name("group"))
    assert names == ["group-0"] * GROUP + ["group-1"]


def test_a_late_outcome_of_the_guest_before_ends_nobodys_turn() -> None:
    made = tray()
    made.went_through("valid", "valid-0")
    made.went_through("valid", "valid-0")
    assert made.name("valid") == "valid-1"


def test_the_used_ticket_is_good_until_it_is_used() -> None:
    made = tray()
    assert made.expected("used") == "admitted"
    made.went_through("used", "used-0")
    assert made.expected("used") == "already_redeemed"


def test_without_a_clock_no_ticket_is_too_early() -> None:
    made = tray()
    assert made.expected("tomorrow") == "too_early"
    assert made.expected("tomorrow", clock="unknown") == "admitted"


def test_a_gate_started_anew_forgot_its_training() -> None:
    """Test tickets shown before are not shown again: only the gate forgot them."""
    made = tray()
    made.training = True
    made.went_through("used", "test-used-0")
    made.went_through("valid", "test-valid-0")
    made.forget_training()
    assert made.expected("used") == "admitted"
    assert made.name("valid") == "test-valid-2"


def test_guests_do_not_run_out() -> None:
    made = tray()
    for _ in range(MADE - FEW + 1):
        made.went_through("valid", made.name("valid"))
    assert made.few_left
    added = rows(made)
    assert not made.few_left
    assert f"valid-{MADE}" in added
    assert "used-0" not in added
