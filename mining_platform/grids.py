"""The only maker of pixel grids: 10 m GeoBoxes on the lattice of a CRS, and the windows on them.

Coordinates of every pixel corner are whole multiples of 10 m, so that a window of N pixels is exactly
N x N and the same ground has the same window id in every year and in every region of the same CRS.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import shape as _shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform as _transform

PIXEL_M = 10
"""Ground size of a pixel in metres: the native size of Sentinel-2's visible and near-infrared bands."""


def utm_epsg(lon: float, lat: float) -> int:
    """EPSG code of the WGS 84 UTM zone that contains a point (degrees)."""
    zone = min(int((lon + 180) // 6) + 1, 60)
    return (32700 if lat < 0 else 32600) + zone


def project(geometry: BaseGeometry, from_epsg: int, to_epsg: int) -> BaseGeometry:
    """A geometry in another CRS, x before y."""
    transformer = Transformer.from_crs(from_epsg, to_epsg, always_xy=True)
    return _transform(transformer.transform, geometry)


def projected_outline(geometry: BaseGeometry, epsg: int) -> BaseGeometry:
    """A geometry given in EPSG:4326 in another CRS, its edges densified, since straight ones in degrees are curved there."""
    return project(_shape(geometry).segmentize(0.05), 4326, epsg)


def region_geobox(geometry: BaseGeometry, epsg: int) -> GeoBox:
    """Smallest 10 m lattice GeoBox that covers a geometry given in EPSG:4326."""
    minx, miny, maxx, maxy = projected_outline(geometry, epsg).bounds
    return lattice_geobox(minx, miny, maxx, maxy, epsg)


def lattice_geobox(minx: float, miny: float, maxx: float, maxy: float, epsg: int) -> GeoBox:
    """Smallest 10 m lattice GeoBox that covers bounds given in metres of `epsg`."""
    col0, row0 = math.floor(minx / PIXEL_M), math.floor(miny / PIXEL_M)
    col1, row1 = math.ceil(maxx / PIXEL_M), math.ceil(maxy / PIXEL_M)
    affine = Affine(PIXEL_M, 0, col0 * PIXEL_M, 0, -PIXEL_M, row1 * PIXEL_M)
    return GeoBox((row1 - row0, col1 - col0), affine, CRS(f"EPSG:{epsg}"))


@dataclass(frozen=True)
class WindowGrid:
    """Side-by-side square windows on the lattice.

    Window (i, j) spans x in [x0 + j*size, x0 + (j+1)*size) and y in (y1 - (i+1)*size, y1 - i*size], in metres.
    Origins are multiples of the window size, so grids of neighbouring regions in one CRS coincide.
    """

    epsg: int
    px: int
    """Pixels per side."""
    x0: int
    """Left edge, metres."""
    y1: int
    """Top edge, metres."""
    columns: int
    rows: int

    @property
    def size_m(self) -> int:
        """Ground size of a window's side in metres."""
        return self.px * PIXEL_M

    def bounds(self, i: int, j: int) -> tuple[int, int, int, int]:
        """(minx, miny, maxx, maxy) in metres of window row i, column j."""
        minx, maxy = self.x0 + j * self.size_m, self.y1 - i * self.size_m
        return minx, maxy - self.size_m, minx + self.size_m, maxy

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((i, j) for i in range(self.rows) for j in range(self.columns))


def window_grid(geobox: GeoBox, px: int) -> WindowGrid:
    """The aligned windows of `px` pixels that lie wholly inside a GeoBox; may be empty (rows or columns 0)."""
    size = px * PIXEL_M
    bbox = geobox.boundingbox
    x0, x1 = math.ceil(bbox.left / size), math.floor(bbox.right / size)
    y0, y1 = math.ceil(bbox.bottom / size), math.floor(bbox.top / size)
    epsg = geobox.crs.epsg if geobox.crs else None
    if epsg is None:
        raise ValueError("The GeoBox has no EPSG code; make grids with mining_platform.grids.region_geobox.")
    return WindowGrid(epsg, px, x0 * size, y1 * size, max(x1 - x0, 0), max(y1 - y0, 0))


def window_id(epsg: int, minx: float, maxy: float, px: int) -> str:
    """`<epsg>_<easting/10>_<northing/10>_<px>` of the window's upper left corner (metres)."""
    easting, northing = minx / PIXEL_M, maxy / PIXEL_M
    if easting != int(easting) or northing != int(northing):
        raise ValueError(f"Window corner ({minx}, {maxy}) is off the {PIXEL_M} m lattice of EPSG:{epsg}; snap it first.")
    return f"{epsg}_{int(easting)}_{int(northing)}_{px}"


def window_ids(epsg: int, minx: NDArray[np.int64], maxy: NDArray[np.int64], px: int) -> pd.Series:
    """`window_id` of many upper left corners (whole metres): (n,) text; ValueError where one is off the lattice."""
    off = (minx % PIXEL_M != 0) | (maxy % PIXEL_M != 0)
    if off.any():
        raise ValueError(f"{int(off.sum())} window corners are off the {PIXEL_M} m lattice of EPSG:{epsg}; snap them first.")
    corners = (pc.cast(pa.array(values // PIXEL_M), pa.string()) for values in (minx, maxy))
    joined = pc.binary_join_element_wise(pa.scalar(str(epsg)), *corners, pa.scalar(str(px)), "_")
    return pd.Series(joined.to_pandas(), dtype="str", name="window_id")


def window_geobox(identifier: str) -> GeoBox:
    """The px x px GeoBox of a window id; ValueError if the text is not a window id."""
    try:
        epsg, easting, northing, px = (int(part) for part in identifier.split("_"))
    except ValueError:
        raise ValueError(f"{identifier!r} is not a window id of the form <epsg>_<easting/10>_<northing/10>_<px>.") from None
    affine = Affine(PIXEL_M, 0, easting * PIXEL_M, 0, -PIXEL_M, northing * PIXEL_M)
    return GeoBox((px, px), affine, CRS(f"EPSG:{epsg}"))
