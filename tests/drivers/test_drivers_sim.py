"""The simulated turnstile and its person: what the sensors say, in order, and when."""

import pytest

from admission.direction import Direction
from drivers.errors import DeviceClosed, UriError
from drivers.person import Habit, Person
from drivers.protocols import Lamp, Signal
from drivers.registry import open_input, open_lights, open_turnstile
from drivers.scheduler import FakeScheduler
from drivers.uri import DriverUri

IN, OUT, HOME = Signal.PASSAGE_IN, Signal.PASSAGE_OUT, Signal.HOME


class Stage:
    """A turnstile with its sensors written down as (seconds since the start, signal, active)."""

    def __init__(self, options):
        self.scheduler = FakeScheduler()
        self.start = self.scheduler.now()
        self.turnstile = open_turnstile(DriverUri.parse(f"turnstile:sim?{options}"), self.scheduler)
        self.seen = []
        self.turnstile.watch(lambda signal, active: self.seen.append((self.now, signal, active)))

    @property
    def now(self):
        return round(self.scheduler.now() - self.start, 3)

    def wait(self, seconds):
        self.scheduler.advance(seconds)


def test_person_walks_through_and_the_arm_turns_home():
    stage = Stage("passage=0.4&home=0.3")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(5)
    assert stage.seen == [(0.4, IN, True), (0.6, IN, False), (0.9, HOME, True)]
    assert stage.turnstile.locked


def test_exit_is_seen_by_the_other_sensor():
    stage = Stage("passage=0.4")
    stage.turnstile.release(Direction.EXIT)
    stage.wait(5)
    assert [signal for _, signal, _ in stage.seen] == [OUT, OUT, HOME]


def test_one_release_lets_one_person_through():
    stage = Stage("passage=0.4")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(1)
    assert not stage.turnstile.walk(Direction.ENTRY)


def test_person_who_never_comes_leaves_the_arm_to_turn_home():
    stage = Stage("passage=never&home=0.3")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(5)
    assert stage.seen == []
    stage.turnstile.lock()
    stage.wait(5)
    assert stage.seen == [(5.3, HOME, True)]


def test_person_locked_out_in_time_does_not_pass():
    stage = Stage("passage=6")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(5)
    stage.turnstile.lock()
    stage.wait(30)
    assert IN not in [signal for _, signal, _ in stage.seen]


def test_late_person_passes_after_the_lock_and_before_home():
    """The arm had begun to turn: the passage comes within the settle time."""
    stage = Stage("passage=late&after=0.5&home=0.3")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(5)
    stage.turnstile.lock()
    stage.wait(5)
    assert stage.seen == [(5.5, IN, True), (5.7, IN, False), (6.0, HOME, True)]


def test_forced_person_passes_without_a_release():
    stage = Stage("passage=forced&after=3")
    stage.wait(2.9)
    assert stage.seen == []
    stage.wait(0.1)
    assert stage.seen == [(3.0, IN, True)]
    assert not any("release" in action for _, action in stage.turnstile.log)
    stage.wait(60)
    assert [signal for _, signal, _ in stage.seen] == [IN, IN, HOME]


def test_forcing_at_a_call():
    stage = Stage("passage=never")
    stage.turnstile.force(Direction.EXIT)
    assert stage.seen == [(0.0, OUT, True)]


def test_stuck_person_keeps_the_sensor_active_until_replaced():
    stage = Stage("passage=stuck")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(60)
    assert stage.seen == [(0.4, IN, True)]
    stage.turnstile.person = Person(Habit.NEVER)
    stage.wait(5)
    assert stage.seen[1:] == [(60.0, IN, False), (60.3, HOME, True)]


def test_person_can_be_changed_while_it_runs():
    stage = Stage("passage=never")
    stage.turnstile.person = Person.parse("0.1")
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(0.1)
    assert stage.seen == [(0.1, IN, True)]


def test_free_flow_lets_everyone_walk():
    stage = Stage("passage=never")
    assert not stage.turnstile.walk(Direction.ENTRY)
    stage.turnstile.hold_open()
    for _ in range(3):
        assert stage.turnstile.walk(Direction.ENTRY)
        stage.wait(1)
    assert [entry for entry in stage.seen if entry[2]] == [
        (0.0, IN, True),
        (1.0, IN, True),
        (2.0, IN, True),
    ]


def test_second_watcher_hears_the_same():
    stage, other = Stage("passage=0.4"), []
    stage.turnstile.watch(lambda signal, active: other.append((stage.now, signal, active)))
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(5)
    assert other == stage.seen


def test_log_holds_what_was_done_with_its_time():
    stage = Stage("passage=0.4")
    stage.wait(1)
    stage.turnstile.release(Direction.ENTRY)
    stage.wait(1)
    stage.turnstile.lock()
    stage.turnstile.close()
    log = [(round(at - stage.start, 3), action) for at, action in stage.turnstile.log]
    assert log == [
        (0.0, "open"),
        (1.0, "release entry"),
        (1.4, "passage_in"),
        (2.0, "lock"),
        (2.0, "close"),
    ]


def test_closed_turnstile_is_silent():
    stage = Stage("passage=0.4")
    stage.turnstile.release(Direction.ENTRY)
    stage.turnstile.close()
    stage.wait(5)
    assert stage.seen == []


def test_own_fault_line_is_passed_on_once_a_change():
    stage = Stage("passage=never")
    for active in (True, True, False):
        stage.turnstile.fault(active)
    assert stage.seen == [(0.0, Signal.FAULT, True), (0.0, Signal.FAULT, False)]


@pytest.mark.parametrize("text", ["", "perhaps", "-1", "61", "nan", "walks"])
def test_no_such_person(text):
    with pytest.raises(UriError):
        Person.parse(text)


def test_simulated_lights_remember_and_refuse_after_close():
    lights = open_lights(DriverUri.parse("lights:sim"))
    lights.show(Lamp.GREEN)
    lights.close()
    lights.close()
    assert lights.log == [Lamp.OFF, Lamp.GREEN, Lamp.OFF]
    with pytest.raises(DeviceClosed):
        lights.show(Lamp.RED)


def test_simulated_input_tells_changes_only():
    device, seen = open_input(DriverUri.parse("input:sim")), []
    device.watch(seen.append)
    for active in (True, True, False):
        device.set(active)
    device.close()
    device.set(True)
    assert seen == [True, False]
