"""Clusters of centres go to one side whole: DBSCAN, in an exact form whose answer does not depend on the order of the rows.

M. Ester et al., A Density-Based Algorithm for Discovering Clusters in Large Spatial Databases with Noise (KDD 1996).
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.footprints import centres_m
from mining_platform.patch_tables import PatchTable
from mining_platform.splits.dealing import deal
from mining_platform.splits.grounds import components, footprints_of, merged
from mining_platform.splits.rules import SplitRule

REACH_EPS = (
    3.0  # centres of two cells, each of diagonal eps, are at most this many eps apart if any of their points are neighbours
)


def cluster_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by clusters: columns patch_id, group (the first patch id in the cluster), split, in the table's order.

    Clusters whose footprints overlap or are nearer than `buffer_m` are one: distances of centres alone do not keep ground
    apart (squares of 2,560 m overlap up to 3,620 m between centres). Patches that are noise (`min_samples` above 1) are
    groups of their own. Whole groups are dealt near the fractions, within each range where ranges are known.
    """
    labels = dbscan(centres_m(footprints_of(table)), rule.eps_m, rule.min_samples)
    ids = table.rows["patch_id"]
    first = ids.groupby(labels).transform("min")
    groups = merged(table, ids.where(labels < 0, first), rule.buffer_m)
    return table.rows[["patch_id"]].assign(
        group=groups, split=groups.map(deal(groups, table.rows.get("range"), rule.fractions, rule.seed))
    )


def dbscan(points: NDArray[np.float64], eps: float, min_samples: int) -> NDArray[np.int64]:
    """(n, 3) points -> (n,) cluster labels, -1 for noise.

    A point that is near several clusters without carrying one on belongs to that of its nearest carrying neighbour (the
    original leaves it to the order of the rows).
    """
    from scipy.spatial import cKDTree

    if min_samples <= 1:
        return linked(points, eps)
    count = cKDTree(points).query_ball_point(points, eps, return_length=True)
    labels, core = np.full(len(points), -1, dtype=np.int64), np.flatnonzero(count >= min_samples)
    if core.size:
        labels[core] = linked(points[core], eps)
        rest = np.flatnonzero(labels < 0)
        gap, nearest = cKDTree(points[core]).query(points[rest])
        labels[rest[gap <= eps]] = labels[core[nearest[gap <= eps]]]
    return labels


def linked(points: NDArray[np.float64], eps: float) -> NDArray[np.int64]:
    """(n, 3) points -> (n,) labels of the components in which each point has another within `eps`.

    Points of one cell of diagonal `eps` are linked by that alone, so that work follows the cells and not the pairs of points.
    """
    from scipy.spatial import cKDTree

    cells, members = np.unique(np.floor(points / (max(eps, 1e-6) / np.sqrt(3))), axis=0, return_inverse=True)
    members = members.ravel()
    order = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[order], np.arange(len(cells) + 1))
    first = points[order[starts[:-1]]]
    pairs = cKDTree(first).query_pairs(REACH_EPS * eps * (1 + 1e-9), output_type="ndarray")
    known = np.linalg.norm(first[pairs[:, 0]] - first[pairs[:, 1]], axis=1) <= eps
    labels = components(len(cells), pairs[known])
    open_pairs = pairs[~known & (labels[pairs[:, 0]] != labels[pairs[:, 1]])]
    met = _meeting(points[order], starts, open_pairs, eps)
    return components(len(cells), np.concatenate([pairs[known], met]))[members]


def _meeting(points: NDArray[np.float64], starts: NDArray[Any], pairs: NDArray[Any], eps: float) -> NDArray[Any]:
    """The pairs of cells that hold two points within `eps`; cell k holds points[starts[k]:starts[k + 1]]."""
    from scipy.spatial import cKDTree

    low, high = (each.reduceat(points, starts[:-1], axis=0) for each in (np.minimum, np.maximum))
    a, b = pairs.T
    gap = np.maximum(np.maximum(low[a], low[b]) - np.minimum(high[a], high[b]), 0)
    possible = pairs[np.linalg.norm(gap, axis=1) <= eps]
    least = [
        cKDTree(points[starts[i] : starts[i + 1]]).query(points[starts[j] : starts[j + 1]])[0].min() for i, j in possible.tolist()
    ]
    return possible[np.array(least, dtype=float) <= eps]
