"""The organiser's rules (signed policy) and the gate's own policy (provisioned)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
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
    test: bool = False
    """For training: admitted by lanes in training mode, and by no other."""
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
    timezone: str = "UTC"
    """IANA name; times in details are told in it."""


MAX_COUNT = 0xFFFF
"""Largest product number, entries and people: what a list row and a ticket can carry."""
MAX_TIME = 0xFFFF_FFFF
"""Largest Unix time: likewise."""
MAX_MINUTES = 60 * 24 * 366
MAX_CAPACITY = 10_000_000
MAX_TEXT = 200
"""Characters of a name or a remark."""


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
        top = _fields(body, frozenset({"lists", "products"}))
        lists, products = _map(top["lists"]), _map(top["products"])
        return EventPolicy(
            lists={_text(name): _check_in_list(_text(name), raw) for name, raw in lists.items()},
            products={_number(key): _product(_number(key), raw) for key, raw in products.items()},
        )
    except KeyError as error:
        raise PolicyMalformed(f"policy body: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise PolicyMalformed(f"policy body: {str(error)[:250]}") from error


def policy_to_body(policy: EventPolicy) -> dict[str, object]:
    """The inverse of `policy_from_body`: plain maps for signing."""
    return {
        "lists": {name: _list_body(entry) for name, entry in policy.lists.items()},
        "products": {str(number): _product_body(p) for number, p in policy.products.items()},
    }


def _map(raw: object) -> Mapping[object, object]:
    if not isinstance(raw, Mapping):
        raise TypeError(f"expected a map, got {type(raw).__name__}")
    return raw


def _fields(raw: object, allowed: frozenset[str]) -> Mapping[object, object]:
    fields = _map(raw)
    # An unknown rule may mean "do not admit": a gate that ignored it would admit.
    if unknown := [key for key in fields if key not in allowed]:
        names = ", ".join(repr(key)[:40] for key in unknown[:3])
        close = get_close_matches(str(unknown[0])[:40], sorted(allowed), 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"unknown fields {names}{hint}")
    return fields


def _text(value: object, least: int = 1) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    if not least <= len(value) <= MAX_TEXT:
        raise ValueError(f"a text of {len(value)} characters; {least} to {MAX_TEXT} are allowed")
    return value


def _whole(value: object, top: int, least: int = 0) -> int:
    if type(value) is not int:  # not isinstance: true is no number
        raise TypeError(f"expected a whole number, got {type(value).__name__}")
    if not least <= value <= top:
        raise ValueError(f"a number outside {least} to {top}")
    return value


def _maybe(value: object, top: int) -> int | None:
    return None if value is None else _whole(value, top)


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, got {type(value).__name__}")
    return value


def _items(value: object) -> Sequence[object]:
    if not isinstance(value, list) or len(value) > MAX_COUNT:
        raise TypeError(f"expected a list of at most {MAX_COUNT}, got {type(value).__name__}")
    return value


def _number(key: object) -> int:
    """A product number as the key of a map: decimal, in its one form."""
    text = _text(key)
    if len(text) > 5 or not (text.isascii() and text.isdecimal()) or text != str(int(text)):
        raise ValueError(f"{text[:20]!r} is no product number")
    return _whole(int(text), MAX_COUNT)


_LIST_FIELDS = frozenset(CheckInList.__slots__) - {"name"}
_PRODUCT_FIELDS = frozenset(Product.__slots__) - {"number"}


def _check_in_list(name: str, value: object) -> CheckInList:
    raw = _fields(value, _LIST_FIELDS)
    return CheckInList(
        name=name,
        products=frozenset(_whole(p, MAX_COUNT) for p in _items(raw.get("products", []))),
        valid_from=_maybe(raw.get("valid_from"), MAX_TIME),
        valid_until=_maybe(raw.get("valid_until"), MAX_TIME),
        entries=_maybe(raw.get("entries"), MAX_COUNT),
        reentry_after_exit=_yes(raw.get("reentry_after_exit", False)),
        anti_passback=AntiPassback(_text(raw.get("anti_passback", "off"))),
        passback_minutes=_whole(raw.get("passback_minutes", 0), MAX_MINUTES),
        gates=frozenset(_text(gate) for gate in _items(raw.get("gates", []))),
        capacity=_maybe(raw.get("capacity"), MAX_CAPACITY),
    )


def _product(number: int, value: object) -> Product:
    raw = _fields(value, _PRODUCT_FIELDS)
    return Product(
        number=number,
        name=_text(raw.get("name", ""), least=0),
        group=GroupRule(_text(raw.get("group", "each_shows"))),
        people=_whole(raw.get("people", 1), MAX_COUNT, least=1),
        staff=_yes(raw.get("staff", False)),
        test=_yes(raw.get("test", False)),
        attention=_text(raw.get("attention", ""), least=0),
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
        "test": product.test,
        "attention": product.attention,
    }
