"""Judges what a camera delivers: nothing, the same for ever, black, an even grey, a blur.

A quiet lane, a dark hall or a guest who holds a dim screen too close is no fault: the limits stand
between what such scenes and what covered lenses measure (docs/readers.md, "What a lens sees").
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import numpy as np

from drivers.decoders import Symbol
from drivers.eyesight import Eyesight, Sight
from drivers.frames import Frame

START_WITHIN = 6.0
"""Seconds a camera may take for its first frame: rpicam-vid sets up its sensor in two or three."""
SILENT_AFTER = 2.0
"""Seconds without a frame until the camera counts as silent."""
HUNG_AFTER = 15.0
"""Seconds without a frame until the child gives up, to be started anew: longer than any reopening
a driver does by itself."""
FROZEN_AFTER = 10.0
"""Seconds of the very same frame from a sensor, whose noise never repeats."""
BLACK_AFTER = 10.0
"""Seconds of nothing but black."""
COVERED_AFTER = 30.0
"""Seconds of nothing but an even grey: longer than a guest keeps a telephone on the lens."""
BLURRED_AFTER = 30.0
"""Seconds for which a scene that stands still must have lost its edges."""
LOOK_EVERY = 1.0
"""Seconds between two looks at how the picture is; each costs about as much as a plain decoding."""
NOTHING = 3.0
"""Detail below which nothing is in view: covered lenses stay below 2, a door frame in a dark hall
above 4."""
BLACK = 12.0
"""Mean grey level of a picture without detail below which it is black."""
SHARP = 0.4
"""Sharpness a still scene must have had before a loss of it is believed: what lies behind the focus
of a near lens is never sharp."""
BLURRED, CLEAR_AGAIN = 0.4, 0.6
"""Share of its best sharpness below which a scene is blurred, and above which it no longer is."""
HARD_CODES = 10
"""Different codes in a row that could only be read sharpened."""
SHARPENING = "refocus"
STEP = 24
"""Every how many pixels a frame is sampled before it is compared as a whole."""


class PictureState(StrEnum):
    """What a heartbeat says of the picture."""

    STARTING = "starting"
    OK = "ok"
    NO_PICTURE = "no_picture"
    FROZEN = "frozen"
    BLACK = "black"
    COVERED = "covered"
    BLURRED = "blurred"


class PictureWatch:
    """Follows the frames of one camera. ``now`` in seconds, monotonic.

    ``plain``: nothing but an even ground is in view when nobody is there, so that a covered lens
    cannot be told.
    """

    def __init__(self, now: float, plain: bool = False) -> None:
        self._plain = plain
        self._last = self._changed = self._seen = self._sharp = now
        self._looked = -np.inf
        self._frame: Frame | None = None
        self._sample = b""
        self._eyes = Eyesight()
        self._level = 255.0
        self._best: Sight | None = None
        self._blurred = False
        self._hard: set[int] = set()

    def saw(self, frame: Frame, now: float) -> None:
        """Take note of a frame."""
        if self.age(now) > SILENT_AFTER:  # it was away: nothing is known of the picture since
            self._seen = self._sharp = now
        if not self._repeats(frame):
            self._changed = now
        self._frame, self._last = frame, now
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._judge(self._eyes.look(frame), now)

    def read(self, symbols: Iterable[Symbol], now: float) -> None:
        """Take note of codes that were read: whatever the picture is like, it served."""
        for symbol in symbols:
            self._seen = now
            if symbol.by != SHARPENING:
                self._hard.clear()
            elif len(self._hard) < HARD_CODES:
                self._hard.add(hash(symbol.payload))

    def age(self, now: float) -> float:
        """Seconds since the last frame, or since the start."""
        return now - self._last

    def state(self, now: float, live: bool) -> PictureState:
        """Say how the picture is; ``live`` for a sensor: files are as their maker wants them."""
        if self.age(now) > (SILENT_AFTER if self._frame is not None else START_WITHIN):
            return PictureState.NO_PICTURE
        if self._frame is None:
            return PictureState.STARTING
        return self._looks(now) if live else PictureState.OK

    def _looks(self, now: float) -> PictureState:
        dark, unseen = self._level < BLACK, now - self._seen
        if not self._plain and dark and unseen > BLACK_AFTER:
            return PictureState.BLACK  # before frozen: black has no noise that could differ
        if now - self._changed > FROZEN_AFTER:
            return PictureState.FROZEN
        if not self._plain and unseen > COVERED_AFTER:
            return PictureState.COVERED
        if self._blurred or len(self._hard) >= HARD_CODES:
            return PictureState.BLURRED
        return PictureState.OK

    def _repeats(self, frame: Frame) -> bool:
        """Whether it is the last frame to the pixel; most differ in the sample already."""
        sample, before = frame[::STEP, ::STEP].tobytes(), self._sample
        self._sample = sample
        return sample == before and self._frame is not None and np.array_equal(frame, self._frame)

    def _judge(self, sight: Sight, now: float) -> None:
        self._level = sight.level
        if sight.detail >= NOTHING:
            self._seen = now
        if sight.sharpness is None:
            self._sharp = self._sharp if self._blurred else now  # nothing to go by
            return
        best = self._best_of(sight)
        limit = CLEAR_AGAIN if self._blurred else BLURRED
        if best is None:
            self._sharp = self._sharp if self._blurred else now  # never seen sharp
        elif sight.sharpness >= limit * best:
            self._sharp = now
        self._blurred = now - self._sharp > BLURRED_AFTER

    def _best_of(self, sight: Sight) -> float | None:
        """The best sharpness of this very scene: whatever stood before it says nothing of it."""
        known = self._best if self._best is not None and sight.shows_what(self._best) else None
        best = known.sharpness if known is not None else None
        if (sight.sharpness or 0.0) >= max(SHARP, best or 0.0):
            self._best, best = sight, sight.sharpness
        return best
