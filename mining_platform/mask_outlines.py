"""Outlines of the cells of a map that hold 1, their names, order and areas."""

from collections.abc import Iterator
from functools import lru_cache

import rasterio
from pyproj import CRS, Geod
from rasterio.features import shapes
from shapely.geometry import Polygon

from mining_platform.grids import project

DEGREE_DIGITS = 6  # of a corner in an id: 0.1 m
LONGEST_EDGE_M = 1_000  # of an outline whose area is taken: straight on the grid is not straight on the ellipsoid


def outlines(mask: rasterio.DatasetReader) -> list[Polygon]:
    """Outlines along the cells' edges, in its CRS, of cells of 1 joined by edges, from north to south, then west to east.

    `mask` is a map of one band of uint8 without rotation; cells of any other value are outside.
    """
    return sorted(_of_ones(mask), key=_reading_order)


def _of_ones(mask: rasterio.DatasetReader) -> Iterator[Polygon]:
    for outline, value in shapes(rasterio.band(mask, 1), connectivity=4, transform=mask.transform):
        if value == 1:
            yield Polygon(outline["coordinates"][0], outline["coordinates"][1:])


def outline_id(outline: Polygon, epsg: int) -> str:
    """`<epsg>_<x>_<y>`, upper left corner, in metres or degrees, of the westernmost cell of the northernmost row.

    The same first cell has the same id in every year.
    """
    x, y = first_corner(outline)
    digits = DEGREE_DIGITS if _in_degrees(epsg) else 0
    return f"{epsg}_{x:.{digits}f}_{y:.{digits}f}"


@lru_cache(maxsize=8)
def _in_degrees(epsg: int) -> bool:
    return bool(CRS.from_epsg(epsg).is_geographic)


def first_corner(outline: Polygon) -> tuple[float, float]:
    """(x, y): upper left corner of the westernmost of the northernmost cells."""
    top = outline.bounds[3]
    return min(x for x, y in outline.exterior.coords if y == top), top


def _reading_order(outline: Polygon) -> tuple[float, float]:
    x, y = first_corner(outline)
    return -y, x


def area_m2(outline: Polygon, epsg: int) -> float:
    """Area on the WGS 84 ellipsoid (Karney 2013, doi:10.1007/s00190-012-0578-z) of a polygon in metres of `epsg`."""
    placed = project(outline.segmentize(LONGEST_EDGE_M), epsg, 4326)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(placed)
    return abs(float(area))
