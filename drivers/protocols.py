"""What the gate asks of a device, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from admission.direction import Direction
from tickets.errors import GateError

if TYPE_CHECKING:  # the lane process imports this module and must stay free of numpy
    from drivers.frames import Frame


class Signal(StrEnum):
    """What the sensors of a turnstile say."""

    PASSAGE_IN = "passage_in"
    PASSAGE_OUT = "passage_out"
    HOME = "home"
    FAULT = "fault"


class Lamp(StrEnum):
    """What the lights of a lane show."""

    OFF = "off"
    READY = "ready"
    CHECKING = "checking"
    GREEN = "green"
    AMBER = "amber"  # admitted, but look
    RED = "red"
    FAULT = "fault"


PASSAGE = {Direction.ENTRY: Signal.PASSAGE_IN, Direction.EXIT: Signal.PASSAGE_OUT}
"""The sensor that sees a person go each way."""

OnSignal = Callable[[Signal, bool], None]
Report = Callable[[GateError], None]


class Turnstile(Protocol):
    """One lock for one person at a time: locked when opened and when closed.

    Emergency release is wired, not programmed. Every call returns at once and may come from any
    thread.
    """

    def release(self, direction: Direction) -> None:
        """Let one person through. Raises DeviceClosed after `close`."""
        ...

    def lock(self) -> None:
        """Lock now; a locked one stays as it is."""
        ...

    def hold_open(self) -> None:
        """Stay released for everyone until `lock`: free flow. Raises DeviceClosed after `close`."""
        ...

    def close(self) -> None:
        """Lock and let go of the device; safe to call twice."""
        ...

    def watch(self, on_signal: OnSignal) -> None:
        """Have ``on_signal(signal, active)`` called, from another thread, at each change.

        A turnstile without sensors of its own never calls it.
        """
        ...


class Lights(Protocol):
    """The lights of one lane: dark when opened and when closed."""

    def show(self, lamp: Lamp) -> None:
        """Show one lamp and no other. Raises DeviceClosed after `close`."""
        ...

    def close(self) -> None:
        """Go dark and let go of the device; safe to call twice."""
        ...


class Input(Protocol):
    """One contact: a passage sensor, a home switch, a fault line."""

    @property
    def active(self) -> bool:
        """The level now, in the sense of the configuration."""
        ...

    def watch(self, on_change: Callable[[bool], None]) -> None:
        """Have ``on_change(active)`` called, from another thread, at each change."""
        ...

    def close(self) -> None:
        """Let go of the device; safe to call twice."""
        ...


class Camera(Protocol):
    """A source of frames. Lives in a reader child only."""

    live: bool
    """True for a sensor, whose noise makes two equal frames a sign of a frozen picture."""

    def read(self) -> Frame | None:
        """Wait for the next frame; None when none came in time.

        Bounded: returns within a second or two, or raises DeviceLost and wants to be opened anew.
        """
        ...

    def close(self) -> None:
        """Let go of the device; safe to call twice."""
        ...
