"""Which side of a split each window is on, decided by the ground, and the audit that no ground is on two sides.

A block's side depends on the seed, the fractions and where the block lies, not on the year or on the other windows,
so the same ground is on the same side in every year; the one exception is stated at `block_split`.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from blake3 import blake3

from mining_platform.datasets import RANGES, SplitRule
from mining_platform.footprints import bounds_of, close_pairs

BUFFER = "buffer"
SPLIT_ORDER = ("train", "val", "test", BUFFER)
CONFLICT_COLUMNS = ("window_id_a", "window_id_b", "split_a", "split_b", "distance_m")

# Steps of the R2 sequence: powers of 1 / p with p the plastic number, p**3 = p + 1. M. Roberts, The Unreasonable
# Effectiveness of Quasirandom Sequences (2018). Neighbouring blocks get values spread evenly over 0 to 1.
PLASTIC_NUMBER = 1.324717957244746
STEP_X, STEP_Y = 1 / PLASTIC_NUMBER, 1 / PLASTIC_NUMBER**2


def block_of(window_ids: pd.Series, block_m: int) -> pd.Series:
    """Block id `<epsg>_<x>_<y>` of the block of ground that holds each window's centre; block (0, 0) starts at the CRS origin."""
    bounds = bounds_of(window_ids.tolist())
    x, y = (bounds["minx"] + bounds["maxx"]) // 2 // block_m, (bounds["miny"] + bounds["maxy"]) // 2 // block_m
    return pd.Series([f"{e}_{i}_{j}" for e, i, j in zip(bounds["epsg"], x, y, strict=True)], index=window_ids.index, dtype=str)


def block_split(windows: pd.DataFrame, rule: SplitRule) -> pd.DataFrame:
    """Split of each window by blocks of ground: columns window_id, block, split; one row a window id, sorted.

    `windows` needs window_id and range; rows of several years may share a window id.

    1. A block's place gives a number in [0, 1) by a low-discrepancy lattice shifted by the seed; the fractions, in the order of
       the rule, part that span. Any neighbourhood, and so any cluster of mines, is thereby shared near the fractions; a range
       of few windows can still come out uneven, which `split_summary` shows.
    2. Where a split would have no block with mining, or no block at all, and another split can spare one, the first such block
       in the seed's hash order moves. This alone looks at the windows, and matters for a handful of blocks only.
    3. Of two windows of different splits that overlap or are nearer than `buffer_m`, the one in the split with the larger
       fraction gets the split `buffer`.

    Raises ValueError for another method, fractions that do not sum to 1, or a block that is no multiple of the windows.
    """
    _check_rule(windows, rule)
    table = (
        windows[["window_id"]].assign(is_mining=windows["range"] != "000").groupby("window_id")["is_mining"].max().reset_index()
    )
    table["block"] = block_of(table["window_id"], rule.block_m)
    has_mining = {str(block): bool(mining) for block, mining in table.groupby("block")["is_mining"].max().items()}
    table["split"] = table["block"].map(_filled(home_splits(list(has_mining), rule), has_mining, rule)).astype(str)
    return _with_buffer(table[["window_id", "block", "split"]].sort_values("window_id", ignore_index=True), rule)


def _check_rule(windows: pd.DataFrame, rule: SplitRule) -> None:
    if rule.method != "block":
        raise ValueError(f"Split method {rule.method!r} is not 'block'; mend the dataset's row in mining_platform/datasets.py.")
    if abs(sum(rule.fractions.values()) - 1) > 1e-9 or min(rule.fractions.values()) <= 0:  # noqa: PLR2004 - rounding of a sum
        raise ValueError(f"Split fractions {dict(rule.fractions)} must be above 0 and sum to 1; mend the dataset's row.")
    bounds = bounds_of(windows["window_id"].tolist())
    sizes = (bounds["maxx"] - bounds["minx"]).unique()
    if any(rule.block_m % int(size) for size in sizes):
        raise ValueError(f"Blocks of {rule.block_m} m are no multiple of windows of {sizes.tolist()} m; mend the dataset's row.")


def home_splits(blocks: list[str], rule: SplitRule) -> dict[str, str]:
    """Split of each block by its place alone; equal for equal seed, fractions and block id, whatever else there is."""
    names, limits = list(rule.fractions), np.cumsum(list(rule.fractions.values()))
    sides = {}
    for block in blocks:
        epsg, x, y = (int(part) for part in block.split("_"))
        number = (_unit_hash(f"{rule.seed}:{epsg}") + x * STEP_X + y * STEP_Y) % 1
        sides[block] = names[min(int(np.searchsorted(limits, number, side="right")), len(names) - 1)]
    return sides


def _unit_hash(text: str) -> float:
    return int.from_bytes(blake3(text.encode()).digest(length=6), "big") / 2**48


def _filled(sides: Mapping[str, str], has_mining: Mapping[str, bool], rule: SplitRule) -> dict[str, str]:
    """Sides such that every split has a block with mining, else any block, as far as others can spare one."""
    filled = dict(sides)
    order = sorted(sides, key=lambda block: _unit_hash(f"{rule.seed}:{block}"))
    for wanted in ([block for block in order if has_mining[block]], order):
        for name in rule.fractions:
            if any(filled[block] == name for block in wanted):
                continue
            counts = {donor: sum(filled[block] == donor for block in wanted) for donor in rule.fractions}
            donor = max(counts, key=lambda each: (counts[each], rule.fractions[each]))
            if counts[donor] > 1:
                filled[next(block for block in wanted if filled[block] == donor)] = name
    return filled


def _with_buffer(table: pd.DataFrame, rule: SplitRule) -> pd.DataFrame:
    """The table with windows too near to another split set aside."""
    pairs = close_pairs(table["window_id"].tolist(), rule.buffer_m, table["split"].tolist())
    rank = table["split"].map({name: (fraction, -place) for place, (name, fraction) in enumerate(rule.fractions.items())})
    aside = {int(a if rank[a] > rank[b] else b) for a, b in zip(pairs["a"], pairs["b"], strict=True)}
    split = table["split"].where(~table.index.isin(aside), BUFFER)
    return table.assign(split=split)


def footprint_conflicts(table: pd.DataFrame, buffer_m: float = 0) -> pd.DataFrame:
    """Pairs of windows of different splits on the same ground, or nearer than a distance; empty where the split holds.

    `table` needs window_id and split, any number of rows a window (years); rows without a split or in `buffer` do not count.
    Touching edges are no conflict where `buffer_m` is 0; one window in two splits always is. Columns: CONFLICT_COLUMNS.
    """
    rows = table.loc[table["split"].notna() & ~table["split"].isin(["", BUFFER]), ["window_id", "split"]]
    rows = rows.drop_duplicates().sort_values(["window_id", "split"], ignore_index=True)
    pairs = close_pairs(rows["window_id"].tolist(), buffer_m, rows["split"].tolist())
    first, second = (rows.iloc[pairs[side].astype(int)].reset_index(drop=True) for side in ("a", "b"))
    conflicts = pd.concat([first.add_suffix("_a"), second.add_suffix("_b")], axis=1).assign(distance_m=pairs["distance_m"])
    return conflicts[list(CONFLICT_COLUMNS)]


def split_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Rows per split and range: columns split, range, count, share (of the range's rows, buffer included).

    `table` needs split and range. One row for each split that occurs and each range, zeros included.
    """
    found = [name for name in SPLIT_ORDER if (table["split"] == name).any()]
    names = [*found, *sorted(set(table["split"].dropna()) - set(SPLIT_ORDER))]
    index = pd.MultiIndex.from_product([names, RANGES], names=["split", "range"])
    counts = table.groupby(["split", "range"]).size().reindex(index, fill_value=0).astype("int64").rename("count").reset_index()
    totals = counts.groupby("range")["count"].transform("sum")
    return counts.assign(share=(counts["count"] / totals.where(totals > 0)).fillna(0.0))
