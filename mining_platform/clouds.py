"""Clear pixels of a Sentinel-2 L2A scene by its scene classification layer (SCL).

Codes: Sentinel-2 L2A Algorithm Theoretical Basis Document. Sizes of opening and dilation are those usual with
Open Data Cube (`odc.algo.mask_cleanup`, 2 and 5 pixels of 20 m).
"""

import math

import numpy as np
from affine import Affine
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

SCL_GSD_M = 20
CLOUD_CODES = (3, 8, 9, 10)  # cloud shadow, cloud of medium and of high probability, thin cirrus
NEVER_CLEAR_CODES = (0, 1)  # no data, saturated or defective
OPENING_PX = 2
DILATION_PX = 5
MARGIN_PX = 2 * OPENING_PX + DILATION_PX
"""How far a pixel can influence the mask around it: read that much more to mask a part of a scene as the whole."""


def clear_mask(scl: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Clear pixels: (y, x) SCL codes at 20 m -> (y, x) bool.

    Cloud and shadow are opened by a disc of 2 px, which drops specks: bright bare soil, which is what a mine looks
    like, is often taken for cloud in specks of a few pixels, and those stay clear. What remains is grown by a disc of
    5 px, because the rim of a cloud is thinner than its code says. Pixels without data or defective are never clear,
    and do not grow.
    """
    cloud = np.isin(scl, CLOUD_CODES)
    return ~(dilate(opened(cloud, OPENING_PX), DILATION_PX) | np.isin(scl, NEVER_CLEAR_CODES))


def opened(mask: NDArray[np.bool_], radius_px: int) -> NDArray[np.bool_]:
    """Morphological opening by a disc: (y, x) bool; the outside counts as part of the mask while eroding."""
    return dilate(~dilate(~mask, radius_px), radius_px)


def masking_geobox(geobox: GeoBox) -> GeoBox:
    """The 20 m grid on which a 10 m grid is masked: on multiples of 20 m, as SCL is, and MARGIN_PX wider on each side."""
    box, margin_m = geobox.boundingbox, MARGIN_PX * SCL_GSD_M
    left, bottom = (math.floor(edge / SCL_GSD_M) * SCL_GSD_M - margin_m for edge in (box.left, box.bottom))
    right, top = (math.ceil(edge / SCL_GSD_M) * SCL_GSD_M + margin_m for edge in (box.right, box.top))
    shape = (round((top - bottom) / SCL_GSD_M), round((right - left) / SCL_GSD_M))
    return GeoBox(shape, Affine(SCL_GSD_M, 0, left, 0, -SCL_GSD_M, top), geobox.crs)


def clear_on(geobox: GeoBox, scl: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Clear pixels of a 10 m grid, (y, x) bool, from the SCL codes on its `masking_geobox`."""
    height, width = geobox.shape
    coarse, fine = masking_geobox(geobox).affine, geobox.affine
    rows = ((fine.f - coarse.f + (np.arange(height) + 0.5) * fine.e) / coarse.e).astype(np.int64)
    columns = ((fine.c - coarse.c + (np.arange(width) + 0.5) * fine.a) / coarse.a).astype(np.int64)
    return clear_mask(scl)[np.ix_(rows, columns)]


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
