"""Check-in rules with every operator, variable and time of pretix' dialect at least once.

Data alone: `rules_with(ids)` needs the ids that the server gave to its products and gates. The
lists of event "berlin" carry them, named as here; event "series" carries SERIES_RULES. What a
broken rule does is a verdict too.
"""

from typing import Any

Rule = dict[str, Any]


def _var(name: str) -> Rule:
    return {"var": name}


def _time(*words: str) -> Rule:
    return {"buildTime": list(words)}


def _among(variable: str, *ids: int) -> Rule:
    kind = {"product": "product", "variation": "variation", "gate": "gate"}[variable]
    lookups = [{"lookup": [kind, str(number), "a name"]} for number in ids]
    return {"inList": [_var(variable), {"objectList": lookups}]}


def _number(operator: str, name: str, value: int) -> Rule:
    return {operator: [_var(name), value]}


def _counted(operator: str, what: str, since: Rule, value: int) -> Rule:
    return {operator: [{what: [since]}, value]}


def _after(*words: str, tolerance: object = None) -> Rule:
    return {"isAfter": [_var("now"), _time(*words), tolerance]}


def _before(*words: str, tolerance: object = None) -> Rule:
    return {"isBefore": [_var("now"), _time(*words), tolerance]}


FALSE, TRUE = _number("<", "entries_number", 0), _number(">=", "entries_number", 0)
CUT = "2031-05-17T00:00:00+02:00"


def rules_with(ids: dict[str, int]) -> dict[str, Rule]:
    """Name of the list -> its rule.

    Args:
        ids: Of "item:standard", "variation:vip-seated", "gate:north" and so on.
    """
    standard, vip = ids["item:standard"], ids["item:vip"]
    return {
        "none": {},
        "and": {"and": [TRUE, FALSE]},
        "or": {"or": [FALSE, TRUE]},
        "nested": {
            "or": [{"and": [FALSE, TRUE]}, {"and": [TRUE, _number("<", "entries_number", 2)]}]
        },
        "and-empty": {"and": []},
        "or-empty": {"or": []},
        "product": _among("product", standard),
        "product-two": _among("product", standard, vip),
        "variation": _among("variation", ids["variation:vip-seated"]),
        "gate": _among("gate", ids["gate:north"]),
        "gate-other": _among("gate", ids["gate:south"]),
        "weekday": _number("==", "now_isoweekday", 6),
        "weekday-not": _number("!=", "now_isoweekday", 6),
        "entries-below": _number("<", "entries_number", 2),
        "entries-up-to": _number("<=", "entries_number", 0),
        "entries-above": _number(">", "entries_number", 0),
        "entries-from": _number(">=", "entries_number", 2),
        "entries-text": {"<": [_var("entries_number"), "2"]},
        "entries-swapped": {">": [2, _var("entries_number")]},
        "today": _number("<", "entries_today", 1),
        "days": _number("<", "entries_days", 2),
        "since-last": {
            "or": [
                _number("==", "minutes_since_last_entry", -1),
                _number(">", "minutes_since_last_entry", 30),
            ]
        },
        "since-last-up-to": _number("<=", "minutes_since_last_entry", 30),
        "since-first": _number("<", "minutes_since_first_entry", 180),
        "status-absent": {"==": [_var("entry_status"), "absent"]},
        "status-present": {"==": [_var("entry_status"), "present"]},
        "status-not": {"!=": [_var("entry_status"), "present"]},
        "count-since": _counted("<", "entries_since", _time("custom", CUT), 1),
        "count-since-time": _counted("<", "entries_since", _time("customtime", "00:00"), 1),
        "count-before": _counted(">", "entries_before", _time("custom", CUT), 0),
        "days-since": _counted("<", "entries_days_since", _time("date_from"), 1),
        "days-before": _counted("==", "entries_days_before", _time("customtime", "23:59"), 2),
        "after-custom": _after("custom", "2031-05-17T13:00:00+02:00"),
        "after-custom-utc": _after("custom", "2031-05-17T10:59:59Z", tolerance=0),
        "after-naive": _after("custom", "2031-05-17T10:00:00"),
        "after-garbage": _after("custom", "soon"),
        "after-time": _after("customtime", "12:59:00"),
        "after-time-short": _after("customtime", "13:00"),
        "after-start": _after("date_from"),
        "after-end": _after("date_to"),
        "after-doors": _after("date_admission", tolerance=10),
        "after-doors-text": _after("date_admission", tolerance="10"),
        "before-start": _before("date_from"),
        "before-start-tolerant": _before("date_from", tolerance=60),
        "before-start-most": _before("date_from", tolerance=61),
        "before-end": _before("date_to"),
        "before-time": _before("customtime", "13:00:01"),
        "before-custom": _before("custom", "2031-05-17T20:00:00+09:00"),
        "unknown-operator": {"sometimes": [1, 2]},
        "unknown-variable": {"==": [_var("moon"), "full"]},
        "short": {"isAfter": [_var("now"), _time("date_from")]},
        "var-list": {"<": [{"var": ["entries_number"]}, 2]},
        "range": {"<": [0, _var("entries_number"), 3]},
        "false": {"==": [1, 2]},
        "loose-equal": {"==": [_var("entries_number"), "0"]},
    }


SERIES_RULES: dict[str, Rule] = {
    "doors": _after("date_admission"),
    "doors-tolerant": _after("date_admission", tolerance=10),
    "start-tolerant": _after("date_from", tolerance=20),
    "start-tolerant-more": _after("date_from", tolerance=21),
    "before-end": _before("date_to"),
    "local-time": _after("customtime", "08:29"),
    "local-time-not": _after("customtime", "08:31"),
    "saturday": _number("==", "now_isoweekday", 6),
}
