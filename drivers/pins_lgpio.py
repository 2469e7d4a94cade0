"""lgpio's pins, with the level set together with the direction.

gpiozero claims an output low and then sets its level: on an active-low relay that is a click, and
an open lock, at every start. lgpio can claim a line at a given level.
"""

from typing import Any

import lgpio  # type: ignore[import-not-found,unused-ignore]
from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin  # type: ignore[import-untyped]


class LevelFirstPin(LGPIOPin):  # type: ignore[misc]
    """One line; differs from gpiozero's in `output_with_state` alone."""

    def output_with_state(self, state: Any) -> None:
        """Become an output that is at ``state`` from its first moment."""
        lgpio.gpio_claim_output(self.factory._handle, self._number, int(bool(state)))


class LevelFirstFactory(LGPIOFactory):  # type: ignore[misc]
    """Hands out `LevelFirstPin`."""

    def __init__(self) -> None:
        super().__init__()
        self.pin_class = LevelFirstPin
