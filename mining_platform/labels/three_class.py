"""Labels of three classes, cloud, mining and background, as the authors of the site dataset make them."""

import numpy as np
from numpy.typing import NDArray

from mining_platform.labels.palette_pngs import SITE_BACKGROUND, SITE_CLOUD, SITE_MINING
from mining_platform.labels.recipes import NDVI_MAX, NO_LABEL


def three_class(
    mining_mask: NDArray[np.bool_],
    ndvi: NDArray[np.floating],
    cloud: NDArray[np.bool_],
    *,
    observed: NDArray[np.bool_] | None = None,
    ndvi_max: float = NDVI_MAX,
) -> NDArray[np.uint8]:
    """Label of pixels, arrays of one shape: 1 cloud, else 2 mining, else 0 background.

    Mining is what lies in `mining_mask` and has no NDVI greater than `ndvi_max`; an NDVI of NaN, of a zero denominator, is no
    vegetation. Where `observed` is given and false, nothing was seen: 255, no class.
    """
    vegetated = ndvi > ndvi_max  # false for NaN
    label = np.where(mining_mask & ~vegetated, SITE_MINING, SITE_BACKGROUND).astype(np.uint8)
    label[cloud] = SITE_CLOUD
    if observed is not None:
        label[~observed] = NO_LABEL
    return label
