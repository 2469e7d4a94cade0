"""What the stage hears of the server and the gate: nothing twice, nothing missed, never deaf."""

import asyncio
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from central.event import Central
from playground.ears import Ear, arrivals
from tickets.errors import GateError


class Here(SimpleNamespace):
    """A server's database that holds the records it was given; and an ear."""

    def __init__(self) -> None:
        super().__init__(database=self, seqs=set(), told=[])

    @contextmanager
    def reading(self) -> Any:
        yield self

    def execute(self, query: Any) -> Any:
        after = query.whereclause.right.value
        return SimpleNamespace(scalars=lambda: sorted(seq for seq in self.seqs if seq > after))

    def tell(self, _: object, seq: int) -> None:
        self.told.append(seq)

    def pause(self, _: float) -> None:
        """No time passes."""


def test_a_record_that_others_overtook_is_heard_when_it_comes() -> None:
    """An admitted scan waits for its outcome, and goes up after what was written later."""
    here = Here()
    listen = arrivals(cast(Central, here), lambda _: None)
    for come in ({1, 2}, {4, 5}, set[int](), {3}, {6}):
        here.seqs |= come
        listen(cast(Ear, here))
    assert here.told == [1, 2, 4, 5, 3, 6]


def test_an_ear_listens_on_after_a_named_error() -> None:
    """Such as of a journal that cannot be read just now."""
    calls: list[int] = []

    def listen(ear: Ear) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise GateError("the journal cannot be read", "Look at its disk")
        ear.stop()

    loop = asyncio.new_event_loop()
    ear = Ear(loop, listen)
    ear.pause = lambda seconds: False  # type: ignore[method-assign]
    ear.run()
    loop.close()
    assert len(calls) == 2
