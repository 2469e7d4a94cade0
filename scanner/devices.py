"""Opens a lane's devices by their URIs; a device that fails becomes a fault, not an exit."""

from collections.abc import Callable

from admission.direction import Direction
from admission.errors import GateError
from config.models import LaneConfig
from drivers.protocols import Input, Lights, OnSignal, Signal, Turnstile
from drivers.registry import open_input, open_lights, open_turnstile
from drivers.scheduler import Scheduler
from drivers.uri import DriverUri
from scanner.messages import DeviceFault, Message, Sensor

Put = Callable[[Message], None]


class NoTurnstile:
    """Stands in for a turnstile that could not be opened: the lane is out of service with it."""

    def __init__(self, error: GateError) -> None:
        self.error = error

    def release(self, direction: Direction) -> None:
        """Say why not."""
        raise self.error

    def hold_open(self) -> None:
        """Say why not."""
        raise self.error

    def lock(self) -> None:
        """Nothing moves."""

    def close(self) -> None:
        """Nothing to let go of."""

    def watch(self, on_signal: OnSignal) -> None:
        """It has no sensors."""


def open_lane_turnstile(config: LaneConfig, scheduler: Scheduler, put: Put) -> Turnstile:
    """The lane's turnstile, watched; or its stand-in, with the fault put into the queue."""
    try:
        turnstile = open_turnstile(_uri(config.turnstile), scheduler)
    except GateError as error:
        put(DeviceFault("turnstile", error, blocks=True))
        return NoTurnstile(error)
    turnstile.watch(lambda signal, active: put(Sensor(signal, active)))
    return turnstile


def open_lane_lights(config: LaneConfig, put: Put) -> Lights | None:
    """The lane's lights, or None with the fault put into the queue."""
    if config.lights is None:
        return None
    try:
        return open_lights(_uri(config.lights))
    except GateError as error:
        put(DeviceFault("lights", error))
        return None


def watch_inputs(config: LaneConfig, put: Put) -> list[Input]:
    """Open and watch the lane's contacts; keep what is returned, or they fall silent."""
    opened = []
    for signal in Signal:
        uri = getattr(config, signal.value)
        if uri is None:
            continue
        try:
            contact = open_input(_uri(uri))
        except GateError as error:
            put(DeviceFault(signal.value, error, blocks=signal is Signal.FAULT))
            continue
        contact.watch(lambda active, signal=signal: put(Sensor(signal, active)))  # type: ignore[misc]
        if contact.active:  # an edge before we listened
            put(Sensor(signal, True))
        opened.append(contact)
    return opened


def has_passage_sensor(config: LaneConfig) -> bool:
    """Whether someone going through can be seen; a simulated turnstile sees for itself."""
    simulated = _uri(config.turnstile).driver == "sim"
    wanted = {"entry": ["passage_in"], "exit": ["passage_out"]}.get(
        config.direction, ["passage_in", "passage_out"]
    )
    return simulated or all(getattr(config, name) is not None for name in wanted)


def _uri(uri: DriverUri | str) -> DriverUri:
    return uri if isinstance(uri, DriverUri) else DriverUri.parse(uri)
