"""Quotas from counts, and samples as prefixes of a hash order."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point

from mining_platform import sampling
from mining_platform.datasets import RANGES
from mining_platform.proportions import window_order


def counts_of(found: dict[str, dict[str, int]]) -> pd.DataFrame:
    rows = [(region, name, each.get(name, 0)) for region, each in found.items() for name in RANGES]
    return pd.DataFrame(rows, columns=list(sampling.COUNT_COLUMNS))


def taken_of(found: dict[str, int], wanted: int) -> dict[str, int]:
    counts = counts_of({region: {"000_010": number} for region, number in found.items()})
    table = sampling.quotas(counts, {"000_010": wanted}, list(found))
    table = table[table["range"] == "000_010"]
    return dict(zip(table["region"], table["taken"].tolist(), strict=True))


def make_candidates(numbers: dict[str, int], region: str = "a", seed: int = 7) -> gpd.GeoDataFrame:
    ranges = [name for name, number in numbers.items() for _ in range(number)]
    ids = [f"32722_{48 * k}_{960000}_48" for k in range(len(ranges))]
    return gpd.GeoDataFrame(
        {"window_id": ids, "region": region, "range": ranges, "eligible": True, "order": window_order(ids, seed)},
        geometry=[Point(0, 0)] * len(ids),
        crs=4326,
    )


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


def test_quotas_have_a_row_for_each_range_and_region_and_name_the_missing_ones() -> None:
    counts = counts_of({"b": {"000": 5}, "a": {"090_100": 2}})
    table = sampling.quotas(counts, {"000": 3, "090_100": 4}, ["a", "b", "c"])
    assert list(table.columns) == list(sampling.QUOTA_COLUMNS)
    assert len(table) == len(RANGES) * 2
    assert sampling.missing_regions(counts, ["a", "b", "c"]) == ["c"]
    assert sampling.region_quota(table, "a")["090_100"] == 2
    with pytest.raises(ValueError, match="'c' has no quota"):
        sampling.region_quota(table, "c")


def test_counts_of_a_region_the_dataset_does_not_name_are_refused() -> None:
    with pytest.raises(ValueError, match="does not name"):
        sampling.quotas(counts_of({"x": {}}), {"000": 1}, ["a"])
    with pytest.raises(ValueError, match="Unknown ranges"):
        sampling.quotas(counts_of({"a": {}}), {"0-10": 1}, ["a"])


def test_the_shortage_table_says_what_each_range_lacks() -> None:
    table = sampling.shortage(sampling.quotas(counts_of({"a": {"000": 9, "080_090": 1}}), {"000": 5, "080_090": 3}, ["a"]))
    assert table["range"].tolist() == list(RANGES)
    rows = table.set_index("range")
    assert rows.loc["000"].tolist() == [5, 9, 5, 0]
    assert rows.loc["080_090"].tolist() == [3, 1, 1, 2]
    assert rows.loc["010_020"].tolist() == [0, 0, 0, 0]


def test_windows_that_are_not_eligible_are_not_counted() -> None:
    table = make_candidates({"000": 3, "000_010": 2})
    table.loc[0, "eligible"] = False
    counts = sampling.count_table(table, ["a", "empty"]).set_index(["region", "range"])["found"]
    assert counts["a", "000"] == 2
    assert counts["a", "000_010"] == 2
    assert counts["empty", "000"] == 0
    assert len(counts) == 2 * len(RANGES)


def test_a_smaller_quota_gives_a_prefix_of_the_larger_one() -> None:
    table = make_candidates({"000": 40, "000_010": 20})
    for small, large in ((0, 3), (3, 11), (11, 20)):
        few, many = (set(sampling.sample(table, {"000": 2 * n, "000_010": n})["window_id"]) for n in (small, large))
        assert few < many


def test_the_order_of_rows_changes_nothing() -> None:
    table = make_candidates({"000": 40, "000_010": 20, "050_060": 9})
    quota = {"000": 12, "000_010": 5, "050_060": 9}
    expected = sampling.sample(table, quota)
    for seed in range(5):
        shuffled = sampling.sample(table.sample(frac=1, random_state=seed), quota)
        pd.testing.assert_frame_equal(pd.DataFrame(shuffled), pd.DataFrame(expected))
    assert expected["range"].value_counts().to_dict() == quota
    assert expected.crs.to_epsg() == 4326


def test_a_region_more_shortens_the_prefix_and_reshuffles_nothing() -> None:
    table = make_candidates({"000": 30})
    alone = sampling.quotas(sampling.count_table(table), {"000": 20}, ["a", "b"])
    other = sampling.count_table(make_candidates({"000": 30}, region="b"))
    both = sampling.quotas(pd.concat([sampling.count_table(table), other]), {"000": 20}, ["a", "b"])
    first, second = (sampling.sample(table, sampling.region_quota(each, "a")) for each in (alone, both))
    assert (len(first), len(second)) == (20, 10)
    assert set(second["window_id"]) < set(first["window_id"])


def test_a_quota_beyond_the_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="9 windows asked, 4 eligible"):
        sampling.sample(make_candidates({"000": 4}), {"000": 9})


def test_overlapping_windows_are_refused() -> None:
    table = make_candidates({"000": 2})
    table["window_id"] = ["32722_0_960000_48", "32722_47_960000_48"]
    with pytest.raises(ValueError, match="1 pairs of chosen windows overlap"):
        sampling.sample(table, {"000": 2})


def test_a_quota_of_nothing_gives_an_empty_sample_with_all_columns() -> None:
    table = make_candidates({"000": 2})
    empty = sampling.sample(table, {})
    assert len(empty) == 0
    assert list(empty.columns) == list(table.columns)
