"""Rasters of measured values on a grid: power, heights. What `resampling` is for digital numbers, for floating point with NaN.

The rule is the same: a pixel has a value exactly where the native pixel under its centre has one, bilinear between the native
pixel centres around it that have data. Positions are exact for every pixel, so it has the same value in whatever grid it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window

from mining_platform.resampling import MAX_FINER

_TOLERANCE_PX = 1e-6  # positions nearer than this to a native pixel's edge or centre count as on it
_LATTICE_TOLERANCE_PX = 1e-3  # tiles whose pixels are further apart than this are not of one lattice
_DIGITS = 6  # of a pixel, to which tiles of one lattice agree on where it is

Positions = NDArray[np.float64]
"""(y, x) in native pixels; 0 is the centre of the first one."""
Rasters = Sequence[rasterio.DatasetReader]
Convert = Callable[[NDArray[np.float64]], NDArray[np.floating]]
"""Native pixels -> the values that are averaged; NaN stays NaN."""


def values_on_grid(sources: Rasters, geobox: GeoBox, *, band: int = 1, convert: Convert | None = None) -> NDArray[np.float32]:
    """A band of rasters on a grid: (y, x) float32, NaN where none has data.

    Rasters whose pixels lie on one lattice are put together before anything is interpolated, so that tiles have no seam; where
    several have data the first one counts. No data is a raster's own nodata, and what is not finite. `convert` changes native
    pixels before they are averaged: dB into power. ValueError for a raster
    without CRS, and for one whose pixels are more than MAX_FINER times finer than the grid's.
    """
    found = np.full(geobox.shape, np.nan, np.float32)
    for lattice in _lattices(sources):
        found = np.where(np.isnan(found), _on_grid(lattice, geobox, band, convert), found)
        if not np.isnan(found).any():
            break
    return found


@dataclass(frozen=True)
class _Lattice:
    """Rasters whose pixels lie on one lattice."""

    affine: Affine
    """Of the pixel that rows and columns are counted from: near the origin of the CRS, the same whichever rasters there are."""
    sources: list[rasterio.DatasetReader]


def _lattices(sources: Rasters) -> list[_Lattice]:
    """Rasters by lattice, in their order."""
    found: list[_Lattice] = []
    for source in sources:
        if source.crs is None:
            raise ValueError(f"{source.name} has no CRS. Write one with gdal_edit.py -a_srs.")
        for lattice in found:
            if lattice.sources[0].crs == source.crs and _corner(lattice.affine, source) is not None:
                lattice.sources.append(source)
                break
        else:
            found.append(_Lattice(_origin(source.transform), [source]))
    return found


def _origin(affine: Affine) -> Affine:
    """The affine of the lattice's pixel nearest to the origin of the CRS; a turned raster is a lattice of its own."""
    if affine.b or affine.d:
        return affine
    x, y = (round((start / step) % 1, _DIGITS) % 1 * step for start, step in ((affine.c, affine.a), (affine.f, affine.e)))
    return Affine(affine.a, 0, x, 0, affine.e, y)


def _corner(lattice: Affine, source: rasterio.DatasetReader) -> tuple[int, int] | None:
    """Row and column of a raster's first pixel in a lattice; None where it is on another one."""
    between = ~lattice * source.transform
    apart = max(abs(offset - round(offset)) for offset in (between.f, between.c))
    grown = max(abs(value) for value in (between.a - 1, between.e - 1, between.b, between.d)) * max(source.shape)
    return None if max(grown, apart) > _LATTICE_TOLERANCE_PX else (round(between.f), round(between.c))


def _on_grid(lattice: _Lattice, geobox: GeoBox, band: int, convert: Convert | None) -> NDArray[np.float32]:
    found = np.full(geobox.shape, np.nan, np.float32)
    rows, columns = positions(geobox, lattice.sources[0].crs, lattice.affine)
    there = np.isfinite(rows) & np.isfinite(columns)
    if not there.any():
        return found
    (top, bottom), (left, right) = ((int(np.floor(at[there].min())), int(np.floor(at[there].max()))) for at in (rows, columns))
    corner, shape = (top - 1, left - 1), (bottom - top + 4, right - left + 4)
    if not any(_overlap(lattice, source, corner, shape) for source in lattice.sources):
        return found
    _check_size(lattice.sources[0], shape, geobox)
    native = _native(lattice, corner, shape, band)
    native = native if convert is None else convert(native).astype(np.float64)
    found[there] = _between(native, rows[there] - corner[0], columns[there] - corner[1])
    return found


def positions(geobox: GeoBox, crs: rasterio.crs.CRS, native: Affine) -> tuple[Positions, Positions]:
    """Rows and columns of a grid's pixel centres in pixels of a CRS and an affine; infinite where the CRS does not reach."""
    height, width = geobox.shape
    x, y = geobox.affine * tuple(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5))
    epsg = crs.to_epsg()
    if geobox.crs is None or epsg is None or epsg != geobox.crs.epsg:
        x, y = Transformer.from_crs(str(geobox.crs), crs.to_wkt(), always_xy=True).transform(x, y)
    with np.errstate(invalid="ignore"):
        columns, rows = (at - 0.5 for at in ~native * (np.asarray(x), np.asarray(y)))
    return _snapped(rows), _snapped(columns)


def _snapped(at: Positions) -> Positions:
    with np.errstate(invalid="ignore"):
        near = np.round(at * 2) / 2
        return np.where(np.abs(at - near) < _TOLERANCE_PX, near, at)


_Part = tuple[slice, slice]


def _overlap(
    lattice: _Lattice, source: rasterio.DatasetReader, corner: tuple[int, int], shape: tuple[int, int]
) -> tuple[Window, _Part] | None:
    """The part of a raster that lies in a box of the lattice, and where in the box that is; None where there is none."""
    down, right = _corner(lattice.affine, source) or (0, 0)
    top, left = max(corner[0] - down, 0), max(corner[1] - right, 0)
    bottom, end = min(corner[0] + shape[0] - down, source.height), min(corner[1] + shape[1] - right, source.width)
    if bottom <= top or end <= left:
        return None
    row, column = top + down - corner[0], left + right - corner[1]
    return Window(left, top, end - left, bottom - top), (slice(row, row + bottom - top), slice(column, column + end - left))


def _check_size(source: rasterio.DatasetReader, shape: tuple[int, int], geobox: GeoBox) -> None:
    if max(shape) > MAX_FINER * (max(geobox.shape) + MAX_FINER):
        problem = f"{source.name} has pixels more than {MAX_FINER} times finer than the grid's, if its CRS is the right one"
        raise ValueError(f"{problem}. Mend the CRS, or warp it with gdalwarp to pixels nearer to the grid's.")


def _native(lattice: _Lattice, corner: tuple[int, int], shape: tuple[int, int], band: int) -> NDArray[np.float64]:
    """Pixels of a box of the lattice; NaN where no raster has data."""
    native = np.full(shape, np.nan)
    for source in lattice.sources:
        if overlap := _overlap(lattice, source, corner, shape):
            window, part = overlap
            read = source.read(band, window=window)
            values = np.where(read == source.nodata, np.nan, read) if source.nodata is not None else read.astype(np.float64)
            np.copyto(native[part], values, where=np.isnan(native[part]) & np.isfinite(values))
    return native


def _between(native: NDArray[np.float64], rows: Positions, columns: Positions) -> NDArray[np.float32]:
    """Values at positions, all of them inside the native pixels by one or more."""
    i, j = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    down, right = rows - i, columns - j
    total, weight = np.zeros(rows.shape), np.zeros(rows.shape)
    for di in range(2):
        for dj in range(2):
            value = native[i + di, j + dj]
            near = np.where(np.isnan(value), 0, (down if di else 1 - down) * (right if dj else 1 - right))
            total += near * np.where(np.isnan(value), 0, value)
            weight += near
    under = native[np.floor(rows + 0.5).astype(np.int64), np.floor(columns + 0.5).astype(np.int64)]
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(under), np.nan, total / weight).astype(np.float32)
