"""Exact counts of digital numbers by band, summed over patches that come in bounded batches, and what follows from them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

DN_VALUES = 1 << 16  # of uint16


def dn_histograms(batches: Iterable[NDArray[np.uint16]], bands: int) -> NDArray[np.int64]:
    """Pixels of each digital number: batches of images (n, band, y, x) uint16 -> (band, DN_VALUES) int64, nodata included.

    Counts are whole numbers, so neither the order nor the size of batches changes them. ValueError for images of another
    type or number of bands.
    """
    counts = np.zeros((bands, DN_VALUES), np.int64)
    for images in batches:
        if images.dtype != np.uint16 or images.ndim != 4 or images.shape[1] != bands:  # noqa: PLR2004 - sample, band, y, x
            raise ValueError(
                f"Images of {images.dtype} {images.shape} are not uint16 (n, {bands}, y, x). Read them from a store."
            )
        for band in range(bands):
            counts[band] += np.bincount(images[:, band].ravel(), minlength=DN_VALUES)
    return counts


def dn_moments(counts: NDArray[np.int64], nodata: int) -> tuple[float, float]:
    """(mean, standard deviation) of the digital numbers of one band that are not nodata, from their counts (DN_VALUES,).

    Summed in integers of any size, so that both are correctly rounded. NaN where there is only nodata.
    """
    valid = counts.copy()
    valid[nodata] = 0
    count = int(valid.sum())
    if not count:
        return float("nan"), float("nan")
    numbers = np.flatnonzero(valid).tolist()
    total = sum(number * times for number, times in zip(numbers, valid[numbers].tolist(), strict=True))
    squares = sum(number * number * times for number, times in zip(numbers, valid[numbers].tolist(), strict=True))
    return total / count, ((count * squares - total**2) / count**2) ** 0.5
