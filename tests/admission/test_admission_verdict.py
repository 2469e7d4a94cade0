"""Verdicts: what every reason needs."""

import pytest

from admission.verdict import ADMITTED, NEXT_STEP, PRETIX, Reason, refused
from tickets.credential import Flaw

PRETIX_REASONS = frozenset(
    {
        "invalid",
        "revoked",
        "ambiguous",
        "canceled",
        "blocked",
        "unapproved",
        "invalid_time",
        "product",
        "unpaid",
        "rules",
        "already_redeemed",
        "already_exchanged",
        "medium_invalid",
        "medium_exists",
        "error",
        "incomplete",
    }
)
"""What a pretix server takes as `error_reason`. Source: REST API of pretix 2026.8, "Check-in"."""


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_next_step_in_one_plain_sentence_or_two(reason: Reason) -> None:
    """The steward is never left with a word and no idea."""
    step = NEXT_STEP[reason]
    assert step.endswith(".")
    assert len(step) <= 80


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_name_that_pretix_takes(reason: Reason) -> None:
    """An unknown one is answered by 400, and the refusal would be lost."""
    assert PRETIX[reason] in PRETIX_REASONS


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        (Reason.CANCELLED, "canceled"),
        (Reason.TOO_EARLY, "invalid_time"),
        (Reason.TOO_LATE, "invalid_time"),
        (Reason.WRONG_LIST, "product"),
        (Reason.UNKNOWN, "invalid"),
        (Reason.TAKEN_ELSEWHERE, "already_redeemed"),
    ],
)
def test_reasons_that_pretix_knows_by_another_name(reason: Reason, name: str) -> None:
    """Where both have the same word it is the same; these differ."""
    assert PRETIX[reason] == name


def test_a_reason_that_pretix_has_under_the_same_name_keeps_it() -> None:
    """No refusal changes its meaning on the way."""
    assert all(PRETIX[reason] == reason for reason in Reason if reason in PRETIX_REASONS)


def test_every_flaw_of_a_code_is_a_reason() -> None:
    """The parser's names are the gate's names."""
    assert {flaw.value for flaw in Flaw} <= {reason.value for reason in Reason}


def test_remarks_add_up_and_leave_the_verdict_as_it_is() -> None:
    """Values, not objects that change."""
    verdict = ADMITTED.noting("concession").noting("unclaimed")
    assert verdict.attention == "concession; unclaimed"
    assert verdict.admitted
    assert ADMITTED.attention == ""


def test_a_refusal_names_its_reason() -> None:
    """And what the steward needs to know about it."""
    verdict = refused(Reason.WRONG_GATE, "for south")
    assert (verdict.admitted, verdict.reason, verdict.detail) == (
        False,
        Reason.WRONG_GATE,
        "for south",
    )
