"""Why the rules of a pretix list refused: the one thing of all that a steward can tell the guest.

Where several things stand against a ticket, of those that must all hold the one that is hardest to
change is told, and of those of which one would do the easiest: "only before 17:00" rather than
"buy another kind of ticket". The idea, not the words, is that of pretix' own explanation.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from admission.pretix_situation import Situation

_EASE = (
    "entry_status",
    "minutes_since_first_entry",
    "minutes_since_last_entry",
    "entries_days",
    "entries_days_since",
    "entries_days_before",
    "entries_since",
    "entries_before",
    "entries_number",
    "entries_today",
    "now",
    "now_isoweekday",
    "gate",
    "product",
    "variation",
)
"""What a guest can change, the easiest first."""
_WORDS = {
    "minutes_since_first_entry": "minutes since the first entry",
    "minutes_since_last_entry": "minutes since the last entry",
    "entries_days": "days with an entry so far",
    "entries_days_since": "days with an entry since then",
    "entries_days_before": "days with an entry before then",
    "entries_since": "entries since then",
    "entries_before": "entries before then",
    "entries_number": "entries so far",
    "entries_today": "entries today",
}
_TOLD = {
    "now_isoweekday": "not on this day of the week",
    "gate": "not at this gate",
    "product": "not with this kind of ticket",
    "variation": "not with this kind of ticket",
}


class Comparison(NamedTuple):
    """A comparison that is false: its operator, the variable or function it asks, its values."""

    operator: str
    about: str
    values: tuple[object, ...]


class Step(NamedTuple):
    """A node of the rules, evaluated: `and`, `or`, or a comparison."""

    operator: str
    holds: bool
    below: tuple["Step", ...] = ()
    comparison: Comparison | None = None


def explain(step: Step, situation: Situation) -> str:
    """One short phrase for rules that do not hold; empty when there is none to be had."""
    found = _hardest(step)
    return _sentence(found, situation) if found else ""


def _hardest(step: Step) -> Comparison | None:
    if step.holds:
        return None
    if step.comparison is not None:
        return step.comparison
    against = [found for found in map(_hardest, step.below) if found]
    if not against:
        return None
    choose: Callable[..., Comparison] = max if step.operator == "and" else min
    return choose(against, key=lambda found: _EASE.index(found.about))


def _sentence(found: Comparison, situation: Situation) -> str:
    if found.about in _TOLD:
        return _TOLD[found.about]
    if found.about == "entry_status":
        return "has not left" if situation.status() == "present" else "has not entered"
    if found.about == "now":
        return _time_limit(found, situation)
    asked = found.values[0]
    return f"{_WORDS[found.about]}: {asked:g}" if isinstance(asked, int | float) else ""


def _time_limit(found: Comparison, situation: Situation) -> str:
    limit = found.values[1] if len(found.values) > 1 else None
    if not isinstance(limit, datetime) or found.operator not in ("isBefore", "isAfter"):
        return ""
    tolerance = timedelta(minutes=float(str(found.values[2] or 0))) if found.values[2:] else None
    later = found.operator == "isBefore"
    told = (limit + (tolerance or timedelta()) * (1 if later else -1)).astimezone(situation.zone)
    today = situation.now.astimezone(situation.zone).date() == told.date()
    when = f"{told:%H:%M %Z}" if today else f"{told:%Y-%m-%d %H:%M %Z}"
    return f"only before {when}" if later else f"only after {when}"


def is_told(about: str) -> bool:
    """Whether there are words for a variable or a function."""
    return about in _EASE
