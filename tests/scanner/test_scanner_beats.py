"""The watchdog is fed as long as every thread lives."""

from scanner.beats import PATIENCE, Beats


class Time:
    """Monotonic seconds, moved by hand."""

    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_thread_that_hangs_is_named() -> None:
    """The others go on: one alone is enough to have the gate started anew."""
    time = Time()
    beats = Beats(now=time)
    assert beats.silent() == []
    for _ in range(100):
        time.at += 1.0
        for name in PATIENCE.keys() - {"readers"}:
            beats.beat(name)
    assert beats.silent() == ["readers"]
    beats.beat("readers")
    assert beats.silent() == []


def test_those_that_wait_for_the_card_have_longer() -> None:
    """A slow card must not kill a gate whose lanes work."""
    time = Time()
    beats = Beats(now=time)
    time.at += 20.0
    assert set(beats.silent()) == {"sockets", "readers"}
