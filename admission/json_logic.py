"""JSON logic as pretix' server computes it: the comparisons, with their coercions.

A value is what JSON holds, or a time (aware or naive `datetime`). Whatever Python cannot compare
raises `TypeError`, as it does at the server, which then refuses.
Sources: jsonlogic.com, "Supported Operations"; the check-in rules of pretix 2026.8, whose server
compares as Python does, not as JavaScript: "1" and 1.0 differ, "" is not 0.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

Value = Any
"""None, bool, int, float, text, a list, a map or a time."""


def same(a: Value, b: Value) -> bool:
    """`==`: by their text when either is text, by their truth when either is a truth value."""
    if isinstance(a, str) or isinstance(b, str):
        return str(a) == str(b)
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a) is bool(b)
    return bool(a == b)


def less(a: Value, b: Value, *rest: Value) -> bool:
    """`<` of two or a chain; text beside a number is read as one, and what is none is not less."""
    if {type(a), type(b)} & {int, float}:
        try:
            a, b = float(a), float(b)
        except (TypeError, ValueError):
            return False
    return bool(a < b) and (not rest or less(b, *rest))


def at_most(a: Value, b: Value, *rest: Value) -> bool:
    """`<=` of two or a chain."""
    return (less(a, b) or same(a, b)) and (not rest or at_most(b, *rest))


def all_of(*values: Value) -> Value:
    """`and`: the first that is not true, else the last; true when there is none."""
    result: Value = True
    for value in values:
        result = result and value
    return result


def any_of(*values: Value) -> Value:
    """`or`: the first that is true, else the last; false when there is none."""
    result: Value = False
    for value in values:
        result = result or value
    return result


def before(a: Value, b: Value, minutes: Value = None) -> bool:
    """`isBefore`: `a` lies before `b`, or not more than `minutes` after it."""
    if a is None or b is None:
        raise TypeError("a time is missing")
    return bool(a < b + timedelta(minutes=float(minutes)) if minutes else a < b)


def after(a: Value, b: Value, minutes: Value = None) -> bool:
    """`isAfter`: `a` lies after `b`, or not more than `minutes` before it."""
    return before(b, a, minutes)


def other(a: Value, b: Value) -> bool:
    """`!=`."""
    return not same(a, b)


def more(a: Value, b: Value) -> bool:
    """`>`, of two."""
    return less(b, a)


def at_least(a: Value, b: Value) -> bool:
    """`>=`, of two."""
    return less(b, a) or same(a, b)


def listed(a: Value, b: Value) -> bool:
    """`inList`."""
    return a in b


def looked_up(_model: Value, number: Value, _name: Value) -> int:
    """`lookup`: the number of a product, variation or gate; its name is for people."""
    return int(number)


COMPARISONS: dict[str, Callable[..., Value]] = {
    "==": same,
    "!=": other,
    "<": less,
    "<=": at_most,
    ">": more,
    ">=": at_least,
    "inList": listed,
    "isBefore": before,
    "isAfter": after,
}
"""What may stand alone, or below `and` and `or`."""
OPERATORS: dict[str, Callable[..., Value]] = {
    **COMPARISONS,
    "and": all_of,
    "or": any_of,
    "objectList": lambda *objects: list(objects),
    "lookup": looked_up,
}
"""All that depend on nothing but their arguments."""
