"""What a lens can see: how bright, whether there is anything to see, and how sharp its edges are.

Measured once a second on averages in space and time, in which a sensor's noise all but vanishes.
Light that leaks past a cover is smooth: only the second difference over 32 pixels counts as detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from drivers.frames import Frame
from drivers.vision import cv2

CELLS = (80, 45)
"""A cell averages 16 x 16 pixels of 720p: noise of ten levels becomes less than one."""
FINE = (640, 90)
"""The picture in which edges are measured: a cell is two pixels across, eight down."""
LATEST = 0.15
"""Share of the latest look in the averages: seven looks back counts a third."""
MOVED = 14.0
"""Grey levels by which a cell may stray from its average in a scene that stands still."""
STILL_LOOKS = 8
"""Looks without movement after which edges are measured: a ticket in a hand never gets there."""
EDGES_EVERY = 4
"""Looks between two measurements of edges: they cost more than all the rest."""
LEAST_CONTRAST = 24.0
"""Grey levels across 32 pixels without which there is no edge to be judged."""

ALIKE = 0.7
"""Correlation of two pictures of one scene: 0.89 and more at dusk or through a blur of 12 pixels,
0.2 and less between two of those drawn in benchmarks/lenses.py."""

_Grey: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sight:
    """One look. Grey levels from 0 to 255."""

    level: float
    """Mean of the picture."""
    detail: float
    """Strongest structure of a size of 32 pixels or so, averaged over seconds."""
    sharpness: float | None
    """Step over 2 pixels as a share of the step over 32, at the strongest edges: 1 is sharp. None
    where nothing stands still, or no edge is strong enough."""
    cells: _Grey
    """What is in view, coarsely: no blur and no dusk changes its pattern."""

    def shows_what(self, other: Sight) -> bool:
        """Whether both looks are at one scene. Of looks whose edges could be judged."""
        return float(np.corrcoef(self.cells.ravel(), other.cells.ravel())[0, 1]) >= ALIKE


class Eyesight:
    """Follows one camera's pictures."""

    def __init__(self) -> None:
        self._cells: _Grey | None = None
        self._fine: _Grey | None = None
        self._still = 0
        self._sharpness: float | None = None

    def look(self, frame: Frame) -> Sight:
        """Take a frame into the averages and measure them."""
        cells = _small(frame, CELLS)
        if self._cells is None or float(np.abs(cells - self._cells).max()) > MOVED:
            self._still, self._fine, self._sharpness = 0, None, None
        self._still += 1
        self._cells = _averaged(self._cells if self._still > 1 else None, cells)
        self._fine = _averaged(self._fine, _small(frame, FINE))
        if self._still >= STILL_LOOKS and self._still % EDGES_EVERY == 0:
            self._sharpness = _sharpness(self._fine)
        return Sight(float(cells.mean()), _detail(self._cells), self._sharpness, self._cells)


def _small(frame: Frame, size: tuple[int, int]) -> _Grey:
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _averaged(average: _Grey | None, latest: _Grey) -> _Grey:
    if average is None:
        return latest
    return np.asarray(average + np.float32(LATEST) * (latest - average), dtype=np.float32)


def _detail(cells: _Grey) -> float:
    across = cells[:, :-4] - 2 * cells[:, 2:-2] + cells[:, 4:]
    down = cells[:-4] - 2 * cells[2:-2] + cells[4:]
    strongest = np.concatenate((np.abs(across).ravel(), np.abs(down).ravel()))
    return float(np.percentile(strongest, 99.9))


def _sharpness(fine: _Grey) -> float | None:
    wide = np.abs(fine[:, 16:] - fine[:, :-16])
    contrast = float(np.percentile(wide, 99.5))
    if contrast < LEAST_CONTRAST:
        return None
    step = np.abs(fine[:, 1:] - fine[:, :-1])
    return float(np.percentile(step, 99.9)) / contrast
