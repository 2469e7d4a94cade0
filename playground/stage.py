"""The stage: visitors, a gate, a server, and the switches between them.

One event loop runs it all; `playground.ears` waits in threads and hands over what it heard.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from central.organiser.links import login_link
from drivers.frames import Frame
from playground import ears
from playground.errors import NoSuchThing, NotNow, PlaygroundError
from playground.faces import Faces
from playground.hand import Hand
from playground.hub import Hub
from playground.observer import Observer
from playground.orders import Orders
from playground.pictures import LOOKS, code_scene, degraded, noise_scene, photo_scene, png
from playground.props import GATE, LANES, TAP_LANE, Props
from playground.purse import Purse
from playground.relay import Relay
from playground.showing import Numbers, Queue, Showing
from playground.switchboard import switchboard
from playground.tray import KINDS, NOTHING
from playground.troupe import Troupe

READY_WITHIN = 60.0
"""Seconds until a gate that does not get ready is a fault."""
TYPED_AT_MOST = 5
"""Times that the used ticket is typed."""
PERSONS = {"walk": "0.7", "refuse": "never", "late": "late"}
"""What people do, by the switch's value (`drivers.person`)."""


class Stage:
    """Everything behind the page; belongs to one event loop. `open` it, and `close` it."""

    def __init__(self, props: Props, webcam: str | None = None) -> None:
        self.props, self.webcam, self.tray = props, webcam, props.tray
        self.hub, self.relay, self.orders = Hub(), Relay(), Orders(props.run)
        self.people = "walk"
        self.observer = Observer(self.hub, self.tray, self._gate_started)
        self.hands = {lane: self._hand(lane) for lane in LANES}
        self.queues = {
            lane: Queue(
                lane,
                self.hub,
                self.tray,
                media=self,
                expected=self.expected,
                busy=self.observer.busy,
            )
            for lane in LANES
        }
        self.observer.queues = self.queues
        self.purse = Purse(
            props.cards, lambda number, at: self.observer.shown(TAP_LANE, number, at)
        )
        self.troupe = Troupe(props, self.relay)
        self.faces = Faces(GATE, tuple(LANES), props.run, self.hub)
        self.switches = switchboard(self)
        self._numbers = Numbers()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ears: list[ears.Ear] = []
        self._seat: asyncio.DatagramTransport | None = None
        self._settling: asyncio.Task[None] | None = None
        self._selling: asyncio.Task[None] | None = None

    # -- curtain -------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start everything, and return when the gate is ready. Raises PlaygroundError.

        The server is asked about tickets some seconds later (`settled`), as at every start.
        """
        for hand in self.hands.values():
            await hand.plug()
        self.purse.open()
        self._seat = await ears.Spectator.sit(self.props.spectator, self.observer.deed)
        await self.troupe.start(self.webcam)
        self._spawn(self.troupe.keep_for_ever())
        self._spawn(self.faces.follow())
        loop, run = asyncio.get_running_loop(), self.props.run
        self._ears = [
            ears.Ear(loop, ears.gate_events(run, self.observer.up, self.observer.event)),
            ears.Ear(loop, ears.journal_rows(run, self.observer.row)),
            ears.Ear(loop, ears.arrivals(self.props.central, self.observer.arrived)),
        ]
        for ear in self._ears:
            ear.start()
        await self._wait_for(self._unready)
        for queue in self.queues.values():
            self._spawn(queue.run())
        self._settling = self._spawn(self._use_the_used())

    async def settled(self) -> None:
        """Until the server answers claims, and the used ticket is used. Raises PlaygroundError."""
        await self._wait_for(self._alone)
        if self._settling is not None:
            await self._settling

    async def close(self) -> None:
        """End everything; no process is left."""
        for ear in self._ears:
            ear.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for hand in self.hands.values():
            await hand.unplug()
        self.purse.close()
        await self.troupe.end()
        if self._seat is not None:
            self._seat.close()

    def _hand(self, lane: str) -> Hand:
        return Hand(
            self.props.camera(lane), lambda number, at: self.observer.shown(lane, number, at)
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a part of the playground ended", "exception": error}
            )

    async def _wait_for(self, missing: Callable[[dict[str, Any]], str]) -> None:
        """Until the gate's status shows that nothing is missing."""
        end = asyncio.get_running_loop().time() + READY_WITHIN
        while what := await self._missing(missing):
            if asyncio.get_running_loop().time() > end:
                raise PlaygroundError(f"The gate did not get ready: {what}", "Read why above")
            await asyncio.sleep(0.1)

    async def _missing(self, missing: Callable[[dict[str, Any]], str]) -> str:
        if self.observer.status is None:
            return "it does not answer"
        try:
            return missing(await self.orders.status())
        except NotNow as error:
            return error.cause

    @staticmethod
    def _unready(status: dict[str, Any]) -> str:
        causes = [fault["cause"] for fault in status["faults"]]
        return "" if status["ready"] else "; ".join(causes) or "its lanes do not start"

    @staticmethod
    def _alone(status: dict[str, Any]) -> str:
        return "" if status["authority"]["state"] == "in" else "the server answers no claims"

    # -- the gate's starts ---------------------------------------------------------------------

    def _gate_started(self) -> None:
        """A gate that was started, or put into another mode: what a visitor expects of it."""
        self._spawn(self._settle())

    async def _settle(self) -> None:
        with contextlib.suppress(NotNow):  # gone again: it is settled when it is back
            await self.set_people(self.people)
            if self.tray.training:
                await self._use_the_used()

    async def until(self, fact: Callable[[], bool], within: float = 5.0) -> None:
        """Wait for what the gate was told to do. Raises NotNow."""
        end = asyncio.get_running_loop().time() + within
        while not fact():
            if asyncio.get_running_loop().time() > end:
                raise NotNow("The gate did not do it in time", "See its steward page")
            await asyncio.sleep(0.05)

    async def set_people(self, people: str) -> None:
        """Have people do this at every lane. Raises NotNow."""
        self.people = people
        for lane in LANES:
            await self.orders.give(op="person", lane=lane, person=PERSONS[people])

    async def _use_the_used(self) -> None:
        """Have somebody go in with the used ticket, typed: it is used before it is shown."""
        for _ in range(TYPED_AT_MOST):
            if self.tray.expected("used") != "admitted":
                break
            await self.orders.give(op="person", lane="entry", person="0.1")
            await self.orders.give(op="type", lane="entry", code=self.tray.code("used"))
            self.queues["entry"].remember(self.tray.name("used"))
            # A lane that is busy forgets a typed code after 1.5 s: then it is typed again.
            with contextlib.suppress(NotNow):
                await self.until(lambda: self.tray.expected("used") != "admitted", within=2.5)
        await self.set_people(self.people)

    # -- what the page asks --------------------------------------------------------------------

    def expected(self, kind: str, lane: str, medium: str = "show") -> str:
        """What a ticket should meet at a lane now: `admitted`, a reason, or `nothing`."""
        if kind == "noise" or self.observer.blind(lane):
            return NOTHING
        if medium == "show" and not self.hands[lane].plugged:
            return NOTHING
        if lane == "exit":
            return "admitted"  # an exit is never refused: it records and warns
        return self.tray.expected(kind, self.clock)

    @property
    def clock(self) -> str:
        """What the gate's clock was told to be."""
        try:
            return self.props.clock.read_text("ascii")
        except FileNotFoundError:
            return "normal"

    def told(self) -> dict[str, object]:
        """The answer to `GET /api/stage`."""
        screen = self.troupe.screen.url
        return {
            "lanes": [
                {"name": name, "direction": way, **self.faces.now.get(name, {})}
                for name, way in LANES.items()
            ],
            "tickets": [self._ticket(kind) for kind in KINDS],
            "looks": [{"id": name, "label": label} for name, (label, _) in LOOKS.items()],
            "switches": self.switches.told(),
            "screens": {
                "steward": f"{screen}/steward",
                "attendee": {lane: f"{screen}/lane/{lane}" for lane in LANES},
                "central": "/central",
            },
            "training": self.tray.training,
            "camera": self.webcam,
        }

    def _ticket(self, kind: str) -> dict[str, object]:
        place = KINDS[kind]
        return {
            "id": kind,
            "label": place.label,
            "story": place.story,
            "lane": place.lane,
            "expected": self.expected(kind, place.lane),
            "turn": self.tray.name(kind),
            "media": ["show", "tap"] if place.card else ["show"],
        }

    def show(self, kind: object, look: object = "none", lane: object = None) -> Showing:
        """Have a visitor hold up a ticket. Raises NoSuchThing, NotNow."""
        kind, look = _one_of(KINDS, kind, "ticket"), _one_of(LOOKS, look, "look")
        lane = _one_of(LANES, KINDS[kind].lane if lane is None else lane, "lane")
        return self._join(self._numbers.showing(kind, look, lane))

    def tap(self, kind: object, lane: object = None) -> Showing:
        """Have a visitor tap with a card. Raises NoSuchThing, NotNow."""
        kind = _one_of([name for name in KINDS if KINDS[name].card], kind, "card")
        lane = _one_of([TAP_LANE], TAP_LANE if lane is None else lane, "lane with an NFC reader")
        if not self.purse.ready:
            raise NotNow("The NFC reader is not there yet", "It starts by itself: tap again")
        return self._join(self._numbers.showing(kind, "none", lane, "tap"))

    def _join(self, showing: Showing) -> Showing:
        self.queues[showing.lane].join(showing)
        if self.tray.few_left and (self._selling is None or self._selling.done()):
            self._selling = self._spawn(asyncio.to_thread(self.props.add_guests))
        return showing

    async def picture(self, kind: object, look: object, size: int | None) -> bytes:
        """A ticket as the camera will see it, PNG. Raises NoSuchThing."""
        kind, look = _one_of(KINDS, kind, "ticket"), _one_of(LOOKS, look, "look")
        scene = await asyncio.to_thread(self._scene, kind, self.tray.code(kind), look)
        return await asyncio.to_thread(png, scene, size)

    async def central_link(self) -> str:
        """A link that opens the organiser's page, once, without a login. Raises NotNow."""
        if not self.troupe.central.url:
            raise NotNow("The organiser's server has not started yet", "Try again in some seconds")
        return await asyncio.to_thread(login_link, self.props.central, self.troupe.central.url)

    async def switch(self, name: object, value: object) -> dict[str, object]:
        """Turn a switch. Raises NoSuchThing, BadRequest, NotNow."""
        switch = self.switches.find(name)
        await switch.set(switch.checked(value))
        told: dict[str, object] = {"id": switch.id, "value": switch.get()}
        self.hub.publish("switch", told)
        self.observer.stage_changed()
        return told

    # -- media: pictures before a lane's camera, cards on its reader ---------------------------

    async def put(self, showing: Showing) -> None:
        """Hold a ticket's picture before the camera, or its card to the reader."""
        if showing.medium == "tap":
            self.purse.hold(showing.number, self.tray.signed(showing.kind))
            return
        code = self.tray.code(showing.kind)
        scene = await asyncio.to_thread(self._scene, showing.kind, code, showing.look)
        self.hands[showing.lane].show(showing.number, scene)

    def take(self, showing: Showing) -> None:
        """Take it away."""
        if showing.medium == "tap":
            self.purse.take()
        else:
            self.hands[showing.lane].clear()

    @staticmethod
    def _scene(kind: str, code: str | None, look: str) -> Frame:
        if code is None:
            return degraded(noise_scene(), look)
        return degraded(photo_scene(code) if kind == "photo" else code_scene(code), look)


def _one_of(known: Any, name: object, what: str) -> str:
    if not isinstance(name, str) or name not in known:
        raise NoSuchThing(f"There is no such {what}", f"There are: {', '.join(known)}")
    return name
