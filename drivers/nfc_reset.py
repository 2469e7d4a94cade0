"""The reset wire of a PN532. GPIO libraries are loaded only where there is such a wire."""

from __future__ import annotations

from typing import Any

from drivers.pace import Pace

RESET_SECONDS = 0.02
"""How long RSTPDN is held low; 20 us are enough, but a long wire wants more."""


class GpioReset:
    """The wire to RSTPDN of a PN532: low resets it. Held high as long as the process lives."""

    def __init__(self, line: int, pace: Pace) -> None:
        self._line, self._pace = line, pace
        self._output: Any = None

    def pulse(self) -> None:
        """Reset the chip. Raises GateError."""
        from gpiozero import OutputDevice  # type: ignore[import-untyped]  # noqa: PLC0415

        from drivers.pins import named, pin_factory  # noqa: PLC0415

        with named(f"The reset line GPIO{self._line}"):
            if self._output is None:
                factory = pin_factory()
                self._output = OutputDevice(self._line, initial_value=True, pin_factory=factory)
            self._output.off()
            self._pace.wait(RESET_SECONDS)
            self._output.on()
        self._pace.wait(RESET_SECONDS)
