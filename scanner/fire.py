"""The fire contact: while it is closed every lane is open, and nothing closes one again.

A second way to the lanes besides the wiring, which must open them by itself (SECURITY.md). Latched:
once opened by it, a lane stays open until a supervisor ends the evacuation.
"""

from collections.abc import Callable, Iterable

from admission.errors import GateError
from drivers.protocols import Input
from drivers.registry import open_input
from drivers.uri import DriverUri
from scanner.lane_thread import LaneThread
from scanner.messages import Command

BY = "fire contact"


def watch_fire(
    uri: DriverUri | None,
    lanes: Iterable[LaneThread],
    report: Callable[[str, GateError | None], None],
) -> Input | None:
    """Open the contact; keep what is returned, or it falls silent. Its failing is a fault."""
    if uri is None:
        return None
    try:
        contact = open_input(uri)
    except GateError as error:
        report("fire contact", error)
        return None
    threads = tuple(lanes)

    def changed(active: bool) -> None:
        if active:
            for thread in threads:
                thread.queue.put(Command(lambda lane: lane.set_mode("evacuation", BY), _heard))

    contact.watch(changed)
    changed(contact.active)  # closed before we listened
    return contact


def _heard(_: object) -> None:
    """Nobody waits for an answer."""
