"""The live events: numbered, kept for late comers, whole."""

from admission.clock import FakeClock
from scanner.events import KEPT, EventLog


def log() -> tuple[EventLog, list[int]]:
    """A log, and a list that grows with each wake."""
    wakes: list[int] = []
    return EventLog(FakeClock(), "run-1", lambda: wakes.append(1)), wakes


def test_events_are_numbered_and_wake_their_readers() -> None:
    """From 1, one wake each."""
    events, wakes = log()
    for state in ("locked", "released"):
        events.publish("state", lane="entry", state=state)
    assert [event["seq"] for event in events.after(0)] == [1, 2]
    assert [event["state"] for event in events.after(1)] == ["released"]
    assert len(wakes) == 2


def test_a_verdict_always_says_presentation_reason_and_claim() -> None:
    """Null where there is none; other facts that are not known are left out."""
    events, _ = log()
    events.publish("verdict", lane="entry", verdict="admitted", presentation="ab", detail=None)
    (event,) = events.after(0)
    assert (event["presentation"], event["reason"], event["claim"]) == ("ab", None, None)
    assert "detail" not in event


def test_only_the_last_thousand_are_kept() -> None:
    """Who comes later than that asks for the status."""
    events, _ = log()
    for _ in range(KEPT + 10):
        events.publish("beat")
    assert events.after(0, limit=1)[0]["seq"] == 11
    assert events.after(KEPT + 10) == []
