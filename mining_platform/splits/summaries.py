"""What a split came to: rows per split and range, realised shares, and where they are far from the fractions."""

import pandas as pd

from mining_platform.ranges import RANGES
from mining_platform.splits.rules import BUFFER, SPLIT_ORDER, SplitRule

ALL = "all"
SHARE_COLUMNS = ("range", "split", "wanted", "count", "share")


def split_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Rows per split and range: columns split, range, count, share (of the range's rows, buffer included).

    `table` needs split and range. One row for each split that occurs and each range, zeros included.
    """
    found = [name for name in SPLIT_ORDER if (table["split"] == name).any()]
    names = [*found, *sorted(set(table["split"].dropna()) - set(SPLIT_ORDER))]
    index = pd.MultiIndex.from_product([names, ranges_of(table)], names=["split", "range"])
    counts = table.groupby(["split", "range"]).size().reindex(index, fill_value=0).astype("int64").rename("count").reset_index()
    totals = counts.groupby("range")["count"].transform("sum")
    return counts.assign(share=(counts["count"] / totals.where(totals > 0)).fillna(0.0))


def ranges_of(table: pd.DataFrame) -> list[str]:
    """The mining-proportion ranges, and after them what else stands in the column range."""
    return [*RANGES, *sorted(set(table["range"].dropna()) - set(RANGES))]


def realised_shares(sides: pd.DataFrame, ranges: pd.Series | None, rule: SplitRule) -> pd.DataFrame:
    """Rows and shares per split of the rule, of all rows and of each range that occurs: columns SHARE_COLUMNS.

    Shares are of the rows that are not set aside; `ranges` are those of the rows of `sides`. `range` is `all` for all rows.
    """
    kept = sides["split"] != BUFFER
    parts = {ALL: kept}
    if ranges is not None:
        parts |= {str(name): kept & (ranges == name).to_numpy() for name in sorted(set(ranges))}
    rows = []
    for part, chosen in parts.items():
        counts = sides.loc[chosen, "split"].value_counts()
        for name, wanted in rule.fractions.items():
            count = int(counts.get(name, 0))
            rows.append((part, name, wanted, count, count / max(int(counts.sum()), 1)))
    return pd.DataFrame(rows, columns=list(SHARE_COLUMNS))


def off_tolerance(shares: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The rows of `realised_shares` that are farther from what was wanted than the tolerance, with the difference as `off`."""
    off = shares["share"] - shares["wanted"]
    return shares.assign(off=off)[off.abs() > tolerance].reset_index(drop=True)
