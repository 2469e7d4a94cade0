"""The organiser's rules (signed policy) and the gate's own policy (provisioned)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from admission import plain_values as plain
from admission import pretix_policy as pretix
from admission.plain_values import MAX_COUNT, MAX_TIME
from admission.pretix_policy import PretixEvent, PretixList, PretixProduct
from tickets.credential import PretixRight


class AntiPassback(StrEnum):
    """What a second entry without an exit meets."""

    OFF = "off"
    HARD = "hard"
    """Refused."""
    SOFT = "soft"
    """Admitted, marked, and the steward is alerted."""
    TIMED = "timed"
    """Refused for `passback_minutes` after the last entry."""


class GroupRule(StrEnum):
    """How a ticket for several people is shown."""

    EACH_SHOWS = "each_shows"
    ONE_SHOWS_ALL = "one_shows_all"


@dataclass(frozen=True, slots=True)
class Product:
    """What was sold. `number` is what tickets and list rows carry."""

    number: int
    name: str = ""
    group: GroupRule = GroupRule.EACH_SHOWS
    people: int = 1
    """How many people one such ticket is for; anti-passback lets that many be inside."""
    staff: bool = False
    """A staff pass: any number of entries, still revocable."""
    test: bool = False
    """For training: admitted by lanes in training mode, and by no other."""
    attention: str = ""
    """Shown to the steward at every admission, e.g. a concession to check."""
    pretix: PretixProduct | None = None


@dataclass(frozen=True, slots=True)
class CheckInList:
    """Which tickets a lane admits, and how often. Times are Unix seconds, UTC."""

    name: str
    products: frozenset[int] = frozenset()
    """Admitted products; empty: all."""
    valid_from: int | None = None
    valid_until: int | None = None
    entries: int | None = None
    """Entries allowed on this list; None: what the ticket says. 0: any number."""
    reentry_after_exit: bool = False
    """An exit gives the entry back."""
    anti_passback: AntiPassback = AntiPassback.OFF
    passback_minutes: int = 0
    gates: frozenset[str] = frozenset()
    """Gates this list is for; empty: all."""
    capacity: int | None = None
    """People inside at most, as far as this gate knows; None: no limit."""
    pretix: PretixList | None = None
    members: tuple[str, ...] = ()
    """Lists that this one stands for, each of another pretix event: a ticket is judged and counted
    on that of its own event. Empty: it stands for itself.
    """


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """The organiser's signed policy: the check-in lists and products of one event."""

    lists: Mapping[str, CheckInList] = field(default_factory=dict)
    products: Mapping[int, Product] = field(default_factory=dict)
    events: Mapping[str, PretixEvent] = field(default_factory=dict)
    """Of pretix, by slug."""
    _sold: Mapping[tuple[str, int, int | None], Product] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sold", _by_item(self.products.values()))

    def product(self, number: int) -> Product:
        """The product, or a plain one when the policy does not name it."""
        return self.products.get(number) or Product(number)

    def signed_product(self, issuer: bytes, right: PretixRight) -> Product:
        """What a signed pretix code was sold for; without `pretix` when no event sells that item.

        Args:
            issuer: Id of the key that verified the code; it tells the event.
        """
        for slug, event in self.events.items():
            if issuer in event.keys:
                sold = self._sold.get((slug, right.item, right.variation))
                sold = sold or self._sold.get((slug, right.item, None))
                if sold is not None and sold.pretix is not None:
                    told = replace(sold.pretix, variation=right.variation, subevent=right.subevent)
                    return replace(sold, number=0, pretix=told)
        return Product(0)

    def lists_of(self, name: str) -> tuple[CheckInList, ...]:
        """The list of that name, or those it stands for; none when the policy does not have it."""
        named = self.lists.get(name)
        if named is None:
            return ()
        return tuple(self.lists[member] for member in named.members) or (named,)


def _by_item(products: Iterable[Product]) -> dict[tuple[str, int, int | None], Product]:
    """By (event, item, variation), and by (event, item, None); those of no date first."""
    found: dict[tuple[str, int, int | None], Product] = {}
    for product in sorted(products, key=lambda p: bool(p.pretix and p.pretix.subevent)):
        if sold := product.pretix:
            found.setdefault((sold.event, sold.item, sold.variation), product)
    for (event, item, _), product in list(found.items()):
        found.setdefault((event, item, None), product)
    return found


class Fallback(StrEnum):
    """What to do where the facts do not decide."""

    ADMIT = "admit"
    """Admit and mark."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The provisioned policy of one gate. Durations in seconds."""

    gate: str
    on_unclaimed: Fallback = Fallback.ADMIT
    on_unknown_clock: Fallback = Fallback.ADMIT
    on_old_list: Fallback = Fallback.ADMIT
    list_required: bool = True
    warn_list_after: float = 900.0
    old_list_after: float = 86_400.0
    timezone: str = "UTC"
    """IANA name; times in details are told in it."""


MAX_MINUTES = 60 * 24 * 366
MAX_CAPACITY = 10_000_000


class PolicyMalformed(ValueError):
    """The body of a policy statement does not have the documented shape."""


def policy_from_body(body: Mapping[str, object]) -> EventPolicy:
    """Build the typed policy from a verified statement's body.

    Args:
        body: `{"lists": {name: {...}}, "products": {number: {...}}}`, each inner map with the
            field names of `CheckInList` and `Product`, absent fields at their defaults.
    Raises:
        PolicyMalformed: another shape, an unknown field, or a value of another type or size.
            One line, at most 300 characters.
    Source: docs/protocol.md, "Policy".
    """
    try:
        top = plain.fields(body, frozenset({"lists", "products", "events"}))
        lists, products = plain.mapping(top["lists"]), plain.mapping(top["products"])
        events = plain.mapping(top.get("events", {}))
        return _joined(
            EventPolicy(
                lists={plain.text(name): _check_in_list(name, raw) for name, raw in lists.items()},
                products={plain.number(n): _product(n, raw) for n, raw in products.items()},
                events={plain.text(slug): pretix.event_from(raw) for slug, raw in events.items()},
            )
        )
    except KeyError as error:
        raise PolicyMalformed(f"policy body: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise PolicyMalformed(f"policy body: {str(error)[:250]}") from error


def policy_to_body(policy: EventPolicy) -> dict[str, object]:
    """The inverse of `policy_from_body`: plain maps for signing."""
    body: dict[str, object] = {
        "lists": {name: _list_body(entry) for name, entry in policy.lists.items()},
        "products": {str(number): _product_body(p) for number, p in policy.products.items()},
    }
    if policy.events:
        body["events"] = {slug: pretix.event_to(event) for slug, event in policy.events.items()}
    return body


def _joined(policy: EventPolicy) -> EventPolicy:
    """The policy, if each list that stands for others names lists of different pretix events."""
    for entry in policy.lists.values():
        members = [policy.lists.get(name) for name in entry.members]
        slugs = {member.pretix.event for member in members if member and member.pretix}
        if len(slugs) != len(members):
            raise ValueError(f"the members of list {entry.name!r} are not one of each event")
    return policy


_LIST_FIELDS = frozenset(CheckInList.__slots__) - {"name"}
_PRODUCT_FIELDS = frozenset(Product.__slots__) - {"number"}


def _check_in_list(name: object, value: object) -> CheckInList:
    raw = plain.fields(value, _LIST_FIELDS)
    return CheckInList(
        name=plain.text(name),
        products=frozenset(plain.whole(p, MAX_COUNT) for p in plain.items(raw.get("products", []))),
        valid_from=plain.maybe(raw.get("valid_from"), MAX_TIME),
        valid_until=plain.maybe(raw.get("valid_until"), MAX_TIME),
        entries=plain.maybe(raw.get("entries"), MAX_COUNT),
        reentry_after_exit=plain.yes(raw.get("reentry_after_exit", False)),
        anti_passback=AntiPassback(plain.text(raw.get("anti_passback", "off"))),
        passback_minutes=plain.whole(raw.get("passback_minutes", 0), MAX_MINUTES),
        gates=frozenset(plain.text(gate) for gate in plain.items(raw.get("gates", []))),
        capacity=plain.maybe(raw.get("capacity"), MAX_CAPACITY),
        pretix=pretix.list_from(raw.get("pretix")),
        members=tuple(plain.text(member) for member in plain.items(raw.get("members", []))),
    )


def _product(number: object, value: object) -> Product:
    raw = plain.fields(value, _PRODUCT_FIELDS)
    return Product(
        number=plain.number(number),
        name=plain.text(raw.get("name", ""), least=0),
        group=GroupRule(plain.text(raw.get("group", "each_shows"))),
        people=plain.whole(raw.get("people", 1), MAX_COUNT, least=1),
        staff=plain.yes(raw.get("staff", False)),
        test=plain.yes(raw.get("test", False)),
        attention=plain.text(raw.get("attention", ""), least=0),
        pretix=pretix.product_from(raw.get("pretix")),
    )


def _list_body(entry: CheckInList) -> dict[str, object]:
    body: dict[str, object] = {
        key: getattr(entry, key)
        for key in ("valid_from", "valid_until", "entries", "reentry_after_exit", "capacity")
    }
    body["passback_minutes"] = entry.passback_minutes
    body["anti_passback"] = entry.anti_passback.value
    body["products"] = sorted(entry.products)
    body["gates"] = sorted(entry.gates)
    if entry.pretix:
        body["pretix"] = pretix.list_to(entry.pretix)
    if entry.members:
        body["members"] = list(entry.members)
    return body


def _product_body(product: Product) -> dict[str, object]:
    body: dict[str, object] = {
        "name": product.name,
        "group": product.group.value,
        "people": product.people,
        "staff": product.staff,
        "test": product.test,
        "attention": product.attention,
    }
    if product.pretix:
        body["pretix"] = pretix.product_to(product.pretix)
    return body
