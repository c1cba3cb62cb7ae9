"""How much of each window a class covers: exact area shares on the map's own pixels.

A share is class area over valid area, clipped exactly at the window's edges and weighted with ellipsoidal area; it is never
an average of class codes. The map is read once, block by block, whatever its size.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS

from mining_platform import pixel_areas
from mining_platform.computing import HERE, Compute
from mining_platform.footprints import bounds_of
from mining_platform.grids import WindowGrid, window_ids
from mining_platform.labels.mapbiomas import NO_CLASS_CODES
from mining_platform.shares.class_rasters import ClassRaster, opened_classes
from mining_platform.shares.ellipsoids import ellipsoid_ratios
from mining_platform.shares.nearest import count_classes
from mining_platform.shares.strips import bands_of, finished_sums
from mining_platform.shares.sums import Sums

FULL_TOLERANCE = 1e-7  # pixel and window areas agree to 1e-9; a share nearer to 1 than this counts as 1
NOISE_SHARE = 1e-9  # of a window's area: less is rounding, where an edge of a pixel lies on one of the window
SHARE_TYPES = {
    "window_id": "str",
    "minx": "int64",
    "miny": "int64",
    "maxx": "int64",
    "maxy": "int64",
    "share": "float64",
    "class_area_m2": "float64",
    "valid_area_m2": "float64",
    "valid_share": "float64",
    "class_px": "int64",
    "valid_px": "int64",
    "row": "int64",
    "column": "int64",
}
"""Columns of a table of shares, see `iter_shares`."""


def iter_shares(
    land_cover: Path,
    grid: WindowGrid,
    codes: Collection[int],
    *,
    band: int = 1,
    no_class: Collection[int] = NO_CLASS_CODES,
    wanted: NDArray[np.bool_] | None = None,
    compute: Compute = HERE,
) -> Iterator[pd.DataFrame]:
    """Area of the classes `codes` in each window of a grid, in tables of some rows of windows, together row-major.

    Columns (SHARE_TYPES): window_id; minx, miny, maxx, maxy (metres of the grid's CRS); share = class_area_m2 /
    valid_area_m2 (0 without valid area); class_area_m2, valid_area_m2 (on the map's ellipsoid); valid_share of the window's own
    area; class_px, valid_px (native pixels whose centre lies in the window); row, column of the grid. Valid is what is neither
    the map's nodata value, NaN, nor one of `no_class`. `wanted` (rows, columns) restricts to those windows. Memory does not
    grow with the map, only with the columns of the grid. Workers elsewhere each pass over a band of windows; shares are the same
    to the last bit, tables end elsewhere. Raises ClassRasterError, see `opened_classes`.
    """
    if wanted is not None and wanted.shape != (grid.rows, grid.columns):
        raise ValueError(f"`wanted` is {wanted.shape}, the grid has {grid.rows} rows and {grid.columns} columns of windows.")
    with opened_classes(land_cover, codes, band=band, no_class=no_class) as raster:
        if not grid.rows or not grid.columns:
            return
        if not compute.is_elsewhere:
            yield from _tables(raster, grid, wanted, range(grid.rows))
            return
        bands = bands_of(raster, grid)
    function = partial(_tables_of_band, land_cover, grid, frozenset(codes), band, frozenset(no_class), wanted)
    with closing(compute.results(function, bands, what="bands of a map")) as made:
        for tables in made:
            yield from tables


def _tables(raster: ClassRaster, grid: WindowGrid, wanted: NDArray[np.bool_] | None, rows: range) -> Iterator[pd.DataFrame]:
    """The tables of some rows of windows that have any."""
    for sums in finished_sums(raster, grid, wanted, rows):
        table = _share_table(grid, raster.crs, sums, wanted)
        if len(table):
            yield table


def _tables_of_band(
    land_cover: Path,
    grid: WindowGrid,
    codes: frozenset[int],
    band: int,
    no_class: frozenset[int],
    wanted: NDArray[np.bool_] | None,
    rows: range,
) -> list[pd.DataFrame]:
    """As `_tables`, of a map that is opened for it."""
    with opened_classes(land_cover, codes, band=band, no_class=no_class) as raster:
        return list(_tables(raster, grid, wanted, rows))


def window_shares(
    land_cover: Path,
    grid: WindowGrid,
    codes: Collection[int],
    *,
    band: int = 1,
    no_class: Collection[int] = NO_CLASS_CODES,
    wanted: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """The tables of `iter_shares` as one."""
    tables = list(iter_shares(land_cover, grid, codes, band=band, no_class=no_class, wanted=wanted))
    empty = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in SHARE_TYPES.items()})
    return pd.concat(tables, ignore_index=True) if tables else empty


def _share_table(grid: WindowGrid, crs: CRS, sums: Sums, wanted: NDArray[np.bool_] | None) -> pd.DataFrame:
    rows = np.arange(sums.first_row, sums.end_row)
    chosen = np.ones(sums.marks.shape, bool) if wanted is None else wanted[rows]
    i, j = np.nonzero(chosen)
    some = chosen.any(axis=1)
    whole = np.zeros(chosen.shape)
    whole[some] = pixel_areas.window_areas_m2(grid, rows[some]) * ellipsoid_ratios(grid, crs, rows[some])
    whole, class_area, valid_area = whole[chosen], sums.class_area[chosen], sums.valid_area[chosen]
    valid_area = np.where(np.isnan(valid_area), whole, valid_area)
    class_area, valid_area = (np.where(area > NOISE_SHARE * whole, area, 0.0) for area in (class_area, valid_area))
    valid_share = _whole_at_one(valid_area / whole)
    share = _whole_at_one(np.divide(class_area, valid_area, out=np.zeros(whole.size), where=valid_area > 0))
    row, column = rows[i], j.astype(np.int64)
    minx, maxy = grid.x0 + column * grid.size_m, grid.y1 - row * grid.size_m
    return pd.DataFrame(
        {
            "window_id": window_ids(grid.epsg, minx, maxy, grid.px),
            "minx": minx,
            "miny": maxy - grid.size_m,
            "maxx": minx + grid.size_m,
            "maxy": maxy,
            "share": share,
            "class_area_m2": class_area,
            "valid_area_m2": valid_area,
            "valid_share": valid_share,
            "class_px": sums.class_px[chosen],
            "valid_px": sums.valid_px[chosen],
            "row": row,
            "column": column,
        }
    )


def _whole_at_one(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares within 0 and 1, those next to 1 as 1."""
    return np.where(share > 1 - FULL_TOLERANCE, 1.0, share)


def class_pixels(land_cover: Path, window_ids: Sequence[str], *, band: int = 1, step_px: int = 1) -> NDArray[np.int64]:
    """10 m pixels of each window by class code, the map resampled nearest: (n, 256) in the order of the ids; 0 outside the map.

    With a step, one pixel of each square of `step_px` pixels is counted. ClassRasterError as `opened_classes`, and for a map
    that is not uint8; ValueError for ids that are no window ids.
    """
    with opened_classes(land_cover, {0}, band=band) as raster:
        return count_classes(raster, bounds_of(window_ids), step_px)


def nearest_shares(
    pixels: NDArray[np.int64], codes: Collection[int], no_class: Collection[int] = NO_CLASS_CODES
) -> NDArray[np.float64]:
    """Share of the valid 10 m pixels of each window that are of the classes: (n, 256) counts -> (n,); 0 without a valid pixel."""
    of_class = pixels[:, sorted(set(codes) - set(no_class))].sum(axis=1)
    valid = pixels.sum(axis=1) - pixels[:, sorted(no_class)].sum(axis=1)
    return of_class / np.maximum(valid, 1)
