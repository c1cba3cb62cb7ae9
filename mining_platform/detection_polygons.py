"""A map of scores -> polygons of the cells at or above a threshold."""

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Geod
from rasterio.features import geometry_mask, geometry_window, shapes
from shapely.geometry import Polygon

from mining_platform.grids import project

LONGEST_EDGE_M = 1_000  # of an outline whose area is taken: straight on the grid is not straight on the ellipsoid
COLUMNS = ("detection_id", "score_max", "score_mean", "cells", "area_m2", "simulated")


def detection_polygons(scores: rasterio.DatasetReader, above: rasterio.DatasetReader, *, simulated: bool) -> gpd.GeoDataFrame:
    """Polygons of the cells at or above the threshold that share edges, from north to south, then west to east.

    `scores` is a map of one band, NaN for no data, in a projected CRS; `above` has 1 where a score reaches the threshold. Gives
    COLUMNS and geometry in EPSG:4326. `detection_id` is `<epsg>_<x>_<y>` of the upper left corner, in metres, of the polygon's
    westernmost cell in its northernmost row: the same first cell has the same id in every year. `area_m2` is the area on the
    WGS 84 ellipsoid.
    """
    found = sorted(_outlines(above), key=_reading_order)
    epsg = scores.crs.to_epsg()
    rows = [_row(scores, outline, epsg, simulated=simulated) for outline in found]
    places = [project(outline, epsg, 4326) for outline in found]
    return gpd.GeoDataFrame(rows, columns=list(COLUMNS), geometry=gpd.GeoSeries(places, crs=4326), crs=4326)


def _outlines(above: rasterio.DatasetReader) -> Iterator[Polygon]:
    """Outlines along the cells' edges, in the raster's CRS, of cells of 1 joined by edges."""
    for outline, value in shapes(rasterio.band(above, 1), connectivity=4, transform=above.transform):
        if value == 1:
            yield Polygon(outline["coordinates"][0], outline["coordinates"][1:])


def _first_corner(outline: Polygon) -> tuple[float, float]:
    """(x, y): upper left corner of the westernmost of the northernmost cells."""
    top = outline.bounds[3]
    return min(x for x, y in outline.exterior.coords if y == top), top


def _reading_order(outline: Polygon) -> tuple[float, float]:
    x, y = _first_corner(outline)
    return -y, x


def _row(scores: rasterio.DatasetReader, outline: Polygon, epsg: int, *, simulated: bool) -> dict[str, Any]:
    inside = _cells(scores, outline)
    x, y = _first_corner(outline)
    told = (float(inside.max()), float(inside.mean(dtype=np.float64)), len(inside), area_m2(outline, epsg), simulated)
    return dict(zip(COLUMNS, (f"{epsg}_{x:.0f}_{y:.0f}", *told), strict=True))


def _cells(scores: rasterio.DatasetReader, outline: Polygon) -> NDArray[np.float32]:
    """(n,) scores of the cells whose middles an outline holds."""
    window = geometry_window(scores, [outline])
    values = scores.read(1, window=window)
    inside = geometry_mask([outline], values.shape, scores.window_transform(window), invert=True)
    return values[inside]


def area_m2(outline: Polygon, epsg: int) -> float:
    """Area on the WGS 84 ellipsoid (Karney 2013, doi:10.1007/s00190-012-0578-z) of a polygon in metres of `epsg`."""
    placed = project(outline.segmentize(LONGEST_EDGE_M), epsg, 4326)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(placed)
    return abs(float(area))
