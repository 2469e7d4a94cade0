"""What every turnstile driver keeps, simulated or on GPIO; on hardware the same rules hold."""

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st

from admission.direction import Direction
from drivers.errors import DeviceClosed
from drivers.registry import open_turnstile
from drivers.scheduler import FakeScheduler
from drivers.uri import DriverUri

URIS = [
    "turnstile:sim?passage=never",
    "turnstile:gpio:17?mode=hold",
    "turnstile:gpio:17?mode=hold&active=low",
    "turnstile:gpio:17,18?mode=hold",
    "turnstile:gpio:17?mode=pulse&ms=10000",
]


class Bench:
    """One driver on the bench, and a probe that tells which directions are open."""

    def __init__(self, uri):
        Device.pin_factory = self.pins = MockFactory()
        self.uri = DriverUri.parse(uri)
        self.scheduler = FakeScheduler()
        self.turnstile = open_turnstile(self.uri, self.scheduler)

    def open_ways(self):
        """Directions a person could walk; one line serves both."""
        if self.uri.driver == "sim":
            return not self.turnstile.locked
        low = self.uri.word("active", "high") == "low"
        lines = [self.pins.pin(int(line)) for line in self.uri.address.split(",")]
        return any(line.function == "output" and line.state != low for line in lines)


@pytest.fixture(params=URIS)
def bench(request):
    yield Bench(request.param)
    Device.pin_factory = None


@pytest.fixture(autouse=True)
def _own_pins():
    yield
    Device.pin_factory = None


def test_locked_when_opened(bench):
    assert not bench.open_ways()


@pytest.mark.parametrize("direction", Direction)
def test_release_opens_and_lock_locks(bench, direction):
    bench.turnstile.release(direction)
    assert bench.open_ways()
    bench.turnstile.lock()
    assert not bench.open_ways()


def test_lock_of_a_locked_one_changes_nothing(bench):
    bench.turnstile.lock()
    bench.turnstile.lock()
    assert not bench.open_ways()


def test_held_open_until_locked(bench):
    bench.turnstile.hold_open()
    bench.scheduler.advance(3600)
    assert bench.open_ways()
    bench.turnstile.lock()
    assert not bench.open_ways()


@pytest.mark.parametrize("before", ["nothing", "release", "hold_open"])
def test_locked_when_closed_and_closed_twice_is_safe(bench, before):
    if before == "release":
        bench.turnstile.release(Direction.ENTRY)
    if before == "hold_open":
        bench.turnstile.hold_open()
    bench.turnstile.close()
    bench.turnstile.close()
    bench.turnstile.lock()
    bench.scheduler.advance(60)
    assert not bench.open_ways()


def test_closed_one_refuses_to_open(bench):
    bench.turnstile.close()
    with pytest.raises(DeviceClosed):
        bench.turnstile.release(Direction.ENTRY)
    with pytest.raises(DeviceClosed):
        bench.turnstile.hold_open()


ACTIONS = st.lists(st.sampled_from(["entry", "exit", "lock", "hold_open", "wait"]), max_size=12)


@pytest.mark.parametrize("uri", URIS)
@given(actions=ACTIONS)
def test_open_only_between_a_release_and_a_lock(uri, actions):
    """In any order of calls: never open unless someone asked, always locked after `lock`."""
    bench, allowed = Bench(uri), False
    for action in actions:
        if action in ("entry", "exit"):
            bench.turnstile.release(Direction(action))
        elif action == "wait":
            bench.scheduler.advance(1)
        else:
            getattr(bench.turnstile, action)()
        allowed = allowed if action == "wait" else action != "lock"
        assert bench.open_ways() == allowed
    bench.turnstile.close()
    assert not bench.open_ways()
