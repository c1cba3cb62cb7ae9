"""What windows measure on the ellipsoid of a raster, where that is not the grid's.

Areas of pixels are on the raster's ellipsoid. An older datum, such as SAD 1969, has another one, some ten metres away, on which
the same ground is larger or smaller by up to 1e-5; shares of windows would be off by as much.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from mining_platform.grids import WindowGrid
from mining_platform.pixel_areas import chebyshev_nodes, inverse_areal_scale, lagrange_weights, planar_pixel_m2

STEP_M = 100.0  # over which the transformation is differentiated: right to (STEP_M / radius of the Earth)**2
SAME = 1e-9  # ratios nearer to 1 are rounding: SIRGAS 2000 and WGS 84 are the same to 1e-10
AreaElement = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Ground (m2) per unit of the plane, squared, at (n,) x and (n,) y in a CRS's own units."""


def ellipsoid_ratios(grid: WindowGrid, crs: CRS, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ground of windows on the ellipsoid of `crs` over that on the grid's: (rows, columns), interpolated between 6 x 6 points."""
    down, across, at_points = _points(grid, crs)
    if np.abs(at_points - 1).max() < SAME:
        return np.ones((len(rows), grid.columns))
    along_rows, along_columns = lagrange_weights(rows + 0.5, down), lagrange_weights(np.arange(grid.columns) + 0.5, across)
    return np.asarray(along_rows @ at_points @ along_columns.T)


@lru_cache(maxsize=8)
def _points(grid: WindowGrid, crs: CRS) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rows and columns of the points, in windows, and the ratio there: (6,), (6,), (6, 6)."""
    down, across = chebyshev_nodes(np.array([0.0, grid.rows])), chebyshev_nodes(np.array([0.0, grid.columns]))
    own = CRS.from_epsg(grid.epsg)
    if crs.geodetic_crs == own.geodetic_crs:
        return down, across, np.ones((down.size, across.size))
    x, y = (axis.ravel() for axis in np.meshgrid(grid.x0 + across * grid.size_m, grid.y1 - down * grid.size_m))
    to_raster = Transformer.from_crs(own, crs, always_xy=True)
    east, west = to_raster.transform(x + STEP_M, y), to_raster.transform(x - STEP_M, y)
    north, south = to_raster.transform(x, y + STEP_M), to_raster.transform(x, y - STEP_M)
    (x_by_x, y_by_x), (x_by_y, y_by_y) = np.subtract(east, west), np.subtract(north, south)
    stretch = np.abs(x_by_x * y_by_y - x_by_y * y_by_x) / (2 * STEP_M) ** 2
    ratio = stretch * _area_element(crs)(*to_raster.transform(x, y)) / _area_element(own)(x, y)
    return down, across, np.asarray(ratio).reshape(down.size, across.size)


def _area_element(crs: CRS) -> AreaElement:
    """In degrees: Snyder, Map Projections: A Working Manual (USGS Professional Paper 1395, 1987), equations 4-18 and 4-20."""
    if not crs.is_geographic or crs.ellipsoid is None:
        inverse_scale, unit_m2 = inverse_areal_scale(crs), planar_pixel_m2(Affine.identity(), crs)
        return lambda x, y: inverse_scale(x, y) * unit_m2
    a, b = crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre
    e2 = 1 - (b / a) ** 2

    def of_degrees(_lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        phi = np.radians(lat)
        return a**2 * (1 - e2) * np.cos(phi) / (1 - e2 * np.sin(phi) ** 2) ** 2 * math.radians(1) ** 2

    return of_degrees
