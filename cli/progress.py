"""How far a long piece of work is, on standard error: a line that renews itself on a terminal,
else a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WORDS = {"rows": "rows read", "list": "rows signed into the list"}
EVERY_ROWS = 100_000
"""Between two lines where nobody looks at a terminal."""


@contextmanager
def shown_progress(
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[str, int], None]]:
    """Yield a function to be told what is done and how many rows of it are."""
    shown = _Shown(monotonic)
    try:
        yield shown.tell
    finally:
        shown.end()


class _Shown:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = self._last = monotonic()
        self._terminal = sys.stderr.isatty()
        self._next = EVERY_ROWS
        self._open = False

    def tell(self, what: str, rows: int) -> None:
        now = self._monotonic()
        text = f"{rows:,} {WORDS[what]}, {now - self._began:.0f} s"
        if self._terminal:
            if now - self._last > 0.2:
                self._last, self._open = now, True
                print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)
        elif rows >= self._next and what == "rows":
            self._next += EVERY_ROWS
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._open:
            print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)
