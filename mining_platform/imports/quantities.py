"""From the numbers in other people's files to the uint16 numbers of a patch store, and what is lost by rounding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.found import LEFT_OUT, Pixels
from mining_platform.ingest.pixels import LEAST_REFLECTANCE, MOST_DN

MOST_REFLECTANCE = 2.0
"""Values up to here are reflectance: bright clouds and snow exceed 1, and digital numbers of land are hundreds."""
MOST_TYPICAL_DN = 15_000
"""Median of an image that may be reflectance x 10,000; Landsat's Collection 2 numbers and radiances of 16 bits lie higher."""
MOST_8_BIT = 255
"""Largest value of 8-bit pictures and of per cent: no land reflects less than 0.0255 in every pixel of every band."""
LEAST_NUMBERS: Mapping[str, float] = {"reflectance": -np.inf, "display": 0}
"""Least number by unit that is taken in, as 1; of other units 1 itself."""
AS_REFLECTANCE, AS_DN, UNKNOWN = "0 to 1", "0 to 10,000", "unknown"
SCALES: Mapping[str, float] = {AS_REFLECTANCE: 1.0, AS_DN: bands.S2_SCALE}
"""Reflectance of a value by the unit of a file."""


@dataclass(frozen=True)
class Stored:
    """An image as the store keeps it."""

    numbers: NDArray[np.uint16]
    """(band, y, x), 0 where there is no data."""
    rounding: Mapping[str, float]
    """Largest difference between a value and what is stored, by unit."""


def is_reflectance(channel: str) -> bool:
    """Whether a channel's values are reflectance, which cannot be 0 or less."""
    return channel != LEFT_OUT and bands.band(channel).unit == "reflectance"


def unit_of(values: NDArray[np.generic]) -> str:
    """Unit of an image's reflectance values (valid ones, any shape); UNKNOWN where they fit none, or there are none."""
    if not values.size:
        return UNKNOWN
    most = float(values.max())
    if values.dtype.kind == "f" and most <= MOST_REFLECTANCE:
        return AS_REFLECTANCE
    return AS_DN if most > MOST_8_BIT and float(np.median(values.astype(np.float64))) <= MOST_TYPICAL_DN else UNKNOWN


def stored_numbers(pixels: Pixels, channels: Sequence[str], scale: float, offset: float, where: str) -> Stored:
    """An image in the channels that are not LEFT_OUT.

    Reflectance is scale x value + offset; other channels have their own unit already, as bands.BANDS has it. Reflectance
    a little below 0 becomes the least number, as does 0 of a picture; reflectance of 0, and what is none, become no data.
    PatchImportError where a value is beyond what 16 bits hold.
    """
    kept = [(number, channel) for number, channel in enumerate(channels) if channel != LEFT_OUT]
    out = np.zeros((len(kept), *pixels.values.shape[1:]), np.uint16)
    rounding: dict[str, float] = {}
    for row, (number, channel) in enumerate(kept):
        unit = bands.band(channel).unit
        physical = pixels.values[number].astype(np.float64)
        valid = pixels.valid[number] & np.isfinite(physical)
        if unit == "reflectance":
            physical = physical * scale + offset
            valid &= (physical > LEAST_REFLECTANCE) & (physical != 0)
        elif unit == "display":
            physical = physical * bands.band(channel).scale
        out[row], lost = _quantised(np.where(valid, physical, 0), valid, channel, where)
        rounding[unit] = max(rounding.get(unit, 0.0), lost)
    return Stored(out, rounding)


def own_numbers(pixels: Pixels, channels: Sequence[str]) -> NDArray[np.uint16]:
    """Numbers of a store of this platform (band, y, x), as its packages hold them; 0 where there is no data.

    Integers are those numbers; of floats those of reflectance are, and other channels are values in their unit.
    """
    values = np.where(pixels.valid, pixels.values, bands.S2_NODATA)
    if pixels.values.dtype.kind != "f":
        return values.astype(np.uint16)
    return np.stack(
        [
            each.astype(np.uint16)
            if bands.band(channel).unit == "reflectance"
            else bands.as_stored(channel, np.where(valid, each, np.nan))
            for channel, each, valid in zip(channels, values, pixels.valid, strict=True)
        ]
    )


def _quantised(
    physical: NDArray[np.float64], valid: NDArray[np.bool_], channel: str, where: str
) -> tuple[NDArray[np.uint16], float]:
    """Numbers of a channel (y, x) and the largest rounding of those not below the least number."""
    scale, offset = bands.stored_as(channel)
    numbers = np.floor((physical - offset) / scale + 0.5)
    unit = bands.band(channel).unit
    least = LEAST_NUMBERS.get(unit, 1)
    wrong = valid & ((numbers > MOST_DN) | (numbers < least))
    if wrong.any():
        low, high = offset + scale, offset + MOST_DN * scale
        raise PatchImportError(
            f"{where}: {channel} holds {physical[wrong][0]:g}, and {low:g} to {high:g} {unit} can be stored. Declare it as "
            "nodata, or convert the values to that unit."
        )
    stored = np.where(valid, np.maximum(numbers, 1), 0)
    lost = np.abs(stored * scale + offset - physical)[valid & (numbers >= max(least, 0))]
    return stored.astype(np.uint16), float(lost.max()) if lost.size else 0.0
