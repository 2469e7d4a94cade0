"""Field errors and broken rules as one pydantic error."""

from typing import cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails

from config.rules import Broken
from config.values import fault


def merged(title: str, error: ValidationError | None, broken: list[Broken]) -> ValidationError:
    """One error that holds those of `error` and one for each of `broken`."""
    found = error.errors(include_url=False) if error else []
    details = [_again(detail) for detail in found if not _only_follows(detail, found)]
    places = {detail["loc"] for detail in details}
    # A value that is wrong by itself is reported once, as that.
    details += [_of(rule) for rule in broken if rule.loc not in places]
    return ValidationError.from_exception_data(title, details, hide_input=True)


def _only_follows(detail: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """Whether a list is "too short" only because its items are wrong, which is reported."""
    loc = detail["loc"]
    return detail["type"] == "too_short" and any(
        other["loc"][: len(loc)] == loc and other is not detail for other in found
    )


def _again(detail: ErrorDetails) -> InitErrorDetails:
    context = detail.get("ctx", {})
    return InitErrorDetails(
        type=fault(context["cause"], context["remedy"])
        if detail["type"] == "admit"
        else detail["type"],
        loc=detail["loc"],
        input=detail["input"],
        ctx=context,
    )


def _of(rule: Broken) -> InitErrorDetails:
    return cast(
        InitErrorDetails,
        {"type": fault(rule.cause, rule.remedy), "loc": rule.loc, "input": None},
    )
