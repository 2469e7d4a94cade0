"""Which of several tickets a code stands for: the ticket itself, one of its add-ons, a medium's.

Source: pretix 2026.8, check-in by a code, in the order of its server: by list, by product, by time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from admission.pretix_policy import PretixList
from admission.rules import CheckInList, Product
from tickets.rows import Status, Ticket


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ticket that the code may stand for."""

    key: bytes
    ticket: Ticket | None
    """None: signed, but on no list."""
    product: Product
    addon: bool = False
    """An add-on of the ticket whose code was shown."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be judged, on which list."""

    candidate: Candidate
    check_in_list: CheckInList
    ambiguous: bool = False


def choose(
    candidates: Sequence[Candidate], lists: Sequence[CheckInList], at: float, by_medium: bool
) -> Choice:
    """Choose as the server does; where nothing fits, what the refusal is best explained by.

    Args:
        candidates: At least one; the ticket before its add-ons.
        lists: At least one; of pretix, one of each event.
        at: Unix seconds.
    """
    by_event = {entry.pretix.event: entry for entry in lists if entry.pretix}

    def list_of(one: Candidate) -> CheckInList | None:
        return by_event.get(one.product.pretix.event) if one.product.pretix else None

    def where(test: Callable[[Candidate, PretixList], bool]) -> list[Candidate]:
        placed = ((one, list_of(one)) for one in candidates)
        return [one for one, entry in placed if entry and entry.pretix and test(one, entry.pretix)]

    present = where(lambda one, entry: _is_present(one, entry, by_medium))
    fitting = present
    if len(fitting) > 1:
        fitting = [one for one in where(_is_sold_for) if one in present]
    if len(fitting) > 1:
        fitting = [one for one in fitting if _is_timely(one, at)]
    best = _best(fitting or present or candidates[:1], at)
    clash = bool(best.ticket and best.ticket.flags & Status.AMBIGUOUS)
    return Choice(best, list_of(best) or lists[0], clash or len(fitting) > 1)


def _is_present(one: Candidate, entry: PretixList, by_medium: bool) -> bool:
    """Whether the server would find it by this code. Of another date of the series it would not."""
    sold = one.product.pretix
    dated = by_medium or entry.subevent is None or bool(sold and sold.subevent == entry.subevent)
    return dated and (entry.addon_match or not one.addon)


def _is_sold_for(one: Candidate, entry: PretixList) -> bool:
    sold = one.product.pretix
    return sold is not None and (entry.items is None or sold.item in entry.items)


def _is_timely(one: Candidate, at: float) -> bool:
    row = one.ticket
    if row is None:
        return True
    return row.valid_from <= at and (not row.valid_until or row.valid_until > at)


def _best(candidates: Sequence[Candidate], at: float) -> Candidate:
    """Of several that do not fit: the one that will next, else that did last, else the first."""
    if len(candidates) == 1:
        return candidates[0]
    rows = [(one, one.ticket) for one in candidates]
    coming = [(row.valid_from, one) for one, row in rows if row and row.valid_from > at]
    if coming:
        return min(coming, key=lambda pair: pair[0])[1]
    gone = [(row.valid_until, one) for one, row in rows if row and 0 < row.valid_until < at]
    return max(gone, key=lambda pair: pair[0])[1] if gone else candidates[0]
