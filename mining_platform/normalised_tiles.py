"""Tiles of digital numbers as the network sees them, in one pass and with channels last, as its convolutions want them."""

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining_platform.bands import S2_NODATA
from mining_platform.models.classifier import Normalisation, straight_lines

if TYPE_CHECKING:
    from torch import Tensor


def normalised_tile(tile: NDArray[np.uint16], normalisation: Normalisation) -> "Tensor":
    """(band, y, x) uint16 DN -> (1, band, y, x) float32, channels last; the numbers of `classifier.normalised`, bit by bit."""
    import torch

    gain, shift = straight_lines(normalisation)
    out = np.empty((1, *tile.shape[1:], len(tile)), np.float32)
    _fill(tile, gain, shift, out[0])
    return torch.from_numpy(out).permute(0, 3, 1, 2)  # with strides by which convolutions know that channels are last


@njit(cache=True, nogil=True)
def _fill(tile, gain, shift, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - compiled for its arguments
    """Product and sum are rounded one after the other, as numpy rounds them."""
    bands, height, width = tile.shape
    for y in range(height):
        for x in range(width):
            for band in range(bands):
                number = tile[band, y, x]
                product = np.float32(np.float32(number) * gain[band])
                out[y, x, band] = product + shift[band] if number != S2_NODATA else np.float32(0)
