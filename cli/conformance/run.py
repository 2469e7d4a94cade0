"""Trying all rules, one after the other; one that fails stops no other."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cli.conformance import (  # noqa: F401  # each adds its rules, in this order
    rules_bounds,
    rules_claims,
    rules_door,
    rules_news,
    rules_records,
)
from cli.conformance.event import NotReady, TestEvent
from cli.conformance.rules import RULES, Broken, Rule
from cli.conformance.wire import NoServer
from tickets.errors import GateError

_ORDER = ("enrol", "token", "bearer", "ping", "statements", "list", "heartbeat", "claims")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one rule."""

    rule: Rule
    found: str | None
    """What the server did instead; None: the rule is kept."""


def in_order() -> list[Rule]:
    """All rules, as a gate's life goes."""
    places = {name: place for place, name in enumerate(_ORDER)}
    return sorted(RULES.values(), key=lambda r: places.get(r.name.split(".")[0], len(places)))


def try_rules(event: TestEvent, only: Collection[str] = ()) -> Iterator[Result]:
    """Yield a result for each rule, or for those named in ``only``.

    Raises:
        NoServer, NotReady: the server cannot be checked at all.
    """
    for rule in in_order():
        if not only or rule.name in only:
            yield Result(rule, _found(event, rule))


def _found(event: TestEvent, rule: Rule) -> str | None:
    try:
        rule.check(event)
    except (NoServer, NotReady):
        raise
    except (Broken, GateError) as error:
        return str(error)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        # An answer of another shape: which part was missing says enough.
        return f"an answer has another shape: {type(error).__name__} {str(error)[:200]}"
    return None
