"""What is said against the code itself, and against a ticket that the list does not know."""

from admission.facts import Facts, drawn_at, shown_counter, told
from admission.history import newest_drawing
from admission.verdict import Reason, Verdict, refused
from tickets.ad2 import WINDOW
from tickets.credential import Credential, Format, Rejection
from tickets.rows import Status

_OF_PRETIX = int(Status.ADDONS | Status.MEDIUM | Status.LINK | Status.AMBIGUOUS | Status.EXCHANGED)
"""What only the rows of a pretix list say."""


def rejected(facts: Facts) -> Verdict | None:
    """No credential: its flaw is the reason."""
    if isinstance(facts.credential, Rejection):
        return refused(Reason(facts.credential.flaw.value), facts.credential.detail)
    return None


def wrong_event(facts: Facts) -> Verdict | None:
    """A ticket of another pretix event."""
    here, sold = facts.check_in_list.pretix, facts.product.pretix
    if here and sold and sold.event != here.event:
        return refused(Reason.WRONG_EVENT, f"for {sold.event}")
    return None


def stale(facts: Facts) -> Verdict | None:
    """A live code that is not of now, or none where one is needed."""
    if (drawn := drawn_at(facts)) is None:
        return _not_live(facts)
    age, doubt = facts.reading.at - drawn, facts.reading.uncertainty
    if abs(age) <= WINDOW + doubt:
        return None
    if age < 0:
        return refused(Reason.STALE_CODE, f"drawn {-age:.0f} s ahead of now: the phone's clock")
    return refused(Reason.STALE_CODE, f"drawn {told(drawn, facts)}")


def _not_live(facts: Facts) -> Verdict | None:
    """A ticket that lives on a phone counts by its live code alone: all else can be copied."""
    shown = facts.credential
    if isinstance(shown, Rejection) or shown.format is Format.AD2 or facts.follows:
        return None
    listed = bool(facts.ticket and int(facts.ticket.flags) & int(Status.BOUND))
    if listed or shown.holder_key:
        return refused(Reason.STALE_CODE, "a ticket of a phone, without its live code")
    return None


def replayed(facts: Facts) -> Verdict | None:
    """A live code or a card's message that was used before."""
    if (drawn := drawn_at(facts)) is not None:
        newest = newest_drawing(facts.uses)
        used_up = newest is not None and drawn <= newest
        return refused(Reason.REPLAYED, "this code was used before") if used_up else None
    shown = shown_counter(facts)
    if shown is None or facts.counter is None or shown > facts.counter:
        return None
    return refused(Reason.REPLAYED, "this reading of the card was shown before")


def unknown(facts: Facts) -> Verdict | None:
    """Not on the list, and no signature that suffices."""
    if facts.ticket is not None:
        # An organiser's own list has no such rows: whatever they mean there, it is no ticket.
        strange = not facts.check_in_list.pretix and int(facts.ticket.flags) & _OF_PRETIX
        return refused(Reason.UNKNOWN) if strange else None
    if facts.by_medium:
        return refused(Reason.UNKNOWN)  # it stands for nothing, whoever signed its number
    if facts.check_in_list.pretix and not facts.product.pretix:
        return refused(Reason.UNKNOWN)  # signed, but of no product that is sold here
    # The code under a signed ticket's picture names the ticket, but no issuer has signed it.
    signed = isinstance(facts.credential, Credential) and bool(facts.credential.issuer)
    return None if signed and not facts.policy.list_required else refused(Reason.UNKNOWN)


def ambiguous(facts: Facts) -> Verdict | None:
    """Several tickets by one code."""
    return refused(Reason.AMBIGUOUS) if facts.ambiguous else None
