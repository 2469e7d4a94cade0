"""What a rule is, and the list of all: each one function that ends, or says what it found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.conformance.event import TestEvent


class Broken(Exception):
    """The server does not keep the rule; the text says what it did instead."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a server must do."""

    name: str
    """Part and rule, such as `claims.tombstone`."""
    says: str
    """The rule in one sentence."""
    remedy: str
    """What to look at where it is broken."""
    check: "Callable[[TestEvent], None]"


RULES: dict[str, Rule] = {}
"""By name, in the order in which they are tried."""


def rule(
    name: str, says: str, remedy: str
) -> "Callable[[Callable[[TestEvent], None]], Callable[[TestEvent], None]]":
    """Take the function below as the check of a rule."""

    def keep(check: "Callable[[TestEvent], None]") -> "Callable[[TestEvent], None]":
        RULES[name] = Rule(name, says, remedy, check)
        return check

    return keep


def expect(holds: bool, found: object) -> None:
    """Go on if ``holds``; else the rule is broken, as ``found`` shows."""
    if not holds:
        raise Broken(str(found)[:300])
