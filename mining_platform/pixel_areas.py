"""Where native raster pixels lie on a window grid, and how much ground they cover there.

Areas are ellipsoidal, in square metres. Positions are exact to about a micrometre: they are interpolated
between points that PROJ projected, which is quick, instead of projecting every corner.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from affine import Affine
from pyproj import CRS, Proj, Transformer

from mining_platform.grids import WindowGrid

Positions = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(n,) and (n,) coordinates -> (n,) and (n,) coordinates in another frame."""

NET = 6  # Chebyshev nodes a side: over 256 pixels of 30 m the interpolation error is below 1e-8 m
ALONE = 1e-3  # units of the CRS: half the span of the nodes around a single point
SCALE_SPAN_M = 100_000  # over which an areal scale is interpolated
GAUSS = 0.5 / math.sqrt(3)  # distance of the two Gauss-Legendre nodes from the middle of a unit interval


@dataclass(frozen=True)
class Overlaps:
    """The parts of pixels that lie in windows; three arrays of one length."""

    pixel: np.ndarray
    """Flat pixel index in the block, row-major."""
    window: np.ndarray
    """Flat window index in the grid, row-major."""
    fraction: np.ndarray
    """Share of the pixel's area that lies in the window, in (0, 1]."""


def lattice(position: Positions, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of a lattice of (m,) rows and (n,) columns: two (m, n) arrays.

    Interpolates by polynomials through NET x NET Chebyshev nodes, for a smooth `position` over a block of
    some kilometres.
    """
    node_columns, node_rows = chebyshev_nodes(columns), chebyshev_nodes(rows)
    mesh_columns, mesh_rows = np.meshgrid(node_columns, node_rows)
    x, y = position(mesh_columns.ravel(), mesh_rows.ravel())
    across, down = lagrange_weights(columns, node_columns), lagrange_weights(rows, node_rows)
    shape = mesh_columns.shape
    origin_x, origin_y = x[0], y[0]  # interpolating offsets keeps the digits that large coordinates would cost
    return (
        down @ (x - origin_x).reshape(shape) @ across.T + origin_x,
        down @ (y - origin_y).reshape(shape) @ across.T + origin_y,
    )


def chebyshev_nodes(points: np.ndarray) -> np.ndarray:
    """Chebyshev nodes over the span of the points, none beyond it, where a pole may be; a span of 0 is widened a little."""
    low, high = float(points.min()), float(points.max())
    half = (high - low) / 2 or ALONE
    return (low + high) / 2 + half * np.cos(np.pi * (2 * np.arange(NET) + 1) / (2 * NET))


def lagrange_weights(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Weights (n, NET) of the nodes at the points."""
    weights = np.ones((points.size, nodes.size))
    for k, node in enumerate(nodes):
        for other in np.delete(nodes, k):
            weights[:, k] *= (points - other) / (node - other)
    return weights


def same_frame(raster_crs: CRS, epsg: int) -> bool:
    """Whether the raster is already in the CRS of the grid, so that no projection is needed."""
    return bool(raster_crs == CRS.from_epsg(epsg))


def positions(affine: Affine, crs: CRS, epsg: int, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Easting and northing in metres of `epsg` of pixel coordinates of an unrotated raster: two (m, n) arrays.

    Whole numbers are pixel corners, halves are centres.
    """
    east, north = affine.c + affine.a * columns, affine.f + affine.e * rows
    if same_frame(crs, epsg):
        x, y = np.meshgrid(east, north)
        return x, y
    transformer = Transformer.from_crs(crs, epsg, always_xy=True)
    return lattice(transformer.transform, east, north)


def pixel_areas_m2(affine: Affine, crs: CRS, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Ellipsoidal area of the pixels at whole (m,) rows and (n,) columns of an unrotated raster: (m, n).

    Geographic: exact area of the cell between two parallels and two meridians. Projected: planar area over
    the areal scale factor at the pixel's centre.
    """
    if crs.is_geographic:
        per_row = _zone_area_m2(crs, affine.f + affine.e * rows, affine.f + affine.e * (rows + 1))
        return np.repeat((per_row * abs(math.radians(affine.a)))[:, None], columns.size, axis=1)
    inverse_scale = inverse_areal_scale(crs)
    east, north = affine.c + affine.a * (columns + 0.5), affine.f + affine.e * (rows + 0.5)
    per_area, _ = lattice(lambda x, y: (inverse_scale(x, y), y), east, north)
    return planar_pixel_m2(affine, crs) * per_area


def pixel_side_m(affine: Affine, crs: CRS, shape: tuple[int, int]) -> float:
    """Side of a square as large as the pixel in the middle of an unrotated raster of (rows, columns), metres."""
    row, column = (np.array([size // 2]) for size in shape)
    return float(np.sqrt(pixel_areas_m2(affine, crs, column, row)[0, 0]))


def planar_pixel_m2(affine: Affine, crs: CRS) -> float:
    """Area of a pixel in the plane of a projected CRS, square metres, also where the CRS is in feet."""
    x_axis, y_axis = crs.axis_info[:2]
    return abs(affine.a * affine.e) * x_axis.unit_conversion_factor * y_axis.unit_conversion_factor


def _zone_area_m2(crs: CRS, lat0: np.ndarray, lat1: np.ndarray) -> np.ndarray:
    """Area between two parallels (degrees) per radian of longitude.

    Snyder, Map Projections: A Working Manual (USGS Professional Paper 1395, 1987), equation 3-12.
    """
    ellipsoid = crs.ellipsoid
    if ellipsoid is None:
        raise ValueError(f"{crs.name} has no ellipsoid; areas cannot be computed. Give the raster a terrestrial CRS.")
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    e = math.sqrt(1 - (b / a) ** 2)

    def q(lat: np.ndarray) -> np.ndarray:
        sine = np.sin(np.radians(lat))
        if e == 0:
            return 2 * sine
        return (1 - e**2) * (sine / (1 - (e * sine) ** 2) + np.arctanh(e * sine) / e)

    return a**2 / 2 * np.abs(q(lat1) - q(lat0))


def inverse_areal_scale(crs: CRS) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Ellipsoidal over planar area of a projected CRS, at (n,) x and (n,) y in its own units."""
    projection = Proj(crs)

    def at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        lon, lat = projection(x, y, inverse=True)
        return 1 / np.asarray(projection.get_factors(lon, lat).areal_scale)

    return at


def window_areas_m2(grid: WindowGrid, rows: np.ndarray) -> np.ndarray:
    """Ellipsoidal area of each window of some rows: (rows, columns), by 2 x 2 Gauss-Legendre nodes a window.

    The areal scale is exact along the nodes' rows, and interpolated along columns over some SCALE_SPAN_M, to 1e-11.
    """
    y = (grid.y1 - (np.asarray(rows)[:, None] + _GAUSS_NODES) * grid.size_m).ravel()
    areas = np.zeros((len(rows), grid.columns))
    if not areas.size:
        return areas
    inverse_scale = inverse_areal_scale(CRS.from_epsg(grid.epsg))
    for first, nodes, weights in _scale_spans(grid):
        at_nodes = inverse_scale(*(axis.ravel() for axis in np.meshgrid(nodes, y))).reshape(y.size, nodes.size)
        scale = (at_nodes @ weights.T).reshape(len(rows), 2, -1, 2).mean(axis=(1, 3))
        areas[:, first : first + scale.shape[1]] = scale
    return areas * grid.size_m**2


_GAUSS_NODES = np.array([0.5 - GAUSS, 0.5 + GAUSS])


@lru_cache(maxsize=8)
def _scale_spans(grid: WindowGrid) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Spans of columns of windows: the first, eastings where the areal scale is asked for, and their weights at the nodes."""
    step = max(int(SCALE_SPAN_M // grid.size_m), 1)
    spans = []
    for first in range(0, grid.columns, step):
        x = (grid.x0 + (np.arange(first, min(first + step, grid.columns))[:, None] + _GAUSS_NODES) * grid.size_m).ravel()
        nodes = chebyshev_nodes(x)
        spans.append((first, nodes, lagrange_weights(x, nodes)))
    return spans


def overlaps(x: np.ndarray, y: np.ndarray, grid: WindowGrid) -> Overlaps:
    """Parts of the m x n pixels with corners x, y (m + 1, n + 1), in metres of the grid, that lie in its windows.

    Pixels on the edges of windows are clipped exactly, as quadrilaterals with straight edges.
    """
    u, v = _quads((x - grid.x0) / grid.size_m), _quads((grid.y1 - y) / grid.size_m)
    j0, j1 = np.floor(u.min(axis=0)).astype(np.int64), np.ceil(u.max(axis=0)).astype(np.int64) - 1
    i0, i1 = np.floor(v.min(axis=0)).astype(np.int64), np.ceil(v.max(axis=0)).astype(np.int64) - 1
    near = (j1 >= 0) & (j0 < grid.columns) & (i1 >= 0) & (i0 < grid.rows)
    whole = np.flatnonzero(near & (j0 == j1) & (i0 == i1))
    parts = [(whole, i0[whole] * grid.columns + j0[whole], np.ones(whole.size))]
    cut = np.flatnonzero(near & ((j0 != j1) | (i0 != i1)))
    for di in range(int((i1 - i0)[cut].max(initial=-1)) + 1):
        for dj in range(int((j1 - j0)[cut].max(initial=-1)) + 1):
            i, j = i0[cut] + di, j0[cut] + dj
            here = (i <= i1[cut]) & (j <= j1[cut]) & (i >= 0) & (i < grid.rows) & (j >= 0) & (j < grid.columns)
            pixel, i, j = cut[here], i[here], j[here]
            parts.append((pixel, i * grid.columns + j, _fraction_inside(u[:, pixel] - j, v[:, pixel] - i)))
    pixel, window, fraction = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    some = fraction > 0
    return Overlaps(pixel[some], window[some], fraction[some])


def _quads(corner: np.ndarray) -> np.ndarray:
    """One coordinate of the corners of each pixel, in turn around it: (m + 1, n + 1) -> (4, m * n)."""
    return np.stack([corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]]).reshape(4, -1)


def _fraction_inside(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Share of quadrilaterals (4, n) that lies in the unit square: (n,).

    Green's theorem: the area is the sum over the edges of the integral of v, held within 0 and 1, over the
    part of the edge's u that lies within 0 and 1.
    """
    area, inside = np.zeros(u.shape[1]), np.zeros(u.shape[1])
    for k in range(4):
        u0, v0, u1, v1 = u[k], v[k], u[(k + 1) % 4], v[(k + 1) % 4]
        area += (u1 - u0) * (v0 + v1) / 2
        from_u, to_u = np.clip(u0, 0, 1), np.clip(u1, 0, 1)
        slope = np.divide(v1 - v0, u1 - u0, out=np.zeros_like(u0), where=u1 != u0)
        inside += (to_u - from_u) * _mean_held(v0 + (from_u - u0) * slope, v0 + (to_u - u0) * slope)
    return np.clip(inside / area, 0, 1)


def _mean_held(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Mean over a straight line from `start` to `end` of its value held within 0 and 1."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    length = high - low
    held_low, held_high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    above = np.clip(high - np.maximum(low, 1), 0, None)
    total = above + (held_high - held_low) * (held_low + held_high) / 2
    return np.divide(total, length, out=held_low.copy(), where=length > 0)
