"""Where two systems find mining, as a map: both, only we, only they.

Neither side is truth. A large cell of ours is cut into squares of about FINE_M, so that an outline
along large squares and one along small pixels are laid over each other as they are; what large squares take in beyond the mine
shows as found by one side only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from mining_platform.chunks import CHUNK_PX
from mining_platform.comparisons.systems import Theirs
from mining_platform.first_years import FOUND, NEVER, NOT_OBSERVED, cells_within, prepared_outline
from mining_platform.labels.agreement import SourceMask, areas_m2
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.mosaic_exports import COG
from mining_platform.pixel_areas import pixel_side_m
from mining_platform.raster_files import opened_raster_file
from mining_platform.store import durable

NEITHER, BOTH, ONLY_OURS, ONLY_THEIRS, NO_DATA = 0, 1, 2, 3, 255
"""Values of a map of agreement, uint8; NO_DATA where one of the two tells nothing."""
FINE_M = 30.0
"""Side to which large cells are cut: the pixels of yearly land-cover maps."""
M2_PER_HA = 10_000.0
PARTS = ("ours", "theirs", "both", "only_ours", "only_theirs", "union", "no_data")
"""What is summed, see `write_agreement`."""


@dataclass(frozen=True)
class Ours:
    """Our maps of a year, on one grid."""

    detected: Path
    """As `detection_maps` writes it."""
    first_years: Path
    """As `first_years.write_first_years` writes it, of the year and all before it."""


def write_agreement(
    ours: Ours, theirs: Theirs, out: Path, *, simulated: bool, within: BaseGeometry | None = None
) -> dict[str, Any]:
    """Write the COG `out`: NEITHER, BOTH, ONLY_OURS, ONLY_THEIRS, or NO_DATA; how much ground each is.

    A system of the span `to-date` is compared with all that was found up to the year, another with what was found in it. Gives
    `our_cell_m` and `grid_m`, sides of our cells and of the map's, and in hectares on the ellipsoid (`…_ha`) and cells (`…_px`)
    `ours` and `theirs`, all that each finds on our grid; `both`, `only_ours`, `only_theirs` and `union` where both have data; and
    `no_data`, mining of one where the other tells nothing. What others find in cells of ours outside of the region's outline
    `within` (EPSG:4326) is not looked at. The file appears whole or not at all; equal input gives equal bytes.
    """
    with (
        TemporaryDirectory(dir=out.parent, prefix=durable.TEMPORARY_PREFIX) as folder,
        opened_raster_file(ours.detected) as detected,
        opened_raster_file(ours.first_years) as first_years,
    ):
        plain, whole = Path(folder) / "plain.tif", Path(folder) / "whole.tif"
        outline = prepared_outline(within, detected)
        coarse = GeoBox(detected.shape, detected.transform, detected.crs.to_wkt())
        cut = max(1, round(cell_side_m(coarse) / FINE_M))
        grid = finer(coarse, cut)
        sums = {name: np.zeros(2) for name in PARTS}
        with _new_map(plain, grid, simulated=simulated) as raster:
            for window in _windows(grid):
                part = grid[window.toslices()]
                rows, columns = _cells(window, cut)
                held = Window(columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
                at = np.ix_(rows - rows[0], columns - columns[0])
                mine = _ours(detected, first_years, held, at, to_date=theirs.span == "to-date")
                other = theirs.said(part)
                other = replace(other, is_mining=other.is_mining & cells_within(outline, detected, held)[at])
                raster.write(agreement_codes(mine, other), 1, window=window)
                areas = areas_m2(part, slice(0, window.height))
                for name, where in _parts(mine, other).items():
                    sums[name] += int(where.sum()), areas[where].sum()
        rasterio.shutil.copy(plain, whole, driver="COG", **COG)
        durable.sync(whole)
        whole.replace(out)
    sides = {"our_cell_m": round(cell_side_m(coarse), 1), "grid_m": round(cell_side_m(grid), 1)}
    cells = {f"{name}_px": int(count) for name, (count, _) in sums.items()}
    return sides | cells | {f"{name}_ha": float(area) / M2_PER_HA for name, (_, area) in sums.items()}


def agreement_codes(ours: SourceMask, theirs: SourceMask) -> NDArray[np.uint8]:
    """(y, x) values of a map of agreement."""
    values = np.choose(ours.is_mining + 2 * theirs.is_mining.astype(np.uint8), [NEITHER, ONLY_OURS, ONLY_THEIRS, BOTH])
    return np.where(ours.has_class & theirs.has_class, values, NO_DATA).astype(np.uint8)


def cell_side_m(grid: GeoBox) -> float:
    """Side of a square as large as the cell in the middle of a grid, metres."""
    return pixel_side_m(grid.affine, CRS.from_user_input(str(grid.crs)), (grid.shape[0], grid.shape[1]))


def finer(grid: GeoBox, cut: int) -> GeoBox:
    """The grid with each cell cut into `cut` x `cut`."""
    return GeoBox((grid.shape[0] * cut, grid.shape[1] * cut), grid.affine * Affine.scale(1 / cut), grid.crs)


def _windows(grid: GeoBox) -> Iterator[Window]:
    for top in range(0, grid.shape[0], CHUNK_PX):
        for left in range(0, grid.shape[1], CHUNK_PX):
            yield Window(left, top, min(CHUNK_PX, grid.shape[1] - left), min(CHUNK_PX, grid.shape[0] - top))


def _new_map(path: Path, grid: GeoBox, *, simulated: bool) -> Any:
    shape = {"height": grid.shape[0], "width": grid.shape[1], "crs": str(grid.crs), "transform": grid.affine}
    tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
    raster = rasterio.open(path, "w", driver="GTiff", dtype="uint8", count=1, nodata=NO_DATA, **shape, **tiles)
    raster.descriptions = ("0 neither, 1 both, 2 only ours, 3 only theirs",)
    if simulated:
        raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=f"{SIMULATED_MARK}.")
    return raster


def _cells(window: Window, cut: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of our cells that lie under those of a window of the finer grid."""
    sides = ((window.row_off, window.height), (window.col_off, window.width))
    rows, columns = (np.arange(first, first + size) // cut for first, size in sides)
    return rows, columns


def _ours(
    detected: DatasetReader, first_years: DatasetReader, held: Window, at: tuple[NDArray[np.int64], ...], *, to_date: bool
) -> SourceMask:
    """Our mask on a window of the finer grid, whose cells lie `at` those of a window of ours."""
    values = detected.read(1, window=held)
    found, seen = values == FOUND, values != NOT_OBSERVED
    if to_date:
        found = first_years.read(1, window=held) != NEVER
        seen = seen | found
    return SourceMask("ours", found[at], seen[at])


def _parts(ours: SourceMask, theirs: SourceMask) -> dict[str, NDArray[np.bool_]]:
    """(y, x) by PARTS."""
    mine, other, known = ours.is_mining, theirs.is_mining, ours.has_class & theirs.has_class
    parts = (mine, other, mine & other & known, mine & ~other & known, other & ~mine & known)
    return dict(zip(PARTS, (*parts, (mine | other) & known, (mine | other) & ~known), strict=True))
