"""Which face the attendee screen shows: one pure function of the lane's state and last verdict.

A face is never kept by the page's memory alone: green follows the lane's state, a refusal fades by
itself. A green that outlives its release would wave people into a locked turnstile.
"""

from dataclasses import dataclass
from enum import StrEnum

from admission.lane_table import State
from screen.messages import Event, LaneTold

HOLD = 4.0
"""Seconds for which a verdict without a lane state of its own stays in view."""


class Face(StrEnum):
    """What an attendee sees. Each has a colour, a shape and a word of its own."""

    IDLE = "idle"
    IDLE_EXIT = "idle_exit"
    HOLD_STILL = "hold_still"
    NO_TICKET = "no_ticket"
    CHECKING = "checking"
    ADMITTED = "admitted"
    GOODBYE = "goodbye"
    VALID = "valid"
    REFUSED = "refused"
    WAITING = "waiting"
    CLOSED = "closed"
    FREE_FLOW = "free_flow"
    EVACUATION = "evacuation"
    DOWN = "down"


IDLE = frozenset({Face.IDLE, Face.IDLE_EXIT})
NOTICES = {face.value: face for face in (Face.HOLD_STILL, Face.NO_TICKET)}
"""What a reader says to a guest about a card, by the notice's name: only where nobody else is
being served."""
NOTICE_HOLD = 3.0
"""Seconds for which a notice stays in view."""
YES = frozenset({Face.ADMITTED, Face.GOODBYE, Face.VALID})
NO = frozenset({Face.REFUSED})


@dataclass(frozen=True, slots=True)
class Shown:
    """A verdict and when this screen learnt it, in monotonic seconds."""

    event: Event
    at: float


def face_of(lane: LaneTold, shown: Shown | None, now: float) -> Face:
    """The face of a lane at monotonic second `now`.

    What concerns everybody (evacuation, closed, free flow) comes before what concerns one guest.
    A state this screen does not know is shown as a wait: never as an invitation.
    """
    if lane.state in _EVERYBODY:
        return _EVERYBODY[lane.state]
    if lane.state == State.CHECKING:
        return Face.CHECKING
    if lane.state == State.RELEASED:
        return _yes(lane, shown)
    if lane.state == State.LOCKED:
        return _locked(lane, shown, now)
    return Face.WAITING


_EVERYBODY: dict[str, Face] = {
    State.EVACUATION: Face.EVACUATION,
    State.OUT: Face.CLOSED,
    State.SHUT: Face.CLOSED,
    State.FREE: Face.FREE_FLOW,
}


def _yes(lane: LaneTold, shown: Shown | None) -> Face:
    direction = shown.event.direction if shown and shown.event.direction else lane.direction
    return Face.GOODBYE if direction == "exit" else Face.ADMITTED


def _locked(lane: LaneTold, shown: Shown | None, now: float) -> Face:
    if shown and now - shown.at < HOLD:
        if not shown.event.admitted:
            return Face.REFUSED
        if lane.mode == "check":
            return Face.VALID
    return Face.IDLE_EXIT if lane.direction == "exit" else Face.IDLE
