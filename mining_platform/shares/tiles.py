"""Where the pixels of a raster lie on a window grid, as polynomials over tiles of some kilometres.

PROJ is asked at 4 x 4 points of a tile; between them a bicubic polynomial is right to about a micrometre. Positions are in
window units: `u` grows by 1 from one column of windows to the next, `v` from one row to the next, downwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from mining_platform import pixel_areas
from mining_platform.grids import WindowGrid

NODES = 4  # Chebyshev nodes a side
TILE_PX = (256, 512)  # rows, columns at most
TILE_M = 16_000.0  # side of a tile at most: coarse pixels get smaller tiles
BEND_M = 50.0  # how far a parallel or meridian of TILE_M may bend out of a straight line, below 85 degrees of latitude
METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True)
class Tiles:
    """Tiles of one part of a raster; arrays of one length n."""

    row: NDArray[np.int64]
    """First pixel row in the part."""
    column: NDArray[np.int64]
    """First pixel column in the part."""
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    u: NDArray[np.float64]
    """(n, 4, 4): coefficient of s**k t**m at [k, m]; s and t run from 0 to 1 over the tile's columns and rows."""
    v: NDArray[np.float64]
    area: NDArray[np.float64]
    """As `u`: ground area (m2) of the pixel whose centre is at (s, t), where the raster is projected."""
    row_area: NDArray[np.float64]
    """(rows of the part,): ground area (m2) of a pixel in each row, where the raster is geographic; else empty."""
    bounds: NDArray[np.float64]
    """(n, 4): u least and most, v least and most, with the margin."""
    margin: float
    """Window units: covers how far an edge bends out between the points looked at."""

    @property
    def row_span(self) -> int:
        """Rows of pixels of all tiles together."""
        return int((self.row + self.height).max())

    def chosen(self, which: NDArray[np.bool_]) -> "Tiles":
        """Some of the tiles."""
        names = ("row", "column", "height", "width", "u", "v", "area", "bounds")
        return replace(self, **{name: getattr(self, name)[which] for name in names})


@dataclass(frozen=True)
class Projection:
    """From pixels of a raster to windows of a grid."""

    affine: Affine
    crs: CRS
    grid: WindowGrid

    @cached_property
    def transformer(self) -> Transformer | None:
        """From the raster's CRS to the grid's; None where they are the same."""
        same = pixel_areas.same_frame(self.crs, self.grid.epsg)
        return None if same else Transformer.from_crs(self.crs, self.grid.epsg, always_xy=True)

    @property
    def pixel_m(self) -> tuple[float, float]:
        """Rough height and width of a pixel in metres."""
        unit = METRES_A_DEGREE if self.crs.is_geographic else self.crs.axis_info[0].unit_conversion_factor
        return abs(self.affine.e) * unit, abs(self.affine.a) * unit

    @property
    def tile_px(self) -> tuple[int, int]:
        """Rows and columns of a tile."""
        rows, columns = (max(min(most, int(TILE_M / size)), 1) for most, size in zip(TILE_PX, self.pixel_m, strict=True))
        return rows, columns


def make_tiles(projection: Projection, top: int, left: int, height: int, width: int) -> Tiles:
    """Tiles of the part of a raster that begins at pixel (top, left)."""
    rows, columns = (
        np.asarray(list(_steps(size, step)), dtype=np.int64)
        for size, step in zip((height, width), projection.tile_px, strict=True)
    )
    row, column = (axis.ravel() for axis in np.meshgrid(rows[:, 0], columns[:, 0], indexing="ij"))
    high, wide = (axis.ravel() for axis in np.meshgrid(rows[:, 1], columns[:, 1], indexing="ij"))
    s = left + column[:, None] + UNIT_NODES * wide[:, None]
    t = top + row[:, None] + UNIT_NODES * high[:, None]
    u, v = (coefficients_of(values) for values in _window_positions(projection, s, t))
    area, row_area = _ground(projection, s, t, top, height)
    margin = 0.01 + BEND_M / projection.grid.size_m
    return Tiles(row, column, high, wide, u, v, area, row_area, _bounds(u, v, margin), margin)


def _steps(size: int, step: int) -> Iterator[tuple[int, int]]:
    for first in range(0, size, step):
        yield first, min(step, size - first)


UNIT_NODES = 0.5 + 0.5 * np.cos(np.pi * (2 * np.arange(NODES) + 1) / (2 * NODES))
_INVERSE = np.linalg.inv(np.vander(UNIT_NODES, increasing=True))


def coefficients_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, t, s) values at the nodes -> (n, 4, 4) coefficients of s**k t**m."""
    return np.ascontiguousarray(np.einsum("ks,nts,mt->nkm", _INVERSE, values, _INVERSE))


def _mesh(s: NDArray[np.float64], t: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, nodes) columns and rows -> two (n, t, s) arrays."""
    shape = (len(s), NODES, NODES)
    return np.broadcast_to(s[:, None, :], shape), np.broadcast_to(t[:, :, None], shape)


def _window_positions(
    projection: Projection, s: NDArray[np.float64], t: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """U and v at the nodes, (n, t, s) each."""
    affine, grid = projection.affine, projection.grid
    columns, rows = _mesh(s, t)
    x, y = affine.c + affine.a * columns, affine.f + affine.e * rows
    if projection.transformer:
        x, y = (np.asarray(each).reshape(columns.shape) for each in projection.transformer.transform(x.ravel(), y.ravel()))
    return (x - grid.x0) / grid.size_m, (grid.y1 - y) / grid.size_m


def _ground(
    projection: Projection, s: NDArray[np.float64], t: NDArray[np.float64], top: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`Tiles.area` and `Tiles.row_area`."""
    if projection.crs.is_geographic:
        rows = np.arange(top, top + height)
        areas = pixel_areas.pixel_areas_m2(projection.affine, projection.crs, np.zeros(1), rows)[:, 0]
        return np.zeros((len(s), NODES, NODES)), np.ascontiguousarray(areas)
    affine = projection.affine
    columns, rows_at = _mesh(s, t)
    inverse_scale = pixel_areas.inverse_areal_scale(projection.crs)
    per_area = inverse_scale((affine.c + affine.a * columns).ravel(), (affine.f + affine.e * rows_at).ravel())
    area = pixel_areas.planar_pixel_m2(affine, projection.crs) * np.asarray(per_area).reshape(columns.shape)
    return coefficients_of(area), np.zeros(0)


_EDGE = np.array([(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5), (0.0, 1.0), (0.5, 1.0), (1.0, 1.0)])


def _at(coefficients: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n, p) at points (p, 2) of s and t."""
    s, t = (np.vander(points[:, axis], NODES, increasing=True) for axis in (0, 1))
    return np.einsum("nkm,pk,pm->np", coefficients, s, t)


def _bounds(u: NDArray[np.float64], v: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """Least and most u and v of tiles, (n, 4)."""
    sides = [(values.min(axis=1) - margin, values.max(axis=1) + margin) for values in (_at(u, _EDGE), _at(v, _EDGE))]
    return np.column_stack([each for side in sides for each in side])


def is_upright(projection: Projection, top: int, left: int, bottom: int, right: int) -> bool:
    """Whether u grows along rows of pixels and v down their columns all over a part of the raster, as the kernels need."""
    columns, rows = np.linspace(left, right, 33), np.linspace(top, bottom, 33)
    x, y = np.meshgrid(projection.affine.c + projection.affine.a * columns, projection.affine.f + projection.affine.e * rows)
    if projection.transformer:
        x, y = projection.transformer.transform(x, y)
    return bool((np.diff(x, axis=1) > 0).all() and (np.diff(y, axis=0) < 0).all())
