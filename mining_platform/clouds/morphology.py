"""Dilation and opening of masks by a disc."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def opened(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """Morphological opening by a disc: (y, x) bool; the outside counts as part of the mask while eroding."""
    return dilate(~dilate(~mask, radius_px), radius_px)


@njit(cache=True, nogil=True)
def dilate(mask, radius_px):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Morphological dilation by the disc dy^2 + dx^2 <= radius_px^2: (y, x) bool.

    Only rim pixels are stamped: the disc of a pixel whose eight neighbours are all set lies within its neighbours'.
    """
    height, width = mask.shape
    out = mask.copy()
    for y in range(height):
        for x in range(width):
            if not mask[y, x] or mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].all():
                continue
            for dy in range(-min(radius_px, y), min(radius_px, height - 1 - y) + 1):
                for dx in range(-min(radius_px, x), min(radius_px, width - 1 - x) + 1):
                    if dy * dy + dx * dx <= radius_px * radius_px:
                        out[y + dy, x + dx] = True
    return out
