"""The metal and light of a lane: what moves and shines, and what happens when it does not."""

from collections.abc import Callable

from admission.clock import Clock
from admission.direction import Direction
from admission.errors import GateError
from drivers.protocols import Lamp, Lights, Turnstile

OnFault = Callable[[str, GateError, bool], None]
"""on_fault(name, error, blocks)"""


class Metal:
    """One turnstile and its lights. A device that fails is reported, never raised."""

    def __init__(
        self, turnstile: Turnstile, lights: Lights | None, clock: Clock, on_fault: OnFault
    ) -> None:
        self._turnstile, self._lights = turnstile, lights
        self._clock, self._on_fault = clock, on_fault
        self.lamp_until: float | None = None
        """When the lamp shown for a while goes out, monotonic seconds."""

    def release(self, direction: Direction) -> None:
        """Let one person through."""
        self._move(lambda: self._turnstile.release(direction))

    def lock(self) -> None:
        """Let nobody through."""
        self._move(self._turnstile.lock)

    def hold_open(self) -> None:
        """Let everybody through."""
        self._move(self._turnstile.hold_open)

    def works_again(self) -> bool:
        """Whether the turnstile, which failed, takes a command again; it is locked by it."""
        try:
            self._turnstile.lock()
        except GateError:
            return False  # known and shown already
        return True

    def show(self, lamp: Lamp, seconds: float | None = None) -> None:
        """Show one lamp, for so many seconds or until the next."""
        self.lamp_until = None if seconds is None else self._clock.monotonic() + seconds
        if self._lights is None:
            return
        try:
            self._lights.show(lamp)
        except GateError as error:
            self._on_fault("lights", error, False)

    def _move(self, move: Callable[[], None]) -> None:
        try:
            move()
        except GateError as error:
            self._on_fault("turnstile", error, True)
