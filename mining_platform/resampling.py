"""Rasters on a grid: the one place where pixels change their size, position or CRS."""

import numpy as np
import rasterio
from numba import njit
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

_LATTICE_TOLERANCE_PX = 1e-6  # positions nearer than this to a native pixel's edge or centre count as on it


def read_on_grid(source: rasterio.DatasetReader, geobox: GeoBox, *, nearest: bool) -> NDArray[np.generic]:
    """First band of a raster on a grid: (y, x) of its own integer type; 0 where it has no data.

    The raster's nodata is its own, else 0. A pixel has a value exactly where the native pixel under its centre has
    one. Otherwise values are bilinear between native pixel centres, rounded half up, over the native pixels that
    have data; `nearest` takes the native pixel under the centre. In the grid's own CRS this is computed here, which
    is some ten times faster than GDAL's warper; between two CRS the warper does it, and the rim of the data may
    differ by a native pixel. ValueError for a raster without CRS.
    """
    if source.crs is None:
        raise ValueError(f"{source.name} has no CRS. Write one with gdal_edit.py -a_srs.")
    affine = source.transform
    same_crs = geobox.crs is not None and source.crs.to_epsg() == geobox.crs.epsg
    if same_crs and not affine.b and not affine.d and affine.a > 0 > affine.e:
        return _read_aligned(source, geobox, nearest=nearest)
    nodata = 0 if source.nodata is None else source.nodata
    method = Resampling.nearest if nearest else Resampling.bilinear
    height, width = geobox.shape
    target = {"crs": str(geobox.crs), "transform": geobox.affine, "width": width, "height": height}
    with WarpedVRT(source, src_nodata=nodata, nodata=0, resampling=method, tolerance=0.01, **target) as warped:
        return warped.read(1)


def _read_aligned(source: rasterio.DatasetReader, geobox: GeoBox, *, nearest: bool) -> NDArray[np.generic]:
    height, width = geobox.shape
    affine, grid = source.transform, geobox.affine
    rows = _positions(grid.f - affine.f, grid.e, affine.e, height)
    cols = _positions(grid.c - affine.c, grid.a, affine.a, width)
    row0, col0 = int(np.floor(rows[0])) - 1, int(np.floor(cols[0])) - 1
    shape = (int(np.floor(rows[-1])) + 3 - row0, int(np.floor(cols[-1])) + 3 - col0)
    native = _read_padded(source, row0, col0, shape)
    i, j = np.floor(rows + 0.5).astype(np.int64) - row0, np.floor(cols + 0.5).astype(np.int64) - col0
    whole = not np.any(rows - np.floor(rows)) and not np.any(cols - np.floor(cols))
    if nearest or whole:
        return native[np.ix_(i, j)]
    return _bilinear(native, rows - row0, cols - col0, i, j)


def _positions(shift_m: float, step_m: float, native_step_m: float, count: int) -> NDArray[np.float64]:
    """Pixel centres of the grid along one axis, in native pixels (0 = centre of the first native pixel)."""
    positions = (shift_m + (np.arange(count) + 0.5) * step_m) / native_step_m - 0.5
    snapped = np.round(positions * 2) / 2
    return np.where(np.abs(positions - snapped) < _LATTICE_TOLERANCE_PX, snapped, positions)


def _read_padded(source: rasterio.DatasetReader, row0: int, col0: int, shape: tuple[int, int]) -> NDArray[np.generic]:
    """Native pixels from (row0, col0), which may lie outside; 0 outside and where the raster has no data."""
    top, left = max(row0, 0), max(col0, 0)
    bottom, right = min(row0 + shape[0], source.height), min(col0 + shape[1], source.width)
    native = np.zeros(shape, source.dtypes[0])
    if bottom > top and right > left:
        pixels = source.read(1, window=Window(left, top, right - left, bottom - top))
        if source.nodata:
            pixels[pixels == source.nodata] = 0
        native[top - row0 : bottom - row0, left - col0 : right - col0] = pixels
    return native


@njit(cache=True, nogil=True)
def _bilinear(native, rows, cols, i_under, j_under):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Bilinear values (len(rows), len(cols)) at native positions; 0 where the native pixel under the centre is 0."""
    out = np.zeros((len(rows), len(cols)), native.dtype)
    for y in range(len(rows)):
        i = int(rows[y])
        down = np.float32(rows[y] - i)
        for x in range(len(cols)):
            if native[i_under[y], j_under[x]] == 0:
                continue
            j = int(cols[x])
            right = np.float32(cols[x] - j)
            total, weight = np.float32(0), np.float32(0)
            for di in range(2):
                for dj in range(2):
                    value = native[i + di, j + dj]
                    if value != 0:
                        w = (down if di else np.float32(1) - down) * (right if dj else np.float32(1) - right)
                        total += w * np.float32(value)
                        weight += w
            out[y, x] = native.dtype.type(total / weight + np.float32(0.5))
    return out
