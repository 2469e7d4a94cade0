"""The image type that cameras hand to decoders."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8]
"""Grey image, shape (height, width), uint8, row 0 at the top."""
