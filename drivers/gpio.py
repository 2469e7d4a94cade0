"""Turnstile, lights and contacts on GPIO lines, through gpiozero.

Level before direction: a line becomes an output already at its locked level, so that no relay
clicks at a start. Emergency release is wired past all of this.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

from gpiozero import DigitalInputDevice, OutputDevice  # type: ignore[import-untyped]

from admission.direction import Direction
from drivers.errors import DeviceClosed, DeviceNotFound
from drivers.pins import named, pin_factory
from drivers.protocols import Lamp, OnSignal
from drivers.scheduler import Handle, Scheduler
from drivers.uri import DriverUri
from drivers.uri_values import lamp_pins, pins


def _output(line: int, active_high: bool) -> Any:
    with named(f"Opening GPIO line {line} as an output", DeviceNotFound):
        return OutputDevice(
            line, active_high=active_high, initial_value=False, pin_factory=pin_factory()
        )


class GpioTurnstile:
    """A turnstile with one release line, or one for each direction.

    Args:
        lines: Released line for entry and for exit; the same number where there is one only.
        pulse: Seconds the line is active for a release; None to hold it until `lock`.
        active_high: Level of an active line. Most relay boards are active low.
    """

    def __init__(
        self,
        lines: tuple[int, int],
        scheduler: Scheduler,
        *,
        pulse: float | None,
        active_high: bool,
    ) -> None:
        self._scheduler = scheduler
        self._pulse = pulse
        self._guard = threading.Lock()  # the lane's thread and the pulse's end
        self._closed = False
        self._end: Handle | None = None
        self._release_number = 0
        self._outputs: dict[int, Any] = {}
        try:
            for line in dict.fromkeys(lines):
                self._outputs[line] = _output(line, active_high)
        except BaseException:
            self._let_go()
            raise
        self._lines = dict(zip(Direction, lines, strict=True))

    @classmethod
    def open(cls, uri: DriverUri, scheduler: Scheduler) -> Self:
        """Open ``turnstile:gpio:17?mode=pulse&ms=500&active=low``; two lines are entry, exit."""
        lines = pins(uri.address, most=2)
        pulse = uri.number("ms", 500) / 1000 if uri.word("mode", "pulse") == "pulse" else None
        active_high = uri.word("active", "high") == "high"
        return cls((lines[0], lines[-1]), scheduler, pulse=pulse, active_high=active_high)

    def release(self, direction: Direction) -> None:
        with self._guard:
            self._check_open("release")
            self._all_off()
            with named("Releasing the turnstile"):
                self._outputs[self._lines[direction]].on()
            if self._pulse is not None:
                number = self._release_number
                self._end = self._scheduler.call_later(
                    self._pulse, lambda: self._pulse_over(number)
                )

    def hold_open(self) -> None:
        with self._guard:
            self._check_open("hold open")
            self._stop_pulse()
            with named("Holding the turnstile open"):
                for output in self._outputs.values():
                    output.on()

    def lock(self) -> None:
        with self._guard:
            if not self._closed:
                self._all_off()

    def close(self) -> None:
        with self._guard:
            if not self._closed:
                self._all_off()
                self._let_go()

    def watch(self, on_signal: OnSignal) -> None:
        """Never calls: sensors are inputs of their own, ``input:gpio``."""

    def _pulse_over(self, number: int) -> None:
        with self._guard:
            if number == self._release_number and not self._closed:
                self._all_off()

    def _all_off(self) -> None:
        self._stop_pulse()
        with named("Locking the turnstile"):
            for output in self._outputs.values():
                output.off()

    def _stop_pulse(self) -> None:
        self._release_number += 1  # a pulse's end that is already on its way finds itself outdated
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _let_go(self) -> None:
        self._closed = True
        for output in self._outputs.values():
            output.close()

    def _check_open(self, what: str) -> None:
        if self._closed:
            raise DeviceClosed(f"Cannot {what}: the turnstile is closed", "Open it first")


FALLBACK = {Lamp.AMBER: Lamp.GREEN, Lamp.FAULT: Lamp.RED}


class GpioLights:
    """One line a lamp. A lamp that is not wired falls back to what means the same to a guest."""

    def __init__(self, lines: dict[Lamp, int], *, active_high: bool) -> None:
        self._closed = False
        self._lamps: dict[Lamp, Any] = {}
        try:
            for lamp, line in lines.items():
                self._lamps[lamp] = _output(line, active_high)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, uri: DriverUri) -> Self:
        """Open ``lights:gpio:green=5,red=6?active=low``."""
        return cls(lamp_pins(uri.address), active_high=uri.word("active", "high") == "high")

    def show(self, lamp: Lamp) -> None:
        if self._closed:
            raise DeviceClosed("Cannot show a lamp: the lights are closed", "Open them first")
        wanted = lamp if lamp in self._lamps else FALLBACK.get(lamp, Lamp.OFF)
        with named("Switching the lights"):
            for other, output in self._lamps.items():
                if other is not wanted:
                    output.off()  # first dark, then lit: never red and green at once
            if wanted in self._lamps:
                self._lamps[wanted].on()

    def close(self) -> None:
        self._closed = True
        for output in self._lamps.values():
            if not output.closed:
                output.off()
                output.close()


class GpioInput:
    """One contact with a pull resistor; ``bounce`` in seconds is settled by the GPIO library."""

    def __init__(self, line: int, *, pull: str, active_high: bool, bounce: float | None) -> None:
        # gpiozero ties the active level to the pull; a contact may be wired the other way round
        pull_up = {"up": True, "down": False, "none": None}[pull]
        self._inverted = pull_up is not None and pull_up == active_high
        self._on_change: list[Callable[[bool], None]] = []
        with named(f"Opening GPIO line {line} as an input", DeviceNotFound):
            self._device = DigitalInputDevice(
                line,
                pull_up=pull_up,
                active_state=active_high if pull_up is None else None,
                bounce_time=bounce or None,
                pin_factory=pin_factory(),
            )
        self._device.when_activated = lambda: self._changed(not self._inverted)
        self._device.when_deactivated = lambda: self._changed(self._inverted)

    @classmethod
    def open(cls, uri: DriverUri) -> Self:
        """Open ``input:gpio:27?pull=up&active=low&bounce=20`` (milliseconds)."""
        return cls(
            pins(uri.address, most=1)[0],
            pull=uri.word("pull", "up"),
            active_high=uri.word("active", "low") == "high",
            bounce=uri.number("bounce", 20) / 1000,
        )

    @property
    def active(self) -> bool:
        if self._device.closed:
            raise DeviceClosed("Cannot read an input: it is closed", "Open it first")
        with named("Reading a GPIO input"):
            return bool(self._device.is_active) != self._inverted

    def watch(self, on_change: Callable[[bool], None]) -> None:
        self._on_change.append(on_change)

    def close(self) -> None:
        self._device.close()

    def _changed(self, active: bool) -> None:
        for on_change in self._on_change:
            on_change(active)
