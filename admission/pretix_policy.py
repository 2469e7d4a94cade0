"""What a policy says of pretix' events, lists and products, in pretix' own numbers and slugs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from admission import plain_values as plain
from admission.plain_values import MAX_ID, MAX_TIME
from admission.pretix_rules import MAX_RULES, Rules, read_rules
from admission.pretix_situation import Dates

MAX_KEYS = 8
"""Most keys of one event; each is tried on every signed code."""


@dataclass(frozen=True, slots=True)
class PretixProduct:
    """What was sold: an item, in one of its variations, for one date of a series."""

    event: str
    """Slug."""
    item: int
    variation: int | None = None
    subevent: int | None = None
    questions: bool = False
    """Questions are asked at check-in: a ticket that is on no list has not answered them."""
    medium: bool = False
    """To be exchanged for a reusable medium."""


@dataclass(frozen=True, slots=True)
class PretixList:
    """How a check-in list of pretix differs from one of our own."""

    event: str
    """Slug."""
    items: frozenset[int] | None = None
    """Admitted items; None: all."""
    subevent: int | None = None
    """The one date it is for; None: all."""
    include_pending: bool = False
    """A person at the box office may let in who has not paid; a gate does not."""
    addon_match: bool = False
    """The code of a ticket admits the add-on of it that is on this list."""
    exit_all_at: int | None = None
    """When everybody inside is next checked out by itself, then daily; Unix seconds."""
    rules: Rules | None = None


@dataclass(frozen=True, slots=True)
class PretixEvent:
    """An event of pretix, as its rules and signed codes need it."""

    timezone: str = "UTC"
    """IANA name of a zone that this system knows."""
    keys: frozenset[bytes] = frozenset()
    """Ids of the keys that sign its codes, as in `Credential.issuer`."""
    dates: Mapping[int, Dates] = field(default_factory=dict)
    """By date of the series; 0: the event's own."""
    gate: int | None = None
    """pretix' number of the place where this gate stands."""
    media_enforced: bool = False
    """A ticket with a medium is admitted by its medium alone."""
    zone: tzinfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError: a time zone this system does not know."""
        try:
            zone = UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError) as error:  # no such zone, or no name of one
            raise ValueError(f"time zone {self.timezone[:40]!r} is not known here") from error
        object.__setattr__(self, "zone", zone)

    def dates_of(self, subevent: int | None) -> Dates:
        """Of one date of the series, or of the event itself."""
        return self.dates.get(subevent or 0, Dates())


NO_EVENT = PretixEvent()
"""What is known of an event that the policy does not name."""


def product_from(value: object) -> PretixProduct | None:
    """Read `pretix` of a product. Raises TypeError, ValueError, KeyError."""
    if value is None:
        return None
    raw = plain.fields(value, frozenset(PretixProduct.__slots__))
    return PretixProduct(
        event=plain.text(raw["event"]),
        item=plain.whole(raw["item"], MAX_ID),
        variation=plain.maybe(raw.get("variation"), MAX_ID),
        subevent=plain.maybe(raw.get("subevent"), MAX_ID),
        questions=plain.yes(raw.get("questions", False)),
        medium=plain.yes(raw.get("medium", False)),
    )


def product_to(product: PretixProduct) -> dict[str, object]:
    """The inverse of `product_from`, without what is at its default."""
    body = {name: getattr(product, name) for name in PretixProduct.__slots__}
    return {name: v for name, v in body.items() if v is not None and v is not False}


def list_from(value: object) -> PretixList | None:
    """Read `pretix` of a check-in list. Raises TypeError, ValueError, KeyError."""
    if value is None:
        return None
    raw = plain.fields(value, frozenset(PretixList.__slots__))
    items = raw.get("items")
    found = None if items is None else (plain.whole(i, MAX_ID) for i in plain.items(items))
    return PretixList(
        event=plain.text(raw["event"]),
        items=None if found is None else frozenset(found),
        subevent=plain.maybe(raw.get("subevent"), MAX_ID),
        include_pending=plain.yes(raw.get("include_pending", False)),
        addon_match=plain.yes(raw.get("addon_match", False)),
        exit_all_at=plain.maybe(raw.get("exit_all_at"), MAX_TIME),
        rules=read_rules(plain.text(raw.get("rules", ""), least=0, most=MAX_RULES + 1)),
    )


def list_to(entry: PretixList) -> dict[str, object]:
    """The inverse of `list_from`."""
    body = {name: getattr(entry, name) for name in PretixList.__slots__}
    body["items"] = None if entry.items is None else sorted(entry.items)
    # Of rules that are too long one character too many is enough to refuse them for it.
    body["rules"] = entry.rules.text[: MAX_RULES + 1] if entry.rules else ""
    return body


def event_from(value: object) -> PretixEvent:
    """Read one of the policy's `events`. Raises TypeError, ValueError."""
    raw = plain.fields(value, frozenset(PretixEvent.__slots__) - {"zone"})
    dates = plain.mapping(raw.get("dates", {}))
    return PretixEvent(
        timezone=plain.text(raw.get("timezone", "UTC")),
        keys=frozenset(_key_id(key) for key in plain.items(raw.get("keys", []))),
        dates={plain.number(key, MAX_ID): _dates(of_one) for key, of_one in dates.items()},
        gate=plain.maybe(raw.get("gate"), MAX_ID),
        media_enforced=plain.yes(raw.get("media_enforced", False)),
    )


def event_to(event: PretixEvent) -> dict[str, object]:
    """The inverse of `event_from`."""
    dates = {str(of): [d.start, d.end, d.admission] for of, d in event.dates.items()}
    return {
        "timezone": event.timezone,
        "keys": sorted(event.keys),
        "dates": dates,
        "gate": event.gate,
        "media_enforced": event.media_enforced,
    }


def _key_id(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != 8:
        raise TypeError("a key id is 8 bytes")
    return value


def _dates(value: object) -> Dates:
    """`[start, end, admission]`."""
    times = plain.items(value)
    if len(times) != 3:
        raise ValueError("dates are start, end and admission")
    return Dates(*(plain.maybe(at, MAX_TIME) for at in times))
