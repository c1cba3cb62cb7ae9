"""What compositing makes of a year's scenes, by whatever source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Composite:
    """One composite of a year's scenes."""

    image: NDArray[np.uint16]
    """(band, y, x) numbers of `bands.stored_as`, at least 1: reflectance x 10,000, offset removed, and temperature in its steps.

    0 in all bands where one of them has no clear day.
    """
    clear_count: NDArray[np.uint16]
    """(y, x) solar days on which the pixel is clear; 0 where the image is."""
    observed_count: NDArray[np.uint16]
    """(y, x) solar days on which a scene has data there, cloud or not."""
