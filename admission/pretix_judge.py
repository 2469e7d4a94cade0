"""What a pretix list asks of a ticket beyond our own lists: dates, rules, daily check-outs."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from admission.clock import ClockState, Reading
from admission.direction import Direction
from admission.history import Standing, Use
from admission.pretix_policy import PretixEvent, PretixList, PretixProduct
from admission.pretix_rules import Rules
from admission.pretix_situation import Situation

SURE = 1.0
"""Seconds of error below which a synchronised clock is taken at its word."""
_LONGEST = 400
"""Days that check-outs are repeated for; whatever is older was long since told by the server."""
_STEPS = (60.0, 900.0, 3600.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 345_600.0, 604_800.0)


def misplaced(entry: PretixList, sold: PretixProduct) -> str | None:
    """Why a ticket of the list's event is not for this list; None: it is."""
    if entry.items is not None and sold.item not in entry.items:
        return "another kind of ticket"
    if entry.subevent is not None and sold.subevent != entry.subevent:
        return "for another date"
    return None


def spent(uses: Sequence[Use], reentry_after_exit: bool) -> int:
    """Entries that stand, as pretix counts: the last use decides, whatever was before.

    An exit gives nothing back before its guest is through: they may still turn round.
    """
    through = [
        use for use in uses if use.direction is Direction.ENTRY or use.standing is not Standing.OPEN
    ]
    if reentry_after_exit and through and through[-1].direction is Direction.EXIT:
        return 0
    return sum(use.direction is Direction.ENTRY for use in through)


def checked_out(
    uses: tuple[Use, ...], first: int | None, now: float, zone: tzinfo
) -> tuple[Use, ...]:
    """The uses with the exits that the server makes by itself of who is inside.

    Args:
        uses: On the list, in order.
        first: `exit_all_at`; after it the same time of each day, in `zone`.
    """
    if first is None or now < first:
        return uses
    told = list(uses)
    for at in _daily(first, now, zone):
        before = [use for use in told if use.at < at]
        if before and before[-1].direction is Direction.ENTRY:
            exit_ = Use(b"", Direction.EXIT, before[-1].check_in_list, at, "", Standing.PASSED)
            told.insert(len(before), exit_)
    return tuple(told)


def _daily(first: int, now: float, zone: tzinfo) -> Iterable[float]:
    begin = datetime.fromtimestamp(first, zone)
    for day in range(_LONGEST):
        at = (begin + timedelta(days=day)).timestamp()
        if at > now:
            return
        yield at


def rule_refusals(
    rules: Rules,
    sold: PretixProduct | None,
    event: PretixEvent,
    uses: tuple[Use, ...],
    reading: Reading,
) -> list[str | None]:
    """What the rules say at each time that it may be now, as far as the clock tells, `at` first."""
    return [
        rules.refusal(
            Situation(
                now=now,
                zone=event.zone,
                dates=event.dates_of(sold.subevent if sold else None),
                product=sold.item if sold else None,
                variation=sold.variation if sold else None,
                gate=event.gate,
                uses=uses,
            )
        )
        for now in _moments(reading, rules.by_clock)
    ]


def is_sure(reading: Reading) -> bool:
    """Whether the clock is taken at its word."""
    return reading.state is ClockState.SYNCHRONISED and reading.uncertainty < SURE


def _moments(reading: Reading, by_clock: bool) -> list[datetime]:
    """Rules may hold at any number of times, so a doubtful clock is tried at several."""
    if not by_clock or is_sure(reading):
        return [reading.datetime]
    steps = [step for step in _STEPS if step < reading.uncertainty]
    if math.isfinite(reading.uncertainty):
        steps.append(reading.uncertainty)
    offsets = [0.0, *(sign * step for step in steps for sign in (-1, 1))]
    return [datetime.fromtimestamp(reading.at + offset, UTC) for offset in offsets]
