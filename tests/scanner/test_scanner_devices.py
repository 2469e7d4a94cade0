"""A lane's devices: one that cannot be opened is a fault of the lane, never its end."""

from typing import Any

import pytest

from admission.direction import Direction
from admission.errors import GateError
from config.models import LaneConfig
from drivers.person import Person
from drivers.protocols import Signal
from drivers.scheduler import FakeScheduler
from drivers.sim import SimulatedInput, SimulatedTurnstile
from scanner.devices import (
    MissingTurnstile,
    has_passage_sensor,
    open_lane_lights,
    open_lane_turnstile,
    watch_inputs,
)
from scanner.messages import DeviceFault, Message, Sensor

NOWHERE = "turnstile:gpio:17"
"""A line of a chip that this machine does not have."""


def lane(**changes: Any) -> LaneConfig:
    """A lane of simulated devices."""
    given = {
        "name": "entry-1",
        "direction": "entry",
        "check_in_list": "main",
        "readers": ["camera:files:/tmp/none"],
        "turnstile": "turnstile:sim",
    }
    return LaneConfig.model_validate(given | changes)


def test_a_turnstile_reports_its_sensors_to_the_lane() -> None:
    """A passage in the simulated arm arrives as a message."""
    heard: list[Message] = []
    turnstile = open_lane_turnstile(lane(), FakeScheduler(), heard.append)
    assert isinstance(turnstile, SimulatedTurnstile)
    turnstile.force()
    assert heard == [Sensor(Signal.PASSAGE_IN, True)]


def test_a_turnstile_that_cannot_be_opened_blocks_the_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stand-in moves nothing, says why, and closes safely."""
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "no-such-factory")
    heard: list[Message] = []
    turnstile = open_lane_turnstile(lane(turnstile=NOWHERE), FakeScheduler(), heard.append)
    (fault,) = heard
    assert isinstance(fault, DeviceFault)
    assert fault.blocks
    for call in (lambda: turnstile.release(Direction.ENTRY), turnstile.hold_open, turnstile.lock):
        with pytest.raises(GateError):
            call()
    turnstile.close()


def test_a_turnstile_that_appears_later_is_found() -> None:
    """Locking is how the lane asks; from then on it works, sensors and all."""
    there: list[SimulatedTurnstile] = []

    def open_it() -> SimulatedTurnstile:
        if not there:
            raise GateError("no answer", "Check its cable")
        return there[0]

    turnstile = MissingTurnstile(open_it, GateError("no answer", "Check its cable"))
    with pytest.raises(GateError):
        turnstile.lock()
    there.append(SimulatedTurnstile(FakeScheduler(), Person.parse("never")))
    turnstile.lock()
    turnstile.release(Direction.ENTRY)
    assert not there[0].locked
    turnstile.close()
    assert there[0].locked


def test_lights_that_cannot_be_opened_do_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dark lane still admits."""
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "no-such-factory")
    heard: list[Message] = []
    lights = open_lane_lights(lane(lights="lights:gpio:green=5,red=6"), heard.append)
    assert lights is None
    (fault,) = heard
    assert isinstance(fault, DeviceFault)
    assert not fault.blocks


def test_a_lane_may_have_no_lights() -> None:
    """That is no fault."""
    heard: list[Message] = []
    assert open_lane_lights(lane(), heard.append) is None
    assert heard == []


def test_contacts_speak_by_their_meaning() -> None:
    """Each configured contact becomes its signal."""
    heard: list[Message] = []
    opened = watch_inputs(lane(passage_in="input:sim", fault="input:sim"), heard.append)
    for contact in opened:
        assert isinstance(contact, SimulatedInput)
        contact.set(True)
    assert heard == [Sensor(Signal.PASSAGE_IN, True), Sensor(Signal.FAULT, True)]


@pytest.mark.parametrize(
    ("changes", "fitted"),
    [
        ({}, True),
        ({"turnstile": NOWHERE}, False),
        ({"turnstile": NOWHERE, "passage_in": "input:gpio:27"}, True),
        ({"turnstile": NOWHERE, "passage_out": "input:gpio:27"}, False),
        ({"turnstile": NOWHERE, "direction": "exit", "passage_out": "input:gpio:27"}, True),
    ],
)
def test_a_lane_without_its_passage_sensor_counts_on_release(
    changes: dict[str, str], fitted: bool
) -> None:
    """A simulated turnstile sees for itself; a real one needs the contact of its direction."""
    assert has_passage_sensor(lane(**changes)) is fitted
