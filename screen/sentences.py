"""Facts of a gate as sentences a steward understands at two in the morning."""

from datetime import datetime

from screen.messages import ClockTold, FaultTold, ListTold, ReaderTold, Status


def clock(at: float | None) -> str:
    """`18:02`, local time of the gate; empty without a time.

    Args:
        at: Unix seconds.
    """
    return _local(at, "%H:%M")


_READER = {"camera": "camera", "nfc": "card reader", "wedge": "hand scanner"}


def reader(number: int, told: ReaderTold) -> str:
    """`reader 2 (hand scanner): ok`, the number by which a fault names the same reader.

    Its device is the admin's matter: `admit doctor` names that.
    """
    kind = _READER.get(told.uri.partition(":")[0], "")
    return f"reader {number}{f' ({kind})' if kind else ''}: {told.state.replace('_', ' ')}"


def seconds(at: float | None) -> str:
    """`18:02:07`, local time of the gate; empty without a time."""
    return _local(at, "%H:%M:%S")


def _local(at: float | None, form: str) -> str:
    if at is None:
        return ""
    try:
        return datetime.fromtimestamp(at).astimezone().strftime(form)
    except (OverflowError, OSError, ValueError):
        return ""  # outside the years a calendar has


def age(span: float | None) -> str:
    """`12 s`, `3 min`, `2 h 05 min`, `4 days` for a span in seconds; `of unknown age` for None."""
    if span is None:
        return "of unknown age"
    whole = max(0, int(span))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} days"


def checked_against(status: Status, alone: bool = False) -> tuple[bool, str]:
    """What tickets are checked against just now: (all is well, one sentence).

    Args:
        alone: The gate has no server at all.
    """
    own = _own_list(status.list)
    if status.list.serial is None:
        return False, "No ticket list yet. " + _server_only(status)
    if alone:
        return True, f"This gate has no server: tickets are checked against {own}."
    if not status.server.online:
        since = _since(status.server.last_contact)
        return False, f"Server out of reach{since}: tickets are checked against {own}."
    if status.authority.state == "out":
        since = _since(status.authority.since)
        return False, f"Other gates cannot be asked{since}: tickets are checked against {own}."
    if status.authority.state == "in":
        return _fresh(status.list), f"Online. Tickets are checked against {own} and other gates."
    return _fresh(status.list), f"Online. Tickets are checked against {own}."


def in_brief(status: Status, alone: bool = False) -> tuple[bool, str]:
    """The same in three words, for the head of the page."""
    if status.list.serial is None:
        return False, "No ticket list"
    if alone:
        return True, "No server"
    if not status.server.online:
        return False, f"Offline{_since(status.server.last_contact)}"
    if status.authority.state == "out":
        return False, "Other gates out of reach"
    return (True, "Online") if _fresh(status.list) else (False, f"List {age(status.list.age)} old")


def _own_list(told: ListTold) -> str:
    span = age(told.age)
    shown = span if told.age is None else f"{span} old"
    return f"this gate's own list ({shown}) and its own scans"


def _fresh(told: ListTold) -> bool:
    return told.state in ("", "fresh", "ok")


def _since(at: float | None) -> str:
    return f" since {clock(at)}" if clock(at) else ""


def _server_only(status: Status) -> str:
    if status.server.online:
        return "It is being fetched; wait a minute, then call the supervisor."
    return f"Server out of reach{_since(status.server.last_contact)}. Call the supervisor."


def exchange(status: Status) -> list[tuple[bool, str]]:
    """What waits between gate and server: (all is well, sentence) each."""
    server = status.server
    lines = [(True, _counted(server.waiting, "scan waits", "scans wait") + " to be uploaded.")]
    if server.parked:
        refused = _counted(server.parked, "record was", "records were")
        lines.append((False, f"{refused} refused by the server and kept. Tell the organiser."))
    lines += [(False, f"Used twice: {conflict}") for conflict in server.conflicts[:10]]
    return lines


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else f"No {one}"


def time_known(told: ClockTold) -> tuple[bool, str]:
    """Whether the gate knows the time, as a sentence."""
    if told.state == "synchronised":
        return True, "The clock is set by the network."
    if told.state == "held":
        by = "" if told.uncertainty is None else f" (to ± {told.uncertainty:.1f} s)"
        return True, f"The clock runs on by itself{by}."
    return False, "The gate does not know the time: time limits of tickets cannot be checked."


def standing(fault: FaultTold) -> dict[str, str]:
    """A fault with its cause, its remedy, and since when."""
    return {
        "where": fault.where,
        "cause": fault.cause or fault.name,
        "remedy": fault.remedy,
        "since": clock(fault.since),
    }
