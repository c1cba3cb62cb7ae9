"""Ground between splits: rows that stand too near are set aside, groups that share ground become one, conflicts are found."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.footprints import Footprints, close_pairs, iter_close_pairs, subset, window_footprints
from mining_platform.patch_tables import PatchTable
from mining_platform.splits.rules import BUFFER, SplitError, SplitRule

CONFLICT_COLUMNS = ("window_id_a", "window_id_b", "split_a", "split_b", "distance_m")


def footprints_of(table: PatchTable) -> Footprints:
    """The footprints of a table that must have them."""
    if table.footprints is None:
        raise SplitError(f"This needs footprints, but {table.missing['footprints']}.")
    return table.footprints


def with_buffer(table: PatchTable, sides: pd.DataFrame, rule: SplitRule) -> pd.DataFrame:
    """The sides with rows too near to another split set aside: of two, the one in the split with the larger fraction."""
    ranks = {name: (fraction, -place) for place, (name, fraction) in enumerate(rule.fractions.items())}
    return set_aside(
        table, sides, {name: place for place, name in enumerate(sorted(ranks, key=ranks.__getitem__))}, rule.buffer_m
    )


def set_aside(table: PatchTable, sides: pd.DataFrame, rank: Mapping[str, int], buffer_m: float) -> pd.DataFrame:
    """The sides with `buffer` for the higher rank of any two rows of different splits that overlap or are nearer than a distance.

    Rows that are in the buffer already stand near nothing. A table without coordinates stays as it is.
    """
    if table.footprints is None:
        return sides
    kept = np.flatnonzero(sides["split"] != BUFFER)
    split = sides["split"].to_numpy(object)[kept]
    ranks = np.array([rank[name] for name in split], dtype=np.int64)
    aside = np.zeros(len(sides), dtype=bool)
    for pairs in iter_close_pairs(subset(table.footprints, kept), buffer_m, split):
        a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
        aside[kept[np.where(ranks[a] > ranks[b], a, b)]] = True
    return sides.assign(split=sides["split"].where(~aside, BUFFER))


def merged(table: PatchTable, groups: pd.Series, distance_m: float) -> pd.Series:
    """Groups with those joined whose footprints overlap or are nearer than a distance; named as the first of their names."""
    if table.footprints is None:
        return groups
    codes, names = pd.factorize(groups, sort=True)
    found = iter_close_pairs(table.footprints, distance_m, codes)
    links = [np.unique(codes[pairs[["a", "b"]].to_numpy()], axis=0) for pairs in found]
    labels = components(len(names), np.concatenate(links))
    first = pd.Series(np.arange(len(names))).groupby(labels).transform("min").to_numpy()
    return pd.Series(np.asarray(names)[first[codes]], index=groups.index, dtype=str)


def components(count: int, links: NDArray[Any]) -> NDArray[np.int64]:
    """(count,) labels of the connected components of a graph of (n, 2) pairs of nodes."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(links), dtype=bool), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def footprint_conflicts(table: pd.DataFrame, buffer_m: float = 0) -> pd.DataFrame:
    """Pairs of windows of different splits on the same ground, or nearer than a distance; empty where the split holds.

    `table` needs window_id and split, any number of rows a window (years); rows without a split or in `buffer` do not count.
    Touching edges are no conflict where `buffer_m` is 0; one window in two splits always is. Columns: CONFLICT_COLUMNS.
    """
    rows = table.loc[table["split"].notna() & ~table["split"].isin(["", BUFFER]), ["window_id", "split"]]
    rows = rows.drop_duplicates().sort_values(["window_id", "split"], ignore_index=True)
    pairs = close_pairs(window_footprints(rows["window_id"].tolist()), buffer_m, rows["split"].tolist())
    first, second = (rows.iloc[pairs[side].astype(int)].reset_index(drop=True) for side in ("a", "b"))
    conflicts = pd.concat([first.add_suffix("_a"), second.add_suffix("_b")], axis=1).assign(distance_m=pairs["distance_m"])
    return conflicts[list(CONFLICT_COLUMNS)]
