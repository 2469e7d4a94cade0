"""The organiser's rules (signed policy) and the gate's own policy (provisioned)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
    attention: str = ""
    """Shown to the steward at every admission, e.g. a concession to check."""


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


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """The organiser's signed policy: the check-in lists and products of one event."""

    lists: Mapping[str, CheckInList] = field(default_factory=dict)
    products: Mapping[int, Product] = field(default_factory=dict)

    def product(self, number: int) -> Product:
        """The product, or a plain one when the policy does not name it."""
        return self.products.get(number) or Product(number)


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


class PolicyMalformed(ValueError):
    """The body of a policy statement does not have the documented shape."""


def policy_from_body(body: Mapping[str, object]) -> EventPolicy:
    """Build the typed policy from a verified statement's body.

    Args:
        body: `{"lists": {name: {...}}, "products": {number: {...}}}`, each inner map with the
            field names of `CheckInList` and `Product`, absent fields at their defaults.
    Raises:
        PolicyMalformed: another shape, an unknown field or a value of another type.
    Source: docs/protocol.md, "Policy".
    """
    try:
        return EventPolicy(
            lists={name: _check_in_list(name, raw) for name, raw in _map(body["lists"]).items()},
            products={
                int(number): _product(int(number), raw)
                for number, raw in _map(body["products"]).items()
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyMalformed(f"policy body: {error}") from error


def policy_to_body(policy: EventPolicy) -> dict[str, object]:
    """The inverse of `policy_from_body`: plain maps for signing."""
    return {
        "lists": {name: _list_body(entry) for name, entry in policy.lists.items()},
        "products": {str(number): _product_body(p) for number, p in policy.products.items()},
    }


def _map(raw: object) -> Mapping[str, object]:
    if not isinstance(raw, Mapping):
        raise TypeError(f"expected a map, got {type(raw).__name__}")
    return raw


def _typed(raw: Mapping[str, object], key: str, kinds: tuple[type, ...], default: object) -> object:
    value = raw.get(key, default)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(f"{key}: {type(value).__name__} is not allowed here")
    return value


_LIST_FIELDS = frozenset(CheckInList.__slots__) - {"name"}
_PRODUCT_FIELDS = frozenset(Product.__slots__) - {"number"}
_INT_OR_NONE = (int, type(None))


def _check_in_list(name: str, value: object) -> CheckInList:
    raw = _map(value)
    if unknown := set(raw) - _LIST_FIELDS:
        raise ValueError(f"list {name}: unknown fields {sorted(unknown)}")
    products = _typed(raw, "products", (list,), [])
    gates = _typed(raw, "gates", (list,), [])
    return CheckInList(
        name=name,
        products=frozenset(int(p) for p in products),  # type: ignore[attr-defined]
        valid_from=_typed(raw, "valid_from", _INT_OR_NONE, None),  # type: ignore[arg-type]
        valid_until=_typed(raw, "valid_until", _INT_OR_NONE, None),  # type: ignore[arg-type]
        entries=_typed(raw, "entries", _INT_OR_NONE, None),  # type: ignore[arg-type]
        reentry_after_exit=bool(_typed(raw, "reentry_after_exit", (bool,), False)),
        anti_passback=AntiPassback(str(_typed(raw, "anti_passback", (str,), "off"))),
        passback_minutes=_typed(raw, "passback_minutes", (int,), 0),  # type: ignore[arg-type]
        gates=frozenset(str(g) for g in gates),  # type: ignore[attr-defined]
        capacity=_typed(raw, "capacity", _INT_OR_NONE, None),  # type: ignore[arg-type]
    )


def _product(number: int, value: object) -> Product:
    raw = _map(value)
    if unknown := set(raw) - _PRODUCT_FIELDS:
        raise ValueError(f"product {number}: unknown fields {sorted(unknown)}")
    return Product(
        number=number,
        name=str(_typed(raw, "name", (str,), "")),
        group=GroupRule(str(_typed(raw, "group", (str,), "each_shows"))),
        people=_typed(raw, "people", (int,), 1),  # type: ignore[arg-type]
        staff=bool(_typed(raw, "staff", (bool,), False)),
        attention=str(_typed(raw, "attention", (str,), "")),
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
    return body


def _product_body(product: Product) -> dict[str, object]:
    return {
        "name": product.name,
        "group": product.group.value,
        "people": product.people,
        "staff": product.staff,
        "attention": product.attention,
    }
