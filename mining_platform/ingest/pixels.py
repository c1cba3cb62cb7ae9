"""Pixels of a multi-band raster that somebody has -> digital numbers as the platform keeps them."""

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from mining_platform import bands

LEAST_REFLECTANCE = -0.2
"""Atmospheric correction gives values a little below 0; much lower ones are an undeclared nodata such as -9999."""
MOST_DN = 65_535
_STRIP_ROWS = 1_024


class IngestError(ValueError):
    """A raster cannot be taken in; the message says what is wrong with it and how to mend it."""


def band_numbers(source: rasterio.DatasetReader, number: int, band_id: str) -> NDArray[np.uint16]:
    """One band (from 1) as digital numbers: (y, x) uint16, 0 where it has no data, else at least 1.

    Floats are reflectance, times 10,000 and rounded half up; uint16 are digital numbers already. IngestError for other
    types, for values that cannot be reflectance, and for a band without any data.
    """
    kind = np.dtype(source.dtypes[number - 1])
    if kind.kind != "f" and kind != np.uint16:
        remedy = "Give reflectance as floats from 0 to 1, or digital numbers as uint16."
        raise IngestError(f"{band_id} holds {kind}, which may mean anything. {remedy}")
    numbers = np.zeros(source.shape, np.uint16)
    for row in range(0, source.height, _STRIP_ROWS):
        window = Window(0, row, source.width, min(_STRIP_ROWS, source.height - row))
        try:
            values, valid = source.read(number, window=window), source.read_masks(number, window=window) != 0
        except RasterioError as error:
            raise IngestError(f"{band_id} cannot be read ({error}). Fetch or export the raster anew.") from None
        numbers[row : row + values.shape[0]] = _numbers(values, valid, band_id)
    if not numbers.any():
        raise IngestError(f"{band_id} has no pixel with data. Leave the raster out, or mend its nodata value.")
    return numbers


def _numbers(values: NDArray[np.generic], valid: NDArray[np.bool_], band_id: str) -> NDArray[np.uint16]:
    if values.dtype == np.uint16:
        return np.where(valid, values, 0).astype(np.uint16)
    reflectance = values.astype(np.float64)
    valid = valid & np.isfinite(reflectance) & (reflectance != 0)
    reflectance = np.where(valid, reflectance, 0)
    least, numbers = reflectance.min(), np.floor(reflectance * round(1 / bands.S2_SCALE) + 0.5)
    if numbers.max() > MOST_DN:
        remedy = "Divide digital numbers by 10,000, or store them as uint16."
        raise IngestError(f"{band_id} holds {reflectance.max():g} where reflectance is 0 to 1. {remedy}")
    if least < LEAST_REFLECTANCE:
        raise IngestError(f"{band_id} holds {least:g}, which is no reflectance. Declare it as the raster's nodata value.")
    return np.where(valid, np.maximum(numbers, 1), 0).astype(np.uint16)
