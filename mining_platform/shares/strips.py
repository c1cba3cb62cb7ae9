"""Reading a class raster once, strip by strip, and handing out windows as soon as no later strip can touch them.

1. A strip is read in parts of bounded size, and cut into tiles. A tile is looked at once for the classes and for nodata.
2. Class ground is added pixel by pixel. So is valid ground in tiles that also hold nodata or lie at the raster's border.
3. A window that only wholly valid tiles touch is valid all over: its valid area is its own. One that also touches other
   tiles gets the ground of the wholly valid ones when it is handed out.
4. Sums are kept for the rows of windows that are under way, so memory does not grow with the raster.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.windows import Window

from mining_platform.grids import WindowGrid
from mining_platform.shares import kernels
from mining_platform.shares.class_rasters import CLASS, NODATA, ClassRaster, ClassRasterError
from mining_platform.shares.plain import plain_sums
from mining_platform.shares.sums import Sums
from mining_platform.shares.tiles import TILE_PX, Projection, Tiles, is_upright, make_tiles

STRIP_ROWS = 256  # rows of pixels worked on at a time, in whole blocks
PART_BYTES = 2**20  # of pixels read at a time: few enough to stay in the processor's cache until they are added
ENOUGH_WINDOWS = 1 << 16  # that many are handed out together
OUTLINE_STEP_M = 1_000  # between points of the grid's outline that are projected: it bends by centimetres from one to the next
SPAN_MARGIN_PX = 2  # covers that bend
BAND_ROWS = 4096  # rows of pixels of a band of windows, so that few strips are read for two bands


@dataclass(frozen=True)
class Part:
    """A part of a strip that was added."""

    tiles: Tiles
    holds: NDArray[np.uint8]
    """What each tile is, see kernels."""


def native_span(raster: ClassRaster, grid: WindowGrid) -> tuple[int, int, int, int]:
    """Rows and columns (top, left, bottom, right) of the raster that cover the grid, within the raster."""
    top_left = grid.x0, grid.y1 - grid.rows * grid.size_m
    outline = shapely.box(*top_left, grid.x0 + grid.columns * grid.size_m, grid.y1).segmentize(OUTLINE_STEP_M)
    inverse = Transformer.from_crs(grid.epsg, raster.source.crs, always_xy=True)
    x, y = inverse.transform(*np.asarray(outline.exterior.coords).T)
    columns, rows = raster.pixels_at(np.asarray(x), np.asarray(y))
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise ClassRasterError(
            f"The grid in EPSG:{grid.epsg} cannot be projected into {raster.source.crs} of {raster.source.name}; check both."
        )
    height, width, margin = raster.source.height, raster.source.width, SPAN_MARGIN_PX
    top, left = max(int(np.floor(rows.min())) - margin, 0), max(int(np.floor(columns.min())) - margin, 0)
    bottom, right = int(np.ceil(rows.max())) + margin + 1, int(np.ceil(columns.max())) + margin + 1
    return top, left, min(bottom, height), min(right, width)


def finished_sums(
    raster: ClassRaster, grid: WindowGrid, wanted: NDArray[np.bool_] | None = None, rows: range | None = None
) -> Iterator[Sums]:
    """Sums of all rows of windows from the first to the last, some rows at a time; only those of `wanted` windows are complete.

    `rows` are those of one of the `bands_of`, whose sums are to the last bit those of a pass over all; None is all.
    `valid_area` is NaN for windows that are valid all over: there it is the window's own. Where rows of the raster run against
    rows of windows, as near a pole, the plain way is taken.
    """
    projection, span = Projection(raster.source.transform, raster.crs, grid), native_span(raster, grid)
    if not is_upright(projection, *span):
        yield plain_sums(raster, grid, span)
        return
    rows = range(grid.rows) if rows is None else rows
    sums, recent = Sums.empty(rows.start, 0, grid.columns), list[Part]()
    for strip in _strips(raster, projection, span, rows):
        sums = sums.grown(min(int(strip.tiles.bounds[:, 3].max()) + 1, rows.stop))
        recent += [_added(raster, strip, tiles, sums) for tiles in _parts(raster, strip, wanted, rows)]
        finished_row = min(strip.finished_row, rows.stop)
        if (finished_row - sums.first_row) * grid.columns >= ENOUGH_WINDOWS:
            done, sums = sums.grown(finished_row).parted(finished_row)
            yield _completed(done, recent)
            recent = [part for part in recent if part.tiles.bounds[:, 3].max() >= sums.first_row]
    if sums.first_row < rows.stop:
        yield _completed(sums.grown(rows.stop), recent)


def bands_of(raster: ClassRaster, grid: WindowGrid) -> list[range]:
    """Rows of windows in bands that passes of their own can be made over; one band where the plain way is taken."""
    span = native_span(raster, grid)
    top, _, bottom, _ = span
    if not is_upright(Projection(raster.source.transform, raster.crs, grid), *span):
        return [range(grid.rows)]
    size = max(grid.rows * BAND_ROWS // max(bottom - top, 1), 1)
    return [range(first, min(first + size, grid.rows)) for first in range(0, grid.rows, size)]


@dataclass(frozen=True)
class Strip:
    """Some rows of pixels, over all columns that are needed."""

    top: int
    """First pixel row in the raster."""
    left: int
    tiles: Tiles
    finished_row: int
    """Rows of windows before this one are complete once the strip is added."""


def _strips(raster: ClassRaster, projection: Projection, span: tuple[int, int, int, int], rows: range) -> Iterator[Strip]:
    """The strips that may have tiles whose bounds touch some rows of windows: cut alike whichever rows."""
    top, left, bottom, right = span
    grid = projection.grid
    band_top, _, band_bottom, _ = native_span(raster, replace(grid, y1=grid.y1 - rows.start * grid.size_m, rows=len(rows)))
    if top >= bottom or left >= right:
        return
    block_rows, _ = raster.source.block_shapes[raster.band - 1]
    height = max(STRIP_ROWS // block_rows, 1) * block_rows
    for row in range(top // height * height, bottom, height):
        if row - TILE_PX[1] >= band_bottom or row + height + TILE_PX[1] <= band_top:
            continue
        first = max(row, top)
        tiles = make_tiles(projection, first, left, min(row + height, bottom) - first, right - left)
        finished = int(np.floor(_least_at_bottom(tiles) - tiles.margin))
        yield Strip(first, left, tiles, min(max(finished, 0), projection.grid.rows))


def _least_at_bottom(tiles: Tiles) -> float:
    """Least v along the lower edge of the lowest tiles."""
    lowest = tiles.v[tiles.row == tiles.row.max()].sum(axis=2)  # at t = 1
    return float(min((lowest @ np.array([1, s, s**2, s**3])).min() for s in (0.0, 0.5, 1.0)))


def _parts(raster: ClassRaster, strip: Strip, wanted: NDArray[np.bool_] | None, rows: range) -> Iterator[Tiles]:
    """The tiles of a strip, as many together as are read at a time, without those that no wanted window of the rows may touch."""
    tiles = strip.tiles
    across = max(PART_BYTES // (tiles.row_span * raster.itemsize), 1)
    part = tiles.column // max(across // tiles.width.max() * tiles.width.max(), tiles.width.max())
    needed = (np.floor(tiles.bounds[:, 2]) < rows.stop) & (np.floor(tiles.bounds[:, 3]) >= rows.start)
    if wanted is not None:
        needed &= _touching(wanted, tiles.bounds)
    for number in np.unique(part[needed]):
        yield tiles.chosen((part == number) & needed)


def _touching(wanted: NDArray[np.bool_], bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which tiles a wanted window may touch: (n,)."""
    found = np.zeros(len(bounds), bool)
    for n, (u0, u1, v0, v1) in enumerate(np.floor(bounds).astype(np.int64) + np.array([0, 1, 0, 1])):
        found[n] = u1 > 0 and v1 > 0 and wanted[max(v0, 0) : v1, max(u0, 0) : u1].any()
    return found


def _added(raster: ClassRaster, strip: Strip, tiles: Tiles, sums: Sums) -> Part:
    """Read a part of a strip and add it to the sums."""
    left, right = int(tiles.column.min()), int((tiles.column + tiles.width).max())
    height = strip.tiles.row_span
    values = raster.read(Window(strip.left + left, strip.top, right - left, height))
    class_codes, nodata_codes = (np.flatnonzero(raster.lookup == kind).astype(np.uint8) for kind in (CLASS, NODATA))
    holds = np.empty(len(tiles.row), np.uint8)
    sides, column = _sides_at_border(raster, strip, tiles), tiles.column - left
    kernels.add_part(
        values, raster.lookup, class_codes, nodata_codes, sides, tiles.margin,
        tiles.row, column, tiles.height, tiles.width, tiles.u, tiles.v, tiles.area, tiles.row_area, tiles.bounds,
        sums.first_row, sums.class_area, sums.valid_area, sums.class_px, sums.valid_px, sums.marks, holds,
    )  # fmt: skip
    return Part(tiles, holds)


def _sides_at_border(raster: ClassRaster, strip: Strip, tiles: Tiles) -> NDArray[np.uint8]:
    """Which sides of each tile are the raster's border, see kernels: (n,)."""
    sides = np.zeros(len(tiles.row), np.uint8)
    for side, first, size, whole in (
        (kernels.TOP, strip.top + tiles.row, tiles.height, raster.source.height),
        (kernels.LEFT, strip.left + tiles.column, tiles.width, raster.source.width),
    ):
        sides |= np.where(first == 0, side, 0).astype(np.uint8)
        sides |= np.where(first + size == whole, side << 2, 0).astype(np.uint8)
    return sides


def _completed(sums: Sums, parts: list[Part]) -> Sums:
    """Sums of windows that no later part touches, with the ground of wholly valid tiles where it was left out."""
    mixed = sums.marks == (kernels.WHOLE | kernels.PART)
    if mixed.any():
        for part in parts:
            chosen, tiles = np.flatnonzero(part.holds == kernels.ALL_VALID), part.tiles
            kernels.add_valid_tiles(
                chosen, tiles.row, tiles.height, tiles.width, tiles.u, tiles.v, tiles.area, tiles.row_area, tiles.bounds,
                sums.first_row, mixed.view(np.uint8), sums.valid_area,
            )  # fmt: skip
    sums.valid_area[sums.marks == kernels.WHOLE] = np.nan
    return sums
