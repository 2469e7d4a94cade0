"""What the stage hears, turned into what the page is told and what the tray must know."""

import asyncio
from collections.abc import Callable
from typing import Any

from playground.hub import Hub
from playground.showing import Queue, Showing
from playground.tray import KINDS, Tray
from store.uses import COUNTS

BLIND = frozenset({"evacuation", "shut", "out_of_service"})
"""States of a lane that looks at no ticket."""
BUSY = frozenset({"checking", "released", "settling"})
"""States of a lane that has somebody in it."""
REMEMBERED = 200
"""Presentations whose outcome is still waited for."""
_ROW = ("at", "kind", "lane", "direction", "medium", "format", "verdict", "reason", "claim")


class Observer:
    """Knows of the gate what it said itself; belongs to one event loop."""

    def __init__(self, hub: Hub, tray: Tray, on_start: Callable[[], object]) -> None:
        """``on_start``: called when a gate answers that did not before, or was started anew."""
        self.queues: dict[str, Queue] = {}
        self.status: dict[str, Any] | None = None
        """What the gate said of itself when it was last found; None: it is gone."""
        self.states: dict[str, str] = {}
        self.modes: dict[str, str] = {}
        self._hub, self._tray, self._on_start = hub, tray, on_start
        self._boot = ""
        self._open: dict[str, tuple[str, str]] = {}
        """Kind and name of the ticket of each presentation without an outcome."""
        self._released: dict[str, float] = {}
        """When each lane was last released, monotonic seconds."""

    def blind(self, lane: str) -> bool:
        """Whether that lane looks at no ticket now."""
        return self.status is None or self.states.get(lane) in BLIND

    def busy(self, lane: str) -> bool:
        """Whether somebody is in that lane."""
        return self.status is not None and self.states.get(lane) in BUSY

    # -- the gate ------------------------------------------------------------------------------

    def up(self, status: dict[str, Any] | None) -> None:
        """The gate answers, with its status; None: it is gone."""
        self.status = status
        self._hub.publish("gate_up", {"up": status is not None})
        if status is not None:
            self.states = {lane["name"]: lane["state"] for lane in status["lanes"]}
            self.modes = {lane["name"]: lane["mode"] for lane in status["lanes"]}
            if status["boot"] != self._boot:
                self._boot = status["boot"]
                self._tray.forget_training()
            self._mode_changed()
            self._on_start()
        self.stage_changed()

    def event(self, event: dict[str, Any]) -> None:
        """One event of the gate."""
        lane, kind = event.get("lane", ""), event["kind"]
        told = dict(event)
        if "state" in event and lane:
            self._state(lane, event["state"])
        if kind == "verdict":
            told |= self._verdict(event)
        self._hub.publish("gate", told)
        if kind == "outcome":
            self._outcome(event)
        if kind == "mode":
            self.modes[lane] = event["mode"]
            self._mode_changed()

    def _state(self, lane: str, state: str) -> None:
        before = self.states.get(lane)
        self.states[lane] = state
        if (before in BLIND) != (state in BLIND):
            self.stage_changed()

    def _mode_changed(self) -> None:
        modes = set(self.modes.values())
        if "evacuation" in modes:  # it is left for the mode from which it began
            return
        training = modes == {"training"}
        self._hub.publish("switch", {"id": "mode", "value": "training" if training else "normal"})
        if training != self._tray.training:
            self._tray.training = training
            self.stage_changed()
            self._on_start()

    def _verdict(self, event: dict[str, Any]) -> dict[str, object]:
        queue = self.queues.get(event["lane"])
        showing = queue.decided(event) if queue else None
        ticket = (showing.kind, showing.name) if showing else self._whose(event.get("ticket"))
        admitted = event["verdict"] == "admitted"
        if ticket and admitted:
            self._open[event["presentation"]] = ticket
            while len(self._open) > REMEMBERED:
                del self._open[next(iter(self._open))]
        elif ticket:
            self._tray.refused(*ticket)
            self.stage_changed()
        if showing and admitted:
            # The turnstile told of its release before, but by another socket: it may be read next.
            asyncio.get_running_loop().call_later(0.05, self._tell_latency, showing)
        cue = "bad" if not admitted else "attention" if event.get("attention") else "good"
        return {"showing": showing.number if showing else None, "cue": cue}

    def _whose(self, masked: str | None) -> tuple[str, str] | None:
        """The ticket of the tray that a verdict is about: typed, or before a webcam."""
        known = (kind for kind in KINDS if masked and self._tray.masked(kind) == masked)
        kind = next(known, None)
        return (kind, self._tray.name(kind)) if kind else None

    def _outcome(self, event: dict[str, Any]) -> None:
        ticket = self._open.pop(event["presentation"], None)
        stands = event["outcome"] == "passage" or event.get("detail", "").startswith(COUNTS)
        if ticket and stands:
            self._tray.went_through(*ticket)
            self.stage_changed()

    # -- metal, journal, server ----------------------------------------------------------------

    def deed(self, deed: dict[str, Any]) -> None:
        """Something was done to simulated metal (`drivers.witness`)."""
        lane, did = deed["name"], deed["did"]
        self._hub.publish("device", {"lane": lane, "device": deed["device"], "did": did})
        if str(did).startswith("release"):
            self._released[lane] = deed["at"]

    def shown(self, lane: str, number: int, at: float) -> None:
        """A camera handed on the first frame with a picture in it."""
        queue = self.queues.get(lane)
        if queue and queue.now and queue.now.number == number and queue.now.seen_at is None:
            queue.now.seen_at = at

    def _tell_latency(self, showing: Showing) -> None:
        released = self._released.get(showing.lane)
        if showing.seen_at is not None and released is not None and released >= showing.seen_at:
            milliseconds = round(1000 * (released - showing.seen_at), 1)
            told = {"presentation": showing.presentation, "ms": milliseconds}
            self._hub.publish("latency", told)

    def row(self, row: dict[str, Any]) -> None:
        """A row of the journal."""
        key = row.get("ticket_key")
        told = {"seq": row["seq"], **{name: row.get(name) for name in _ROW}}
        told |= {"ticket": key[-4:] if key else None, "detail": row.get("detail") or None}
        told |= {"presentation": row.get("presentation"), "hash": row["hash"][:8]}
        self._hub.publish("journal", told)

    def arrived(self, seq: int) -> None:
        """A row has reached the server."""
        self._hub.publish("central", {"seq": seq})

    def stage_changed(self) -> None:
        """What `GET /api/stage` answers is another now."""
        self._hub.publish("stage", {})
