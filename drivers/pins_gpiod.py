"""A gpiozero pin factory over libgpiod 2, whose wheels exist for every board and Python.

Source: the GPIO character device of Linux (v2 of its ABI). A request sets level and direction in
one step, debounces in the kernel, and leaves an output at its level when it is released.
"""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import gpiod
from gpiod.line import Bias, Direction, Edge, Value
from gpiozero.exc import (  # type: ignore[import-untyped]
    PinFixedPull,
    PinInvalidBounce,
    PinInvalidEdges,
    PinInvalidFunction,
    PinInvalidPull,
    PinSetInput,
    PinUnknownPi,
)
from gpiozero.pins.local import LocalPiFactory, LocalPiPin  # type: ignore[import-untyped]

from drivers.scheduler import crash

HEADER_OF = 0xC03111
"""Revision of a Raspberry Pi 4B: boards that are no Pi are taken to have its 40-pin header."""
HEADER_CHIPS = ("pinctrl-bcm", "pinctrl-rp1")
"""Labels of the chip behind the header; a Raspberry Pi 5 has several chips."""
BIAS = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}
EDGES = {
    "both": Edge.BOTH,
    "rising": Edge.RISING,
    "falling": Edge.FALLING,
    "none": Edge.NONE,
}
LOOK_EVERY = 0.2
"""Seconds after which a waiting thread sees that it is no longer wanted."""


def header_chip(devices: Path = Path("/dev")) -> str:
    """Path of the chip behind the 40-pin header, or of the first one; OSError without any."""
    paths = sorted(str(path) for path in devices.glob("gpiochip*"))
    for path in paths:
        with gpiod.Chip(path) as chip:
            if chip.get_info().label.startswith(HEADER_CHIPS):
                return path
    if not paths:
        raise FileNotFoundError(f"there is no {devices}/gpiochip0")
    return paths[0]


class GpiodFactory(LocalPiFactory):  # type: ignore[misc]
    """Pins by their GPIO number, on the chip behind the header."""

    def __init__(self, path: str | None = None) -> None:
        super().__init__()
        self.chip = gpiod.Chip(path or header_chip())
        self.pin_class = GpiodPin

    def close(self) -> None:
        """Release every line and the chip; safe to call twice."""
        super().close()
        if self.chip:
            self.chip.close()

    def _get_revision(self) -> int:
        try:
            return int(super()._get_revision())
        except PinUnknownPi:
            return HEADER_OF


class GpiodPin(LocalPiPin):  # type: ignore[misc]
    """One line. Nothing is asked of the kernel until it is known what the line shall be."""

    def __init__(self, factory: GpiodFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._settings = gpiod.LineSettings(direction=Direction.INPUT, bias=Bias.DISABLED)
        self._request: gpiod.LineRequest | None = None
        self._events: _Events | None = None

    def close(self) -> None:
        """Let go of the line; an output keeps its level."""
        self.when_changed = None
        if self._request is not None:
            self._request.release()
            self._request = None

    def output_with_state(self, state: Any) -> None:
        """Become an output that is at ``state`` from its first moment."""
        value = Value.ACTIVE if state else Value.INACTIVE
        self._apply(direction=Direction.OUTPUT, bias=Bias.AS_IS, output_value=value)

    def input_with_pull(self, pull: str) -> None:
        """Become an input with that resistor."""
        self._apply(direction=Direction.INPUT, bias=self._bias(pull))

    def _apply(self, **changes: Any) -> Any:
        self._settings = replace(self._settings, **changes)
        config: dict[Any, gpiod.LineSettings | None] = {self._number: self._settings}
        if self._request is None:
            self._request = self.factory.chip.request_lines(config, consumer="admit")
        else:
            self._request.reconfigure_lines(config)
        return self._request

    def _line(self) -> Any:
        return self._request or self._apply()

    def _get_function(self) -> str:
        return "output" if self._settings.direction is Direction.OUTPUT else "input"

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f"invalid function {value!r} for pin {self!r}")
        if value == "output":
            self.output_with_state(self._settings.output_value)
        else:
            self._apply(direction=Direction.INPUT)

    def _get_state(self) -> bool:
        return bool(self._line().get_value(self._number) is Value.ACTIVE)

    def _set_state(self, value: Any) -> None:
        if self._get_function() == "input":
            raise PinSetInput(f"cannot set state of pin {self!r}")
        level = Value.ACTIVE if value else Value.INACTIVE
        self._settings = replace(self._settings, output_value=level)
        self._line().set_value(self._number, level)

    def _get_pull(self) -> str:
        return next(
            (name for name, bias in BIAS.items() if bias is self._settings.bias), "floating"
        )

    def _set_pull(self, value: str) -> None:
        if self._get_function() == "output":
            raise PinFixedPull(f"cannot set pull on non-input pin {self!r}")
        self._apply(bias=self._bias(value))

    def _bias(self, pull: str) -> Bias:
        if pull not in BIAS:
            raise PinInvalidPull(f"invalid pull {pull!r} for pin {self!r}")
        if self.info.pull not in (pull, ""):
            raise PinFixedPull(f"{self!r} has a physical pull-{self.info.pull} resistor")
        return BIAS[pull]

    def _get_bounce(self) -> float | None:
        return self._settings.debounce_period.total_seconds() or None

    def _set_bounce(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise PinInvalidBounce("bounce must be 0 or greater")
        self._apply(debounce_period=timedelta(seconds=value or 0))

    def _get_edges(self) -> str:
        wanted = self._wanted
        return next(name for name, edge in EDGES.items() if edge is wanted)

    _wanted = Edge.BOTH

    def _set_edges(self, value: str) -> None:
        if value not in EDGES:
            raise PinInvalidEdges(f"invalid edges {value!r} for pin {self!r}")
        self._wanted = EDGES[value]
        if self._events is not None:
            self._apply(edge_detection=self._wanted)

    def _get_frequency(self) -> None:
        return None  # no pulse-width modulation: a gate has nothing to dim

    def _enable_event_detect(self) -> None:
        request = self._apply(edge_detection=self._wanted)
        self._events = _Events(request, self._call_when_changed)

    def _disable_event_detect(self) -> None:
        if self._events is not None:
            self._events.stop()
            self._events = None
            self._apply(edge_detection=Edge.NONE)


class _Events:
    """A thread that waits for the edges of one line."""

    def __init__(self, request: Any, changed: Any) -> None:
        self._request = request
        self._changed = changed
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="gpio events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped:
                if self._request.wait_edge_events(LOOK_EVERY):
                    self._pass_on()
        except BaseException as error:  # noqa: BLE001 - a deaf sensor must not go unnoticed
            crash(error)

    def _pass_on(self) -> None:
        for event in self._request.read_edge_events():
            rising = event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE
            self._changed(event.timestamp_ns / 1e9, rising)
