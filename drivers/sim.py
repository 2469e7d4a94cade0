"""Simulated devices: opened by URI like the rest, with a person to walk through.

They record what was done to them and refuse what the device would refuse. They ship with the
product: a demonstration, a training lane and most tests run on them.
"""

import threading
from collections.abc import Callable
from typing import Self

from admission.direction import Direction
from drivers.errors import DeviceClosed
from drivers.person import Habit, Person
from drivers.protocols import PASSAGE, Lamp, OnSignal, Signal
from drivers.scheduler import Handle, Scheduler
from drivers.uri import DriverUri
from drivers.witness import NOBODY, Witness

IN_SENSOR = 0.2
"""Seconds a walking person covers the passage sensor."""


class SimulatedTurnstile:
    """A turnstile with sensors, one arm and one person.

    After a passage the arm turns home and is locked by itself, as a mechanical one is, unless it is
    held open. ``log`` holds (time, what was done) for as long as the device lives.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        person: Person,
        home: float = 0.3,
        witness: Witness = NOBODY,
    ) -> None:
        """`home`: seconds the arm takes to turn home. `witness` hears of all that moves."""
        self.log: list[tuple[float, str]] = []
        self._witness = witness
        self._scheduler = scheduler
        self._person = person
        self._home = home
        self._guard = threading.RLock()  # one owner of the arm: lane thread, timers, tests
        self._on_signal: list[OnSignal] = []
        self._active: set[Signal] = set()
        self._released: Direction | None = None
        self._held = False
        self._closed = False
        self._plans: list[Handle] = []
        self._note("open")

    @classmethod
    def open(cls, uri: DriverUri, scheduler: Scheduler) -> Self:
        """Open ``turnstile:sim?passage=0.4``; see `drivers.person` for the habits."""
        after = uri.number("after", -1)
        person = Person.parse(uri.word("passage", "0.4"), None if after < 0 else after)
        return cls(scheduler, person, uri.number("home", 0.3), Witness.of(uri))

    @property
    def person(self) -> Person:
        """Who stands at the turnstile. Setting another lets one stuck in the sensor go."""
        return self._person

    @person.setter
    def person(self, person: Person) -> None:
        with self._guard:
            left = self._person.habit is Habit.STUCK
            self._person = person
            if left:
                for signal in tuple(self._active - {Signal.HOME, Signal.FAULT}):
                    self._signal(signal, False)
                self._turn_home()

    @property
    def locked(self) -> bool:
        """Whether the arm resists."""
        return self._released is None and not self._held

    def watch(self, on_signal: OnSignal) -> None:
        with self._guard:
            self._on_signal.append(on_signal)
            self._push_soon()

    def release(self, direction: Direction) -> None:
        with self._guard:
            self._check_open("release")
            self._note(f"release {direction}")
            self._cancel_plans()
            self._released = direction
            self._signal(Signal.HOME, False)
            if self._person.habit in (Habit.WALKS, Habit.STUCK):
                self._plan(self._person.after, lambda: self._go_through(direction))

    def hold_open(self) -> None:
        with self._guard:
            self._check_open("hold open")
            self._note("hold_open")
            self._cancel_plans()
            self._released, self._held = None, True

    def lock(self) -> None:
        with self._guard:
            if not self._closed:
                self._lock("lock")

    def close(self) -> None:
        with self._guard:
            if not self._closed:
                self._lock("close")
                self._cancel_plans()
                self._closed = True

    def walk(self, direction: Direction) -> bool:
        """Someone tries to walk through now, as in free flow; False when the arm resists."""
        with self._guard:
            free = self._held or self._released is direction
            if free:
                self._go_through(direction)
            return free

    def force(self, direction: Direction = Direction.ENTRY) -> None:
        """Someone pushes through now, locked or not."""
        with self._guard:
            self._go_through(direction)

    def fault(self, active: bool) -> None:
        """The turnstile's own electronics raise or clear their fault line."""
        with self._guard:
            self._signal(Signal.FAULT, active)

    def _lock(self, action: str) -> None:
        direction, self._released = self._released, None
        self._held = False
        self._note(action)
        if direction is None:
            return
        self._cancel_plans()
        if self._person.habit is Habit.LATE:
            self._plan(self._person.after, lambda: self._go_through(direction))
        else:
            self._turn_home()
            self._push_soon()

    def _push_soon(self) -> None:
        if self._person.habit is Habit.FORCED:
            self._plan(self._person.after, self.force)

    def _go_through(self, direction: Direction) -> None:
        self._released = None  # one release, one person: the arm locks behind them
        self._note(PASSAGE[direction])
        self._signal(PASSAGE[direction], True)
        if self._person.habit is not Habit.STUCK:
            self._later(IN_SENSOR, lambda: self._leave(PASSAGE[direction]))

    def _leave(self, signal: Signal) -> None:
        self._signal(signal, False)
        self._turn_home()

    def _turn_home(self) -> None:
        self._later(self._home, self._at_home)

    def _at_home(self) -> None:
        if self.locked:
            self._witness.tell(Signal.HOME)
            self._signal(Signal.HOME, True)

    def _signal(self, signal: Signal, active: bool) -> None:
        if self._closed or (signal in self._active) == active:
            return
        (self._active.add if active else self._active.discard)(signal)
        for on_signal in self._on_signal:
            on_signal(signal, active)

    def _plan(self, delay: float, action: Callable[[], None]) -> None:
        self._plans.append(self._later(delay, action))

    def _later(self, delay: float, action: Callable[[], None]) -> Handle:
        def guarded() -> None:
            with self._guard:
                if not self._closed:
                    action()

        return self._scheduler.call_later(delay, guarded)

    def _cancel_plans(self) -> None:
        for plan in self._plans:
            plan.cancel()
        self._plans.clear()

    def _check_open(self, what: str) -> None:
        if self._closed:
            raise DeviceClosed(f"Cannot {what}: the turnstile is closed", "Open it first")

    def _note(self, action: str) -> None:
        self._witness.tell(action)
        self.log.append((self._scheduler.now(), action))


class SimulatedLights:
    """Lights that remember: ``log`` holds every lamp shown, in order."""

    def __init__(self, witness: Witness = NOBODY) -> None:
        self.log: list[Lamp] = [Lamp.OFF]
        self._witness = witness
        self._closed = False

    @classmethod
    def open(cls, uri: DriverUri) -> Self:
        """Open ``lights:sim``."""
        return cls(Witness.of(uri))

    @property
    def lamp(self) -> Lamp:
        """What is shown now."""
        return self.log[-1]

    def show(self, lamp: Lamp) -> None:
        if self._closed:
            raise DeviceClosed("Cannot show a lamp: the lights are closed", "Open them first")
        self._witness.tell(lamp)
        self.log.append(lamp)

    def close(self) -> None:
        if not self._closed:
            self.log.append(Lamp.OFF)
            self._witness.tell(Lamp.OFF)
        self._closed = True


class SimulatedInput:
    """A contact to be set by hand: `set`."""

    def __init__(self) -> None:
        self.active = False
        self._on_change: list[Callable[[bool], None]] = []
        self._closed = False

    @classmethod
    def open(cls, uri: DriverUri) -> Self:
        """Open ``input:sim``, inactive."""
        return cls()

    def watch(self, on_change: Callable[[bool], None]) -> None:
        self._on_change.append(on_change)

    def set(self, active: bool) -> None:
        """Change the level; those who watch are called at a change only."""
        if self._closed or self.active == active:
            return
        self.active = active
        for on_change in self._on_change:
            on_change(active)

    def close(self) -> None:
        self._closed = True
