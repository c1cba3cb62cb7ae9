"""Square blocks of ground go to one side whole, decided by where the block lies.

A block's side depends on the seed, the fractions and where the block lies, not on the year or on the other patches,
so the same ground is on the same side in every year; the one exception is stated at `block_split`.
"""

import numpy as np
import pandas as pd
import shapely

from mining_platform.footprints import Footprints, window_footprints
from mining_platform.patch_tables import PatchTable
from mining_platform.splits.grounds import footprints_of, with_buffer
from mining_platform.splits.hashes import filled, side_of, unit_hash
from mining_platform.splits.rules import SplitRule

# Steps of the R2 sequence: powers of 1 / p with p the plastic number, p**3 = p + 1. M. Roberts, The Unreasonable
# Effectiveness of Quasirandom Sequences (2018). Neighbouring blocks get values spread evenly over 0 to 1.
PLASTIC_NUMBER = 1.324717957244746
STEP_X, STEP_Y = 1 / PLASTIC_NUMBER, 1 / PLASTIC_NUMBER**2


def block_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by blocks of ground: columns patch_id, group (the block), split, in the table's order.

    1. A block's place gives a number in [0, 1) by a low-discrepancy lattice shifted by the seed; the fractions, in the order of
       the rule, part that span. Any neighbourhood, and so any cluster of mines, is thereby shared near the fractions; a range
       of few patches can still come out uneven, which a summary shows.
    2. Where a split would have no block with mining, or no block at all, and another split can spare one, the first such block
       in the seed's hash order moves. This alone looks at the patches, and matters for a handful of blocks only.
    3. Of two patches of different splits that overlap or are nearer than `buffer_m`, the one in the split with the larger
       fraction gets the split `buffer`.
    """
    rows = table.rows[["patch_id"]].assign(group=block_ids(footprints_of(table), rule.block_m))
    has_mining = mining_groups(table, rows["group"])
    sides = filled(home_splits(list(has_mining), rule), has_mining, rule.fractions, rule.seed)
    return with_buffer(table, rows.assign(split=rows["group"].map(sides).astype(str)), rule)


def block_ids(footprints: Footprints, block_m: int) -> list[str]:
    """Block id `<epsg>_<x>_<y>` of the ground that holds each footprint's centre; block (0, 0) starts at the CRS origin."""
    minx, miny, maxx, maxy = shapely.bounds(footprints.geometry).T
    x, y = (np.floor((low + high) / 2 / block_m).astype(np.int64).tolist() for low, high in ((minx, maxx), (miny, maxy)))
    return [f"{e}_{i}_{j}" for e, i, j in zip(footprints.epsg.tolist(), x, y, strict=True)]


def block_of(window_ids: pd.Series, block_m: int) -> pd.Series:
    """Block id of each window, as `block_ids`."""
    return pd.Series(block_ids(window_footprints(window_ids.tolist()), block_m), index=window_ids.index, dtype=str)


def mining_groups(table: PatchTable, groups: pd.Series) -> dict[str, bool]:
    """Whether each group holds a patch of a range above 0 %; none does where ranges are not known."""
    known = table.rows["range"] if "range" in table.rows else pd.Series("", index=groups.index)
    is_mining = ~known.isin(["000", ""])
    return {str(group): bool(mining) for group, mining in is_mining.groupby(groups).max().items()}


def home_splits(blocks: list[str], rule: SplitRule) -> dict[str, str]:
    """Split of each block by its place alone; equal for equal seed, fractions and block id, whatever else there is."""
    sides = {}
    for block in blocks:
        epsg, x, y = (int(part) for part in block.split("_"))
        sides[block] = side_of((unit_hash(f"{rule.seed}:{epsg}") + x * STEP_X + y * STEP_Y) % 1, rule.fractions)
    return sides
