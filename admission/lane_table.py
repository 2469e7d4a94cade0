"""The states of a lane as a table, and one `step`. Everything a turnstile does comes from here."""

from enum import StrEnum


class State(StrEnum):
    """Where a lane is."""

    LOCKED = "locked"
    """Waiting for a ticket."""
    CHECKING = "checking"
    """Waiting for an authority's answer, within its budget."""
    RELEASED = "released"
    """One person may pass."""
    SETTLING = "settling"
    """Locked again; a person already in the turnstile still counts."""
    FREE = "free"
    """Free-flow: held open by a supervisor."""
    SHUT = "shut"
    """Closed by a supervisor."""
    OUT = "out_of_service"
    """A fault that forbids admission."""
    EVACUATION = "evacuation"


class Event(StrEnum):
    """What happens to a lane."""

    ADMIT = "admit"
    """Decided and recorded: admitted."""
    REFUSE = "refuse"
    """Decided and recorded: refused."""
    CLAIM = "claim"
    """Locally admitted, the authority must be asked."""
    PASSAGE = "passage"
    """A person went through the way the admission said."""
    OPPOSITE = "opposite"
    """A person went through the other way."""
    TIMEOUT = "timeout"
    """The release time is over."""
    SETTLED = "settled"
    """The settle time is over, or the turnstile is home."""
    FIRE = "fire"
    RESET = "reset"
    FREE_FLOW = "free_flow"
    SHUT_DOWN = "shut_down"
    OPEN_UP = "open_up"
    """Normal service, or another mode of it: an admission under way is aborted."""
    FAULT = "fault"
    REPAIRED = "repaired"


class Action(StrEnum):
    """What the lane does about it, in the order listed."""

    RELEASE = "release"
    LOCK = "lock"
    HOLD_OPEN = "hold_open"
    RECORD_PASSAGE = "record_passage"
    RECORD_NO_PASSAGE = "record_no_passage"
    RECORD_FREE_PASSAGE = "record_free_passage"
    RECORD_FORCED = "record_forced"
    ABORT = "abort"
    """Close the open admission as aborted, or the open claim as refused."""
    SHOW_READY = "show_ready"
    SHOW_WAIT = "show_wait"
    SHOW_GREEN = "show_green"
    SHOW_RED = "show_red"
    SHOW_OUT = "show_out"


LIGHTS = frozenset(action for action in Action if action.value.startswith("show_"))
"""Actions that only tell; the others move metal or write records."""

S, E, A = State, Event, Action
Step = tuple[State, tuple[Action, ...]]

_OPEN = (A.HOLD_OPEN, A.SHOW_GREEN)
_LEAVE_ANY: dict[Event, Step] = {
    E.FIRE: (S.EVACUATION, _OPEN),
    E.FREE_FLOW: (S.FREE, _OPEN),
    E.SHUT_DOWN: (S.SHUT, (A.SHOW_OUT,)),
    E.FAULT: (S.OUT, (A.SHOW_OUT,)),
}


def _leaving(state: State, *first: Action) -> dict[tuple[State, Event], Step]:
    """The ways out of `state`, which are left by `first`.

    Who holds the lane open does that before all else, a record on a slow card included.
    """
    rows: dict[tuple[State, Event], Step] = {}
    for event, (target, then) in _LEAVE_ANY.items():
        if then == _OPEN:
            left = tuple(action for action in first if action is not A.LOCK)
            rows[state, event] = (target, (A.HOLD_OPEN, *left, A.SHOW_GREEN))
        else:
            rows[state, event] = (target, first + then)
    return rows


TRANSITIONS: dict[tuple[State, Event], Step] = {
    **_leaving(S.LOCKED),
    (S.LOCKED, E.ADMIT): (S.RELEASED, (A.RELEASE, A.SHOW_GREEN)),
    (S.LOCKED, E.REFUSE): (S.LOCKED, (A.SHOW_RED,)),
    (S.LOCKED, E.CLAIM): (S.CHECKING, (A.SHOW_WAIT,)),
    (S.LOCKED, E.PASSAGE): (S.LOCKED, (A.RECORD_FORCED,)),
    (S.LOCKED, E.OPPOSITE): (S.LOCKED, (A.RECORD_FORCED,)),
    **_leaving(S.CHECKING, A.ABORT),
    (S.CHECKING, E.ADMIT): (S.RELEASED, (A.RELEASE, A.SHOW_GREEN)),
    (S.CHECKING, E.REFUSE): (S.LOCKED, (A.SHOW_RED,)),
    (S.CHECKING, E.PASSAGE): (S.CHECKING, (A.RECORD_FORCED,)),
    (S.CHECKING, E.OPPOSITE): (S.CHECKING, (A.RECORD_FORCED,)),
    (S.CHECKING, E.OPEN_UP): (S.LOCKED, (A.ABORT, A.SHOW_READY)),
    **_leaving(S.RELEASED, A.LOCK, A.ABORT),
    (S.RELEASED, E.PASSAGE): (S.LOCKED, (A.LOCK, A.RECORD_PASSAGE, A.SHOW_READY)),
    (S.RELEASED, E.OPPOSITE): (S.RELEASED, (A.RECORD_FORCED,)),
    (S.RELEASED, E.OPEN_UP): (S.LOCKED, (A.LOCK, A.ABORT, A.SHOW_READY)),
    (S.RELEASED, E.TIMEOUT): (S.SETTLING, (A.LOCK, A.SHOW_WAIT)),
    **_leaving(S.SETTLING, A.ABORT),
    (S.SETTLING, E.PASSAGE): (S.LOCKED, (A.RECORD_PASSAGE, A.SHOW_READY)),
    (S.SETTLING, E.OPPOSITE): (S.SETTLING, (A.RECORD_FORCED,)),
    (S.SETTLING, E.OPEN_UP): (S.LOCKED, (A.ABORT, A.SHOW_READY)),
    (S.SETTLING, E.SETTLED): (S.LOCKED, (A.RECORD_NO_PASSAGE, A.SHOW_READY)),
    (S.FREE, E.ADMIT): (S.FREE, (A.RECORD_PASSAGE, A.SHOW_GREEN)),
    (S.FREE, E.REFUSE): (S.FREE, (A.SHOW_GREEN,)),
    (S.FREE, E.PASSAGE): (S.FREE, (A.RECORD_FREE_PASSAGE,)),
    (S.FREE, E.OPPOSITE): (S.FREE, (A.RECORD_FREE_PASSAGE,)),
    (S.FREE, E.OPEN_UP): (S.LOCKED, (A.LOCK, A.SHOW_READY)),
    (S.FREE, E.SHUT_DOWN): (S.SHUT, (A.LOCK, A.SHOW_OUT)),
    (S.FREE, E.FIRE): (S.EVACUATION, _OPEN),
    (S.SHUT, E.OPEN_UP): (S.LOCKED, (A.SHOW_READY,)),
    (S.SHUT, E.FREE_FLOW): (S.FREE, _OPEN),
    (S.SHUT, E.FIRE): (S.EVACUATION, _OPEN),
    (S.SHUT, E.PASSAGE): (S.SHUT, (A.RECORD_FORCED,)),
    (S.SHUT, E.OPPOSITE): (S.SHUT, (A.RECORD_FORCED,)),
    (S.OUT, E.REPAIRED): (S.LOCKED, (A.SHOW_READY,)),
    (S.OUT, E.FREE_FLOW): (S.FREE, _OPEN),
    (S.OUT, E.SHUT_DOWN): (S.SHUT, (A.SHOW_OUT,)),
    (S.OUT, E.FIRE): (S.EVACUATION, _OPEN),
    (S.OUT, E.PASSAGE): (S.OUT, (A.RECORD_FORCED,)),
    (S.OUT, E.OPPOSITE): (S.OUT, (A.RECORD_FORCED,)),
    (S.EVACUATION, E.RESET): (S.LOCKED, (A.LOCK, A.SHOW_READY)),
    (S.EVACUATION, E.PASSAGE): (S.EVACUATION, (A.RECORD_FREE_PASSAGE,)),
    (S.EVACUATION, E.OPPOSITE): (S.EVACUATION, (A.RECORD_FREE_PASSAGE,)),
}
"""State x Event -> next state and actions. A decision's record is written before its event."""

_BUSY = (E.ADMIT, E.REFUSE, E.CLAIM)
_TIMERS = (E.TIMEOUT, E.SETTLED)

IGNORED: frozenset[tuple[State, Event]] = frozenset(
    [(S.LOCKED, event) for event in (*_TIMERS, E.RESET, E.OPEN_UP, E.REPAIRED)]
    + [(S.CHECKING, event) for event in (E.CLAIM, *_TIMERS, E.RESET, E.REPAIRED)]
    + [(S.RELEASED, event) for event in (*_BUSY, E.SETTLED, E.RESET, E.REPAIRED)]
    + [(S.SETTLING, event) for event in (*_BUSY, E.TIMEOUT, E.RESET, E.REPAIRED)]
    + [(S.FREE, e) for e in (E.CLAIM, *_TIMERS, E.RESET, E.FREE_FLOW, E.FAULT, E.REPAIRED)]
    + [(S.SHUT, e) for e in (*_BUSY, *_TIMERS, E.RESET, E.SHUT_DOWN, E.FAULT, E.REPAIRED)]
    + [(S.OUT, event) for event in (*_BUSY, *_TIMERS, E.RESET, E.FAULT, E.OPEN_UP)]
    + [(S.EVACUATION, event) for event in (*_BUSY, *_TIMERS, E.FIRE, E.FREE_FLOW)]
    + [(S.EVACUATION, e) for e in (E.SHUT_DOWN, E.OPEN_UP, E.FAULT, E.REPAIRED)]
)
"""Pairs that mean nothing: a timer that fired late, a command for where the lane already is."""

LOOKS_AT_TICKETS = frozenset({S.LOCKED, S.FREE})
"""States in which a presentation is decided; in all others it waits in view."""


def step(state: State, event: Event) -> Step:
    """The next state and the actions, in order. A pair in `IGNORED` changes nothing."""
    return TRANSITIONS.get((state, event)) or (state, ())


def diagram() -> str:
    """The table as a Mermaid state diagram, for docs/lane.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {S.LOCKED.name}"]
    for (state, event), (target, actions) in TRANSITIONS.items():
        does = ", ".join(action.value for action in actions)
        lines.append(f"    {state.name} --> {target.name}: {event.value} / {does}")
    return "\n".join(lines) + "\n"
