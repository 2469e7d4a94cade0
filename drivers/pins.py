"""Which library drives the GPIO lines: lgpio where the system has it, libgpiod elsewhere.

``GPIOZERO_PIN_FACTORY`` is respected: ``lgpio``, ``gpiod``, ``mock``, or another of gpiozero's.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from gpiozero import Device  # type: ignore[import-untyped]
from gpiozero.exc import GPIOZeroError  # type: ignore[import-untyped]

from drivers.errors import DeviceLost, DeviceNotFound
from tickets.errors import GateError

OURS = {
    "lgpio": "drivers.pins_lgpio:LevelFirstFactory",
    "gpiod": "drivers.pins_gpiod:GpiodFactory",
}


def pin_factory() -> Any:
    """Return gpiozero's pin factory of this process, chosen at the first call.

    Raises:
        DeviceNotFound: no library can open this machine's GPIO lines; says why for each.
    """
    if Device.pin_factory is None:
        Device.pin_factory = _chosen(os.environ.get("GPIOZERO_PIN_FACTORY"))
    return Device.pin_factory


@contextmanager
def named(what: str, fault: type[GateError] = DeviceLost) -> Iterator[None]:
    """Turn what the GPIO libraries raise into ``fault``: "``what`` failed"."""
    try:
        yield
    except _library_errors() as reason:
        raise fault(
            f"{what} failed: {reason}",
            "Check the line's number in the configuration, that nothing else uses it, and that the "
            "gate's user is in group 'gpio'",
        ) from reason


def _chosen(name: str | None) -> Any:
    reasons = []
    for candidate in OURS if name is None else (name,):
        try:
            return _load(candidate)() if candidate in OURS else Device._default_pin_factory()
        except _loading_errors() as error:
            reasons.append(f"{candidate}: {error}")
    raise DeviceNotFound(
        f"No GPIO lines can be opened ({'; '.join(reasons)})",
        "Run on a board with GPIO, with the gate's user in group 'gpio'; on a desk use "
        "turnstile:sim, lights:sim and input:sim",
    )


def _load(name: str) -> Any:
    module, _, attribute = OURS[name].partition(":")
    return getattr(import_module(module), attribute)


def _loading_errors() -> tuple[type[Exception], ...]:
    # lgpio's empty namesake on the package index lacks what gpiozero uses: AttributeError
    return (ImportError, AttributeError, *_library_errors())


def _library_errors() -> tuple[type[Exception], ...]:
    errors: tuple[type[Exception], ...] = (GPIOZeroError, OSError)
    lgpio = sys.modules.get("lgpio")  # its own error class exists only where it is loaded
    own = getattr(lgpio, "error", None)
    return (*errors, own) if isinstance(own, type) else errors
