"""Evidence about a mosaic: clouds that are left, dark pixels, and how much bright soil the cloud mask took.

A cloud is white and a mine is not: clouds stand out in blue and in HOT, the haze-optimised transformation
blue - 0.5 x red (Zhang, Guindon & Cihlar 2002, Remote Sensing of Environment 82; as a cloud test in Zhu & Woodcock 2012, same
journal 118), while soil is brighter in red than in blue. What stands out is told from the year's own clear distribution:
that of the pixels that were clear on as many days as the median pixel, or more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands, zarr_arrays
from mining_platform.bands import band_of_role
from mining_platform.chunks import Block, block_slices, geobox_of, grid_attributes
from mining_platform.labels.mapbiomas import NO_CLASS_CODES
from mining_platform.mosaic_arrays import Mosaic, computed_blocks, open_mosaic

FENCE_SIGMAS = 5.0
"""A pixel stands out beyond this many standard deviations (1.4826 x median absolute deviation) above the median."""
HOT_FENCE_DN = 800
"""Least fence of HOT, reflectance x 10,000: the cloud test of Zhu & Woodcock (2012)."""
HOT_ABOVE_GROUND_DN = 600
"""Least fence of HOT above the clear ground's own: at the top of the atmosphere the air alone gives ground a HOT of about 600, as
clear real Level-1C scenes have, and bright water of mines would pass a fence of 800."""
DARK_QUANTILE = 0.001
_SIGMA_OF_MAD = 1.4826  # of a normal distribution
_VALUES = 2**16


@dataclass(frozen=True)
class Fences:
    """Above both, a pixel is brighter than the year's clear ground."""

    blue_dn: float
    hot_dn: float
    ground_hot_dn: int = 0
    """Median HOT of that ground: at HOT_FENCE_DN and above it is cloud or haze itself, and no score means anything."""


@dataclass(frozen=True)
class _Chunk:
    """What the score needs of a chunk: (y, x) each."""

    block: Block
    blue: NDArray[np.int64]
    hot: NDArray[np.int64]
    count: NDArray[np.uint16]


def hot(blue: NDArray[Any], red: NDArray[Any]) -> NDArray[np.int64]:
    """Haze-optimised transformation blue - 0.5 x red, reflectance x 10,000, rounded down: any shape."""
    return blue.astype(np.int64) - (red.astype(np.int64) + 1) // 2


def evidence(path: Path) -> dict[str, Any]:
    """Facts of a `mosaic.zarr` alone.

    remnant_score: share of the pixels with a value that stand out above both fences (remnant_fences) of the year's clear
    ground; ground_hot_dn: median HOT of that ground, which is cloud itself where this is as high as cloud;
    dark_dn: per channel that is reflectance, the value below which lie 0.1 % of the pixels; floor_share: of the same channels
    the share of pixels at 1, the least value, where an offset that is taken off twice would leave many. All None where no
    pixel has a value.
    """
    mosaic = open_mosaic(path)
    blocks = computed_blocks(path)
    fences = remnant_fences(mosaic, blocks)
    if fences is None:
        return dict.fromkeys(("remnant_score", "remnant_fences", "ground_hot_dn", "dark_dn", "floor_share"))
    seen = left = 0
    for chunk in _chunks(mosaic, blocks):
        seen += int((chunk.count > 0).sum())
        left += int(stands_out(chunk.blue, chunk.hot, chunk.count, fences).sum())
    return {
        "remnant_score": left / seen,
        "remnant_fences": {"blue_dn": fences.blue_dn, "hot_dn": fences.hot_dn},
        "ground_hot_dn": fences.ground_hot_dn,
        **_dark_facts(mosaic, blocks),
    }


def stands_out(blue: NDArray[Any], hots: NDArray[Any], count: NDArray[Any], fences: Fences) -> NDArray[np.bool_]:
    """Pixels with a value above both fences: any shape, bool."""
    return (count > 0) & (blue > fences.blue_dn) & (hots > fences.hot_dn)


def remnant_fences(mosaic: Mosaic, blocks: Sequence[Block]) -> Fences | None:
    """Fences of the year's clear distribution; None where no pixel has a value."""
    counts, blues, hots = (np.zeros(2 * _VALUES, np.int64) for _ in range(3))
    for chunk in _chunks(mosaic, blocks):
        counts += np.bincount(chunk.count[chunk.count > 0], minlength=2 * _VALUES)
    if not counts.any():
        return None
    least = _quantile(counts, 0.5)
    for chunk in _chunks(mosaic, blocks):
        often = chunk.count >= least
        blues += np.bincount(chunk.blue[often], minlength=2 * _VALUES)
        hots += np.bincount(chunk.hot[often] + _VALUES, minlength=2 * _VALUES)
    ground_dn = _quantile(hots, 0.5) - _VALUES
    hot_dn = max(_fence(hots) - _VALUES, HOT_FENCE_DN, ground_dn + HOT_ABOVE_GROUND_DN)
    return Fences(_fence(blues), hot_dn, ground_dn)


def _chunks(mosaic: Mosaic, blocks: Sequence[Block]) -> Iterator[_Chunk]:
    """Chunks, one at a time."""
    blue, red = (mosaic.channels.index(band_of_role(role, mosaic.channels)) for role in ("blue", "red"))
    for block in blocks:
        rows, columns = block_slices(mosaic.geobox, block)
        pixels = [zarr_arrays.read_box(mosaic.image, (slice(band, band + 1), rows, columns))[0] for band in (blue, red)]
        count = zarr_arrays.read_box(mosaic.clear_count, (rows, columns))
        yield _Chunk(block, pixels[0].astype(np.int64), hot(*pixels), count)


def _quantile(histogram: NDArray[np.int64], share: float) -> int:
    """The least value at or below which lies at least this share of a histogram over 0, 1, 2 ..."""
    below = np.cumsum(histogram)
    return int(np.searchsorted(below, share * below[-1]))


def _fence(histogram: NDArray[np.int64]) -> float:
    """Median + FENCE_SIGMAS standard deviations of a histogram over 0, 1, 2 ..., by its median absolute deviation."""
    middle = _quantile(histogram, 0.5)
    away = np.abs(np.arange(len(histogram)) - middle)
    deviation = _quantile(np.bincount(away, weights=histogram).astype(np.int64), 0.5)
    return middle + FENCE_SIGMAS * _SIGMA_OF_MAD * max(deviation, 1)


def _dark_facts(mosaic: Mosaic, blocks: Sequence[Block]) -> dict[str, Any]:
    reflecting = [place for place, name in enumerate(mosaic.channels) if bands.band(name).unit == "reflectance"]
    histograms = {mosaic.channels[place]: np.zeros(_VALUES, np.int64) for place in reflecting}
    for block in blocks:
        rows, columns = block_slices(mosaic.geobox, block)
        for place in reflecting:
            values = zarr_arrays.read_box(mosaic.image, (slice(place, place + 1), rows, columns))
            histograms[mosaic.channels[place]] += np.bincount(values.ravel(), minlength=_VALUES)
    for row in histograms.values():
        row[0] = 0
    return {
        "dark_dn": {name: _quantile(row, DARK_QUANTILE) for name, row in histograms.items()},
        "floor_share": {name: float(row[1] / row.sum()) for name, row in histograms.items()},
    }


def bright_soil_loss(path: Path, label: Path, codes: Sequence[int]) -> dict[str, Any]:
    """How much of the labelled mining pixels a `mosaic.zarr`'s cloud mask took, on a `label.zarr`'s pixels.

    bright_soil_loss: share of the observations (pixel and solar day with data) on pixels of these class codes that were
    masked; other_loss: the same on pixels of other classes; never_clear_share: share of the mining pixels that have data
    and were never clear. None where there are no such observations. ValueError where the grids differ.
    """
    mosaic, classes = open_mosaic(path), zarr_arrays.open_array(label / "classes")
    label_grid = geobox_of(zarr_arrays.group_attributes(label))
    if label_grid != mosaic.geobox:
        grids = " and ".join(str(grid_attributes(grid)) for grid in (label_grid, mosaic.geobox))
        raise ValueError(f"Label and mosaic have different grids, {grids}. Make both anew for one region.")
    mining, other = np.zeros(4, np.int64), np.zeros(4, np.int64)
    for block in computed_blocks(path):
        box = block_slices(mosaic.geobox, block)
        label_codes = zarr_arrays.read_box(classes, box)
        clear, observed = (zarr_arrays.read_box(array, box) for array in (mosaic.clear_count, mosaic.observed_count))
        is_mining = np.isin(label_codes, codes)
        is_other = ~is_mining & ~np.isin(label_codes, list(NO_CLASS_CODES))
        mining += _observations(clear[is_mining], observed[is_mining])
        other += _observations(clear[is_other], observed[is_other])
    return {
        "mining_pixels": int(mining[2]),
        "bright_soil_loss": _share(mining[1] - mining[0], mining[1]),
        "other_loss": _share(other[1] - other[0], other[1]),
        "never_clear_share": _share(mining[3], mining[2]),
    }


def _observations(clear: NDArray[np.uint16], observed: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Clear days, days with data, pixels with data, of those never clear: summed over pixels."""
    return np.array([clear.sum(), observed.sum(), (observed > 0).sum(), ((observed > 0) & (clear == 0)).sum()], np.int64)


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def remnant_map(path: Path, fences: Mapping[str, float], step: int) -> NDArray[np.bool_]:
    """Pixels that stand out, every `step`-th of the grid: (y, x) bool; False where nothing was composed."""
    mosaic = open_mosaic(path)
    above = Fences(fences["blue_dn"], fences["hot_dn"])
    found = np.zeros(tuple(-(-size // step) for size in mosaic.geobox.shape), bool)
    for chunk in _chunks(mosaic, computed_blocks(path)):
        rows, columns = block_slices(mosaic.geobox, chunk.block)
        top, left = -(-rows.start // step), -(-columns.start // step)
        first = np.s_[top * step - rows.start :: step, left * step - columns.start :: step]
        part = stands_out(chunk.blue[first], chunk.hot[first], chunk.count[first], above)
        found[top : top + part.shape[0], left : left + part.shape[1]] = part
    return found
