"""Paired years: a place is on the same side in every year."""

import pandas as pd

from mining_platform.patch_tables import PatchTable
from mining_platform.splits.blocks import mining_groups
from mining_platform.splits.grounds import merged, with_buffer
from mining_platform.splits.hashes import filled, side_of, unit_hash
from mining_platform.splits.rules import SplitRule


def paired_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by places: columns patch_id, group (the place), split, in the table's order.

    Places whose footprints overlap are one group, named as the first of them. A hash of the group's name decides, so more
    rows, years or places move no other, but where a new place joins groups, or where a split would be empty (as in
    `block_split`). Patches of two splits nearer than `buffer_m` are set aside as there.
    """
    groups = merged(table, table.rows["place"], 0.0)
    has_mining = mining_groups(table, groups)
    home = {group: side_of(unit_hash(f"{rule.seed}:{group}"), rule.fractions) for group in has_mining}
    sides = filled(home, has_mining, rule.fractions, rule.seed)
    return with_buffer(table, table.rows[["patch_id"]].assign(group=groups, split=groups.map(sides)), rule)
