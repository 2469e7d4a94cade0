"""Whether a camera still shows what it showed."""

from __future__ import annotations

import numpy as np

from drivers.frames import Frame
from drivers.vision import cv2


class Scene:
    """Tells whether frames still show what the first of them showed, by a 160 x 90 thumbnail."""

    STEP = 20  # grey levels; sensor noise and flicker stay below
    SHARE = 0.005  # of the thumbnail; a ticket that enters the view changes three per cent

    def __init__(self) -> None:
        self._reference: Frame | None = None

    def changed(self, image: Frame) -> bool:
        """Whether ``image`` differs from the reference; it then becomes the reference."""
        small = cv2.resize(image, (160, 90), interpolation=cv2.INTER_LINEAR)
        thumbnail = np.asarray(small, dtype=np.uint8)
        if self._reference is not None:
            difference = cv2.absdiff(thumbnail, self._reference)
            if np.count_nonzero(difference > self.STEP) <= self.SHARE * thumbnail.size:
                return False
        self._reference = thumbnail
        return True
