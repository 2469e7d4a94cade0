"""What a running gate says of itself, judged: is it ready to open?"""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.findings import Finding, bad, good, warn
from config.models import AdmitConfig

Status = Mapping[str, Any]


def findings(status: Status, config: AdmitConfig) -> Iterator[Finding]:
    """Judge the status (docs/ipc.md) of the gate that `config` describes."""
    yield from _faults(status)
    for lane in status["lanes"]:
        yield _lane(lane)
        yield from _readers(lane)
    yield _list(status["list"], config)
    yield _clock(status["clock"])
    yield from _server(status, config)
    yield _journal(status["journal"])


def _faults(status: Status) -> Iterator[Finding]:
    """Every fault the gate knows, in its own words: first, since they explain the rest."""
    for fault in status["faults"]:
        yield bad(f"{fault['where']}: {fault['name']}", fault["cause"], fault["remedy"])


def _lane(lane: Status) -> Finding:
    what = f"lane {lane['name']}"
    if lane["mode"] != "normal":
        return warn(
            what,
            f"in mode {lane['mode']}",
            f"For guests: admit lane mode {lane['name']} normal",
        )
    if lane["sensor"] not in ("ok", "none"):
        return bad(what, f"passage sensor: {lane['sensor']}", "Look at it, then clear it")
    if lane["sensor"] == "none":
        return warn(
            what,
            "no passage sensor: an entry counts on release, whether anybody goes through or not",
            "Wire one, and name it as passage_in in admit.toml",
        )
    return good(what, f"{lane['state']}, {lane['entered']} in, {lane['refused']} refused")


def _readers(lane: Status) -> Iterator[Finding]:
    for reader in lane["readers"]:
        what = f"lane {lane['name']}: {reader['uri']}"
        if reader["state"] == "ok":
            yield good(what, "sees")
        elif reader["state"] == "starting":  # without a fault yet
            yield warn(what, "starts", "Ask again in some seconds")
        else:
            yield bad(what, str(reader["state"]).replace("_", " "), "See its fault above")


def _list(found: Status, config: AdmitConfig) -> Finding:
    what = "ticket list"
    if found["state"] == "missing":
        return bad(what, str(found["cause"]), "Wait until it has come; see server below")
    said = f"{found['rows']} tickets, serial {found['serial']}"
    if found["age"] is None:
        return warn(what, f"{said}, no news since the start", "See server below")
    said = f"{said}, {duration(found['age'])} old"
    if found["state"] == "ok":
        return good(what, said)
    what_happens = f"after {duration(config.policy.old_list_after)}: {config.policy.on_old_list}"
    return warn(what, said, f"Bring the server back into reach; policy {what_happens}")


def _clock(found: Status) -> Finding:
    if found["state"] == "synchronised":
        return good("clock", f"synchronised, within {found['uncertainty']:.3f} s")
    return warn(
        "clock",
        f"{found['state']}: windows of tickets are judged by the policy on_unknown_clock",
        "Let the gate reach a time server or its own server; see: timedatectl",
    )


def _server(status: Status, config: AdmitConfig) -> Iterator[Finding]:
    server = status["server"]
    if config.server.kind == "none":
        yield good("server", "none: this gate stands alone")
        return
    if not server.get("online"):
        known = server.get("fault") or {}
        yield warn(
            "server",
            str(known.get("cause") or "out of reach: the gate admits by its list alone"),
            str(known.get("remedy") or "Check the network; see: journalctl -u admit-sync"),
        )
    else:
        yield good("server", f"online, {server.get('waiting', 0)} records to send")
    if server.get("parked"):
        yield warn(
            "parked records",
            f"{server['parked']} that the server refused",
            "Look at them on the organiser's page; they are kept",
        )
    if server.get("conflicts"):
        yield warn(
            "conflicts",
            f"{len(server['conflicts'])} tickets entered more often than they may",
            "Look at them on the organiser's page",
        )


def _journal(found: Status) -> Finding:
    return good("journal", f"{found['seq']} records")


def duration(seconds: float) -> str:
    """A length of time as a person says it."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
