"""A map of scores -> polygons of the cells at or above a threshold."""

from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.features import geometry_mask, geometry_window
from shapely.geometry import Polygon

from mining_platform.grids import project
from mining_platform.mask_outlines import area_m2, outline_id, outlines

COLUMNS = ("detection_id", "score_max", "score_mean", "cells", "area_m2", "simulated")


def detection_polygons(scores: rasterio.DatasetReader, above: rasterio.DatasetReader, *, simulated: bool) -> gpd.GeoDataFrame:
    """Polygons of the cells at or above the threshold that share edges, from north to south, then west to east.

    `scores` is a map of one band, NaN for no data, in a projected CRS; `above` has 1 where a score reaches the threshold. Gives
    COLUMNS and geometry in EPSG:4326. `detection_id` is `<epsg>_<x>_<y>` of the upper left corner, in metres, of the polygon's
    westernmost cell in its northernmost row: the same first cell has the same id in every year. `area_m2` is the area on the
    WGS 84 ellipsoid.
    """
    found = outlines(above)
    epsg = scores.crs.to_epsg()
    rows = [_row(scores, outline, epsg, simulated=simulated) for outline in found]
    places = [project(outline, epsg, 4326) for outline in found]
    return gpd.GeoDataFrame(rows, columns=list(COLUMNS), geometry=gpd.GeoSeries(places, crs=4326), crs=4326)


def _row(scores: rasterio.DatasetReader, outline: Polygon, epsg: int, *, simulated: bool) -> dict[str, Any]:
    inside = _cells(scores, outline)
    told = (float(inside.max()), float(inside.mean(dtype=np.float64)), len(inside), area_m2(outline, epsg), simulated)
    return dict(zip(COLUMNS, (outline_id(outline, epsg), *told), strict=True))


def _cells(scores: rasterio.DatasetReader, outline: Polygon) -> NDArray[np.float32]:
    """(n,) scores of the cells whose middles an outline holds."""
    window = geometry_window(scores, [outline])
    values = scores.read(1, window=window)
    inside = geometry_mask([outline], values.shape, scores.window_transform(window), invert=True)
    return values[inside]
