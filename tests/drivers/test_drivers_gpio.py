"""GPIO: every level, order and duration, on gpiozero's mock pins and on a fake of libgpiod."""

import gc
import queue
import sys
from types import ModuleType, SimpleNamespace

import gpiod
import pytest
from gpiod.line import Direction as LineDirection
from gpiod.line import Edge, Value
from gpiozero import Device, OutputDevice
from gpiozero.pins.mock import MockFactory, MockPin

from admission.direction import Direction
from drivers import pins, pins_gpiod
from drivers.errors import DeviceClosed, DeviceLost, DeviceNotFound
from drivers.gpio import GpioInput
from drivers.protocols import Lamp
from drivers.registry import open_input, open_lights, open_turnstile
from drivers.scheduler import FakeScheduler
from drivers.uri import DriverUri


class RecordingPin(MockPin):
    """Writes down each level while the pin is an output: (line, level)."""

    history: list[tuple[int, bool]] = []  # noqa: RUF012 - one history over all pins: order counts

    def output_with_state(self, state):
        # as the real factories do: level and direction in one step
        self._function, self._state = "output", bool(state)
        self.history.append((self._number, bool(state)))

    def _set_state(self, value):
        before = self._state
        super()._set_state(value)
        if self._state != before:
            self.history.append((self._number, self._state))


@pytest.fixture
def factory():
    RecordingPin.history = []
    Device.pin_factory = MockFactory(pin_class=RecordingPin)
    yield Device.pin_factory
    Device.pin_factory = None


def turnstile(text, scheduler=None):
    return open_turnstile(DriverUri.parse(text), scheduler or FakeScheduler())


# --- turnstile


@pytest.mark.parametrize(("active", "locked"), [("high", False), ("low", True)])
def test_line_becomes_an_output_at_its_locked_level(factory, active, locked):
    """The first level a relay ever sees is "locked": no click at a start."""
    turnstile(f"turnstile:gpio:17?active={active}")
    assert RecordingPin.history == [(17, locked)]


@pytest.mark.parametrize(("active", "released"), [("high", True), ("low", False)])
def test_pulse_lasts_as_long_as_configured(factory, active, released):
    scheduler = FakeScheduler()
    lock = turnstile(f"turnstile:gpio:17?mode=pulse&ms=500&active={active}", scheduler)
    lock.release(Direction.ENTRY)
    scheduler.advance(0.499)
    assert factory.pin(17).state == released
    scheduler.advance(0.001)
    assert factory.pin(17).state != released
    assert [level for _, level in RecordingPin.history] == [not released, released, not released]


def test_second_release_starts_the_pulse_anew(factory):
    """The end of the first pulse must not cut the second one short."""
    scheduler = FakeScheduler()
    lock = turnstile("turnstile:gpio:17?ms=500", scheduler)
    lock.release(Direction.ENTRY)
    scheduler.advance(0.3)
    lock.release(Direction.ENTRY)
    scheduler.advance(0.3)
    assert factory.pin(17).state
    scheduler.advance(0.2)
    assert not factory.pin(17).state


class TooLate(FakeScheduler):
    """Every cancellation comes when the call is already on its way, as a thread's may."""

    def call_later(self, delay, function):
        super().call_later(delay, function)
        return SimpleNamespace(cancel=lambda: None)


@pytest.mark.parametrize("then", ["release", "hold_open"])
def test_outdated_end_of_a_pulse_locks_nothing(factory, then):
    scheduler = TooLate()
    lock = turnstile("turnstile:gpio:17?ms=500", scheduler)
    lock.release(Direction.ENTRY)
    scheduler.advance(0.4)
    lock.release(Direction.ENTRY) if then == "release" else lock.hold_open()
    scheduler.advance(0.2)
    assert factory.pin(17).state


def test_end_of_a_pulse_does_not_lock_what_is_held_open(factory):
    scheduler = FakeScheduler()
    lock = turnstile("turnstile:gpio:17?ms=500", scheduler)
    lock.release(Direction.ENTRY)
    lock.hold_open()
    scheduler.advance(10)
    assert factory.pin(17).state


def test_hold_mode_waits_for_the_lock(factory):
    scheduler = FakeScheduler()
    lock = turnstile("turnstile:gpio:17?mode=hold", scheduler)
    lock.release(Direction.EXIT)
    scheduler.advance(3600)
    assert factory.pin(17).state
    lock.lock()
    assert not factory.pin(17).state


def test_each_direction_has_its_line_and_never_both(factory):
    lock = turnstile("turnstile:gpio:17,18?mode=hold")
    lock.release(Direction.ENTRY)
    lock.release(Direction.EXIT)
    assert RecordingPin.history == [
        (17, False),
        (18, False),
        (17, True),
        (17, False),
        (18, True),
    ]


def test_free_flow_opens_both_directions(factory):
    turnstile("turnstile:gpio:17,18").hold_open()
    assert factory.pin(17).state
    assert factory.pin(18).state


def test_close_locks_before_it_lets_go(factory):
    lock = turnstile("turnstile:gpio:17?mode=hold&active=low")
    lock.release(Direction.ENTRY)
    lock.close()
    assert RecordingPin.history[-1] == (17, True)
    assert factory.pin(17).function == "input"


def test_line_in_use_is_a_named_fault_and_holds_no_other_line(factory):
    other = OutputDevice(18)
    with pytest.raises(DeviceNotFound, match="line 18") as caught:
        turnstile("turnstile:gpio:17,18")
    assert "configuration" in caught.value.remedy
    other.close()
    turnstile("turnstile:gpio:17,18")  # line 17 was let go of


def test_dead_line_is_a_named_fault(factory, monkeypatch):
    lock = turnstile("turnstile:gpio:17")

    def gone(pin, value):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(RecordingPin, "_set_state", gone)
    with pytest.raises(DeviceLost, match="turnstile failed"):
        lock.release(Direction.ENTRY)


# --- lights


def test_lights_go_dark_before_another_lamp_is_lit(factory):
    lights = open_lights(DriverUri.parse("lights:gpio:green=5,red=6"))
    for lamp in (Lamp.GREEN, Lamp.RED, Lamp.OFF):
        lights.show(lamp)
    assert RecordingPin.history == [
        (5, False),
        (6, False),
        (5, True),
        (5, False),
        (6, True),
        (6, False),
    ]


@pytest.mark.parametrize(
    ("lamp", "lit"),
    [
        (Lamp.OFF, []),
        (Lamp.READY, []),
        (Lamp.CHECKING, []),
        (Lamp.GREEN, [5]),
        (Lamp.AMBER, [5]),
        (Lamp.RED, [6]),
        (Lamp.FAULT, [6]),
    ],
)
def test_lamp_that_is_not_wired_falls_back(factory, lamp, lit):
    """Amber is an admission, a fault is none: two lamps still tell a guest the truth."""
    open_lights(DriverUri.parse("lights:gpio:green=5,red=6")).show(lamp)
    assert [line for line in (5, 6) if factory.pin(line).state] == lit


def test_lights_dark_when_closed_and_closed_twice(factory):
    lights = open_lights(DriverUri.parse("lights:gpio:green=5?active=low"))
    lights.show(Lamp.GREEN)
    lights.close()
    lights.close()
    assert RecordingPin.history[-1] == (5, True)
    with pytest.raises(DeviceClosed):
        lights.show(Lamp.GREEN)


# --- inputs


@pytest.mark.parametrize(
    ("options", "idle_level"),
    [
        ("pull=up&active=low", True),
        ("pull=up&active=high", True),
        ("pull=down&active=high", False),
        ("pull=down&active=low", False),
        ("pull=none&active=high", False),
        ("pull=none&active=low", False),
    ],
)
def test_input_means_what_the_configuration_says(factory, options, idle_level):
    device = open_input(DriverUri.parse(f"input:gpio:27?{options}"))
    pin, seen = factory.pin(27), []
    device.watch(seen.append)
    high = "active=high" in options
    assert device.active == (idle_level == high)
    gc.collect()  # what watches must be held by the driver itself
    for level in (not idle_level, idle_level, idle_level):
        pin.drive_high() if level else pin.drive_low()
        assert device.active == (level == high)
    assert seen == [(not idle_level) == high, idle_level == high]
    device.close()
    device.close()


def test_input_debounces_in_the_gpio_library(factory):
    open_input(DriverUri.parse("input:gpio:27?bounce=30"))
    assert factory.pin(27).bounce == pytest.approx(0.03)


def test_line_with_a_fixed_resistor_is_a_named_fault(factory):
    """GPIO2 and GPIO3 have pull-ups on the board."""
    with pytest.raises(DeviceNotFound, match="line 2"):
        open_input(DriverUri.parse("input:gpio:2?pull=down"))


# --- which library


def test_environment_chooses_the_pin_factory(monkeypatch):
    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    assert isinstance(pins.pin_factory(), MockFactory)


@pytest.mark.parametrize("name", [None, "lgpio", "nonsense"])
def test_machine_without_gpio_is_a_named_fault(monkeypatch, name):
    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.setitem(pins.OURS, "lgpio", "drivers.no_such_module:Factory")
    monkeypatch.setattr(pins_gpiod, "header_chip", lambda: "/nonexistent/gpiochip0")
    if name is None:
        monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    else:
        monkeypatch.setenv("GPIOZERO_PIN_FACTORY", name)
    with pytest.raises(DeviceNotFound, match="No GPIO lines") as caught:
        pins.pin_factory()
    assert "turnstile:sim" in caught.value.remedy


# --- lgpio, against a fake of its calls (its library is only on Raspberry Pi OS)


@pytest.fixture
def lgpio_calls(monkeypatch):
    """Have lgpio loaded with nothing behind it; gives the calls that change a line."""
    calls, fake = [], ModuleType("lgpio")
    names = [
        "BOTH_EDGES",
        "RISING_EDGE",
        "FALLING_EDGE",
        "SET_PULL_NONE",
        "SET_PULL_UP",
        "SET_PULL_DOWN",
    ]
    for number, name in enumerate(names):
        setattr(fake, name, number)
    fake.error = type("error", (Exception,), {})
    fake.gpiochip_open = lambda chip: 1
    fake.gpiochip_close = lambda handle: None
    fake.gpio_get_mode = lambda handle, line: 2  # an output
    fake.gpio_claim_input = lambda handle, line, flags=0: calls.append((line, "input"))
    fake.gpio_claim_output = lambda handle, line, level=0: calls.append((line, "output", level))
    fake.gpio_write = lambda handle, line, level: calls.append((line, "write", int(level)))
    for name in ("gpiozero.pins.lgpio", "drivers.pins_lgpio"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xC03111)
    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    yield calls
    Device.pin_factory.close()
    Device.pin_factory = None


@pytest.mark.parametrize(("active", "locked"), [("high", 0), ("low", 1)])
def test_lgpio_is_preferred_and_claims_the_line_at_its_locked_level(lgpio_calls, active, locked):
    lock = turnstile(f"turnstile:gpio:17?mode=hold&active={active}")
    lock.release(Direction.ENTRY)
    driven = [call for call in lgpio_calls if call[1] != "input"]
    assert type(Device.pin_factory).__name__ == "LevelFirstFactory"
    assert driven[0] == (17, "output", locked)
    assert driven[-1] == (17, "write", 1 - locked)
    assert {call[2] for call in driven[:-1]} == {locked}, "no other level on the way"
    lock.close()


# --- libgpiod, against a fake of its requests (the real kernel is not asked)


class FakeRequest:
    """One requested line: applies settings as the kernel does, gives events as they are put."""

    def __init__(self, chip, config):
        self.chip, self.offset, self.level = chip, None, Value.INACTIVE
        self.released = False
        self.events = queue.Queue()
        self.reconfigure_lines(config)

    def reconfigure_lines(self, config):
        ((self.offset, self.settings),) = config.items()
        if self.settings.direction is LineDirection.OUTPUT:
            self.level = self.settings.output_value
        elif self.settings.bias is gpiod.line.Bias.PULL_UP:
            self.level = Value.ACTIVE
        self.chip.calls.append((self.offset, self.settings.direction, self.level))

    def get_value(self, offset):
        assert offset == self.offset
        return self.level

    def set_value(self, offset, value):
        assert self.settings.direction is LineDirection.OUTPUT
        if value is self.level:
            return
        self.level = value
        self.chip.calls.append((offset, "set", value))

    def wait_edge_events(self, timeout):
        try:
            self.event = self.events.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def read_edge_events(self):
        return [self.event]

    def release(self):
        self.released = True


class FakeChip:
    def __init__(self, path):
        self.path, self.calls, self.requests = path, [], {}

    def request_lines(self, config, consumer):
        assert consumer == "admit"
        (offset,) = config
        assert offset not in self.requests or self.requests[offset].released, "line is busy"
        self.requests[offset] = FakeRequest(self, config)
        return self.requests[offset]

    def close(self):
        self.closed = True


@pytest.fixture
def chip(monkeypatch):
    monkeypatch.setattr(pins_gpiod.gpiod, "Chip", FakeChip)
    factory = pins_gpiod.GpiodFactory("/dev/gpiochip0")
    Device.pin_factory = factory
    yield factory.chip
    factory.close()
    Device.pin_factory = None


def edge(rising):
    kind = gpiod.EdgeEvent.Type.RISING_EDGE if rising else gpiod.EdgeEvent.Type.FALLING_EDGE
    return SimpleNamespace(event_type=kind, timestamp_ns=1)


@pytest.mark.parametrize(
    ("active", "locked", "released"),
    [("high", Value.INACTIVE, Value.ACTIVE), ("low", Value.ACTIVE, Value.INACTIVE)],
)
def test_libgpiod_line_is_requested_once_at_its_locked_level(chip, active, locked, released):
    lock = turnstile(f"turnstile:gpio:17?mode=hold&active={active}")
    lock.release(Direction.ENTRY)
    lock.close()
    assert chip.calls == [
        (17, LineDirection.OUTPUT, locked),
        (17, "set", released),
        (17, "set", locked),
    ]
    assert chip.requests[17].released
    turnstile("turnstile:gpio:17")  # can be opened again


def test_libgpiod_input_has_pull_debounce_and_both_edges(chip):
    device = open_input(DriverUri.parse("input:gpio:27?pull=up&active=low&bounce=20"))
    settings = chip.requests[27].settings
    assert settings.bias is gpiod.line.Bias.PULL_UP
    assert settings.debounce_period.total_seconds() == pytest.approx(0.02)
    assert settings.edge_detection is Edge.BOTH
    device.close()
    assert chip.requests[27].released


def test_libgpiod_edges_reach_the_watcher(chip):
    device = GpioInput(27, pull="up", active_high=False, bounce=None)
    seen = queue.Queue()
    device.watch(seen.put)
    request = chip.requests[27]
    for rising in (True, False, True):  # idle is high by the pull-up
        request.events.put(edge(rising))
    assert [seen.get(timeout=5) for _ in range(2)] == [True, False]
    device.close()


def test_libgpiod_refuses_what_a_line_cannot_do(chip):
    pin = Device.pin_factory.pin(27)
    with pytest.raises(pins_gpiod.PinSetInput):
        pin.state = 1
    with pytest.raises(pins_gpiod.PinInvalidPull):
        pin.pull = "sideways"
    with pytest.raises(pins_gpiod.PinInvalidFunction):
        pin.function = "alt0"
    with pytest.raises(pins_gpiod.PinInvalidEdges):
        pin.edges = "round"
    with pytest.raises(pins_gpiod.PinInvalidBounce):
        pin.bounce = -1
    pin.function = "output"
    with pytest.raises(pins_gpiod.PinFixedPull):
        pin.pull = "up"
