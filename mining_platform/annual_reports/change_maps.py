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
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mining_platform.annual_reports.contents import Contents, RegionYear
from mining_platform.annual_reports.territory_rows import kind_in, title_of
from mining_platform.annual_reports.words import number
from mining_platform.chunks import geobox_of
from mining_platform.mosaic_figures import preview
from mining_platform.zarr_arrays import group_attributes

MOST_PLACES = 20_000
"""Of a layer of the map: the largest; the downloads hold all."""
DECIMALS = 6  # of degrees, 0.1 m
OUTLINE_TOLERANCE_M = 75.0
"""How far a territory's outline on the map may be from its own: a few pixels where a region fills the map."""
MOST_OUTLINE_POINTS = 100_000
"""Of all territories of the map, about 2 MB of a page; where there would be more, outlines are coarser."""
COARSEST = 6
"""How often the tolerance is doubled at most."""
OUTLINE_DECIMALS = 5  # of degrees, 1 m
DEGREE_M = 111_320.0  # of the equator: degrees elsewhere are shorter, so that outlines are nearer still
BACKDROP_PX = 1_000
JPEG_QUALITY = 78


def map_data(contents: Contents, words: Mapping[str, str], language: str) -> str:
    """JSON for the page's map: bounds, backdrops, and GeoJSON of `new`, `earlier` and `territories`; safe within a script."""
    told = {
        "bounds": _bounds(contents.regions),
        "regions": [{"name": region.name, "bounds": _bounds([region])} for region in contents.regions],
        "backdrops": [each for region in contents.regions for each in _backdrop(region, contents.year)],
        "new": _features([(region.new, words["new"].format(year=contents.year)) for region in contents.regions], language),
        "earlier": _features(
            [(region.cumulative, words["total"].format(first=region.first_year)) for region in contents.regions], language
        ),
        "territories": _outlines(contents.outlines, language),
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _bounds(regions: Sequence[RegionYear]) -> list[float]:
    """West, south, east, north of the regions, degrees."""
    edges = np.array([region.bounds for region in regions])
    return [*edges[:, :2].min(axis=0).round(DECIMALS).tolist(), *edges[:, 2:].max(axis=0).round(DECIMALS).tolist()]


def _features(tables: Sequence[tuple[gpd.GeoDataFrame, str]], language: str) -> dict[str, Any]:
    """The largest places of all tables, with what is said of those of each."""
    told_of = ((row, told) for table, told in tables for row in table.itertuples())
    rows = sorted(told_of, key=lambda each: (-each[0].area_ha, each[0].change_id))[:MOST_PLACES]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"told": f"{number(row.area_ha, language, 1)} ha · {told} · {row.change_id}"},
                "geometry": _geometry(row.geometry),
            }
            for row, told in rows
        ],
    }


def _outlines(territories: gpd.GeoDataFrame, language: str) -> dict[str, Any]:
    shapes = _simplified(np.asarray(territories.geometry, dtype=object))
    told = [f"{title_of(row.name, row.territory_id)} · {kind_in(row.kind, language)}" for row in territories.itertuples()]
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"told": text}, "geometry": _geometry(shape, OUTLINE_DECIMALS)}
            for text, shape in zip(told, shapes, strict=True)
        ],
    }


def _simplified(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Outlines with fewer points, each for itself; every part and hole stays."""
    found = shapes
    for doubled in range(COARSEST + 1):
        found = shapely.simplify(shapes, OUTLINE_TOLERANCE_M * 2**doubled / DEGREE_M, preserve_topology=True)
        if shapely.get_num_coordinates(found).sum() <= MOST_OUTLINE_POINTS:
            break
    return found


def _geometry(shape: BaseGeometry, decimals: int = DECIMALS) -> dict[str, Any]:
    rounded: BaseGeometry = shapely.transform(shape, lambda places: np.round(places, decimals))
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
