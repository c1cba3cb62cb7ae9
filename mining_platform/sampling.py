"""Which candidate windows become samples: quotas from counts alone, then a prefix of each region's own order.

A stratum is a proportion range and, for windows without mining, a negative recipe. Only `quotas` looks across regions, and only
at counts. A region more makes the other regions' prefixes shorter and reshuffles nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import geopandas as gpd
import pandas as pd

from mining_platform.footprints import close_pairs, window_footprints
from mining_platform.orders import block_ranks

Stratum = tuple[str, str]
"""Range, and negative recipe of windows without mining, else ""; the range "" stands for every range."""

ANY_RANGE = ""
COUNT_COLUMNS = ("region", "range", "negative", "found")
QUOTA_COLUMNS = ("range", "negative", "region", "wanted", "found", "taken")
SHORTAGE_COLUMNS = ("range", "negative", "wanted", "found", "taken", "short")


def stratum_of(candidates: pd.DataFrame, strata: Iterable[Stratum]) -> pd.Series:
    """Stratum of each window, a tuple; where the strata know no range, that of the recipe alone."""
    known = any(name != ANY_RANGE for name, _ in strata)
    ranges = candidates["range"] if known else pd.Series(ANY_RANGE, index=candidates.index)
    return pd.Series(list(zip(ranges, candidates["negative"], strict=True)), index=candidates.index, dtype=object)


def count_table(candidates: pd.DataFrame, strata: Sequence[Stratum], regions: Sequence[str] = ()) -> pd.DataFrame:
    """Eligible windows per region and stratum: COUNT_COLUMNS, one row for each pair, zeros included.

    `regions` names regions that are to be listed although they gave no candidate at all. ValueError where eligible windows
    are of no stratum, so that none is lost unseen.
    """
    names = sorted({*candidates["region"], *regions})
    eligible = candidates[candidates["eligible"].astype(bool)]
    of_row = stratum_of(eligible, strata)
    if unknown := sorted(set(of_row) - set(strata)):
        raise ValueError(f"Windows of the strata {unknown} are not in {sorted(strata)}. Make the candidates again.")
    found = pd.Series(list(zip(eligible["region"], of_row, strict=True)), dtype=object).value_counts()
    rows = [(region, *stratum, int(found.get((region, stratum), 0))) for region in names for stratum in strata]
    return pd.DataFrame(rows, columns=list(COUNT_COLUMNS))


def missing_regions(counts: pd.DataFrame, regions_expected: Sequence[str]) -> list[str]:
    """Expected regions that gave no counts, sorted."""
    return sorted(set(regions_expected) - set(counts["region"]))


def quotas(counts: pd.DataFrame, wanted: Mapping[Stratum, int], regions_expected: Sequence[str]) -> pd.DataFrame:
    """How many windows each region gives to each stratum: QUOTA_COLUMNS, in the order of `wanted`, then of region.

    `wanted` is the number over all regions. Each stratum is spread over the regions as evenly as their counts allow
    (water-filling); what does not divide goes to the first regions by id that have more. One row for each stratum and region
    that has counts; `missing_regions` names the others. ValueError for regions or strata that are not expected.
    """
    if unknown := sorted(set(counts["region"]) - set(regions_expected)):
        raise ValueError(f"Counts of regions {unknown} that the dataset does not name; expected {sorted(regions_expected)}.")
    if unknown_strata := sorted(set(zip(counts["range"], counts["negative"], strict=True)) - set(wanted)):
        raise ValueError(f"Unknown strata {unknown_strata}; known: {sorted(wanted)}.")
    rows = []
    for (name, negative), number in wanted.items():
        of_stratum = counts[(counts["range"] == name) & (counts["negative"] == negative)]
        grouped = of_stratum.groupby("region")["found"].sum()
        found = {str(region): int(count) for region, count in sorted(grouped.items())}
        taken = _spread(found, number)
        rows += [(name, negative, region, number, count, taken[region]) for region, count in found.items()]
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
    """What each stratum lacks over all regions: SHORTAGE_COLUMNS, one row a stratum, in the order of the quotas."""
    grouped = quota_table.groupby(["range", "negative"], sort=False)
    table = grouped.agg(wanted=("wanted", "first"), found=("found", "sum"), taken=("taken", "sum")).reset_index()
    return table.assign(short=table["wanted"] - table["taken"])[list(SHORTAGE_COLUMNS)]


def shortage_by_region(quota_table: pd.DataFrame) -> pd.DataFrame:
    """What each region had and gave to the strata that are short: QUOTA_COLUMNS."""
    short = shortage(quota_table).query("short > 0")[["range", "negative"]]
    return quota_table.merge(short, on=["range", "negative"])[list(QUOTA_COLUMNS)]


def region_quota(quota_table: pd.DataFrame, region_id: str) -> dict[Stratum, int]:
    """Windows to take per stratum in one region; ValueError if the region has no quota."""
    rows = quota_table[quota_table["region"] == region_id]
    if rows.empty:
        raise ValueError(f"Region {region_id!r} has no quota; it was left out. Materialize its candidates, then the quotas.")
    strata = zip(rows["range"], rows["negative"], strict=True)
    return dict(zip(strata, rows["taken"].astype(int).tolist(), strict=True))


def sample(
    candidates: gpd.GeoDataFrame, quota: Mapping[Stratum, int], *, block_m: int, allow_overlap: bool = False
) -> gpd.GeoDataFrame:
    """The first eligible windows of each stratum, sorted by window_id; same columns as the candidates.

    A stratum's order is the place of a window within its block of ground of side `block_m` by the hash order, then the hash
    order: first one window of every block, then the second ones. It looks at no quota, so a smaller sample is a part of a
    larger one. ValueError when a stratum has fewer than its quota (counts and candidates are not of one make), and when
    chosen windows overlap on the ground.
    """
    eligible = candidates[candidates["eligible"].astype(bool)]
    of_row = stratum_of(eligible, quota)
    parts = []
    for stratum, number in quota.items():
        ranked = eligible[of_row == stratum]
        if len(ranked) < number:
            raise ValueError(f"{stratum_name(*stratum)}: {number} windows asked, {len(ranked)} eligible. Make the quotas again.")
        ranked = ranked.assign(block_rank=block_ranks(ranked, block_m)).sort_values(["block_rank", "order", "window_id"])
        parts.append(ranked.iloc[:number].drop(columns="block_rank"))
    chosen = pd.concat(parts) if parts else eligible.iloc[:0]
    chosen = chosen.sort_values("window_id", ignore_index=True)
    if not allow_overlap:
        _check_apart(chosen["window_id"].tolist())
    return gpd.GeoDataFrame(chosen, geometry="geometry", crs=candidates.crs)


def _check_apart(window_ids: Sequence[str]) -> None:
    overlapping = close_pairs(window_footprints(window_ids), 0)
    if len(overlapping):
        pair = [window_ids[place] for place in overlapping[["a", "b"]].to_numpy(int)[0]]
        raise ValueError(f"{len(overlapping)} pairs of chosen windows overlap, first {pair}. Make the candidates again.")


def stratum_name(range_id: str, negative: str) -> str:
    """A stratum as people read it: `080_090`, `000 (near-miss)`, `mining`, `curated`."""
    if range_id == ANY_RANGE:
        return negative or "mining"
    return f"{range_id} ({negative})" if negative else range_id
