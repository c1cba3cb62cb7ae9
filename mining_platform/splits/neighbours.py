"""Which patches are neighbours, for intervals over clusters: those that the split keeps together."""

import pandas as pd

from mining_platform.splits.blocks import block_of
from mining_platform.splits.methods import split_windows
from mining_platform.splits.rules import SplitRule

CLUSTER = "cluster"
"""The method of splits whose groups are clusters of near patches."""


def neighbours_of(manifest: pd.DataFrame, rule: SplitRule) -> pd.Series:
    """Name of each patch's cluster of neighbours, in the order of the rows.

    Where the split goes by clusters they are its own, of all rows together: the table must be whole. Else blocks of ground of
    the rule's `block_m`. `manifest` needs window_id, range and is_mining.
    """
    if rule.method != CLUSTER:
        return block_of(manifest["window_id"], rule.block_m)
    groups = split_windows(pd.DataFrame(manifest), rule).set_index("window_id")["group"]
    return manifest["window_id"].map(groups).astype(str)


def told_neighbours(rule: SplitRule) -> str:
    """What neighbours are, in words."""
    if rule.method != CLUSTER:
        return f"blocks of {rule.block_m:,} m"
    return f"clusters of the split: centres at most {rule.eps_m:,.0f} m apart, or ground that overlaps"
