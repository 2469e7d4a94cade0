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


class MissingTurnstile:
    """Stands in for a turnstile that could not be opened, until `lock` finds that it can be."""

    def __init__(self, open_it: Callable[[], Turnstile], error: GateError) -> None:
        self._open, self._error = open_it, error
        self._found: Turnstile | None = None

    def release(self, direction: Direction) -> None:
        """Let one person through, or say why not."""
        self._device().release(direction)

    def hold_open(self) -> None:
        """Stay open, or say why not."""
        self._device().hold_open()

    def lock(self) -> None:
        """Try to open the device, locked. Raises what is still wrong with it."""
        if self._found is None:
            self._found = self._open()
        self._found.lock()

    def close(self) -> None:
        """Let go of it, if it was found."""
        if self._found is not None:
            self._found.close()

    def watch(self, on_signal: OnSignal) -> None:
        """Whoever opens it watches it."""

    def _device(self) -> Turnstile:
        if self._found is None:
            raise self._error
        return self._found


def open_lane_turnstile(config: LaneConfig, scheduler: Scheduler, put: Put) -> Turnstile:
    """The lane's turnstile, watched; or its stand-in, with the fault put into the queue."""

    def open_it() -> Turnstile:
        turnstile = open_turnstile(_uri(config.turnstile), scheduler)
        turnstile.watch(lambda signal, active: put(Sensor(signal, active)))
        return turnstile

    try:
        return open_it()
    except GateError as error:
        put(DeviceFault("turnstile", error, blocks=True))
        return MissingTurnstile(open_it, error)


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
