"""What is computed of reflectance by channel: indices, and three bands shown in colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands
from mining_platform.indices import index


@dataclass(frozen=True)
class Composite:
    """Three bands shown as red, green and blue."""

    id: str
    roles: tuple[str, str, str]
    max_reflectance: float
    """Shown as 255; 0 is black, linear between."""
    citation: str


COMPOSITES: dict[str, Composite] = {
    row.id: row
    for row in (
        Composite(
            "SWIR",
            ("swir2", "nir", "red"),
            0.4,
            "Landsat's 7-4-3 (TM) and 7-5-4 (OLI), Sentinel-2's 12-8-4, with its usual stretch of 2.5 x reflectance: bare ground "
            "is pink to orange, vegetation green, water black",
        ),
    )
}


def index_of(index_id: str, reflectance: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float32]:
    """An index of reflectance by channel (bands.BANDS), arrays of one shape: float32, held within -1 to 1 where noise exceeds it.

    NaN where a band has no data (NaN), and where the denominator is 0, which no index can tell anything of. Of two channels
    of one role the first counts. KeyError naming the role that no channel has.
    """
    row = index(index_id)
    return normalised_difference(
        [_of_role(reflectance, role, row.id) for role in row.plus], [_of_role(reflectance, role, row.id) for role in row.minus]
    )


def normalised_difference(plus: Sequence[NDArray[np.floating]], minus: Sequence[NDArray[np.floating]]) -> NDArray[np.float32]:
    """(sum of plus - sum of minus) / (sum of both) of arrays of one shape; see `index_of` for NaN and range."""
    left, right = (np.sum([each.astype(np.float64) for each in side], axis=0) for side in (plus, minus))
    whole = left + right
    ratio = np.divide(left - right, whole, out=np.full(whole.shape, np.nan), where=whole != 0)
    return np.clip(ratio, -1, 1).astype(np.float32)


def composite_uint8(composite_id: str, reflectance: Mapping[str, NDArray[np.floating]]) -> NDArray[np.uint8]:
    """A composite of COMPOSITES from reflectance by channel, (y, x) each: (y, x, 3) uint8, black where a band has no data.

    KeyError for an unknown composite, and naming the role that no channel has.
    """
    if composite_id not in COMPOSITES:
        known = ", ".join(COMPOSITES)
        raise KeyError(f"Unknown composite {composite_id!r}; known: {known}. Add a row in mining_platform/index_images.py.")
    row = COMPOSITES[composite_id]
    colours = np.stack([_of_role(reflectance, role, row.id) for role in row.roles], axis=-1)
    shown = np.rint(255 * np.clip(colours / row.max_reflectance, 0, 1))
    return np.where(np.isfinite(colours).all(axis=-1, keepdims=True), shown, 0).astype(np.uint8)


def _of_role(reflectance: Mapping[str, NDArray[np.floating]], role: str, wanted_by: str) -> NDArray[np.floating]:
    for channel, values in reflectance.items():
        if bands.band(channel).role == role:
            return values
    raise KeyError(f"{wanted_by} needs a channel of the role {role!r}; given are {', '.join(reflectance) or 'none'}.")
