"""Pixel grids: projections with a lattice of pixels, and where the pixels of one lie on another."""

import math
import threading
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform as transformed

from tests.earth_engine.errors import RefusedError

DEGREES = "EPSG:4326"
CRS_CODE = r"[A-Z-]+:\d+"
"""What a pixel grid gives as `crsCode`; anything else is its `crsWkt` (reference of PixelGrid)."""
POSITION_DECIMALS = 6  # positions are rounded to a millionth of a pixel: centres that lie on an edge lie on it exactly
STRAIGHT = 1e-9  # how far pixel sizes may differ, of themselves, where one lattice is another


@dataclass(frozen=True)
class Projection:
    """A CRS and the affine transform from pixels to it."""

    crs: str
    transform: tuple[float, ...]

    @property
    def affine(self) -> Affine:
        """The transform as a matrix."""
        return Affine(*self.transform)


DEFAULT_PROJECTION = Projection(DEGREES, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
"""That of composites and constants: WGS84, one degree (guide Projections)."""


@dataclass(frozen=True)
class Grid:
    """A window of a projection's pixel lattice."""

    projection: Projection
    width: int
    height: int

    def shifted(self, columns: float, rows: float, *, grow: int = 0) -> "Grid":
        """The same pixels moved, and `grow` more on every side."""
        affine = self.projection.affine @ Affine.translation(columns - grow, rows - grow)
        projection = replace(self.projection, transform=tuple(affine)[:6])
        return Grid(projection, self.width + 2 * grow, self.height + 2 * grow)


def known_crs(code: str) -> str:
    """The code itself if PROJ knows it."""
    try:
        CRS.from_user_input(code)
    except CRSError:
        raise RefusedError(f"Projection: The CRS of a map projection could not be parsed: '{code}'.") from None
    return code


def on_lattice(grid: Grid, projection: Projection) -> bool:
    """Whether the grid's pixels are pixels of the projection."""
    if grid.projection.crs != projection.crs:
        return False
    relative = ~projection.affine @ grid.projection.affine
    turn = np.abs(np.array([relative.a - 1, relative.b, relative.d, relative.e - 1])).max()
    offset = np.array([relative.c, relative.f])
    return bool(turn < STRAIGHT and np.abs(offset - np.round(offset)).max() < 10.0**-POSITION_DECIMALS)


def positions(grid: Grid, projection: Projection) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of a grid's pixels as (columns, rows) of a projection, which broadcast to (y, x); 0 = its outer corner."""
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5, sparse=True)
    place: tuple[Any, Any] = grid.projection.affine @ (columns, rows)
    if grid.projection.crs != projection.crs:
        x, y = np.broadcast_arrays(*place)
        place = _transformer(grid.projection.crs, projection.crs).transform(x, y)
    column, row = ~projection.affine @ place
    return np.round(column, POSITION_DECIMALS), np.round(row, POSITION_DECIMALS)


def inside(geometry: BaseGeometry | None, grid: Grid) -> NDArray[np.bool_]:
    """(y, x) bool: pixels whose centre lies in a geometry of EPSG:4326; everything for None."""
    if geometry is None:
        return np.ones((grid.height, grid.width), bool)
    longitudes, latitudes = np.broadcast_arrays(*positions(grid, Projection(DEGREES, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))))
    shapely.prepare(geometry)
    return shapely.intersects_xy(geometry, longitudes, latitudes)


def to_degrees(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """A geometry of a CRS in EPSG:4326, vertex by vertex."""
    return geometry if crs == DEGREES else transformed(_transformer(crs, DEGREES).transform, geometry)


def metres_a_pixel(proj: Projection) -> float:
    """Size of a pixel of a projected CRS in metres."""
    axis = CRS.from_user_input(proj.crs).axis_info[0]
    if axis.unit_name != "metre":
        raise RefusedError(f"Lengths in metres are not evaluated on {proj.crs}; reproject to a CRS in metres.")
    return math.hypot(proj.affine.a, proj.affine.d)


_TRANSFORMERS = threading.local()  # PROJ objects are not shared between threads


def _transformer(source: str, target: str) -> Transformer:
    known: dict[str, Transformer] = _TRANSFORMERS.__dict__
    key = f"{source}>{target}"
    if key not in known:
        known[key] = Transformer.from_crs(source, target, always_xy=True)
    return known[key]
