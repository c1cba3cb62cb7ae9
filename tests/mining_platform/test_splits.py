"""Splits of a dataset's windows by blocks of ground, and the conflicts of footprints."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from mining_platform import split_figures
from mining_platform.ranges import RANGES
from mining_platform.splits.grounds import footprint_conflicts
from mining_platform.splits.methods import split_windows
from mining_platform.splits.rules import SplitRule
from mining_platform.splits.summaries import split_summary

RULE = SplitRule("block", MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), block_m=2_560, buffer_m=0.0, seed=7)


def make_windows(seed: int, side: int = 40, epsg: int = 32722, share_of_zero: float = 0.5) -> pd.DataFrame:
    """Side-by-side windows of 1,280 m with random ranges."""
    rng = np.random.default_rng(seed)
    ids = [f"{epsg}_{128 * (300 + j)}_{128 * (7000 - i)}_128" for i in range(side) for j in range(side)]
    ranges = np.where(rng.random(len(ids)) < share_of_zero, "000", rng.choice(RANGES[1:], len(ids)))
    return pd.DataFrame({"window_id": ids, "range": ranges})


def few(blocks: list[tuple[int, int]], ranges: list[str]) -> pd.DataFrame:
    """One window in each named block."""
    ids = [f"32722_{256 * x}_{256 * y + 128}_128" for x, y in blocks]
    return pd.DataFrame({"window_id": ids, "range": ranges})


def test_a_block_of_ground_is_on_one_side_whole() -> None:
    table = split_windows(make_windows(1), RULE)
    assert list(table.columns) == ["window_id", "group", "split"]
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert (table.groupby("group").size() == 4).all()
    assert set(table["split"]) == {"train", "val", "test"}


def test_every_range_is_shared_near_the_fractions() -> None:
    for seed in range(3):
        windows = make_windows(seed)
        table = split_summary(split_windows(windows, replace(RULE, seed=seed)).merge(windows, on="window_id"))
        for name, fraction in RULE.fractions.items():
            rows = table[table["split"] == name]
            assert rows["count"].sum() == pytest.approx(fraction * len(windows), rel=0.05)
            assert (rows["share"] - fraction).abs().max() < 0.2  # about 80 windows a range: chance alone gives 0.05 each way


def test_a_cluster_of_a_few_blocks_is_shared_out_as_well() -> None:
    for corner in range(10):
        windows = few([(corner + x, 3 * corner + y) for x in range(5) for y in range(5)], ["010_020"] * 25)
        counts = split_windows(windows, RULE)["split"].value_counts()
        assert 11 <= counts["train"] <= 19
        assert counts["val"] >= 3
        assert counts["test"] >= 3


def test_the_same_ground_is_on_the_same_side_whatever_windows_a_year_has() -> None:
    first, second = make_windows(1).sample(800, random_state=1), make_windows(2).sample(800, random_state=2)
    one, two = (split_windows(each, RULE).set_index("group")["split"].to_dict() for each in (first, second))
    shared = one.keys() & two.keys()
    assert len(shared) > 200
    assert all(one[block] == two[block] for block in shared)


def test_rows_of_two_years_give_one_side_a_window_and_their_order_changes_nothing() -> None:
    both = pd.concat([make_windows(1), make_windows(2)], ignore_index=True)
    expected = split_windows(both, RULE)
    assert expected["window_id"].is_unique
    pd.testing.assert_frame_equal(split_windows(both.sample(frac=1, random_state=3), RULE), expected)


def test_another_seed_gives_another_split() -> None:
    one, two = (split_windows(make_windows(1), replace(RULE, seed=seed))["split"] for seed in (7, 8))
    assert (one != two).any()


def test_three_blocks_are_enough_for_every_split_to_have_one() -> None:
    for shift in range(20):
        windows = few([(shift, 0), (shift + 1, 0), (shift + 9, 5)], ["000", "050_060", "000"])
        assert set(split_windows(windows, RULE)["split"]) == {"train", "val", "test"}


def test_every_split_gets_mining_where_there_are_blocks_enough() -> None:
    for shift in range(20):
        windows = few([(shift + k, k % 3) for k in range(12)], ["000"] * 9 + ["050_060", "000_010", "090_100"])
        table = split_windows(windows, RULE).merge(windows, on="window_id")
        assert set(table.loc[table["range"] != "000", "split"]) == {"train", "val", "test"}
        assert set(table["split"]) == {"train", "val", "test"}


def test_a_single_block_cannot_be_parted() -> None:
    assert split_windows(few([(3, 3)], ["050_060"]), RULE)["split"].nunique() == 1


def test_a_buffer_sets_aside_windows_nearer_than_it_to_another_split() -> None:
    rule = replace(RULE, buffer_m=1_280)
    windows = make_windows(1, side=30)
    table = split_windows(windows, rule)
    assert (table["split"] == "buffer").any()
    assert footprint_conflicts(table, buffer_m=1_280).empty
    plain = split_windows(windows, RULE)
    kept = table["split"] != "buffer"
    assert (table.loc[kept, "split"] == plain.loc[kept, "split"]).all()
    assert {"train", "val", "test"} <= set(table["split"])


def test_touching_windows_of_two_splits_are_no_conflict_without_a_buffer() -> None:
    table = pd.DataFrame({"window_id": ["32722_0_1280_128", "32722_128_1280_128"], "split": ["train", "test"]})
    assert footprint_conflicts(table).empty
    found = footprint_conflicts(table, buffer_m=10)
    assert found.to_dict("records") == [
        {
            "window_id_a": "32722_0_1280_128",
            "window_id_b": "32722_128_1280_128",
            "split_a": "train",
            "split_b": "test",
            "distance_m": 0.0,
        }
    ]


def test_the_distance_of_a_conflict_is_that_between_footprints() -> None:
    table = pd.DataFrame({"window_id": ["32722_0_1280_128", "32722_158_1320_128"], "split": ["train", "test"]})
    assert footprint_conflicts(table, buffer_m=300).empty  # 300 m apart is not nearer than 300 m
    assert footprint_conflicts(table, buffer_m=301)["distance_m"].tolist() == [300.0]


def test_overlapping_windows_of_two_splits_are_a_conflict() -> None:
    table = pd.DataFrame({"window_id": ["32722_0_1280_128", "32722_127_1280_48"], "split": ["train", "test"]})
    assert len(footprint_conflicts(table)) == 1
    assert footprint_conflicts(table.assign(split="train")).empty


def test_a_window_in_two_splits_in_two_years_is_a_conflict() -> None:
    table = pd.DataFrame({"window_id": ["32722_0_1280_128"] * 3, "year": [2016, 2022, 2023], "split": ["train", "test", "train"]})
    found = footprint_conflicts(table)
    assert found[["split_a", "split_b"]].to_numpy().tolist() == [["test", "train"]]


def test_windows_set_aside_or_without_a_split_are_no_conflict() -> None:
    table = pd.DataFrame({"window_id": ["32722_0_1280_128"] * 3, "split": ["train", "buffer", ""]})
    assert footprint_conflicts(table).empty


def test_overlaps_across_utm_zones_are_found() -> None:
    from pyproj import Transformer

    x, y = Transformer.from_crs(32722, 32721, always_xy=True).transform(166_400, 9_433_600)
    other = f"32721_{round(x / 10)}_{round(y / 10)}_128"
    table = pd.DataFrame(
        {"window_id": ["32722_16640_943360_128", other, "32721_60000_943360_128"], "split": ["train", "test", "test"]}
    )
    found = footprint_conflicts(table)
    assert set(found.loc[0, ["window_id_a", "window_id_b"]]) == {"32722_16640_943360_128", other}
    assert len(found) == 1
    split = split_windows(table.assign(range="000"), replace(RULE, buffer_m=0.0))
    assert footprint_conflicts(split).empty


def test_wrong_rules_are_refused() -> None:
    windows = make_windows(1, side=4)
    with pytest.raises(ValueError, match="no multiple of windows"):
        split_windows(windows, replace(RULE, block_m=2_000))
    with pytest.raises(ValueError, match="sum to 1"):
        split_windows(windows, replace(RULE, fractions={"train": 0.5, "test": 0.4}))
    with pytest.raises(ValueError, match="no split method 'random'"):
        split_windows(windows, replace(RULE, method="random"))


def test_the_summary_counts_every_split_and_range() -> None:
    table = pd.DataFrame({"split": ["train", "train", "test", "buffer"], "range": ["000", "000", "000", "010_020"]})
    summary = split_summary(table).set_index(["split", "range"])
    assert summary.loc[("train", "000")].tolist() == [2, pytest.approx(2 / 3)]
    assert summary.loc[("buffer", "010_020")].tolist() == [1, 1.0]
    assert summary.loc[("test", "090_100")].tolist() == [0, 0.0]
    assert len(summary) == 3 * len(RANGES)


def test_the_picture_of_a_split_is_the_same_bytes_twice() -> None:
    windows = make_windows(1, side=6)
    table = split_windows(windows, RULE).merge(windows, on="window_id")
    first, second = (split_figures.split_figure(table, "Split", simulated=True) for _ in range(2))
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert b"Software" not in first
    assert first != split_figures.split_figure(table, "Split", simulated=False)
