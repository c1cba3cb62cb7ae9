"""The table of split methods, and the one way to use it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from mining_platform.footprints import bounds_of
from mining_platform.patch_tables import PatchTable, take, window_table
from mining_platform.splits.blocks import block_split
from mining_platform.splits.clusters import cluster_split
from mining_platform.splits.named_groups import named_site_split, region_split, site_split
from mining_platform.splits.places import paired_split
from mining_platform.splits.rules import SplitError, SplitRule, check_numbers
from mining_platform.splits.years import time_split

Method = Callable[[PatchTable, SplitRule], pd.DataFrame]
METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "cluster": cluster_split,
        "block": block_split,
        "site": site_split,
        "named-site": named_site_split,
        "region": region_split,
        "paired": paired_split,
        "time": time_split,
    }
)
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cluster": ("footprints",),
        "block": ("footprints",),
        "site": ("site",),
        "named-site": ("site",),
        "region": ("region",),
        "paired": ("place",),
        "time": ("year", "place"),
    }
)
"""What a table must know for a method."""


def part(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Side of every patch: columns patch_id, group, split, sorted by patch_id; `group` went to its side as a whole.

    The same table in another order of rows gives the same answer. Patches of a group can still be set aside as `buffer`.
    Raises SplitError for a rule that cannot be followed or a table that does not know what the method needs.
    """
    method = METHODS.get(rule.method)
    if method is None:
        raise SplitError(f"There is no split method {rule.method!r}; use one of {', '.join(METHODS)}.")
    check_numbers(rule)
    for name in NEEDS[rule.method]:
        if (table.footprints is None) if name == "footprints" else (name not in table.rows):
            raise SplitError(f"Method {rule.method} needs the {name} of each patch, but {table.missing[name]}.")
        if name in table.rows and (empty := table.rows[name].astype(str) == "").any():
            raise SplitError(f"Method {rule.method} needs a {name}; {table.rows['patch_id'][empty].tolist()[:5]} have none.")
    ordered = take(table, np.argsort(table.rows["patch_id"].to_numpy(dtype=str), kind="stable"))
    return method(ordered, rule)[["patch_id", "group", "split"]]


def split_windows(windows: pd.DataFrame, rule: SplitRule) -> pd.DataFrame:
    """Side of each window: columns window_id, group, split; one row a window id, sorted.

    `windows` needs window_id and range (region where the method asks for it); rows of several years may share a window id.
    Blocks must be a multiple of the windows, so that those of a grid lie in one whole; else SplitError.
    """
    if rule.method == "block":
        bounds = bounds_of(windows["window_id"].tolist())
        sizes = (bounds["maxx"] - bounds["minx"]).unique().tolist()
        if any(rule.block_m % size for size in sizes):
            raise SplitError(f"Blocks of {rule.block_m} m are no multiple of windows of {sizes} m; mend the rule.")
    return part(window_table(windows), rule).rename(columns={"patch_id": "window_id"})
