"""Groups that have a name of their own go to one side whole: sites, and regions of which some can be held out."""

from collections.abc import Mapping

import pandas as pd

from mining_platform.patch_tables import PatchTable
from mining_platform.splits.blocks import mining_groups
from mining_platform.splits.dealing import deal
from mining_platform.splits.grounds import with_buffer
from mining_platform.splits.hashes import filled, side_of, unit_hash
from mining_platform.splits.rules import TEST, SplitError, SplitRule


def base_sites(sites: pd.Series) -> pd.Series:
    """Names of sites without the number at their end: `peru_la_pampa_2` -> `peru_la_pampa`."""
    return sites.str.replace(r"_\d+$", "", regex=True)


def site_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by base sites: columns patch_id, group (the base site), split, in the table's order.

    Base sites are dealt whole, near the fractions, within each range where ranges are known. Patches of two splits that
    overlap or are nearer than `buffer_m` are set aside as `block_split` does.
    """
    groups = base_sites(table.rows["site"])
    return _sides(table, groups, deal(groups, table.rows.get("range"), rule.fractions, rule.seed), rule)


def named_site_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by a hash of its base site's name: columns patch_id, group (the base site), split.

    Rows are in the table's order. A site is on the same side in every table and year, but where a split would be empty (as in
    `block_split`); fractions are met as far as chance allows. Buffers as in `site_split`.
    """
    groups = base_sites(table.rows["site"])
    has_mining = mining_groups(table, groups)
    home = {group: side_of(unit_hash(f"{rule.seed}:{group}"), rule.fractions) for group in has_mining}
    return _sides(table, groups, filled(home, has_mining, rule.fractions, rule.seed), rule)


def region_split(table: PatchTable, rule: SplitRule) -> pd.DataFrame:
    """Split of each patch by regions: columns patch_id, group (the region), split, in the table's order.

    The regions of `holdout` are `test`, and the rest is dealt whole to the other splits by their fractions; without any,
    all are dealt. Buffers as in `site_split`. SplitError for a region that the table does not have.
    """
    groups = table.rows["region"]
    names = set(groups)
    if unknown := sorted(set(rule.holdout) - names):
        raise SplitError(f"There are no regions {unknown} to hold out; the table has {sorted(names)}.")
    if names == set(rule.holdout):
        raise SplitError(f"All regions, {sorted(names)}, are held out; nothing is left for the other splits.")
    rest = ~groups.isin(rule.holdout)
    ranges = table.rows["range"][rest] if "range" in table.rows else None
    sides = dict.fromkeys(rule.holdout, TEST) | deal(groups[rest], ranges, _rest(rule), rule.seed)
    return _sides(table, groups, sides, rule)


def _rest(rule: SplitRule) -> Mapping[str, float]:
    """Fractions among the splits that the held-out regions leave; all where none is held out."""
    if not rule.holdout:
        return rule.fractions
    others = {name: fraction for name, fraction in rule.fractions.items() if name != TEST}
    if not others:
        raise SplitError(f"Beside the held-out {TEST!r} there must be another split; fractions are {dict(rule.fractions)}.")
    return {name: fraction / sum(others.values()) for name, fraction in others.items()}


def _sides(table: PatchTable, groups: pd.Series, sides: Mapping[str, str], rule: SplitRule) -> pd.DataFrame:
    return with_buffer(table, table.rows[["patch_id"]].assign(group=groups, split=groups.map(sides)), rule)
