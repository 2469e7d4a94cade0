"""What one ticket has done so far: its entries and exits, here and at other gates."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from admission.direction import Direction


class Standing(StrEnum):
    """What became of one use of a ticket."""

    OPEN = "open"
    """Released, outcome not yet known: counts, so that nobody enters behind it."""
    PASSED = "passed"
    INTERRUPTED = "interrupted"
    """The gate died before the outcome: counts, but may be resumed once."""
    ANNULLED = "annulled"
    """Nobody went through: does not count."""
    RESUMED = "resumed"
    """An interrupted one whose guest was let in again under a new use: does not count."""


COUNTING = frozenset({Standing.OPEN, Standing.PASSED, Standing.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Use:
    """One entry or exit of a ticket on a check-in list. `at` in Unix seconds."""

    presentation: bytes
    direction: Direction
    check_in_list: str
    at: float
    where: str
    """The lane here, or the other gate's name."""
    standing: Standing = Standing.OPEN
    here: bool = True
    turned_back: bool = False
    """An annulment that this gate made by itself, because nobody went through."""
    counter: int | None = None
    """What was shown: the counter of a card's message, or when a live code was drawn (AD2)."""

    @property
    def counts(self) -> bool:
        """Whether it is an entry or exit that stands."""
        return self.standing in COUNTING


def merge(own: Iterable[Use], elsewhere: Iterable[Use]) -> tuple[Use, ...]:
    """All uses in order; what this gate recorded itself wins over a server's copy of it.

    Args:
        own: In the order of the journal, which holds even where the clock was set back.
        elsewhere: In any order; they are put where their time says.
    """
    placed: dict[bytes, tuple[float, Use]] = {u.presentation: (u.at, u) for u in elsewhere}
    latest = float("-inf")
    for use in own:
        latest = max(latest, use.at)
        placed.pop(use.presentation, None)
        placed[use.presentation] = (latest, use)
    return tuple(use for _, use in sorted(placed.values(), key=lambda pair: pair[0]))


def on_list(uses: Iterable[Use], check_in_list: str) -> tuple[Use, ...]:
    """Those uses that count on `check_in_list`."""
    return tuple(u for u in uses if u.counts and u.check_in_list == check_in_list)


def entries_spent(uses: Iterable[Use], reentry_after_exit: bool) -> int:
    """Entry rights that are gone; with `reentry_after_exit` each exit gives one back.

    An exit gives nothing back before its guest is through: they may still turn round.
    """
    spent = 0
    for use in uses:
        if use.direction is Direction.ENTRY:
            spent += 1
        elif reentry_after_exit and spent and use.standing is not Standing.OPEN:
            spent -= 1
    return spent


def inside(uses: Iterable[Use]) -> int:
    """How many people this ticket has inside: entries not followed by an exit."""
    return entries_spent(uses, reentry_after_exit=True)


def newest_drawing(uses: Iterable[Use]) -> int | None:
    """When the newest live code was drawn that is used up; None: none is.

    Here a code is used up by an entry or exit that stands: who turned back may show it again. At
    another gate any use does: a guest who walked there has drawn a new one since.
    """
    drawn = (u.counter for u in uses if u.counter is not None and (u.counts or not u.here))
    return max(drawn, default=None)


def turned_back(uses: Iterable[Use], check_in_list: str) -> int:
    """How often this gate annulled an entry of this ticket on the list by itself."""
    return sum(u.turned_back and u.check_in_list == check_in_list for u in uses)


def resumable(uses: Iterable[Use], check_in_list: str) -> Use | None:
    """The interrupted entry at this gate that a guest may be let in for once more, if any.

    Once for a ticket and list, however often the gate dies: each time somebody may have gone
    through. An exit after the interruption proves that somebody did.
    """
    mine = [u for u in uses if u.here and u.check_in_list == check_in_list]
    if any(u.standing is Standing.RESUMED for u in mine):
        return None
    for use in reversed([u for u in mine if u.counts]):
        if use.direction is Direction.EXIT:
            return None
        if use.standing is Standing.INTERRUPTED:
            return use
    return None


def without(uses: Iterable[Use], presentation: bytes) -> tuple[Use, ...]:
    """The uses as they stand once the interrupted `presentation` is resumed."""
    return tuple(
        replace(u, standing=Standing.RESUMED) if u.presentation == presentation else u for u in uses
    )
