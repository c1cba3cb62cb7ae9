"""Places that one system finds and another does not: a count that does not depend on the size of their cells.

A place is ground of one system whose cells are joined by edges. It is known to the other where both find mining on some of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from mining_platform.chunks import CHUNK_PX
from mining_platform.comparisons.agreement_maps import BOTH, M2_PER_HA, ONLY_OURS, ONLY_THEIRS
from mining_platform.first_years import windows
from mining_platform.grids import project
from mining_platform.mask_outlines import area_m2, outline_id, outlines
from mining_platform.raster_files import opened_raster_file
from mining_platform.store import durable

COLUMNS = ("place_id", "area_ha", "is_whole_place", "simulated")
"""Of outlines that only one side finds; `is_whole_place` where the other finds nothing of the place that it is part of."""


@dataclass(frozen=True)
class Places:
    """Places of the two sides."""

    counts: dict[str, int]
    """`our_places`, `our_places_known`, `their_places`, `their_places_found`: those above the least area."""
    only_ours: gpd.GeoDataFrame
    only_theirs: gpd.GeoDataFrame
    """Connected ground, larger than the least area, that only one side finds: COLUMNS and geometry, EPSG:4326."""


def places_of(agreement: Path, work: Path, *, min_area_ha: float, simulated: bool) -> Places:
    """Places of a map of agreement as `write_agreement` makes it; a temporary file lies in the folder `work` meanwhile."""
    both = _outlines(agreement, (BOTH,), work)
    inside = shapely.point_on_surface(np.asarray(both, dtype=object))
    counts: dict[str, int] = {}
    tables: list[gpd.GeoDataFrame] = []
    for only, all_name, met_name in (
        (ONLY_OURS, "our_places", "our_places_known"),
        (ONLY_THEIRS, "their_places", "their_places_found"),
    ):
        places = np.asarray(_outlines(agreement, (BOTH, only), work), dtype=object)
        known = _holding(places, inside)
        large = _large(agreement, places, min_area_ha)
        counts |= {all_name: int(large.sum()), met_name: int((large & known).sum())}
        parts = _outlines(agreement, (only,), work)
        tables.append(_table(agreement, parts, places[~known], min_area_ha, simulated=simulated))
    return Places(counts, *tables)


def _outlines(agreement: Path, values: Sequence[int], work: Path) -> list[Polygon]:
    """Outlines of the cells that hold one of some values, joined by edges."""
    with TemporaryDirectory(dir=work, prefix=durable.TEMPORARY_PREFIX) as folder, opened_raster_file(agreement) as source:
        mask = Path(folder) / "mask.tif"
        tiles = {"tiled": True, "blockxsize": CHUNK_PX, "blockysize": CHUNK_PX, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER"}
        shape = {"width": source.width, "height": source.height, "crs": source.crs, "transform": source.transform}
        with rasterio.open(mask, "w", driver="GTiff", dtype="uint8", count=1, **shape, **tiles) as raster:
            for window in windows(source):
                raster.write(np.isin(source.read(1, window=window), values).astype(np.uint8), 1, window=window)
        with opened_raster_file(mask) as written:
            return outlines(written)


def _holding(places: NDArray[np.object_], points: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): places that hold one of the points."""
    holds = np.zeros(len(places), dtype=bool)
    if len(places) and len(points):
        _, numbers = shapely.STRtree(places).query(points, predicate="within")
        holds[numbers] = True
    return holds


def _large(agreement: Path, places: NDArray[np.object_], min_area_ha: float) -> NDArray[np.bool_]:
    with opened_raster_file(agreement) as source:
        epsg = source.crs.to_epsg()
    return np.array([area_m2(each, epsg) / M2_PER_HA > min_area_ha for each in places], dtype=bool)


def _table(
    agreement: Path, parts: list[Polygon], unknown: NDArray[np.object_], min_area_ha: float, *, simulated: bool
) -> gpd.GeoDataFrame:
    """Large parts that only one side finds; `unknown` are its places of which the other finds nothing."""
    with opened_raster_file(agreement) as source:
        epsg = source.crs.to_epsg()
    rows: list[dict[str, Any]] = []
    shapes: list[Polygon] = []
    whole = _within(parts, unknown)
    for part, is_whole in zip(parts, whole, strict=True):
        area = area_m2(part, epsg) / M2_PER_HA
        if area > min_area_ha:
            rows.append(dict(zip(COLUMNS, (outline_id(part, epsg), area, bool(is_whole), simulated), strict=True)))
            shapes.append(part)
    placed = gpd.GeoSeries([project(each, epsg, 4326) for each in shapes], crs=4326)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"area_ha": float, "is_whole_place": bool, "simulated": bool})
    return gpd.GeoDataFrame(table, geometry=placed, crs=4326)


def _within(parts: list[Polygon], places: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,): parts that lie in one of the places."""
    lies = np.zeros(len(parts), dtype=bool)
    if len(parts) and len(places):
        numbers, _ = shapely.STRtree(places).query(shapely.point_on_surface(np.asarray(parts, dtype=object)), predicate="within")
        lies[numbers] = True
    return lies
