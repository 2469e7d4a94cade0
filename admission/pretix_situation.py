"""What a pretix rule may ask: the ticket, the gate, the time, and what the ticket did before."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from admission.direction import Direction
from admission.history import Use


@dataclass(frozen=True, slots=True)
class Dates:
    """Of an event, or of one date of a series; Unix seconds. None: not set."""

    start: int | None = None
    end: int | None = None
    admission: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """One showing, as rules see it."""

    now: datetime
    """Aware."""
    zone: tzinfo
    """Of the event: days and times of day are counted in it."""
    dates: Dates = Dates()
    product: int | None = None
    variation: int | None = None
    gate: int | None = None
    uses: tuple[Use, ...] = ()
    """What counts on the check-in list, in its order."""
    _known: dict[Hashable, object] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def once(self, name: Hashable, compute: Callable[[], object]) -> object:
        """What `compute` says, asked once: a rule may ask a thousand times of a thousand uses."""
        if name not in self._known:
            self._known[name] = compute()
        return self._known[name]

    @property
    def entries(self) -> list[datetime]:
        """When the ticket entered, UTC."""
        found = self.once("entries", self._entries)
        assert isinstance(found, list)
        return found

    def _entries(self) -> list[datetime]:
        entries = (use.at for use in self.uses if use.direction is Direction.ENTRY)
        return [datetime.fromtimestamp(at, UTC) for at in entries]

    def days(self, entries: list[datetime]) -> int:
        """On how many days of the event's time zone these lie."""
        return len({entry.astimezone(self.zone).date() for entry in entries})

    def since(self, cutoff: datetime) -> list[datetime]:
        """Entries at or after `cutoff`."""
        first = _aware(cutoff)
        return [entry for entry in self.entries if entry >= first]

    def before(self, cutoff: datetime) -> list[datetime]:
        """Entries before `cutoff`."""
        end = _aware(cutoff)
        return [entry for entry in self.entries if entry < end]

    def midnight(self) -> datetime:
        """At which today began. An hour that a change of clocks leaves out begins after it."""
        return self.now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def minutes_since(self, position: int) -> float:
        """Whole minutes since the first (0) or last (-1) entry; -1 when there is none."""
        entries = self.entries
        return (self.now - entries[position]).total_seconds() // 60 if entries else -1

    def status(self) -> str:
        """Whether the ticket's holder is inside, by its last use."""
        last = self.uses[-1].direction if self.uses else Direction.EXIT
        return "present" if last is Direction.ENTRY else "absent"


def _aware(time: datetime) -> datetime:
    """A time without a zone, as the database of a pretix server takes it: UTC by default."""
    if not isinstance(time, datetime):
        raise TypeError("a time is missing")
    return time if time.tzinfo else time.replace(tzinfo=UTC)


VARIABLES: Mapping[str, Callable[[Situation], object]] = {
    "product": lambda s: s.product,
    "variation": lambda s: s.variation,
    "gate": lambda s: s.gate,
    "now": lambda s: s.now,
    "now_isoweekday": lambda s: s.now.astimezone(s.zone).isoweekday(),
    "entries_number": lambda s: len(s.entries),
    "entries_today": lambda s: len(s.since(s.midnight())),
    "entries_days": lambda s: s.days(s.entries),
    "minutes_since_last_entry": lambda s: s.minutes_since(-1),
    "minutes_since_first_entry": lambda s: s.minutes_since(0),
    "entry_status": lambda s: s.status(),
}
COUNTS: Mapping[str, Callable[[Situation, datetime], int]] = {
    "entries_since": lambda s, cutoff: len(s.since(cutoff)),
    "entries_before": lambda s, cutoff: len(s.before(cutoff)),
    "entries_days_since": lambda s, cutoff: s.days(s.since(cutoff)),
    "entries_days_before": lambda s, cutoff: s.days(s.before(cutoff)),
}
"""Functions of one time."""
OF_THE_CLOCK = frozenset(
    {
        "now",
        "now_isoweekday",
        "entries_today",
        "minutes_since_last_entry",
        "minutes_since_first_entry",
    }
)
"""Variables that change while nothing happens."""
