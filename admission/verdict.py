"""A verdict: admitted, or refused with a reason. A refused ticket is a value, not an error."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Reason(StrEnum):
    """Why a credential may not enter, in the order in which they are tested and explained."""

    OUT_OF_SERVICE = "out_of_service"
    UNREADABLE = "unreadable"
    FORGED = "forged"
    WRONG_EVENT = "wrong_event"
    REVOKED = "revoked"
    STALE_CODE = "stale_code"
    REPLAYED = "replayed"
    CLOCK_UNTRUSTED = "clock_untrusted"
    LIST_TOO_OLD = "list_too_old"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    UNAPPROVED = "unapproved"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    WRONG_LIST = "wrong_list"
    WRONG_GATE = "wrong_gate"
    UNPAID = "unpaid"
    RULES = "rules"
    NEEDS_ANSWERS = "needs_answers"
    NEEDS_MEDIUM = "needs_medium"
    ALREADY_EXCHANGED = "already_exchanged"
    ALREADY_REDEEMED = "already_redeemed"
    ALREADY_INSIDE = "already_inside"
    TAKEN_ELSEWHERE = "taken_elsewhere"
    FULL = "full"


NEXT_STEP: dict[Reason, str] = {
    Reason.OUT_OF_SERVICE: "Send the guest to another lane and read the fault above.",
    Reason.UNREADABLE: "Clean the lens, brighten the phone, or type the code below the picture.",
    Reason.FORGED: "Not one of our tickets. Keep calm, send the guest to the box office.",
    Reason.WRONG_EVENT: "A ticket for another event. Check the date on it with the guest.",
    Reason.REVOKED: "This code was withdrawn. Ask for the newer ticket in the guest's mail.",
    Reason.STALE_CODE: "An old picture of the code. Ask the guest to open the live ticket.",
    Reason.REPLAYED: "Shown before: maybe a copy. Ask for the live ticket, or for the card itself.",
    Reason.CLOCK_UNTRUSTED: "The gate does not know the time. Check the time on the ticket, ask.",
    Reason.LIST_TOO_OLD: "The gate's list is too old. Call the supervisor.",
    Reason.UNKNOWN: "Not on the list. Check the event and the name at the box office.",
    Reason.AMBIGUOUS: "Several tickets fit. Ask the guest which one to use.",
    Reason.CANCELLED: "The ticket was cancelled. Send the guest to the box office.",
    Reason.BLOCKED: "The ticket is blocked. Send the guest to the box office.",
    Reason.UNAPPROVED: "The order awaits approval. Send the guest to the box office.",
    Reason.TOO_EARLY: "Not valid yet. Tell the guest the time shown and let them wait aside.",
    Reason.TOO_LATE: "No longer valid. Send the guest to the box office.",
    Reason.WRONG_LIST: "Not for this entrance. Show the guest the right one.",
    Reason.WRONG_GATE: "Not for this gate. Show the guest the right one.",
    Reason.UNPAID: "Not paid. Send the guest to the box office.",
    Reason.RULES: "The organiser's rules refuse it. Call the supervisor.",
    Reason.NEEDS_ANSWERS: "A question is open. Ask it at the box office.",
    Reason.NEEDS_MEDIUM: "To be exchanged for a card or band first, at the box office.",
    Reason.ALREADY_EXCHANGED: "Exchanged for a card or band. Ask the guest to show that.",
    Reason.ALREADY_REDEEMED: "Already used, see the time. Ask if the guest just came out.",
    Reason.ALREADY_INSIDE: "Already inside. The guest must leave before entering again.",
    Reason.TAKEN_ELSEWHERE: "Just used at another gate, see where. Call the supervisor.",
    Reason.FULL: "The area is full. Let the guest wait until someone leaves.",
}
"""What the steward does next, one plain sentence a reason."""


PRETIX: dict[Reason, str] = {
    Reason.OUT_OF_SERVICE: "error",
    Reason.UNREADABLE: "invalid",
    Reason.FORGED: "invalid",
    Reason.WRONG_EVENT: "invalid",
    Reason.REVOKED: "revoked",
    Reason.STALE_CODE: "invalid",
    Reason.REPLAYED: "already_redeemed",
    Reason.CLOCK_UNTRUSTED: "error",
    Reason.LIST_TOO_OLD: "error",
    Reason.UNKNOWN: "invalid",
    Reason.AMBIGUOUS: "ambiguous",
    Reason.CANCELLED: "canceled",
    Reason.BLOCKED: "blocked",
    Reason.UNAPPROVED: "unapproved",
    Reason.TOO_EARLY: "invalid_time",
    Reason.TOO_LATE: "invalid_time",
    Reason.WRONG_LIST: "product",
    Reason.WRONG_GATE: "rules",
    Reason.UNPAID: "unpaid",
    Reason.RULES: "rules",
    Reason.NEEDS_ANSWERS: "incomplete",
    Reason.NEEDS_MEDIUM: "error",
    Reason.ALREADY_EXCHANGED: "already_exchanged",
    Reason.ALREADY_REDEEMED: "already_redeemed",
    Reason.ALREADY_INSIDE: "already_redeemed",
    Reason.TAKEN_ELSEWHERE: "already_redeemed",
    Reason.FULL: "rules",
}
"""The name each goes by as `error_reason` of a failed check-in at a pretix server.

pretix knows no reason for the gate's own troubles but `error`, nor for a full area or another
gate but `rules`; its own `exchange` it does not take back. Source: the REST API of pretix 2026.8,
resource "Check-in", failed check-ins.
"""


FROM_PRETIX: dict[str, Reason] = {
    "invalid": Reason.UNKNOWN,
    "revoked": Reason.REVOKED,
    "ambiguous": Reason.AMBIGUOUS,
    "canceled": Reason.CANCELLED,
    "blocked": Reason.BLOCKED,
    "unapproved": Reason.UNAPPROVED,
    "invalid_time": Reason.TOO_LATE,
    "product": Reason.WRONG_LIST,
    "unpaid": Reason.UNPAID,
    "rules": Reason.RULES,
    "incomplete": Reason.NEEDS_ANSWERS,
    "exchange": Reason.NEEDS_MEDIUM,
    "already_redeemed": Reason.ALREADY_REDEEMED,
    "already_exchanged": Reason.ALREADY_EXCHANGED,
    "medium_invalid": Reason.UNKNOWN,
    "medium_exists": Reason.ALREADY_EXCHANGED,
    "error": Reason.RULES,
}
"""What a pretix server's answer to a scan means here: its `reason`, or its `status` if it has none.

It does not say whether a ticket is too early or too late; a gate that asks has seen that it is
neither by its own books. Source: as above, "Check a ticket in".
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate answers to one presentation."""

    admitted: bool
    reason: Reason | None = None
    detail: str = ""
    """For the steward: a time, a place, what is left of a group. Never personal data."""
    attention: str = ""
    """Admitted, but look: concession, ID check, a mark such as `unclaimed`. Empty: nothing."""

    def noting(self, note: str) -> "Verdict":
        """The same verdict with one more thing to look at."""
        return replace(self, attention=f"{self.attention}; {note}" if self.attention else note)


ADMITTED = Verdict(admitted=True)


def refused(reason: Reason, detail: str = "") -> Verdict:
    """A refusal for `reason`."""
    return Verdict(admitted=False, reason=reason, detail=detail)
