"""Which candidate windows become samples: quotas from counts alone, then a prefix of each region's own hash order.

Only `quotas` looks across regions, and only at counts. A region more makes the other regions' prefixes shorter and
reshuffles nothing.
"""

from collections.abc import Mapping, Sequence

import geopandas as gpd
import pandas as pd

from mining_platform.datasets import RANGES
from mining_platform.footprints import close_pairs

COUNT_COLUMNS = ("region", "range", "found")
QUOTA_COLUMNS = ("range", "region", "wanted", "found", "taken")
SHORTAGE_COLUMNS = ("range", "wanted", "found", "taken", "short")


def count_table(candidates: pd.DataFrame, regions: Sequence[str] = ()) -> pd.DataFrame:
    """Eligible windows per region and range: columns region, range, found; one row for each pair, zeros included.

    `regions` names regions that are to be listed although they gave no candidate at all.
    """
    names = sorted({*candidates["region"], *regions})
    eligible = candidates[candidates["eligible"].astype(bool)]
    found = eligible.groupby(["region", "range"]).size()
    index = pd.MultiIndex.from_product([names, RANGES], names=["region", "range"])
    return found.reindex(index, fill_value=0).astype("int64").rename("found").reset_index()


def missing_regions(counts: pd.DataFrame, regions_expected: Sequence[str]) -> list[str]:
    """Expected regions that gave no counts, sorted."""
    return sorted(set(regions_expected) - set(counts["region"]))


def quotas(counts: pd.DataFrame, wanted: Mapping[str, int], regions_expected: Sequence[str]) -> pd.DataFrame:
    """How many windows each region gives to each range: columns range, region, wanted, found, taken.

    `wanted` is the number over all regions. Each range is spread over the regions as evenly as their counts allow
    (water-filling); what does not divide goes to the first regions by id that have more. One row for each range and region
    that has counts; `missing_regions` names the others. ValueError for regions or ranges that are not expected.
    """
    if unknown := sorted(set(counts["region"]) - set(regions_expected)):
        raise ValueError(f"Counts of regions {unknown} that the dataset does not name; expected {sorted(regions_expected)}.")
    if unknown := sorted({*wanted, *counts["range"]} - set(RANGES)):
        raise ValueError(f"Unknown ranges {unknown}; known: {', '.join(RANGES)}.")
    rows = []
    for name in RANGES:
        grouped = counts[counts["range"] == name].groupby("region")["found"].sum()
        found = {str(region): int(number) for region, number in sorted(grouped.items())}
        taken = _spread(found, wanted.get(name, 0))
        rows += [(name, region, wanted.get(name, 0), number, taken[region]) for region, number in found.items()]
    return pd.DataFrame(rows, columns=list(QUOTA_COLUMNS))


def _spread(found: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Share `wanted` among regions: all take up to one level, some one more; none more than it has."""
    low, high = 0, max(found.values(), default=0)
    while low < high:  # the highest level that does not ask for more than is wanted
        level = (low + high + 1) // 2
        low, high = (level, high) if sum(min(number, level) for number in found.values()) <= wanted else (low, level - 1)
    taken = {region: min(number, low) for region, number in found.items()}
    left = wanted - sum(taken.values())
    for region in [region for region in sorted(found) if found[region] > low][: max(left, 0)]:
        taken[region] += 1
    return taken


def shortage(quota_table: pd.DataFrame) -> pd.DataFrame:
    """What each range lacks over all regions: columns range, wanted, found, taken, short; one row a range, in order."""
    grouped = quota_table.groupby("range").agg(wanted=("wanted", "first"), found=("found", "sum"), taken=("taken", "sum"))
    table = grouped.reindex(list(RANGES), fill_value=0).rename_axis("range").reset_index()
    return table.assign(short=table["wanted"] - table["taken"])[list(SHORTAGE_COLUMNS)]


def region_quota(quota_table: pd.DataFrame, region_id: str) -> dict[str, int]:
    """Windows to take per range in one region; ValueError if the region has no quota."""
    rows = quota_table[quota_table["region"] == region_id]
    if rows.empty:
        raise ValueError(f"Region {region_id!r} has no quota; it was left out. Materialize its candidates, then the quotas.")
    return {str(name): int(taken) for name, taken in zip(rows["range"], rows["taken"], strict=True)}


def sample(candidates: gpd.GeoDataFrame, quota: Mapping[str, int]) -> gpd.GeoDataFrame:
    """The first eligible windows of each range in hash order, sorted by window_id; same columns as the candidates.

    ValueError when a range has fewer than its quota (counts and candidates are not of one make), and when chosen windows
    overlap on the ground.
    """
    eligible = candidates[candidates["eligible"].astype(bool)].sort_values(["order", "window_id"])
    parts = []
    for name in RANGES:
        ranked = eligible[eligible["range"] == name]
        if len(ranked) < quota.get(name, 0):
            raise ValueError(f"Range {name}: {quota[name]} windows asked, {len(ranked)} eligible. Make the quotas again.")
        parts.append(ranked.iloc[: quota.get(name, 0)])
    chosen = pd.concat(parts).sort_values("window_id", ignore_index=True)
    overlapping = close_pairs(chosen["window_id"].tolist(), 0)
    if len(overlapping):
        pair = chosen["window_id"].iloc[list(overlapping.loc[0, ["a", "b"]].astype(int))].tolist()
        raise ValueError(
            f"{len(overlapping)} pairs of chosen windows overlap, first {pair}; candidates must be windows of one grid."
        )
    return gpd.GeoDataFrame(chosen, geometry="geometry", crs=candidates.crs)
