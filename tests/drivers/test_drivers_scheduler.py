"""Doing something later: in order, once, and never silently not."""

import queue
import threading

from drivers.scheduler import FakeScheduler, ThreadScheduler


def test_calls_are_made_in_order_of_time_and_at_their_time():
    scheduler, made = FakeScheduler(now=0), []
    scheduler.call_later(2, lambda: made.append(("b", scheduler.now())))
    scheduler.call_later(1, lambda: made.append(("a", scheduler.now())))
    scheduler.call_later(2, lambda: made.append(("c", scheduler.now())))
    scheduler.advance(5)
    assert made == [("a", 1), ("b", 2), ("c", 2)]
    assert scheduler.now() == 5


def test_call_asked_for_by_a_call_is_made_within_the_same_advance():
    scheduler, made = FakeScheduler(now=0), []
    scheduler.call_later(1, lambda: scheduler.call_later(1, lambda: made.append(scheduler.now())))
    scheduler.advance(2)
    assert made == [2]


def test_cancelled_call_is_not_made():
    scheduler, made = FakeScheduler(), []
    scheduler.call_later(1, lambda: made.append(1)).cancel()
    scheduler.advance(5)
    assert made == []


def test_thread_makes_calls_in_order_of_time():
    scheduler, made = ThreadScheduler(), queue.Queue()
    scheduler.call_later(0.05, lambda: made.put("later"))
    scheduler.call_later(0.02, lambda: made.put("cancelled")).cancel()
    scheduler.call_later(0.0, lambda: made.put("sooner"))
    assert [made.get(timeout=10), made.get(timeout=10)] == ["sooner", "later"]
    scheduler.close()
    scheduler.close()


def test_closed_thread_makes_no_further_call():
    scheduler, made = ThreadScheduler(), []
    scheduler.close()
    scheduler.call_later(0.0, lambda: made.append(1))
    scheduler._thread.join(timeout=10)
    assert made == []


def test_error_in_a_call_is_handed_on():
    caught, seen = threading.Event(), []

    def on_error(error):
        seen.append(error)
        caught.set()

    scheduler = ThreadScheduler(on_error)
    scheduler.call_later(0.0, lambda: 1 / 0)
    assert caught.wait(timeout=10)
    assert isinstance(seen[0], ZeroDivisionError)
    scheduler.close()
