"""Rasters on a grid: the one place where pixels change their size, position or CRS."""

import numpy as np
import rasterio
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window

MAX_FINER = 32
"""Most native pixels along the side of a grid pixel; a raster of more is hardly in the CRS that it names."""
_LATTICE_TOLERANCE_PX = 1e-6  # positions nearer than this to a native pixel's edge or centre count as on it
_CELL_PX = 8
"""Grid pixels between two projected points. Between UTM zones the positions between them are then off by less than a
thousandth of a native pixel: an eighth of the cell's side squared, times the mapping's curvature of about 1 / 6,000 km."""

Positions = NDArray[np.float64]
"""In native pixels; 0 is the centre of the first one."""


def read_on_grid(source: rasterio.DatasetReader, geobox: GeoBox, *, nearest: bool, band: int = 1) -> NDArray[np.generic]:
    """A band of a raster on a grid: (y, x) of its own integer type; 0 where it has no data.

    The raster's nodata is its own, else 0. A pixel has a value exactly where the native pixel under its centre has
    one: that one itself if `nearest`, else bilinear between native pixel centres, rounded half up, over the native pixels
    that have data. So it is in any CRS, and whatever grid a pixel is part of. ValueError for a raster without CRS, and for
    one whose pixels are more than MAX_FINER times finer than the grid's.
    """
    if source.crs is None:
        raise ValueError(f"{source.name} has no CRS. Write one with gdal_edit.py -a_srs.")
    affine = source.transform
    same_crs = geobox.crs is not None and source.crs.to_epsg() == geobox.crs.epsg
    if same_crs and not affine.b and not affine.d and affine.a > 0 > affine.e:
        return _read_aligned(source, geobox, nearest=nearest, band=band)
    return _read_warped(source, geobox, same_crs=same_crs, nearest=nearest, band=band)


def _read_aligned(source: rasterio.DatasetReader, geobox: GeoBox, *, nearest: bool, band: int) -> NDArray[np.generic]:
    """Rows of the grid are rows of the raster, and columns are columns."""
    height, width = geobox.shape
    affine, grid = source.transform, geobox.affine
    rows = _axis_positions(grid.f - affine.f, grid.e, affine.e, height)
    cols = _axis_positions(grid.c - affine.c, grid.a, affine.a, width)
    _check_size(source, (rows[0], rows[-1]), (cols[0], cols[-1]), geobox)
    row0, col0 = int(np.floor(rows[0])) - 1, int(np.floor(cols[0])) - 1
    shape = (int(np.floor(rows[-1])) + 3 - row0, int(np.floor(cols[-1])) + 3 - col0)
    native = _read_padded(source, row0, col0, shape, band)
    i, j = np.floor(rows + 0.5).astype(np.int64) - row0, np.floor(cols + 0.5).astype(np.int64) - col0
    whole = not np.any(rows - np.floor(rows)) and not np.any(cols - np.floor(cols))
    if nearest or whole:
        return native[np.ix_(i, j)]
    return _bilinear(native, rows - row0, cols - col0, i, j)


def _read_warped(
    source: rasterio.DatasetReader, geobox: GeoBox, *, same_crs: bool, nearest: bool, band: int
) -> NDArray[np.generic]:
    """Corners of cells are projected; pixels between them lie in between, see _CELL_PX."""
    ys, first_y = _cells(geobox.affine.f, geobox.affine.e, geobox.shape[0])
    xs, first_x = _cells(geobox.affine.c, geobox.affine.a, geobox.shape[1])
    corner_x, corner_y = _CELL_PX * geobox.affine.a, _CELL_PX * geobox.affine.e
    shape = int(ys[-1]) + 2, int(xs[-1]) + 2
    x, y = np.meshgrid(corner_x * (first_x + np.arange(shape[1])), corner_y * (first_y + np.arange(shape[0])))
    if not same_crs:
        x, y = Transformer.from_crs(str(geobox.crs), source.crs.to_wkt(), always_xy=True).transform(x, y)
    with np.errstate(invalid="ignore"):  # what the CRS does not reach is infinite
        cols, rows = (at - 0.5 for at in ~source.transform * (x, y))
    there = np.isfinite(rows) & np.isfinite(cols)
    if not there.any():
        return np.zeros(geobox.shape, source.dtypes[band - 1])
    (top, bottom), (left, right) = ((float(at[there].min()), float(at[there].max())) for at in (rows, cols))
    _check_size(source, (top, bottom), (left, right), geobox)
    row0, col0 = (int(np.clip(np.floor(first), 0, side)) - 1 for first, side in zip((top, left), source.shape, strict=True))
    row1, col1 = (int(np.clip(np.ceil(last) + 1, 0, side)) + 1 for last, side in zip((bottom, right), source.shape, strict=True))
    native = _read_padded(source, row0, col0, (row1 - row0, col1 - col0), band)
    return _between_corners(native, rows - row0, cols - col0, ys, xs, nearest)


def _axis_positions(shift_m: float, step_m: float, native_step_m: float, count: int) -> Positions:
    """Pixel centres of the grid along one axis."""
    positions = (shift_m + (np.arange(count) + 0.5) * step_m) / native_step_m - 0.5
    snapped = np.round(positions * 2) / 2
    return np.where(np.abs(positions - snapped) < _LATTICE_TOLERANCE_PX, snapped, positions)


def _cells(start: float, step: float, count: int) -> tuple[Positions, int]:
    """Pixel centres along one axis in cells, counted from the first cell, and the number of that one from the CRS's origin.

    Cells are cut from the origin on, so that a pixel lies at the same place of the same cell in every grid.
    """
    centres: Positions = (start + (np.arange(count, dtype=np.float64) + 0.5) * step) / (_CELL_PX * step)
    first = int(np.floor(centres[0]))
    return centres - first, first


def _check_size(source: rasterio.DatasetReader, rows: tuple[float, float], cols: tuple[float, float], geobox: GeoBox) -> None:
    """ValueError where the first and the last position are too far apart."""
    if max(rows[1] - rows[0], cols[1] - cols[0]) > MAX_FINER * (max(geobox.shape) + 2 * _CELL_PX):
        problem = f"{source.name} has pixels more than {MAX_FINER} times finer than the grid's, if its CRS is the right one"
        raise ValueError(f"{problem}. Mend the CRS, or warp it with gdalwarp to pixels of a scene's size.")


def _read_padded(source: rasterio.DatasetReader, row0: int, col0: int, shape: tuple[int, int], band: int) -> NDArray[np.generic]:
    """Native pixels from (row0, col0), which may lie outside; 0 outside and where the raster has no data."""
    top, left = max(row0, 0), max(col0, 0)
    bottom, right = min(row0 + shape[0], source.height), min(col0 + shape[1], source.width)
    native = np.zeros(shape, source.dtypes[band - 1])
    if bottom > top and right > left:
        pixels = source.read(band, window=Window(left, top, right - left, bottom - top))
        if source.nodata:
            pixels[pixels == source.nodata] = 0
        native[top - row0 : bottom - row0, left - col0 : right - col0] = pixels
    return native


@njit(cache=True, nogil=True)
def _bilinear(native, rows, cols, i_under, j_under):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bilinear values (len(rows), len(cols)) at native positions; 0 where the native pixel under the centre is 0."""
    out = np.zeros((len(rows), len(cols)), native.dtype)
    for y in range(len(rows)):
        for x in range(len(cols)):
            if native[i_under[y], j_under[x]] != 0:
                out[y, x] = _mean_of_four(native, rows[y], cols[x])
    return out


@njit(cache=True, nogil=True)
def _between_corners(native, rows, cols, ys, xs, nearest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Values (len(ys), len(xs)); `rows` and `cols` are native positions of cell corners, `ys` and `xs` are in cells.

    The outermost native pixels are there to be looked at, and none of them lies under a pixel that gets a value.
    """
    last_row, last_col = native.shape[0] - 1.5, native.shape[1] - 1.5
    out = np.zeros((len(ys), len(xs)), native.dtype)
    for y in range(len(ys)):
        for x in range(len(xs)):
            row, col = _between(rows, ys[y], xs[x]), _between(cols, ys[y], xs[x])
            if 0.5 <= row < last_row and 0.5 <= col < last_col:  # noqa: PLR2004 - the edge of a pixel; False for what is no number
                under = native[int(row + 0.5), int(col + 0.5)]
                out[y, x] = under if nearest or under == 0 else _mean_of_four(native, row, col)
    return out


@njit(cache=True, nogil=True)
def _between(corners, y, x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    i, j = int(y), int(x)
    down, right = y - i, x - j
    above = corners[i, j] * (1 - right) + corners[i, j + 1] * right
    return above * (1 - down) + (corners[i + 1, j] * (1 - right) + corners[i + 1, j + 1] * right) * down


@njit(cache=True, nogil=True)
def _mean_of_four(native, row, col):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mean of the native pixels around a position that have data, by nearness, rounded half up."""
    i, j = int(row), int(col)
    down, right = np.float32(row - i), np.float32(col - j)
    total, weight = np.float32(0), np.float32(0)
    for di in range(2):
        for dj in range(2):
            value = native[i + di, j + dj]
            if value != 0:
                w = (down if di else np.float32(1) - down) * (right if dj else np.float32(1) - right)
                total += w * np.float32(value)
                weight += w
    return native.dtype.type(total / weight + np.float32(0.5))
