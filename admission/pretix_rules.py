"""The rules of a pretix check-in list: read once, with the policy, and asked at each showing.

A rule that cannot be understood, or that fails, refuses by name and says why; the server refuses
then too. Nothing here raises, whatever the text.
Source: pretix 2026.8, check-in lists, `rules`; observed at a real server.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from admission.json_logic import COMPARISONS, OPERATORS
from admission.pretix_explain import Comparison, Step, explain, is_told
from admission.pretix_situation import COUNTS, OF_THE_CLOCK, VARIABLES, Dates, Situation

MAX_RULES = 32_768
"""Characters of the rules of one list."""
MAX_DEPTH = 32
MAX_CALLS = 2000
"""Operators in the rules of one list; real ones have less than a hundred."""

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6})\d*)?)?")
_FAULTS = (TypeError, ValueError, ArithmeticError, LookupError, OSError, RecursionError)


class _Misfit(ValueError):
    """The rules hold something that this version does not know."""


@dataclass(frozen=True, slots=True)
class Call:
    """An operator and its arguments, which are all evaluated first, as the server does."""

    name: str
    function: Callable[..., object]
    arguments: tuple[object, ...]
    """Calls, or plain values."""
    situated: bool
    """Whether the function's first argument is the situation."""

    def value(self, situation: Situation) -> object:
        """The result. Raises what Python's operators raise."""
        return situation.once(id(self), lambda: self._computed(situation))

    def _computed(self, situation: Situation) -> object:
        given = [a.value(situation) if isinstance(a, Call) else a for a in self.arguments]
        if not self.situated:
            return self.function(*given)
        return situation.once((self.function, *given), lambda: self.function(situation, *given))

    def calls(self) -> "Iterator[Call]":
        """This call and all below it."""
        yield self
        for argument in self.arguments:
            if isinstance(argument, Call):
                yield from argument.calls()


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one list; made by `read_rules`. Two are equal if their texts are."""

    text: str
    program: object = field(compare=False, default=True)
    """A call, or a plain value, whose truth admits."""
    fault: str = field(compare=False, default="")
    """Why they cannot be used; they admit nobody then."""
    by_clock: bool = field(compare=False, default=False)
    """Whether the answer may change with time alone."""

    def refusal(self, situation: Situation) -> str | None:
        """None: admitted. Else why not, for the steward, at most 120 characters; may be empty."""
        if self.fault:
            return self.fault
        program = self.program
        try:
            passed = program.value(situation) if isinstance(program, Call) else program
        except _FAULTS as error:
            return f"the rule fails: {str(error)[:80]}"
        return None if passed else _why(program, situation)


def read_rules(text: str) -> Rules | None:
    """Return the rules that a list's JSON stands for; None: it has none. Never raises."""
    if len(text) > MAX_RULES:
        return Rules(text, fault=f"the rules are longer than {MAX_RULES} characters")
    try:
        plain = json.loads(text) if text else None
        if not plain:
            return None
        program = _read(plain, 0)
        calls = list(program.calls()) if isinstance(program, Call) else []
        if len(calls) > MAX_CALLS:
            raise _Misfit(f"more than {MAX_CALLS} operators")
        return Rules(text, program, by_clock=any(_by_clock(call) for call in calls))
    except _Misfit as misfit:
        return Rules(text, fault=f"the rules are not understood: {str(misfit)[:80]}")
    except _FAULTS as error:
        return Rules(text, fault=f"the rules are not understood: {str(error)[:80]}")


def _read(plain: object, depth: int) -> object:
    if not isinstance(plain, dict):
        return plain
    if depth > MAX_DEPTH:
        raise _Misfit(f"nested deeper than {MAX_DEPTH}")
    # An operator is the first key that is no remark; pretix marks its own remarks by `__`.
    name = next((key for key in plain if not key.startswith("__")), None)
    if name is None:
        raise _Misfit("an operator is missing")
    values = plain[name] if isinstance(plain[name], list) else [plain[name]]
    arguments = tuple(_read(value, depth + 1) for value in values)
    return _folded(_call(name, arguments))


def _call(name: str, arguments: tuple[object, ...]) -> Call:
    if name == "var":
        if not arguments or not isinstance(arguments[0], str) or arguments[0] not in VARIABLES:
            raise _Misfit(f"no variable {str(arguments[:1])[1:40]}")
        return Call(arguments[0], VARIABLES[arguments[0]], (), situated=True)
    if name == "buildTime":
        return _time_call(arguments)
    if name in COUNTS:
        return Call(name, COUNTS[name], arguments, situated=True)
    if name not in OPERATORS:
        raise _Misfit(f"no operator {name[:40]!r}")
    return Call(name, OPERATORS[name], arguments, situated=False)


def _folded(call: Call) -> object:
    """What depends on nothing is computed once."""
    if call.situated or any(isinstance(argument, Call) for argument in call.arguments):
        return call
    return call.value(Situation(datetime.fromtimestamp(0, UTC), UTC))


def _why(program: object, situation: Situation) -> str:
    """In words why a program that gave false did so; whoever fails at that says nothing."""
    try:
        return explain(_step(program, situation), situation)
    except _FAULTS:
        return ""


def _step(node: object, situation: Situation) -> Step:
    if not isinstance(node, Call):
        return Step("", bool(node))
    holds = bool(node.value(situation))
    if node.name in ("and", "or"):
        return Step(node.name, holds, tuple(_step(one, situation) for one in node.arguments))
    first = node.arguments[0] if node.arguments else None
    if node.name not in COMPARISONS or not isinstance(first, Call) or not is_told(first.name):
        return Step("", holds)
    values = tuple(a.value(situation) if isinstance(a, Call) else a for a in node.arguments)
    return Step(node.name, holds, (), Comparison(node.name, first.name, values))


def _by_clock(call: Call) -> bool:
    return call.name in OF_THE_CLOCK or call.name == "customtime"


# -- times -----------------------------------------------------------------------------------------


def _time_call(arguments: tuple[object, ...]) -> Call:
    kind = arguments[0] if arguments else None
    if kind == "custom" and len(arguments) == 2:
        return Call("custom", _moment, arguments[1:], situated=False)
    if kind == "customtime" and len(arguments) == 2:
        parsed = _time_of_day(arguments[1])
        return Call("customtime", lambda s: _today_at(s, parsed), (), situated=True)
    if isinstance(kind, str) and kind in _DATES:
        return Call(kind, _DATES[kind], (), situated=True)
    raise _Misfit(f"no time {str(kind)[:40]!r}")


def _moment(text: object) -> datetime:
    """ISO 8601, as pretix' editor writes it; without a zone it is naive."""
    return datetime.fromisoformat(str(text))


def _time_of_day(text: object) -> time:
    """`14:00`, `8:05:30.5`, or that of a whole ISO 8601 time, whose date and zone do not count."""
    found = _TIME.fullmatch(str(text).strip())
    if found is None:
        return _moment(text).time()
    hour, minute, second, fraction = found.groups(default="0")
    return time(int(hour), int(minute), int(second), int(fraction.ljust(6, "0")))


def _today_at(situation: Situation, at: time) -> datetime:
    today = situation.now.astimezone(situation.zone)
    return today.replace(
        hour=at.hour, minute=at.minute, second=at.second, microsecond=at.microsecond
    )


def _date(choose: Callable[[Dates], int | None]) -> Callable[[Situation], datetime | None]:
    """A date of the event; one that is not set is the event's beginning."""

    def date(situation: Situation) -> datetime | None:
        chosen = choose(situation.dates)
        at = situation.dates.start if chosen is None else chosen
        return None if at is None else datetime.fromtimestamp(at, UTC)

    return date


_DATES: dict[str, Callable[[Situation], datetime | None]] = {
    "date_from": _date(lambda dates: dates.start),
    "date_to": _date(lambda dates: dates.end),
    "date_admission": _date(lambda dates: dates.admission),
}
