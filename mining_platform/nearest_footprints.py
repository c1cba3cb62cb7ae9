"""How far apart the sides of a split stand: the distance between the nearest footprints of different groups."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from mining_platform.footprints import Footprints, centres_m, measure, reprojected, subset


def nearest_m(footprints: Footprints, groups: Sequence[Any] | NDArray[Any]) -> float | None:
    """Distance between the nearest footprints of different groups, 0 where they touch; None with fewer than two groups.

    Each two are measured as by `close_pairs`. Meant for the few sides of a split: it looks at each pair of groups.
    """
    codes, names = pd.factorize(np.asarray(groups))
    parts = [subset(footprints, codes == code) for code in range(len(names))]
    least = None
    for first, second in combinations(parts, 2):
        bound_m = _nearest_by_centres_m(first, second)
        least = _nearest_of_two_m(first, second, bound_m if least is None else min(least, bound_m))
        if not least:
            break
    return least


def _nearest_by_centres_m(first: Footprints, second: Footprints) -> float:
    """Distance between the footprints whose centres are nearest: no less than that of the nearest footprints."""
    from scipy.spatial import cKDTree

    gaps, places = cKDTree(centres_m(first)).query(centres_m(second))
    row = int(gaps.argmin())
    two = (subset(first, places[[row]]), subset(second, np.array([row])))
    joined = Footprints(*(np.concatenate([getattr(each, name) for each in two]) for name in ("geometry", "epsg")))
    return float(measure(joined, np.array([0]), np.array([1]))[0][0])


def _nearest_of_two_m(first: Footprints, second: Footprints, most_m: float) -> float:
    """Distance between the nearest footprints of two groups, or `most_m` where that is less."""
    least = most_m
    for source, other in product(np.unique(first.epsg).tolist(), np.unique(second.epsg).tolist()):
        if not least:
            break
        here, there = (
            reprojected(each.geometry[each.epsg == code], code, min(source, other))
            for each, code in ((first, source), (second, other))
        )
        _, gaps = shapely.STRtree(here).query_nearest(there, max_distance=least, return_distance=True, all_matches=False)
        least = min(least, float(gaps.min(initial=np.inf)))
    return least
