"""What lies in and around windows: how far mining is, and which land-cover classes dominate."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from mining_platform.footprints import bounds_of
from mining_platform.grids import PIXEL_M, window_ids
from mining_platform.labels.mapbiomas import NO_CLASS_CODES
from mining_platform.proportions import class_pixels, nearest_shares

BATCH_WINDOWS = 4_096  # windows counted at once: 256 counts of 8 bytes each are 8 MB
RING_STEP_PX = 4  # of the pixels around a window, one in a square of this side tells which class dominates
NEAR_M = 16_000  # windows of one square of this side are counted together, since they share neighbours and raster blocks
CLASS_COLUMNS = ("share_nn", "dominant_class", "dominant_share", "around_class", "around_share")


def grid_distances_m(mining: NDArray[np.bool_], size_m: int) -> NDArray[np.float32]:
    """Distance of each window's footprint to the nearest with mining: (rows, columns) of a grid; infinite where there is none.

    Footprints touch across an edge or a corner, so it is the distance between cells to the mining cells grown by one.
    """
    if not mining.any():
        return np.full(mining.shape, np.inf, dtype=np.float32)
    from scipy import ndimage

    grown = ndimage.binary_dilation(mining, structure=np.ones((3, 3), dtype=bool))
    return (ndimage.distance_transform_edt(~grown) * size_m).astype(np.float32)


def footprint_distances_m(boxes: NDArray[np.object_], others: NDArray[np.object_]) -> NDArray[np.float64]:
    """Distance of each footprint to the nearest of others, all in one CRS: (n,) metres; NaN where there are no others."""
    found = np.full(len(boxes), np.nan)
    if len(others) and len(boxes):
        (rows, _), gaps = shapely.STRtree(others).query_nearest(boxes, all_matches=False, return_distance=True)
        found[rows] = gaps
    return found


def class_table(land_cover: Path, windows: pd.DataFrame, codes: Collection[int], *, band: int = 1) -> pd.DataFrame:
    """Columns CLASS_COLUMNS of windows (window_id of one size and CRS), in the order given, from 10 m pixels resampled nearest.

    share_nn: valid pixels of the classes `codes` over valid pixels, 0 without any. dominant_class: the most frequent class in
    the window that is not of `codes`, or of them where there is no other; dominant_share of the window's valid pixels; 0 and
    0 without any. around_class and around_share: the same of the ring of the 8 windows around. Of equals the lower code.
    """
    bounds = bounds_of(windows["window_id"].tolist())
    near = np.lexsort([bounds["minx"] // NEAR_M, bounds["maxy"] // NEAR_M])
    table = pd.DataFrame({name: np.zeros(len(bounds)) for name in CLASS_COLUMNS})
    for first in range(0, len(near), BATCH_WINDOWS):
        rows = near[first : first + BATCH_WINDOWS]
        inner, ring = _counts(land_cover, bounds.iloc[rows], band)
        table.iloc[rows] = np.column_stack([nearest_shares(inner, codes), *_dominant(inner, codes), *_dominant(ring, codes)])
    return table.astype({"dominant_class": "int64", "around_class": "int64"})


def _counts(land_cover: Path, bounds: pd.DataFrame, band: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels by class, (n, 256), of windows and, one in RING_STEP_PX squared, of the rings around; what has no class counts 0."""
    inner = class_pixels(land_cover, _ids(bounds, 0), band=band)
    step = RING_STEP_PX if bounds["px"].iloc[0] % RING_STEP_PX == 0 else 1
    square, middle = (class_pixels(land_cover, _ids(bounds, rings), band=band, step_px=step) for rings in (1, 0))
    ring = square - middle  # the pixels looked at in the middle are some of those looked at in the square
    for pixels in (inner, ring):
        pixels[:, sorted(NO_CLASS_CODES)] = 0
    return inner, ring


def _ids(bounds: pd.DataFrame, rings: int) -> list[str]:
    """Ids of windows with so many rings of windows around them."""
    epsg, px = (int(bounds[name].iloc[0]) for name in ("epsg", "px"))
    left, top = (bounds[name].to_numpy() + sign * rings * px * PIXEL_M for name, sign in (("minx", -1), ("maxy", 1)))
    return window_ids(epsg, left, top, px * (2 * rings + 1)).tolist()


def _dominant(pixels: NDArray[np.int64], codes: Collection[int]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The most frequent class that is not of the codes, else of them, and its share of the valid pixels."""
    others = pixels.copy()
    others[:, sorted(codes)] = 0
    looked_at = np.where(others.sum(axis=1, keepdims=True) > 0, others, pixels)
    found = looked_at.argmax(axis=1)
    share = looked_at[np.arange(len(pixels)), found] / np.maximum(pixels.sum(axis=1), 1)
    return found, share
