"""The plain way to add up class areas, in numpy: what the kernels are tested against, and what remains where they do not hold."""

from collections.abc import Iterator

import numpy as np
from affine import Affine
from pyproj import CRS
from rasterio.windows import Window

from mining_platform import pixel_areas
from mining_platform.grids import WindowGrid
from mining_platform.pixel_areas import Overlaps
from mining_platform.shares.class_rasters import CLASS, NODATA, ClassRaster
from mining_platform.shares.sums import Sums
from mining_platform.shares.tiles import Projection


def plain_sums(raster: ClassRaster, grid: WindowGrid, span: tuple[int, int, int, int]) -> Sums:
    """Sums of all windows of a grid over a span of the raster: rows and columns (top, left, bottom, right)."""
    sums = Sums.empty(0, grid.rows, grid.columns)
    class_area, valid_area, class_px, valid_px, _ = (array.reshape(-1) for array in sums.arrays)
    most = Projection(raster.source.transform, raster.crs, grid).tile_px
    for block in _blocks(*span, *most):
        kinds = raster.lookup[raster.read(block)].ravel()
        parts, ground, centre = _on_grid(raster.source.transform, raster.crs, grid, block)
        for mask, area, pixels in ((kinds == CLASS, class_area, class_px), (kinds != NODATA, valid_area, valid_px)):
            np.add.at(area, parts.window, np.where(mask[parts.pixel], ground, 0.0))
            np.add.at(pixels, centre[mask & (centre >= 0)], 1)
    return sums


def _blocks(top: int, left: int, bottom: int, right: int, height: int, width: int) -> Iterator[Window]:
    """Parts that are small enough to interpolate positions in."""
    for row in range(top, bottom, height):
        for column in range(left, right, width):
            yield Window(column, row, min(width, right - column), min(height, bottom - row))


def _on_grid(affine: Affine, crs: CRS, grid: WindowGrid, block: Window) -> tuple[Overlaps, np.ndarray, np.ndarray]:
    """A block's overlaps with the windows, their ground areas (m2), and the window of each pixel's centre (-1: none)."""
    columns = np.arange(block.col_off, block.col_off + block.width)
    rows = np.arange(block.row_off, block.row_off + block.height)
    edges = np.append(columns, columns[-1] + 1), np.append(rows, rows[-1] + 1)
    parts = pixel_areas.overlaps(*pixel_areas.positions(affine, crs, grid.epsg, *edges), grid)
    ground = parts.fraction * pixel_areas.pixel_areas_m2(affine, crs, columns, rows).ravel()[parts.pixel]
    x, y = pixel_areas.positions(affine, crs, grid.epsg, columns + 0.5, rows + 0.5)
    j, i = np.floor((x.ravel() - grid.x0) / grid.size_m), np.floor((grid.y1 - y.ravel()) / grid.size_m)
    inside = (j >= 0) & (j < grid.columns) & (i >= 0) & (i < grid.rows)
    return parts, ground, np.where(inside, i * grid.columns + j, -1).astype(np.int64)
