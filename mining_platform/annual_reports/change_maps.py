"""The data of the interactive map: places as GeoJSON, and the ground under them as pictures with their corners."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mining_platform.annual_reports.contents import Contents, RegionYear
from mining_platform.annual_reports.words import number
from mining_platform.chunks import geobox_of
from mining_platform.mosaic_figures import preview
from mining_platform.zarr_arrays import group_attributes

MOST_PLACES = 20_000
"""Of a layer of the map: the largest; the downloads hold all."""
DECIMALS = 6  # of degrees, 0.1 m
BACKDROP_PX = 1_000
JPEG_QUALITY = 78


def map_data(contents: Contents, words: Mapping[str, str], language: str) -> str:
    """JSON for the page's map: bounds, backdrops, and GeoJSON of `new`, `earlier` and `territories`; safe within a script."""
    told = {
        "bounds": _bounds(contents.regions),
        "regions": [{"name": region.name, "bounds": _bounds([region])} for region in contents.regions],
        "backdrops": [each for region in contents.regions for each in _backdrop(region, contents.year)],
        "new": _features([region.new for region in contents.regions], words["new"].format(year=contents.year), language),
        "earlier": _features(
            [region.cumulative for region in contents.regions], words["total"].format(first=contents.first_year), language
        ),
        "territories": _outlines(contents.outlines),
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _bounds(regions: Sequence[RegionYear]) -> list[float]:
    """West, south, east, north of the regions, degrees."""
    edges = np.array([region.bounds for region in regions])
    return [*edges[:, :2].min(axis=0).round(DECIMALS).tolist(), *edges[:, 2:].max(axis=0).round(DECIMALS).tolist()]


def _features(tables: list[gpd.GeoDataFrame], told: str, language: str) -> dict[str, Any]:
    rows = sorted((row for table in tables for row in table.itertuples()), key=lambda row: (-row.area_ha, row.change_id))[
        :MOST_PLACES
    ]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"told": f"{number(row.area_ha, language, 1)} ha · {told} · {row.change_id}"},
                "geometry": _geometry(row.geometry),
            }
            for row in rows
        ],
    }


def _outlines(territories: gpd.GeoDataFrame) -> dict[str, Any]:
    rows = territories.itertuples()
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"name": row.name}, "geometry": _geometry(row.geometry)} for row in rows],
    }


def _geometry(shape: BaseGeometry) -> dict[str, Any]:
    rounded: BaseGeometry = shapely.transform(shape, lambda places: np.round(places, DECIMALS))
    return dict(mapping(rounded))


def _backdrop(region: RegionYear, year: int) -> list[dict[str, Any]]:
    """The year's mosaic as a JPEG with its corners in degrees, clockwise from the upper left; none where there is none."""
    path: Path | None = region.mosaics.get(year)
    if path is None:
        return []
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(preview(path, BACKDROP_PX)).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    box = geobox_of(group_attributes(path)).boundingbox
    to_degrees = Transformer.from_crs(region.epsg, 4326, always_xy=True)
    corners = ((box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom))
    placed = [[round(degree, DECIMALS) for degree in to_degrees.transform(x, y)] for x, y in corners]
    return [{"url": f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}", "corners": placed}]
