"""Which switches there are, and what each really does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from playground.props import LANES
from playground.switches import Set, Switch, Switches, Value

if TYPE_CHECKING:
    from playground.stage import Stage

DELAYS = {"normal": 0.0, "slow": 0.15, "stuck": 1.5}
"""Seconds to the server and back again, each way. A gate waits for a claim 0.4 s in all."""

CLOCK_TAKES = 1.2
"""Seconds until the gate has surely looked at its clock's file, once a second."""
STARTS_WITHIN = 30.0


def switchboard(stage: Stage) -> Switches:
    """The switches of a stage."""
    return Switches([*_network(stage), *_lane(stage), *_gate(stage)])


def _network(stage: Stage) -> list[Switch]:
    async def internet(value: Value) -> None:
        stage.relay.set_cut(bool(value))

    async def server(value: Value) -> None:
        stage.relay.delay = DELAYS[str(value)]

    def delay() -> str:
        return next(name for name, delay in DELAYS.items() if delay == stage.relay.delay)

    return [
        Switch(
            "internet",
            "Cut the internet",
            "The gate goes on alone; its records pile up and arrive later.",
            "toggle",
            lambda: stage.relay.cut,
            internet,
        ),
        Switch(
            "server",
            "Slow the server",
            "No guest waits for it longer than the gate allows.",
            "choice",
            delay,
            server,
            {"normal": "quick", "slow": "slow", "stuck": "hardly answers"},
        ),
    ]


def _lane(stage: Stage) -> list[Switch]:
    async def people(value: Value) -> None:
        await stage.set_people(str(value))

    async def camera(value: Value) -> None:
        hand = stage.hands["entry"]
        await (hand.unplug() if value else hand.plug())

    return [
        Switch(
            "people",
            "People",
            "An entry counts only when somebody went through.",
            "choice",
            lambda: stage.people,
            people,
            {"walk": "walk through", "refuse": "turn back", "late": "come late"},
        ),
        Switch(
            "camera",
            "Unplug the camera",
            "Of the entry lane. The gate says so, and opens it again by itself.",
            "toggle",
            lambda: not stage.hands["entry"].plugged,
            camera,
        ),
    ]


def _gate(stage: Stage) -> list[Switch]:
    async def clock(value: Value) -> None:
        stage.props.clock.write_text(str(value), "ascii")
        await asyncio.sleep(CLOCK_TAKES)

    async def plug(_: Value) -> None:
        stage.troupe.kill_scanner()
        await stage.until(lambda: stage.observer.status is None)

    async def fire(value: Value) -> None:
        if value:
            stage.props.fire.touch()
            await stage.until(lambda: set(stage.observer.states.values()) == {"evacuation"})
        else:
            await _end_alarm(stage)

    async def restart(_: Value) -> None:
        await _start_over(stage)

    return [
        Switch(
            "clock",
            "Stop the clock",
            "What may a ticket's hours decide when the gate does not know the time?",
            "choice",
            lambda: stage.clock,
            clock,
            {
                "normal": "runs",
                "held": "no time source",
                "unknown": "never knew the time",
                "wrong": "two days ahead",
            },
        ),
        Switch(
            "plug",
            "Pull the plug",
            "The gate loses its power at once; watch it come back.",
            "press",
            lambda: None,
            plug,
        ),
        Switch(
            "fire",
            "Fire alarm",
            "Everything opens and stays open until a supervisor ends it.",
            "toggle",
            stage.props.fire.exists,
            fire,
        ),
        Switch(
            "mode",
            "Training",
            "Test tickets only; nothing is uploaded.",
            "choice",
            lambda: "training" if stage.tray.training else "normal",
            _mode(stage),
            {"normal": "at work", "training": "training"},
        ),
        Switch(
            "restart",
            "Start over",
            "Switches the whole gate off and on again, and puts every switch back.",
            "press",
            lambda: None,
            restart,
        ),
    ]


def _mode(stage: Stage) -> Set:
    async def mode(value: Value) -> None:
        for lane in LANES:
            await stage.orders.give(op="mode", lane=lane, mode=str(value))
        await stage.until(lambda: stage.tray.training == (value == "training"))

    return mode


async def _end_alarm(stage: Stage) -> None:
    """The alarm is reset at its panel, then a supervisor ends the evacuation."""
    stage.props.fire.unlink(missing_ok=True)
    mode = "training" if stage.tray.training else "normal"
    for lane in LANES:
        await stage.orders.give(op="mode", lane=lane, mode=mode)
    await stage.until(lambda: "evacuation" not in stage.observer.states.values())


async def _start_over(stage: Stage) -> None:
    stage.relay.set_cut(False)
    stage.relay.delay = DELAYS["normal"]
    stage.people = "walk"
    await stage.hands["entry"].plug()
    stage.props.clock.unlink(missing_ok=True)
    stage.props.fire.unlink(missing_ok=True)
    stage.troupe.kill_gate()
    await stage.until(lambda: stage.observer.status is None)
    for switch in stage.switches.told():
        if switch["id"] != "mode":  # the gate says itself in which it is
            stage.hub.publish("switch", {"id": switch["id"], "value": switch["value"]})
    await stage.until(lambda: stage.observer.status is not None, within=STARTS_WITHIN)
