"""Hectares of mining in people's territories: Indigenous territories, protected areas, municipalities, countries.

Areas are on the WGS 84 ellipsoid (Karney 2013, doi:10.1007/s00190-012-0578-z). Edges are straight in degrees.
"""

from collections.abc import Iterable, Mapping

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import Geod

M2_PER_HA = 10_000.0
LONGEST_EDGE_DEG = 0.01  # of an outline whose area is taken: straight in degrees is not straight on the ellipsoid
COLUMNS = ("kind", "territory_id", "name", "area_ha")
"""Of a table of territories beside the hectares of each table of mining; `area_ha` is the territory's own."""
OUTSIDE = "outside"
"""territory_id of the row, one a kind, of mining that lies in none of the kind's territories."""


def hectares_by_territory(
    territories: gpd.GeoDataFrame, mining: Mapping[str, gpd.GeoDataFrame], *, kinds: Iterable[str] = ()
) -> pd.DataFrame:
    """Hectares of each table of mining in each territory, sorted by kind, then by most mining of the first table, then id.

    `territories`: kind, territory_id, name and polygons in EPSG:4326; `mining`: by the name of its column in the result, polygons
    in EPSG:4326 that do not overlap; `kinds`: those that people named, also such as no territory is of. Gives COLUMNS and a
    column a table. Ground in two territories of one kind counts in both; each kind has a row OUTSIDE of what lies in none.
    ValueError for another CRS.
    """
    for name, table in {"territories": territories, **mining}.items():
        if table.crs is None or table.crs.to_epsg() != 4326:  # noqa: PLR2004 - WGS 84
            raise ValueError(f"The polygons of {name} are not in EPSG:4326 but {table.crs}. Transform them.")
    rows = territories[["kind", "territory_id", "name"]].reset_index(drop=True)
    shapes = np.asarray(territories.geometry, dtype=object)
    rows = rows.assign(area_ha=[area_ha(shape) for shape in shapes])
    rows = rows.assign(**{name: _inside(shapes, np.asarray(table.geometry, dtype=object)) for name, table in mining.items()})
    found = pd.concat([rows, _outside(territories, mining, kinds)], ignore_index=True)
    most = next(iter(mining), "area_ha")
    keys = {"kind": True, "_outside": True, most: False, "territory_id": True}
    found = found.assign(_outside=found["territory_id"] == OUTSIDE).sort_values(list(keys), ascending=list(keys.values()))
    return found.drop(columns="_outside").reset_index(drop=True)


def _outside(territories: gpd.GeoDataFrame, mining: Mapping[str, gpd.GeoDataFrame], kinds: Iterable[str]) -> pd.DataFrame:
    rows = []
    for kind in sorted({*territories["kind"], *kinds}):
        union = shapely.union_all(np.asarray(territories.geometry[territories["kind"] == kind], dtype=object))
        shapely.prepare(union)
        left = {name: sum(_beyond(union, each) for each in table.geometry) for name, table in mining.items()}
        rows.append({"kind": kind, "territory_id": OUTSIDE, "name": "", "area_ha": np.nan, **left})
    return pd.DataFrame(rows, columns=[*COLUMNS, *mining])


def _beyond(union: shapely.Geometry, polygon: shapely.Geometry) -> float:
    if shapely.covers(union, polygon):
        return 0.0
    return area_ha(polygon if shapely.disjoint(union, polygon) else shapely.difference(polygon, union))


def _inside(territories: NDArray[np.object_], polygons: NDArray[np.object_]) -> NDArray[np.float64]:
    """(n,) hectares of the polygons in each territory."""
    tree = shapely.STRtree(polygons)
    sums = np.zeros(len(territories))
    for number, territory in enumerate(territories):
        shapely.prepare(territory)
        near = polygons[np.sort(tree.query(territory, predicate="intersects"))]
        whole = shapely.covers(territory, near) if len(near) else np.zeros(0, bool)
        cut = shapely.intersection(near[~whole], territory)
        sums[number] = sum(area_ha(shape) for shape in (*near[whole], *cut))
    return sums


def area_ha(shape: shapely.Geometry) -> float:
    """Hectares on the ellipsoid of the polygons of a shape in degrees, whatever the direction of their rings."""
    geod = Geod(ellps="WGS84")
    parts = (part for part in shapely.get_parts(shape) if part.geom_type == "Polygon")
    dense = (shapely.geometry.polygon.orient(shapely.segmentize(part, LONGEST_EDGE_DEG)) for part in parts)
    return sum(abs(geod.geometry_area_perimeter(part)[0]) for part in dense) / M2_PER_HA
