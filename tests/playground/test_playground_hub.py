"""What a page is told, and what it is told again after it was away."""

import asyncio
import json
from typing import Any

import pytest

from playground.hub import KEPT, Hub


def parts(text: str) -> list[dict[str, Any]]:
    """The events of a stream: id, event, data."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append(fields | {"data": json.loads(fields["data"])})
    return found


async def told(hub: Hub, after: str | None) -> list[dict[str, Any]]:
    """What a page that connects now is told at once."""
    stream = hub.stream(after)
    found = parts(await anext(stream))
    if found[0]["data"]["resumed"] and hub_has_more(hub, after):
        found += parts(await anext(stream))
    await stream.aclose()
    return found


def hub_has_more(hub: Hub, after: str | None) -> bool:
    """Whether something happened since."""
    return int(str(after).split("-")[1]) < hub._number


def run(hub: Hub, after: str | None) -> list[dict[str, Any]]:
    return asyncio.run(told(hub, after))


def full(count: int) -> Hub:
    """A hub after so many events."""
    hub = Hub()
    for number in range(count):
        hub.publish("switch", {"number": number})
    return hub


def test_a_page_that_was_away_is_told_what_it_missed() -> None:
    hub = full(5)
    found = run(hub, f"{hub._run}-3")
    assert found[0]["data"] == {"resumed": True}
    assert [event["data"]["number"] for event in found[1:]] == [3, 4]
    assert [event["id"] for event in found[1:]] == [f"{hub._run}-4", f"{hub._run}-5"]


@pytest.mark.parametrize(
    ("case", "after"),
    [
        ("a new page", None),
        ("another run", "deadbeef-3"),
        ("nonsense", "x"),
        ("no number", "RUN-²"),
        ("endless", "RUN-" + "9" * 5000),
        ("from the future", "RUN-99"),
        ("negative", "RUN--1"),
    ],
)
def test_a_page_that_cannot_resume_is_told_so(case: str, after: str | None) -> None:
    hub = full(5)
    name = after.replace("RUN", hub._run) if after else None
    assert run(hub, name)[0]["data"] == {"resumed": False}


def test_what_fell_out_of_the_ring_is_not_passed_over_in_silence() -> None:
    hub = full(KEPT + 10)
    assert run(hub, f"{hub._run}-9")[0]["data"] == {"resumed": False}
    assert run(hub, f"{hub._run}-10")[0]["data"] == {"resumed": True}


def test_news_wakes_a_waiting_page() -> None:
    async def play() -> list[dict[str, Any]]:
        hub = Hub()
        stream = hub.stream(None)
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        hub.publish("stage", {})
        return parts(await waiting)

    assert [event["event"] for event in asyncio.run(play())] == ["stage"]


def test_every_stream_ends_with_the_playground() -> None:
    async def play() -> list[str]:
        hub = Hub()
        stream = hub.stream(None)
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream, "the end"))
        await asyncio.sleep(0)
        hub.close()
        return [await waiting]

    assert asyncio.run(play()) == ["the end"]
