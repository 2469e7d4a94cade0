"""Problems of a provisioning file in a person's words: place, line, cause, remedy."""

import re
import types
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.lines import LineIndex
from config.models import AdmitConfig
from config.values import Model, shorten
from tickets.errors import GateError

MOST_PROBLEMS = 100
"""Shown in one report; a file with more is not a provisioning file."""
EXAMPLE = "See config/admit.example.toml"

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `line` counts from 1; None when the file has no such line."""

    line: int | None
    where: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.where} (line {self.line})" if self.line else self.where
        stop = "" if self.cause.endswith("?") else "."
        return f"{place}: {self.cause}{stop} {self.remedy}"


class ConfigError(GateError):
    """A provisioning file that cannot be used, with everything that is wrong in it."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = list(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(
            f"{source}: {len(self.problems)} problem(s){lines}",
            "Correct the file, then run: admit check FILE",
        )


def problems_of(error: ValidationError, lines: LineIndex) -> list[Problem]:
    """Translate at most `MOST_PROBLEMS` errors, in the order of the file."""
    details = error.errors(include_url=False)
    shown = [_problem(detail, lines) for detail in details[:MOST_PROBLEMS]]
    shown.sort(key=lambda problem: problem.line or 0)
    if len(details) > MOST_PROBLEMS:
        more = len(details) - MOST_PROBLEMS
        shown.append(Problem(None, "file", f"{more} more", "Correct these first"))
    return shown


def _problem(detail: ErrorDetails, lines: LineIndex) -> Problem:
    loc = tuple(detail["loc"])
    cause, remedy = _words(detail, loc)
    return Problem(lines.of(loc), _where(loc), cause, remedy)


def _where(loc: Loc) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in loc)
    return text.lstrip(".") or "file"


def _name(part: str) -> str:
    return part if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", part) else shorten(part)


def _words(detail: ErrorDetails, loc: Loc) -> tuple[str, str]:  # noqa: PLR0911 - one per type
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    match kind:
        case "admit":
            return context["cause"], context["remedy"]
        case "missing":
            return "missing", _how_to_add(loc)
        case "extra_forbidden":
            return _unknown_key(loc)
        case "literal_error" | "enum":
            return _no_choice(value, re.findall(r"'([^']*)'", str(context["expected"])))
        case "too_short":
            return "empty", f"Give at least {context['min_length']}"
        case "too_long":
            return "too many", f"Give at most {context['max_length']}"
        case _:
            wanted = _expected(kind, loc)
            return f"{_kind_of(value)} where {wanted} is expected", _shape(kind, loc)


def _how_to_add(loc: Loc) -> str:
    key = str(loc[-1])
    field = _field(loc)
    if field is None or not field.examples:
        return f"Add a [[{key}]] table" if key == "lane" else f"Add a [{key}] table"
    return f"Add {key} = {_toml(field.examples[0])}"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return f'"{value}"'


def _unknown_key(loc: Loc) -> tuple[str, str]:
    key, model = str(loc[-1]), _model(loc[:-1])
    known = _keys(model) if model else []
    if close := get_close_matches(key[:64], known, n=1):
        return f"unknown key; did you mean '{close[0]}'?", f"Rename it to {close[0]}"
    if homes := [name for name in _keys(AdmitConfig) if key in _keys(_model((name, 0)))]:
        return "unknown key here", f"Move it to [{homes[0]}], where it belongs"
    return "unknown key", f"Remove it; known here: {', '.join(known)}"


def _no_choice(value: object, choices: list[str]) -> tuple[str, str]:
    close = get_close_matches(value[:64], choices, n=1) if isinstance(value, str) else []
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{shorten(value)} is no choice{hint}", f"Write one of: {', '.join(choices)}"


_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
_EXPECTED = {
    "string": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "tuple": "a list",
    "model": "a table",
    "finite": "a number",
}


def _kind_of(value: object) -> str:
    return _KINDS.get(type(value), "a table" if isinstance(value, dict) else "a date or time")


def _expected(kind: str, loc: Loc) -> str:
    if loc == ("lane",):
        return "a list of [[lane]] tables"
    return _EXPECTED.get(kind.split("_", maxsplit=1)[0], kind.replace("_", " "))


def _shape(kind: str, loc: Loc) -> str:
    if loc == ("lane",):
        return "Write [[lane]], with two brackets"
    if kind.startswith("tuple"):
        return "Put the values in [ ]"
    return EXAMPLE


def _field(loc: Loc) -> FieldInfo | None:
    model = _model(loc[:-1])
    fields = model.model_fields if model else {}
    return next((f for name, f in fields.items() if (f.alias or name) == loc[-1]), None)


def _keys(model: type[Model] | None) -> list[str]:
    return [f.alias or name for name, f in model.model_fields.items()] if model else []


def _model(loc: Loc) -> type[Model] | None:
    """The model of the table at `loc`; None where no table belongs."""
    model: type[Model] | None = AdmitConfig
    for part in loc:
        if isinstance(part, str) and model is not None:
            fields = {f.alias or name: f for name, f in model.model_fields.items()}
            model = _inner(fields[part].annotation) if part in fields else None
    return model


def _inner(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Model) else None
    return next((found for part in get_args(annotation) if (found := _inner(part))), None)
