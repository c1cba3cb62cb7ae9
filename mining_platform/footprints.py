"""The ground that windows stand on: bounds from their ids, and pairs that overlap or come too near.

A window's id is all that is needed, so tables are joined by id and never by position.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from mining_platform.grids import PIXEL_M

OVERLAP_M2 = 1.0  # lattice windows overlap by 100 m2 at least; less is rounding between two projections
PAIR_COLUMNS = ("a", "b", "distance_m")


def bounds_of(window_ids: Sequence[str]) -> pd.DataFrame:
    """Columns epsg, px, minx, miny, maxx, maxy (whole metres) of windows, in the order given.

    ValueError names ids that are not of the form `<epsg>_<easting/10>_<northing/10>_<px>`.
    """
    identifiers = pd.Series(list(window_ids), dtype=str)
    parts = identifiers.str.extract(r"^(\d{4,6})_(-?\d+)_(-?\d+)_(\d+)$")
    if wrong := identifiers[parts.isna().any(axis=1)].tolist()[:3]:
        raise ValueError(f"{wrong} are no window ids; make ids with mining_platform.grids.window_id.")
    epsg, east, north, px = (parts[column].astype(np.int64) for column in parts)
    minx, maxy, size = east * PIXEL_M, north * PIXEL_M, px * PIXEL_M
    return pd.DataFrame({"epsg": epsg, "px": px, "minx": minx, "miny": maxy - size, "maxx": minx + size, "maxy": maxy})


def close_pairs(window_ids: Sequence[str], distance_m: float, groups: Sequence[str] | None = None) -> pd.DataFrame:
    """Pairs of rows whose footprints overlap or are nearer than a distance: columns a, b (positions, a < b), distance_m.

    Touching edges are a pair only where `distance_m` is above 0. With `groups`, only pairs of different groups.
    Works across CRS: footprints are compared in the CRS of one of the two.
    """
    bounds, codes = bounds_of(window_ids), None if groups is None else pd.factorize(np.asarray(groups))[0]
    zones = sorted(bounds["epsg"].unique().tolist())
    found = [
        _pairs_between(bounds, first, second, distance_m, codes)
        for position, first in enumerate(zones)
        for second in zones[position:]
    ]
    pairs = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(PAIR_COLUMNS))
    return pairs.sort_values(["a", "b"], ignore_index=True)


def _pairs_between(bounds: pd.DataFrame, first: int, second: int, distance_m: float, codes: np.ndarray | None) -> pd.DataFrame:
    """Close pairs with one window in each of two CRS (or both in one), compared in the first."""
    here, there = (np.flatnonzero(bounds["epsg"] == epsg) for epsg in (first, second))
    boxes, others = _boxes(bounds.iloc[here]), _boxes(bounds.iloc[there])
    if first != second:
        x, y = Transformer.from_crs(second, first, always_xy=True).transform(*shapely.get_coordinates(others).T)
        others = shapely.set_coordinates(others, np.column_stack([x, y]))
    i, j = shapely.STRtree(boxes).query(others, predicate="dwithin", distance=distance_m)[::-1]
    different = here[i] < there[j] if first == second else np.ones(i.size, dtype=bool)
    if codes is not None:
        different &= codes[here[i]] != codes[there[j]]
    i, j = i[different], j[different]
    gap = shapely.distance(boxes[i], others[j])
    near = (gap < distance_m) | (shapely.area(shapely.intersection(boxes[i], others[j])) > OVERLAP_M2)
    a, b = here[i[near]], there[j[near]]
    return pd.DataFrame({"a": np.minimum(a, b), "b": np.maximum(a, b), "distance_m": gap[near]})


def _boxes(bounds: pd.DataFrame) -> np.ndarray:
    minx, miny, maxx, maxy = (bounds[name].to_numpy(dtype=float) for name in ("minx", "miny", "maxx", "maxy"))
    return np.asarray(shapely.box(minx, miny, maxx, maxy))
