"""Negative recipes: which windows without mining each takes, on maps with known ground."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from mining_platform import negatives
from mining_platform.candidates import candidates
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.grids import WindowGrid
from mining_platform.point_files import PointsFile
from mining_platform.zero_windows import first_in_order, holds_cell_centre
from tests.mining_platform.class_maps import metre_map, small_row

GRID = WindowGrid(32722, 48, 480_000, 9_600_000, 20, 20)
PLACE = {"region_id": "here", "year": 2024}


def landscape(path: Path) -> Path:
    """20 x 20 windows of 48 px: a mine in window (10, 10), a river down column 3, a town in window (2, 15), the rest forest."""
    classes = np.full((960, 960), 3, dtype=np.uint8)
    classes[484:500, 484:500] = 30
    classes[:, 3 * 48 + 10 : 3 * 48 + 22] = 33  # a quarter of the windows of column 3
    classes[2 * 48 : 3 * 48, 15 * 48 : 16 * 48] = 24
    return metre_map(path, classes, 480_000, 9_600_000)


def drawn(path: Path, shares: Mapping[str, float], count: int, **changes: object) -> gpd.GeoDataFrame:
    row = small_row(zero_candidates=count, negatives=MappingProxyType(dict(shares)), **changes)
    table, _ = candidates(landscape(path / "m.tif"), GRID, row, **PLACE)  # type: ignore[arg-type]
    assert table.loc[table["share"] > 0, "negative"].eq("").all()
    return table[table["share"] == 0].assign(
        row=lambda each: (9_600_000 - each["maxy"]) // 480, column=lambda each: (each["minx"] - 480_000) // 480
    )


def test_look_alikes_are_the_windows_of_which_their_classes_cover_enough(tmp_path: Path) -> None:
    table = drawn(tmp_path, {"rivers": 0.4, "urban": 0.1, "pasture": 0.1, "random": 0.4}, 100)
    assert set(table.loc[table["negative"] == "rivers", "column"]) == {3}
    assert (table["negative"] == "rivers").sum() == 20, "there are no more than twenty, though forty are asked for"
    assert table.loc[table["negative"] == "urban", ["row", "column"]].to_numpy().tolist() == [[2, 15]]
    assert "pasture" not in set(table["negative"])
    assert (table["negative"] == "random").sum() == 40
    town = table[table["negative"] == "urban"].iloc[0]
    assert (town["dominant_class"], town["dominant_share"], town["around_class"]) == (24, 1.0, 3)


def test_near_misses_stand_in_the_ring_around_mining_by_footprint(tmp_path: Path) -> None:
    table = drawn(tmp_path, {"near-miss": 0.9, "random": 0.1}, 400)
    near = table[table["negative"] == "near-miss"]
    assert near["mining_distance_m"].between(480, 3_000).all()
    assert not table.loc[table["negative"] == "random", "mining_distance_m"].between(1, 3_000).any()
    gap = [480 * np.hypot(max(abs(r - 10) - 1, 0), max(abs(c - 10) - 1, 0)) for r in range(20) for c in range(20)]
    assert len(near) == sum(0 < metres <= 3_000 for metres in gap)


def test_a_window_belongs_to_the_first_recipe_whose_rule_it_meets(tmp_path: Path) -> None:
    first = drawn(tmp_path, {"near-miss": 0.5, "rivers": 0.4, "random": 0.1}, 400)
    second = drawn(tmp_path, {"rivers": 0.5, "near-miss": 0.4, "random": 0.1}, 400)
    both = {(row, 3) for row in range(20) if 480 * np.hypot(max(abs(row - 10) - 1, 0), 6) <= 3_000}
    for table, name in ((first, "near-miss"), (second, "rivers")):
        places = table[["row", "column"]].apply(tuple, axis=1)
        assert set(table.loc[places.isin(both), "negative"]) == {name}
    assert both


def test_the_grid_recipe_takes_one_window_a_cell_far_from_mining_and_five_a_positive(tmp_path: Path) -> None:
    table = drawn(tmp_path, {"grid": 0.5, "random": 0.5}, 400)
    grid = table[table["negative"] == "grid"]
    assert len(grid) == 5, "one window holds mining"
    assert (grid["mining_distance_m"] >= 2_560).all()
    centre_x, centre_y = ((grid[low] + grid[high]) / 2 for low, high in (("minx", "maxx"), ("miny", "maxy")))
    for centre in (centre_x, centre_y):
        assert (((centre - 1_280 + 240) % 2_560) <= 480).all(), "the centre of a cell lies in the window"


def test_windows_of_a_cells_grid_hold_exactly_one_centre_a_cell() -> None:
    mask = holds_cell_centre(WindowGrid(32722, 48, 0, 25_600, 53, 53), 2_560)
    assert mask.sum() == 100
    assert holds_cell_centre(WindowGrid(32722, 256, 0, 25_600, 10, 10), 2_560).all()


def test_more_windows_of_a_recipe_are_a_longer_prefix_of_the_hash_order() -> None:
    rng = np.random.default_rng(1)
    chosen = rng.random((20, 20)) > 0.4
    few, many = (first_in_order(chosen, GRID, count, 7) for count in (10, 60))
    assert (few.sum(), many.sum()) == (10, 60)
    assert (few <= many).all()
    assert (many <= chosen).all()
    assert (first_in_order(chosen, GRID, 10_000, 7) == chosen).all()


def test_recipes_draw_the_same_windows_whatever_else_is_drawn(tmp_path: Path) -> None:
    alone = drawn(tmp_path, {"rivers": 0.1, "random": 0.9}, 100)
    beside = drawn(tmp_path, {"rivers": 0.1, "urban": 0.1, "random": 0.8}, 100)
    rivers = [set(table.loc[table["negative"] == "rivers", "window_id"]) for table in (alone, beside)]
    assert rivers[0] == rivers[1]
    assert len(rivers[0]) == 10


def test_a_patch_of_river_that_the_filter_keeps_out_is_not_drawn(tmp_path: Path) -> None:
    limits = replace(small_row().window_filter, min_mining_distance_m=3_000.0)
    table = drawn(tmp_path, {"rivers": 0.5, "random": 0.5}, 400, window_filter=limits)
    assert (table["mining_distance_m"] >= 3_000).all()
    assert 0 < (table["negative"] == "rivers").sum() < 20


def test_the_zero_quota_is_shared_over_recipes_in_whole_windows() -> None:
    shares = MappingProxyType({"near-miss": 1 / 3, "rivers": 1 / 3, "random": 1 / 3})
    strata = replace(DATASETS["ranges"], negatives=shares).strata
    assert [strata["000", name] for name in shares] == [434, 433, 433]
    assert strata["090_100", ""] == 130
    assert sum(strata.values()) == 2_600


POINTS = PointsFile("points.csv", "class", ("yes",), ("no",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"negatives": {"random": 0.5, "rivers": 0.5}}, "after 'random' would find nothing"),
        ({"negatives": {"rivers": 0.5}}, "sum to 1"),
        ({"negatives": {}}, "sum to 1"),
        ({"negatives": {"swamps": 1.0}}, r"\['swamps'\] are no rows"),
        ({"negatives": {"curated": 0.5, "random": 0.5}}, "need points"),
        ({"quotas": {"000": 3}}, "not for the ranges"),
        ({"sliding_px": 5}, "no divisor of px 48"),
        ({"sliding_from": 7.0}, "no share"),
        ({"points": POINTS}, "lack 'mining'"),
        ({"points": POINTS, "quotas": {"mining": 3}}, "named in the quotas"),
        ({"points": POINTS, "quotas": {"mining": 3, "rivers": 3}, "negatives": {}}, r"\['rivers'\] are no recipes for points"),
    ],
)
def test_a_dataset_row_that_does_not_fit_together_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_row(**changes)


def test_a_dataset_of_points_wants_mining_and_each_recipe_by_name() -> None:
    row: Dataset = small_row(points=POINTS, quotas={"mining": 156, "curated": 323, "grid": 780}, negatives={})
    assert dict(row.strata) == {("", ""): 156, ("", "curated"): 323, ("", "grid"): 780}


def test_an_unknown_recipe_is_refused_with_the_remedy() -> None:
    with pytest.raises(KeyError, match=r"negatives\.py"):
        negatives.negative("swamps")


def test_candidates_do_not_depend_on_what_lies_beside_the_region(tmp_path: Path) -> None:
    """More ground adds windows and moves none: the western half alone draws what the whole draws there."""
    path = landscape(tmp_path / "m.tif")
    half = WindowGrid(32722, 48, 480_000, 9_600_000, 10, 20)
    row = small_row(zero_candidates=1_000)
    (whole, _), (part, _) = (candidates(path, grid, row, **PLACE) for grid in (GRID, half))  # type: ignore[arg-type]
    west = whole[whole["minx"] < 480_000 + 10 * 4_80].reset_index(drop=True)
    same = ["window_id", "order", "share", "negative", "dominant_class"]
    pd.testing.assert_frame_equal(pd.DataFrame(part[same]), pd.DataFrame(west[same]))
    assert box(*part.total_bounds).area < box(*whole.total_bounds).area
