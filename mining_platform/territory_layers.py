"""Territories that people name in a region's `monitoring`: files of polygons such as Indigenous territories or municipalities."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from mining_platform.regions import Region, TerritoryLayer, expand
from mining_platform.sources.protocol import SourceError
from mining_platform.store.digests import file_digest
from mining_platform.territories import OUTSIDE
from mining_platform.vector_files import lies_on_the_globe, read_features

COLUMNS = ("kind", "territory_id", "name")
NAMED = 5  # wrong territories that an error names


def layers_of_regions(regions: Iterable[Region]) -> tuple[TerritoryLayer, ...]:
    """The layers that monitored regions name, each once, in the order of the regions."""
    return tuple(dict.fromkeys(layer for region in regions if region.monitoring for layer in region.monitoring.territories))


def layers_fingerprint(layers: Iterable[TerritoryLayer]) -> list[dict[str, Any]]:
    """What decides what the territories are: each layer's row and the blake3 of its file; SourceError where it is missing."""
    return [{**asdict(layer), "blake3": file_digest(_existing(layer))} for layer in layers]


def territories_of_regions(regions: Sequence[Region]) -> gpd.GeoDataFrame:
    """As `read_territories`, those that share ground with any of the regions."""
    table = read_territories(layers_of_regions(regions))
    if table.empty:
        return table
    ground = shapely.union_all([region.geometry for region in regions])
    shapely.prepare(ground)
    shapes = np.asarray(table.geometry, dtype=object)
    return table[shapely.intersects(ground, shapes) & ~shapely.touches(ground, shapes)].reset_index(drop=True)


def read_territories(layers: tuple[TerritoryLayer, ...]) -> gpd.GeoDataFrame:
    """All territories, in EPSG:4326: COLUMNS and geometry, sorted by kind and id; of a kind in several layers, those of all.

    SourceError, naming the file and the territories, for a file that cannot be read, properties that it lacks, ids that are
    empty, used twice or OUTSIDE, degrees that are none, and shapes that are no valid polygons.
    """
    parts = [_read(layer) for layer in layers]
    if not parts:
        return gpd.GeoDataFrame({name: [] for name in COLUMNS}, geometry=[], crs=4326)
    table = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=4326)
    twice = table.duplicated(["kind", "territory_id"], keep=False)
    if twice.any():
        shown = ", ".join(table.loc[twice, "territory_id"].unique()[:NAMED])
        raise SourceError(f"Territories of one kind have an id used twice: {shown}. Name another property as 'id'.")
    return table.sort_values(["kind", "territory_id"], ignore_index=True)


def _read(layer: TerritoryLayer) -> gpd.GeoDataFrame:
    path = _existing(layer)
    try:
        found = read_features(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise SourceError(f"The territories of {path} cannot be read ({error}). Name a file of polygons.") from None
    if lacking := [name for name in (layer.id, layer.name) if name not in found.columns]:
        there = ", ".join(str(name) for name in found.columns if name != "geometry")
        raise SourceError(f"{path.name} has no property {', '.join(lacking)}; it has {there}. Mend the layer's id and name.")
    if not len(found) or found.crs is None:
        raise SourceError(f"{path.name} holds no territories with a CRS. Name a file of polygons.")
    if not lies_on_the_globe(found):
        raise SourceError(f"{path.name} has coordinates that are no degrees, though its CRS is {found.crs.name}. State the CRS.")
    ids = found[layer.id].astype("string").str.strip()
    shapes = found.geometry.to_crs(4326)
    _refuse(path, ids, (ids.isna() | (ids == "") | (ids == OUTSIDE)).to_numpy(bool), "have no id of their own")
    flat = shapes.geom_type.isin(["Polygon", "MultiPolygon"]) & shapes.is_valid & ~shapes.is_empty & ~shapes.isna()
    _refuse(path, ids, ~flat.to_numpy(bool), "are no valid polygons")
    names = found[layer.name].astype("string").fillna("").str.strip()
    told = {"kind": layer.kind, "territory_id": ids.astype(object), "name": names.astype(object)}
    return gpd.GeoDataFrame(told, geometry=shapely.force_2d(np.asarray(shapes, dtype=object)), crs=4326)


def _refuse(path: Path, ids: pd.Series, wrong: NDArray[np.bool_], problem: str) -> None:
    if wrong.any():
        shown = ", ".join(f"number {number} ({ids.iloc[number]})" for number in np.flatnonzero(wrong)[:NAMED])
        raise SourceError(f"{path.name}: {int(wrong.sum())} territories {problem}: {shown}. Mend the file.")


def _existing(layer: TerritoryLayer) -> Path:
    path = Path(expand(layer.href))
    if not path.is_file():
        raise SourceError(f"There is no file of territories {path}. Put it there, or mend the region's 'monitoring'.")
    return path
