"""Rules between values of the provisioning file: what no single value can show.

They read raw and half-valid data, so that one report holds every problem: a part with the wrong
shape is passed over here, because the model reports it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from config.devices import pins
from drivers.uri import DriverUri
from tickets.errors import GateError

MOST_LANES = 8
MOST_ITEMS = 16
"""Items of any list that are looked at; the model reports longer lists."""
_SENSORS = {
    "entry": ("passage_in",),
    "exit": ("passage_out",),
    "both": ("passage_in", "passage_out"),
}
_INPUTS = ("passage_in", "passage_out", "home", "fault")

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken rule, at a place in the file."""

    loc: Loc
    cause: str
    remedy: str


def broken_rules(data: Any) -> list[Broken]:
    """Every rule between values that `data` breaks.

    Args:
        data: the whole file as nested mappings, or sections already built as models.
    """
    lanes = _items(_get(data, "lane"))[:MOST_LANES]
    return [
        *_policy(_get(data, "policy")),
        *_trust(_get(data, "trust"), _get(_get(data, "server"), "kind", "admit")),
        *_server(_get(data, "server")),
        *_pretix(_get(data, "server")),
        *_screen(_get(data, "screen")),
        *_names(lanes),
        *(broken for number, lane in enumerate(lanes) for broken in _lane(number, lane)),
        *_devices(_get(data, "gate"), lanes),
    ]


def within_reach(data: Any) -> Any:
    """`data` without the lanes far beyond the limit, so that a huge file is refused quickly."""
    lanes = _get(data, "lane")
    if isinstance(data, Mapping) and isinstance(lanes, list) and len(lanes) > MOST_LANES:
        return {**data, "lane": lanes[: MOST_LANES + 1]}
    return data


def _get(node: Any, key: str, default: Any = None) -> Any:
    if isinstance(node, Mapping):
        return node.get(key, default)
    return getattr(node, key, default) if isinstance(node, BaseModel) else default


def _given(node: Mapping[str, Any] | BaseModel, key: str) -> bool:
    return key in (node if isinstance(node, Mapping) else node.model_fields_set)


def _items(node: Any) -> list[Any]:
    if isinstance(node, Sequence) and not isinstance(node, (str, bytes)):
        return list(node[:MOST_ITEMS])
    return []


def _policy(policy: Any) -> Iterator[Broken]:
    warn = _get(policy, "warn_list_after", 900.0)
    old = _get(policy, "old_list_after", 86_400.0)
    if isinstance(warn, (int, float)) and isinstance(old, (int, float)) and old < warn:
        yield Broken(
            ("policy", "old_list_after"),
            f"{old} s is shorter than warn_list_after ({warn} s)",
            "Warn first: make old_list_after the longer one",
        )


def _trust(trust: Any, kind: Any) -> Iterator[Broken]:
    if kind == "pretix":
        if _get(trust, "root_keys"):
            yield Broken(
                ("trust", "root_keys"),
                "pretix signs no lists, so no root key of theirs exists",
                "Remove it: the gate makes a key of its own when it is enrolled",
            )
        return
    if trust is None:
        yield Broken(("trust",), "missing", "Add a [trust] table")
    elif isinstance(trust, (Mapping, BaseModel)) and not _given(trust, "root_keys"):
        remedy = 'Add root_keys = ["base64 of 32 bytes"]'
        yield Broken(("trust", "root_keys"), "missing", remedy)
    keys, threshold = _items(_get(trust, "root_keys")), _get(trust, "threshold", 1)
    for place, key in enumerate(keys):
        if key in keys[:place]:
            yield Broken(
                ("trust", "root_keys", place),
                "the same key a second time",
                "Name each root key once: one holder must not count twice",
            )
    if keys and isinstance(threshold, int) and threshold > len(keys):
        yield Broken(
            ("trust", "threshold"),
            f"{threshold} signatures are asked of {len(keys)} root key(s)",
            f"Choose a threshold in 1..{len(keys)}, or add root keys",
        )


def _server(server: Any) -> Iterator[Broken]:
    if server is None:
        return
    kind, url = _get(server, "kind", "admit"), _get(server, "url")
    if kind in ("admit", "pretix") and url is None:
        yield Broken(("server", "url"), "missing", 'Add url = "https://...", or kind = "none"')
    if kind == "file" and _get(server, "directory") is None:
        yield Broken(
            ("server", "directory"), "missing", 'Add directory = "/media/admit": the stick\'s place'
        )
    if kind != "file" and _get(server, "directory") is not None:
        yield Broken(
            ("server", "directory"), "only a stick has one", 'Remove it, or write kind = "file"'
        )
    if kind in ("admit", "pretix") and _get(server, "authority", kind) not in (kind, "none"):
        yield Broken(
            ("server", "authority"),
            f"the server is of kind {kind}",
            f'Write authority = "{kind}", or "none": nobody is asked before a release',
        )
    if kind in ("file", "none"):
        alone = "a gate that stands alone" if kind == "none" else "a gate whose server is a stick"
        for key in ("url", "token", "ca_file", "pin"):
            if _get(server, key) is not None:
                yield Broken(("server", key), f"{alone} has none", "Remove it, or the kind")
        if _get(server, "authority", "none") != "none":
            yield Broken(
                ("server", "authority"),
                "there is no server to ask",
                'Write authority = "none", or name a server',
            )
    for key in ("ca_file", "pin"):
        plain = isinstance(url, str) and url.startswith("http://")
        if plain and _get(server, key) is not None:
            yield Broken(
                ("server", key), "plain http uses no certificate", "Remove it, or use https://"
            )


def _pretix(server: Any) -> Iterator[Broken]:
    if _get(server, "kind", "admit") != "pretix":
        for key in ("organizer", "events"):
            if _get(server, key):
                cause, remedy = (
                    "only a pretix server has one",
                    'Remove it, or write kind = "pretix"',
                )
                yield Broken(("server", key), cause, remedy)
        return
    if _get(server, "token") is None and _get(server, "organizer") is None:
        yield Broken(
            ("server", "organizer"),
            "missing, and no token either",
            "Name the organizer, and show the device's set-up code to a camera of the gate; "
            "or copy its token",
        )


def _screen(screen: Any) -> Iterator[Broken]:
    languages = _items(_get(screen, "languages"))
    for place, language in enumerate(languages):
        if language in languages[:place]:
            yield Broken(
                ("screen", "languages", place), "named a second time", "Name each language once"
            )


def _names(lanes: list[Any]) -> Iterator[Broken]:
    seen: dict[str, int] = {}
    for number, lane in enumerate(lanes):
        name = _get(lane, "name")
        if not isinstance(name, str):
            continue
        if name in seen:
            yield Broken(
                ("lane", number, "name"),
                f"lane[{seen[name]}] has the same name",
                "Give each lane a name of its own",
            )
        seen.setdefault(name, number)


def _lane(number: int, lane: Any) -> Iterator[Broken]:
    direction = _get(lane, "direction")
    has_exit_readers = bool(_get(lane, "exit_readers"))
    if direction == "both" and not has_exit_readers:
        yield Broken(
            ("lane", number, "exit_readers"),
            "a two-way lane has readers on both sides",
            "Add exit_readers, or make the direction entry or exit",
        )
    if direction in ("entry", "exit") and has_exit_readers:
        yield Broken(
            ("lane", number, "exit_readers"),
            f"a lane for {direction} has one side",
            'Move them to readers, or write direction = "both"',
        )
    yield from _sensors(number, lane, direction)


def _sensors(number: int, lane: Any, direction: Any) -> Iterator[Broken]:
    """A sensor on one way only would never count, or never annul, the people of the other way."""
    needed = {
        "entry": ["passage_in"],
        "exit": ["passage_out"],
        "both": ["passage_in", "passage_out"],
    }
    wanted = needed.get(direction, []) if isinstance(direction, str) else []
    if any(_get(lane, key) is not None for key in ("passage_in", "passage_out")):
        for key in wanted:
            if _get(lane, key) is None:
                yield Broken(
                    ("lane", number, key),
                    "missing beside the other passage sensor",
                    f"Add {key}, or remove both: the lane then counts on release",
                )


def _devices(gate: Any, lanes: list[Any]) -> Iterator[Broken]:
    """No device, and no GPIO line, belongs to two places."""
    seen: dict[object, str] = {}
    for loc, uri in _uris(gate, lanes):
        place = f"lane[{loc[1]}].{loc[2]}" if len(loc) > 2 else "gate.fire"
        for taken in _takes(uri):
            if taken in seen:
                what = f"GPIO {taken}" if isinstance(taken, int) else "this device"
                yield Broken(
                    loc, f"{what} is taken by {seen[taken]}", "Give each place a device of its own"
                )
            seen.setdefault(taken, place)


def _uris(gate: Any, lanes: list[Any]) -> Iterator[tuple[Loc, DriverUri]]:
    places: list[tuple[Loc, Any]] = [(("gate", "fire"), _get(gate, "fire"))]
    for number, lane in enumerate(lanes):
        places += [
            (("lane", number, key, place), value)
            for key in ("readers", "exit_readers")
            for place, value in enumerate(_items(_get(lane, key)))
        ]
        places += [
            (("lane", number, key), _get(lane, key)) for key in ("turnstile", "lights", *_INPUTS)
        ]
    for loc, value in places:
        try:
            uri = value if isinstance(value, DriverUri) else None
            yield loc, uri or DriverUri.parse(value if isinstance(value, str) else "")
        except GateError:
            continue  # not a device: the model says so, at the same place


def _takes(uri: DriverUri) -> list[object]:
    if uri.driver == "sim" and not uri.address:
        return []  # a simulated device without a name is a new one each time
    return [*dict.fromkeys(pins(uri))] or [(uri.scheme, uri.address)]
