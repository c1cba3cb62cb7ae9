"""The classes of 10 m pixels in windows, a map resampled nearest: counts by class code."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.windows import Window

from mining_platform import pixel_areas
from mining_platform.grids import PIXEL_M
from mining_platform.shares.class_rasters import NODATA, ClassRaster, ClassRasterError
from mining_platform.shares.tiles import UNIT_NODES, coefficients_of

GROUP_M = 32_000  # windows within a square of this side share one projection and one read
CODES = 256


@dataclass(frozen=True)
class Group:
    """Windows near each other in one CRS, and the box around them."""

    members: NDArray[np.int64]
    """Positions in the table of windows."""
    west: NDArray[np.float64]
    """Left edges, metres."""
    north: NDArray[np.float64]
    """Upper edges, metres."""
    px: NDArray[np.int64]
    """Pixels a side."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left and upper edge, width and height in metres."""
        left, top = self.west.min(), self.north.max()
        size = self.px * PIXEL_M
        return left, top, (self.west + size).max() - left, top - (self.north - size).min()


def count_classes(raster: ClassRaster, windows: pd.DataFrame, step_px: int) -> NDArray[np.int64]:
    """10 m pixels by class code, (n, 256), of windows with columns epsg, px, minx, maxy; every `step_px`-th of every such row.

    What has no class, and what lies outside the map, counts as code 0. ClassRasterError for a raster that is not uint8.
    """
    if raster.source.dtypes[raster.band - 1] != "uint8":
        kind = raster.source.dtypes[raster.band - 1]
        raise ClassRasterError(f"{raster.source.name} holds {kind}; classes are counted by code where they are uint8.")
    counts = np.zeros((len(windows), CODES), np.int64)
    epsg = windows["epsg"].to_numpy()
    corners = windows[["minx", "maxy", "px"]].to_numpy(np.float64)
    for code in np.unique(epsg).tolist():
        same = pixel_areas.same_frame(raster.crs, code)
        transformer = None if same else Transformer.from_crs(code, raster.crs, always_xy=True)
        for group in _groups(np.flatnonzero(epsg == code), corners):
            counts[group.members] = _count_group(raster, group, transformer, step_px)
    return counts


def _groups(rows: NDArray[np.int64], corners: NDArray[np.float64]) -> Iterator[Group]:
    """The windows of some rows, by squares of GROUP_M; `corners` (n, 3): left and upper edge in metres, pixels a side."""
    cells, place = np.unique(corners[rows, 1::-1] // GROUP_M, axis=0, return_inverse=True)
    order = np.argsort(place.ravel(), kind="stable")
    for members in np.split(rows[order], np.cumsum(np.bincount(place.ravel(), minlength=len(cells)))[:-1]):
        west, north, px = corners[members].T
        yield Group(members, west.copy(), north.copy(), px.astype(np.int64))


def _count_group(raster: ClassRaster, group: Group, transformer: Transformer | None, step_px: int) -> NDArray[np.int64]:
    """(windows of the group, 256)."""
    left_m, top_m, width_m, height_m = group.box
    x, y = np.meshgrid(left_m + UNIT_NODES * width_m, top_m - UNIT_NODES * height_m)
    if transformer is not None:
        x, y = transformer.transform(x, y)
    columns, rows = raster.pixels_at(np.asarray(x), np.asarray(y))
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise ClassRasterError(
            f"Windows around ({left_m}, {top_m}) cannot be projected into {raster.source.name}; check the CRS."
        )
    margin = 2 + 0.1 * max(np.ptp(columns), np.ptp(rows))  # the nodes lie inside the box
    left, top = max(int(columns.min() - margin), 0), max(int(rows.min() - margin), 0)
    right = min(int(columns.max() + margin), raster.source.width)
    bottom = min(int(rows.max() + margin), raster.source.height)
    counts = np.zeros((len(group.px), CODES), np.int64)
    outside = right <= left or bottom <= top
    classes = np.zeros((1, 1), np.uint8) if outside else raster.read(Window(left, top, right - left, bottom - top))
    column, row = (coefficients_of(each[None])[0] for each in (columns - left, rows - top))
    codes = np.where(raster.lookup == NODATA, 0, np.arange(CODES))
    _count(classes, codes, column, row, group.west - left_m, top_m - group.north, group.px, step_px, width_m, height_m, counts)
    return counts


@njit(cache=True, nogil=True)
def _count(  # noqa: PLR0913 - compiled
    classes: NDArray,
    codes: NDArray,
    column: NDArray,
    row: NDArray,
    east: NDArray,
    south: NDArray,
    px: NDArray,
    step_px: int,
    width_m: float,
    height_m: float,
    counts: NDArray,
) -> None:
    """Count the class under the centre of each 10 m pixel; `column` and `row` (4, 4) say where in `classes` (y, x) it is.

    `codes` (256,) is what each value counts as.
    """
    height, width = classes.shape
    at_column, at_row = np.empty(4), np.empty(4)
    for n in range(px.size):
        for r in range(step_px // 2, px[n], step_px):
            t = (south[n] + (r + 0.5) * PIXEL_M) / height_m
            for k in range(4):
                at_column[k] = column[k, 0] + t * (column[k, 1] + t * (column[k, 2] + t * column[k, 3]))
                at_row[k] = row[k, 0] + t * (row[k, 1] + t * (row[k, 2] + t * row[k, 3]))
            for c in range(step_px // 2, px[n], step_px):
                s = (east[n] + (c + 0.5) * PIXEL_M) / width_m
                x = int(np.floor(at_column[0] + s * (at_column[1] + s * (at_column[2] + s * at_column[3]))))
                y = int(np.floor(at_row[0] + s * (at_row[1] + s * (at_row[2] + s * at_row[3]))))
                inside = 0 <= x < width and 0 <= y < height
                counts[n, codes[classes[y, x]] if inside else 0] += 1
