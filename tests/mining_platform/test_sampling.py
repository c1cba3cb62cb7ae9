"""Quotas from counts, and samples as prefixes of each region's own order."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point

from mining_platform import sampling
from mining_platform.footprints import bounds_of
from mining_platform.orders import block_ranks, window_order
from mining_platform.ranges import RANGES
from mining_platform.sampling import Stratum

RANDOM = ("000", "random")
STRATA: list[Stratum] = [RANDOM, ("000", "rivers"), *((name, "") for name in RANGES[1:])]
BLOCK_M = 4_800  # ten windows a side


def counts_of(found: dict[str, dict[Stratum, int]]) -> pd.DataFrame:
    rows = [(region, *stratum, each.get(stratum, 0)) for region, each in found.items() for stratum in STRATA]
    return pd.DataFrame(rows, columns=list(sampling.COUNT_COLUMNS))


def wanted_of(wanted: dict[Stratum, int]) -> dict[Stratum, int]:
    return {stratum: wanted.get(stratum, 0) for stratum in STRATA}


LOW = ("000_010", "")


def taken_of(found: dict[str, int], wanted: int) -> dict[str, int]:
    counts = counts_of({region: {LOW: number} for region, number in found.items()})
    table = sampling.quotas(counts, wanted_of({LOW: wanted}), list(found))
    table = table[table["range"] == "000_010"]
    return dict(zip(table["region"], table["taken"].tolist(), strict=True))


def make_candidates(numbers: dict[Stratum, int], region: str = "a", seed: int = 7) -> gpd.GeoDataFrame:
    """Windows in one row, stratum after stratum."""
    strata = [stratum for stratum, number in numbers.items() for _ in range(number)]
    ids = [f"32722_{48_000 + 48 * k}_960000_48" for k in range(len(strata))]
    table = bounds_of(ids).assign(window_id=ids, region=region, eligible=True, order=window_order(ids, seed))
    table = table.assign(range=[name for name, _ in strata], negative=[negative for _, negative in strata])
    return gpd.GeoDataFrame(table, geometry=[Point(0, 0)] * len(ids), crs=4326)


def drawn(table: gpd.GeoDataFrame, quota: dict[Stratum, int]) -> gpd.GeoDataFrame:
    return sampling.sample(table, quota, block_m=BLOCK_M)


def test_a_quota_is_spread_evenly_and_poor_regions_give_all_they_have() -> None:
    assert taken_of({"a": 100, "b": 100, "c": 100}, 9) == {"a": 3, "b": 3, "c": 3}
    assert taken_of({"a": 2, "b": 100, "c": 100}, 12) == {"a": 2, "b": 5, "c": 5}
    assert taken_of({"a": 100, "b": 100, "c": 1}, 10) == {"a": 5, "b": 4, "c": 1}
    assert taken_of({"a": 1, "b": 2}, 10) == {"a": 1, "b": 2}
    assert taken_of({"a": 0, "b": 0}, 10) == {"a": 0, "b": 0}


def test_a_region_more_only_ever_lowers_the_numbers_of_the_others() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        found = {f"r{k}": int(n) for k, n in enumerate(rng.integers(0, 30, rng.integers(1, 6)))}
        wanted = int(rng.integers(0, 80))
        before, after = (
            taken_of(found, wanted),
            taken_of({**found, rng.choice(["a", "r2b", "z"]): int(rng.integers(0, 30))}, wanted),
        )
        assert all(after[region] <= before[region] for region in found)
        assert sum(before.values()) == min(wanted, sum(found.values()))
        assert max(before.values()) - min(n for r, n in before.items() if n < found[r] or n == max(before.values())) <= 1


def test_quotas_have_a_row_for_each_stratum_and_region_and_name_the_missing_ones() -> None:
    counts = counts_of({"b": {RANDOM: 5}, "a": {("090_100", ""): 2}})
    table = sampling.quotas(counts, wanted_of({RANDOM: 3, ("090_100", ""): 4}), ["a", "b", "c"])
    assert list(table.columns) == list(sampling.QUOTA_COLUMNS)
    assert len(table) == len(STRATA) * 2
    assert sampling.missing_regions(counts, ["a", "b", "c"]) == ["c"]
    assert sampling.region_quota(table, "a")["090_100", ""] == 2
    with pytest.raises(ValueError, match="'c' has no quota"):
        sampling.region_quota(table, "c")


def test_counts_of_a_region_or_a_stratum_the_dataset_does_not_name_are_refused() -> None:
    with pytest.raises(ValueError, match="does not name"):
        sampling.quotas(counts_of({"x": {}}), wanted_of({RANDOM: 1}), ["a"])
    with pytest.raises(ValueError, match="Unknown strata"):
        sampling.quotas(counts_of({"a": {}}), {RANDOM: 1}, ["a"])


def test_the_shortage_table_says_what_each_stratum_lacks_and_where() -> None:
    counts = counts_of({"a": {RANDOM: 9, ("080_090", ""): 1}, "b": {("080_090", ""): 1, ("000", "rivers"): 1}})
    wanted = wanted_of({RANDOM: 5, ("000", "rivers"): 4, ("080_090", ""): 3})
    quota_table = sampling.quotas(counts, wanted, ["a", "b"])
    table = sampling.shortage(quota_table)
    assert list(zip(table["range"], table["negative"], strict=True)) == STRATA
    rows = table.set_index(["range", "negative"])
    assert rows.loc[RANDOM].tolist() == [5, 9, 5, 0]
    assert rows.loc["000", "rivers"].tolist() == [4, 1, 1, 3]
    assert rows.loc["080_090", ""].tolist() == [3, 2, 2, 1]
    assert rows.loc["010_020", ""].tolist() == [0, 0, 0, 0]
    by_region = sampling.shortage_by_region(quota_table)[["range", "negative", "region", "found"]]
    assert by_region.to_numpy().tolist() == [
        ["000", "rivers", "a", 0], ["000", "rivers", "b", 1], ["080_090", "", "a", 1], ["080_090", "", "b", 1]
    ]  # fmt: skip


def test_windows_that_are_not_eligible_are_not_counted() -> None:
    table = make_candidates({RANDOM: 3, LOW: 2})
    table.loc[0, "eligible"] = False
    counts = sampling.count_table(table, STRATA, ["a", "empty"]).set_index(["region", "range", "negative"])["found"]
    assert counts["a", "000", "random"] == 2
    assert counts["a", "000_010", ""] == 2
    assert counts["empty", "000", "random"] == 0
    assert len(counts) == 2 * len(STRATA)


def test_eligible_windows_of_no_stratum_are_not_lost_unseen() -> None:
    with pytest.raises(ValueError, match=r"\('000', 'urban'\)"):
        sampling.count_table(make_candidates({("000", "urban"): 1}), STRATA)


def test_where_ranges_are_not_known_windows_count_by_recipe_alone() -> None:
    table = make_candidates({("", ""): 3, ("010_020", ""): 2, ("000", "curated"): 4, ("", "grid"): 5})
    strata: list[Stratum] = [("", ""), ("", "curated"), ("", "grid")]
    counts = sampling.count_table(table, strata)
    assert counts["found"].tolist() == [5, 4, 5]
    quota = sampling.region_quota(sampling.quotas(counts, dict(zip(strata, (2, 9, 1), strict=True)), ["a"]), "a")
    assert drawn(table, quota)["negative"].value_counts().to_dict() == {"curated": 4, "": 2, "grid": 1}


def test_a_smaller_quota_gives_a_prefix_of_the_larger_one() -> None:
    table = make_candidates({RANDOM: 40, LOW: 20})
    for small, large in ((0, 3), (3, 11), (11, 20)):
        few, many = (set(drawn(table, {RANDOM: 2 * n, LOW: n})["window_id"]) for n in (small, large))
        assert few < many


def test_a_sample_takes_one_window_of_every_block_before_a_second_of_any() -> None:
    table = make_candidates({RANDOM: 60})
    blocks = (table["minx"] + 240) // BLOCK_M
    assert blocks.nunique() == 6
    for number, least, most in ((6, 1, 1), (12, 2, 2), (15, 2, 3), (60, 10, 10)):
        counts = (drawn(table, {RANDOM: number})["minx"] + 240).floordiv(BLOCK_M).value_counts()
        assert (len(counts), counts.min(), counts.max()) == (6, least, most)


def test_the_first_of_a_block_is_the_first_in_hash_order_whatever_the_rows_order() -> None:
    table = pd.DataFrame(make_candidates({RANDOM: 25}))
    ranks = pd.Series(block_ranks(table, BLOCK_M), index=table["window_id"])
    for _, part in table.groupby((table["minx"] + 240) // BLOCK_M):
        assert ranks[part.sort_values("order")["window_id"]].tolist() == list(range(len(part)))
    shuffled = table.sample(frac=1, random_state=3)
    assert block_ranks(shuffled, BLOCK_M).tolist() == ranks[shuffled["window_id"]].tolist()


def test_the_order_of_rows_changes_nothing() -> None:
    table = make_candidates({RANDOM: 40, LOW: 20, ("050_060", ""): 9})
    quota = {RANDOM: 12, LOW: 5, ("050_060", ""): 9}
    expected = drawn(table, quota)
    for seed in range(5):
        shuffled = drawn(table.sample(frac=1, random_state=seed), quota)
        pd.testing.assert_frame_equal(pd.DataFrame(shuffled), pd.DataFrame(expected))
    assert expected["range"].value_counts().to_dict() == {"000": 12, "000_010": 5, "050_060": 9}
    assert expected.crs.to_epsg() == 4326
    assert list(expected.columns) == list(table.columns)


def test_a_region_more_shortens_the_prefix_and_reshuffles_nothing() -> None:
    table = make_candidates({RANDOM: 30, LOW: 9})
    other = make_candidates({RANDOM: 30, LOW: 9}, region="b")
    wanted = wanted_of({RANDOM: 20, LOW: 6})
    alone = sampling.quotas(sampling.count_table(table, STRATA), wanted, ["a", "b"])
    counts = pd.concat([sampling.count_table(each, STRATA) for each in (table, other)])
    both = sampling.quotas(counts, wanted, ["a", "b"])
    first, second = (drawn(table, sampling.region_quota(each, "a")) for each in (alone, both))
    assert (len(first), len(second)) == (26, 13)
    assert set(second["window_id"]) < set(first["window_id"])


def test_another_seed_gives_another_sample() -> None:
    samples = [set(drawn(make_candidates({RANDOM: 200}, seed=seed), {RANDOM: 40})["window_id"]) for seed in (7, 7, 8)]
    assert samples[0] == samples[1] != samples[2]


def test_a_quota_beyond_the_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match=r"000 \(random\): 9 windows asked, 4 eligible"):
        drawn(make_candidates({RANDOM: 4}), {RANDOM: 9})


def test_overlapping_windows_are_refused_unless_they_are_allowed() -> None:
    table = make_candidates({RANDOM: 2})
    table["window_id"] = ["32722_0_960000_48", "32722_47_960000_48"]
    with pytest.raises(ValueError, match="1 pairs of chosen windows overlap, first"):
        drawn(table, {RANDOM: 2})
    assert len(sampling.sample(table, {RANDOM: 2}, block_m=BLOCK_M, allow_overlap=True)) == 2


def test_a_quota_of_nothing_gives_an_empty_sample_with_all_columns() -> None:
    table = make_candidates({RANDOM: 2})
    for quota in ({}, {RANDOM: 0}):
        empty = drawn(table, quota)
        assert len(empty) == 0
        assert list(empty.columns) == list(table.columns)


@pytest.mark.parametrize(
    ("stratum", "name"),
    [(("080_090", ""), "080_090"), (("000", "near-miss"), "000 (near-miss)"), (("", ""), "mining"), (("", "grid"), "grid")],
)
def test_a_stratum_has_a_name_that_people_read(stratum: Stratum, name: str) -> None:
    assert sampling.stratum_name(*stratum) == name
