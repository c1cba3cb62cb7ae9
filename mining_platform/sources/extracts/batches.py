"""Batches of features as every reader of an extract gives them, and the table that they are gathered into."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from mining_platform.context import Bounds
from mining_platform.osm_keys import LINES, OSM_KEYS, POLYGONS

BATCH_FEATURES = 8_192
"""Features held before they are looked at, and most of them let go."""
INCOMPLETE, BROKEN = "incomplete", "broken"
_KINDS = {1: LINES, 2: LINES, 5: LINES, 3: POLYGONS, 6: POLYGONS}
"""Kind by shapely's number of a geometry type; points and collections have none."""
_WORLD = (-180.0, -90.0, 180.0, 90.0)


class ExtractError(ValueError):
    """An extract of OpenStreetMap cannot be read; the message says which, why, and how to mend it."""


@dataclass(frozen=True)
class Batch:
    """Some features of an extract; one that has two keys is there twice."""

    keys: Sequence[str]
    values: Sequence[str]
    geometries: NDArray[np.object_]
    """In EPSG:4326; None where there is none."""


@dataclass
class Tally:
    """What a reader has seen so far."""

    features: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Features by key and kind, wherever they lie."""
    skipped: Counter[str] = field(default_factory=Counter)
    """INCOMPLETE: nodes or members are not in the extract; BROKEN: no valid geometry."""
    bounds: Bounds | None = None
    """Of all features."""


@dataclass(frozen=True)
class Told:
    """What an extract says of itself."""

    extent: Bounds | None
    """What it covers."""
    date: str
    """Time of the data, ISO 8601; empty where it does not say."""


def gather(batches: Iterable[Batch], within: Sequence[Bounds] | None, tally: Tally) -> gpd.GeoDataFrame:
    """Features whose bounds touch one of some boxes (None: all): key, value, geometry, in EPSG:4326, in the extract's order.

    Only geometries that count for their key; broken ones are counted and left out. Memory holds a batch and what is kept.
    """
    tree = None if within is None else shapely.STRtree(shapely.box(*np.asarray(within, float).reshape(-1, 4).T))
    kept = [_kept(batch, tree, tally) for batch in batches]
    keys = [key for part in kept for key in part.keys]
    values = [value for part in kept for value in part.values]
    geometries = np.concatenate([np.zeros(0, object), *(part.geometries for part in kept)])
    table = {"key": pd.Categorical(keys, list(OSM_KEYS)), "value": pd.Series(values, dtype="str")}
    return gpd.GeoDataFrame(table, geometry=geometries, crs="EPSG:4326")


def _kept(batch: Batch, tree: shapely.STRtree | None, tally: Tally) -> Batch:
    """Features of a batch that count and lie near; the batch is entered into the tally."""
    bounds = shapely.bounds(batch.geometries)
    kinds = [_KINDS.get(number, "") for number in shapely.get_type_id(batch.geometries).tolist()]
    counts = np.array([kind in OSM_KEYS[key].kinds for key, kind in zip(batch.keys, kinds, strict=True)], bool)
    whole = _whole(batch.geometries, bounds)
    tally.skipped[BROKEN] += int((~whole & (counts | shapely.is_missing(batch.geometries))).sum())
    good = np.flatnonzero(counts & whole)
    tally.features.update((batch.keys[position], kinds[position]) for position in good.tolist())
    if len(good):
        tally.bounds = _union(tally.bounds, bounds[good])
    near = good if tree is None else good[np.unique(tree.query(batch.geometries[good])[0])]
    keys, values = ([texts[position] for position in near.tolist()] for texts in (batch.keys, batch.values))
    return Batch(keys, values, batch.geometries[near])


def _whole(geometries: NDArray[np.object_], bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which geometries are valid and on the globe."""
    on_globe = (bounds[:, :2] >= _WORLD[:2]).all(axis=1) & (bounds[:, 2:] <= _WORLD[2:]).all(axis=1)  # False for NaN
    return np.asarray(on_globe & shapely.is_valid(geometries))


def _union(known: Bounds | None, bounds: NDArray[np.float64]) -> Bounds:
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    if known is not None:
        west, south, east, north = min(west, known[0]), min(south, known[1]), max(east, known[2]), max(north, known[3])
    return float(west), float(south), float(east), float(north)


def counts_by_key(features: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Number of features by key, then by the kinds that count for it."""
    return {key: {kind: features.get((key, kind), 0) for kind in row.kinds} for key, row in OSM_KEYS.items()}
