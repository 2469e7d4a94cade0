"""What the screen knows of its gate: the last status, the last verdicts, and whether it is heard.

Pure: messages and monotonic seconds go in, plain values for the pages come out.
"""

from collections import deque
from dataclasses import dataclass

from admission.verdict import NEXT_STEP, Reason
from screen import sentences
from screen.errors import LinkLost
from screen.faces import IDLE, NO, NOTICE_HOLD, NOTICES, YES, Face, Shown, face_of
from screen.messages import Event, Guest, LaneTold, Status

LAST_SCANS = 20
LAST_ALERTS = 10
FRESH = 30.0
"""Seconds for which a verdict stays in colour and an alert stays near the top."""
GUEST_HOLD = 8.0
"""Seconds for which a guest's name stays beside the verdict; then nothing here knows it."""
CALLS_HOLD = 10.0
"""Seconds for which a verdict that calls the steward stays on top of later, quiet ones."""

View = dict[str, object]


@dataclass(frozen=True, slots=True)
class LastSeen:
    """The gate's last own words, from `status.json` or from memory."""

    status: Status | None
    age: float | None
    """Seconds since it was written; None: never."""


class Board:
    """One gate as its pages show it.

    Args:
        lanes: Names of the configured lanes; a page exists for each, heard or not.
        alone: This gate has no server, so none is missed.
    """

    def __init__(self, gate: str, lanes: tuple[str, ...], alone: bool = False) -> None:
        self.gate = gate
        self.alone = alone
        self.names = lanes
        self.status: Status | None = None
        self.lost: LinkLost | None = LinkLost(
            "The gate program has not answered yet", "It starts by itself; wait ten seconds"
        )
        self.last_seen = LastSeen(None, None)
        self._lanes: dict[str, LaneTold] = {}
        self._shown: dict[str, Shown] = {}
        self._noticed: dict[str, Shown] = {}
        self._guests: dict[str, tuple[Guest, float]] = {}
        """By lane: who shows a ticket there, and since when."""
        self._calling: Shown | None = None
        self._latest: Shown | None = None
        self._scans: deque[Event] = deque(maxlen=LAST_SCANS)
        self._alerts: deque[Shown] = deque(maxlen=LAST_ALERTS)

    def hear_status(self, status: Status) -> None:
        """Take over a status snapshot: the gate is heard."""
        self.status, self.lost = status, None
        self._lanes = {lane.name: lane for lane in status.lanes}

    def hear_event(self, event: Event, now: float, fresh: bool = True) -> None:
        """Take over an event; history (`fresh` false) fills the lists, but no face."""
        lane = self._lanes.get(event.lane)
        if lane and fresh and (event.state or event.mode):
            told = {"state": event.state or lane.state, "mode": event.mode or lane.mode}
            self._lanes[event.lane] = lane.model_copy(update=told)
        if event.kind == "verdict":
            self._hear_verdict(Shown(event, now), fresh)
        elif event.kind == "notice" and fresh:
            self._noticed[event.lane] = Shown(event, now)
        elif event.kind in ("alert", "conflict"):
            self._alerts.appendleft(Shown(event, now if fresh else now - FRESH))

    def hear_guest(self, guest: Guest, now: float) -> None:
        """Take over who shows a ticket right now, for `GUEST_HOLD` seconds."""
        self._forget_guests(now)
        self._guests[guest.lane] = guest, now

    def _forget_guests(self, now: float) -> None:
        held = self._guests.items()
        self._guests = {lane: told for lane, told in held if now - told[1] < GUEST_HOLD}

    def _guest(self, presentation: str, now: float) -> str:
        self._forget_guests(now)
        told = (guest for guest, _ in self._guests.values() if guest.presentation == presentation)
        return next((guest.name for guest in told), "")

    def _hear_verdict(self, shown: Shown, fresh: bool) -> None:
        self._scans.appendleft(shown.event)
        if not fresh:
            return
        self._latest = shown
        if shown.event.lane:
            self._shown[shown.event.lane] = shown
        if _calls(shown.event):
            self._calling = shown

    def lose(self, why: LinkLost, last: LastSeen) -> None:
        """The gate program is not heard: nothing it said is current any more."""
        self.lost, self.last_seen = why, last
        self._lanes, self._shown, self._calling, self._latest = {}, {}, None, None
        self._noticed, self._guests = {}, {}

    def face(self, name: str, now: float) -> View:
        """What the attendee page of lane `name` shows, without words: face, reason, cue."""
        lane, shown = self._lanes.get(name), self._shown.get(name)
        if self.lost or lane is None:
            return {"face": Face.DOWN, "reason": "", "cue": ""}
        face = self._noticing(name, face_of(lane, shown, now), now)
        sounds = shown is not None and face in YES | NO
        cue = f"{shown.event.boot}/{shown.event.seq}/{shown.event.at}" if shown and sounds else ""
        reason = shown.event.reason if shown and face in NO else ""
        return {"face": face, "reason": reason, "cue": cue}

    def _noticing(self, name: str, face: Face, now: float) -> Face:
        told = self._noticed.get(name)
        if face not in IDLE or told is None or now - told.at >= NOTICE_HOLD:
            return face
        return NOTICES.get(told.event.name, face)

    def steward(self, now: float) -> dict[str, object]:
        """The steward page, section by section."""
        status = self.status or self.last_seen.status
        return {
            "link": self._link(),
            "brief": _brief(None if self.lost else status, self.alone),
            "top": self._top(now),
            "calls": [_alert(shown.event) for shown in self._alerts if now - shown.at < FRESH],
            "lanes": [self._card(lane, now) for lane in self._cards(status)],
            "questions": _questions(status) if not self.lost else [],
            "health": _health(status, self.alone) if status else [],
            "faults": [sentences.standing(fault) for fault in status.faults] if status else [],
            "alerts": [_alert(shown.event) for shown in self._alerts],
            "scans": [_scan(event) for event in self._scans],
        }

    def _link(self) -> View:
        if self.lost is None:
            return {"up": True}
        seen = self.last_seen.age
        told = "" if seen is None else f"What stands below is {sentences.age(seen)} old."
        return {"up": False, "cause": self.lost.cause, "remedy": self.lost.remedy, "age": told}

    def _top(self, now: float) -> View | None:
        if self.lost:
            return None
        calling = self._calling
        if calling and now - calling.at < CALLS_HOLD:
            return self._first(calling.event, now) | {"old": False}
        latest = self._latest
        old = latest is None or now - latest.at >= FRESH
        return self._first(self._scans[0], now) | {"old": old} if self._scans else None

    def _first(self, event: Event, now: float) -> View:
        """A verdict with who shows the ticket, as long as that is told."""
        return _scan(event) | {"guest": self._guest(event.presentation, now)}

    def _cards(self, status: Status | None) -> list[LaneTold]:
        told = self._lanes or {lane.name: lane for lane in (status.lanes if status else ())}
        return [told.get(name, LaneTold(name=name, state="unknown")) for name in self.names] + [
            lane for name, lane in told.items() if name not in self.names
        ]

    def _card(self, lane: LaneTold, now: float) -> View:
        last = next((event for event in self._scans if event.lane == lane.name), None)
        return {
            "name": lane.name,
            "direction": lane.direction,
            "state": "unknown" if self.lost else lane.state,
            "face": self.face(lane.name, now)["face"],
            "mode": lane.mode,
            "list": lane.list,
            "sensor": lane.sensor,
            "readers": [sentences.reader(n, told) for n, told in enumerate(lane.readers, 1)],
            "entered": lane.entered,
            "left": lane.left,
            "refused": lane.refused,
            "rate": round(lane.rate),
            "last": _scan(last) if last else None,
        }


def _calls(event: Event) -> bool:
    return not event.admitted or bool(event.attention)


def _scan(event: Event) -> View:
    """A verdict for the steward: the ticket masked, as the gate program sends it."""
    return {
        "at": sentences.seconds(event.at),
        "lane": event.lane,
        "verdict": "admitted" if event.admitted else "refused",
        "reason": event.reason.replace("_", " "),
        "detail": event.detail,
        "attention": event.attention,
        "next": "" if event.admitted else _next_step(event),
        "ticket": event.ticket,
        "claim": event.claim,
        "direction": event.direction,
    }


def _next_step(event: Event) -> str:
    if event.next_step or event.reason not in set(Reason):
        return event.next_step or "Call the supervisor."
    return NEXT_STEP[Reason(event.reason)]


def _alert(event: Event) -> View:
    return {
        "at": sentences.seconds(event.at),
        "lane": event.lane,
        "cause": event.cause or event.detail or event.kind,
        "remedy": event.remedy,
    }


def _questions(status: Status | None) -> list[View]:
    return [
        {
            "lane": lane.name,
            "at": sentences.seconds(lane.question.at),
            "presentation": lane.question.presentation,
        }
        for lane in (status.lanes if status else ())
        if lane.question
    ]


def _brief(status: Status | None, alone: bool) -> View:
    well, text = sentences.in_brief(status, alone) if status else (False, "Not heard")
    return {"well": well, "text": text}


def _health(status: Status, alone: bool) -> list[View]:
    lines = [
        sentences.checked_against(status, alone),
        *([] if alone else sentences.exchange(status)),
        sentences.time_known(status.clock),
    ]
    return [{"well": well, "text": text} for well, text in lines]
