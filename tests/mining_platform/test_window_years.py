"""Windows of a release of several years: drawn once, the same ground in every year, with each year's own shares."""

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from mining_platform.candidate_tables import CANDIDATE_COLUMNS
from mining_platform.candidates import RANGES_DIFFER, candidates
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.grids import WindowGrid
from mining_platform.point_windows import HOLDS_MINING, point_candidates
from mining_platform.proportions import window_shares
from mining_platform.reviews.effects import REJECTED, honoured_in_release
from mining_platform.reviews.tables import REVIEW_TYPES
from mining_platform.window_filters import TOO_LITTLE_VALID, TOO_NEAR_OR_FAR, WindowFilter
from mining_platform.window_years import grids_of
from tests.mining_platform.class_maps import metre_map, small_row
from tests.mining_platform.test_points import FOUR, row_of, write_csv
from tests.mining_platform.test_points import LEFT as WEST
from tests.mining_platform.test_points import TOP as NORTH
from tests.mining_platform.test_points import region as points_region

PX, SIDE = 48, 4
LEFT, TOP = 480 * 1_000, 480 * 19_000
GRID = WindowGrid(32722, PX, LEFT, TOP, SIDE, SIDE)
FOREST, MINING, NOTHING = 3, 30, 0


def land(*mines: tuple[int, int, int]) -> np.ndarray:
    """Forest of 4 x 4 windows in 10 m pixels; of each mine (window row, column, rows of pixels) so much of the top is mining."""
    classes = np.full((SIDE * PX, SIDE * PX), FOREST, np.uint8)
    for row, column, tall in mines:
        classes[row * PX : row * PX + tall, column * PX : (column + 1) * PX] = MINING
    return classes


def written(path: Path, classes: np.ndarray) -> Path:
    return metre_map(path, classes, LEFT, TOP, epsg=32722)


def both_years(folder: Path, before: np.ndarray, now: np.ndarray, **changes: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candidates of a release of 2023 and 2024 in its own year and in the other, by window id."""
    row = small_row(years=(2023, 2024), release="all-years", zero_candidates=100, **changes)
    maps = written(folder / "now.tif", now), written(folder / "before.tif", before)
    table, _ = candidates(maps[0], GRID, row, region_id="here", year=2024, other_years={2023: maps[1]})
    assert tuple(table.columns) == CANDIDATE_COLUMNS
    parts = [table[table["year"] == year].set_index("window_id") for year in (2024, 2023)]
    assert parts[0].index.tolist() == parts[1].index.tolist() == sorted(parts[0].index)
    return parts[0], parts[1]


def window(row: int, column: int) -> str:
    return f"32722_{(LEFT + column * PX * 10) // 10}_{(TOP - row * PX * 10) // 10}_{PX}"


def test_a_mine_that_was_forest_before_has_each_years_share_range_and_class(tmp_path: Path) -> None:
    now, before = both_years(tmp_path, land((0, 0, 12)), land((0, 0, 12), (1, 1, 26)))
    new = window(1, 1)
    assert now.loc[new, "share"] == pytest.approx(0.542, abs=1e-3)
    assert now.loc[new, ["range", "is_mining", "negative"]].tolist() == ["050_060", True, ""]
    assert before.loc[new, ["share", "range", "is_mining"]].tolist() == [0, "000", False]
    assert before.loc[new, "negative"] == "random", "the dataset's first recipe stands for ground that was no mine then"
    assert before.loc[window(0, 0), "share"] == pytest.approx(0.25, abs=1e-3)


def test_shares_of_another_year_are_those_of_its_map_whatever_it_is_drawn_by(tmp_path: Path) -> None:
    before = land((2, 2, 7), (3, 0, 40))
    _, then = both_years(tmp_path, before, land((0, 0, 12)))
    shares = window_shares(tmp_path / "before.tif", GRID, {MINING}).set_index("window_id")["share"]
    assert then["share"].to_dict() == shares.loc[then.index].to_dict()


def test_a_window_that_is_not_eligible_in_one_year_is_not_taken_and_says_which(tmp_path: Path) -> None:
    before = land()
    before[0:PX, 0:5] = NOTHING
    now, then = both_years(tmp_path, before, land((0, 0, 12), (1, 1, 12)))
    unseen = window(0, 0)
    assert not now.loc[unseen, "eligible"]
    assert now.loc[unseen, "reason"] == f"in 2023: {TOO_LITTLE_VALID}"
    assert (then.loc[unseen, "eligible"], then.loc[unseen, "reason"]) == (False, TOO_LITTLE_VALID)
    assert now.drop(unseen)["eligible"].all()


def test_a_windows_own_reason_stands_before_that_of_another_year(tmp_path: Path) -> None:
    before, now = land(), land((1, 1, 12))
    before[0:PX, 0:5] = now[0:PX, 0:5] = NOTHING
    now[10:20, 20:30] = MINING
    assert both_years(tmp_path, before, now)[0].loc[window(0, 0), "reason"] == TOO_LITTLE_VALID


def test_ground_without_a_class_in_another_year_is_not_taken_whatever_the_filter_asks(tmp_path: Path) -> None:
    before = land()
    before[0:PX, 0:PX] = NOTHING
    now, _ = both_years(tmp_path, before, land((0, 0, 12)), window_filter=WindowFilter(min_valid_share=0.0))
    assert now.loc[window(0, 0), "reason"] == f"in 2023: {TOO_LITTLE_VALID}"


def test_distances_from_mining_are_those_of_the_year(tmp_path: Path) -> None:
    limits = WindowFilter(min_valid_share=1.0, min_mining_distance_m=400)
    now, then = both_years(tmp_path, land((3, 3, 12)), land((0, 0, 12)), window_filter=limits)
    near_then, far_in_both = window(2, 3), window(0, 2)
    assert (now.loc[near_then, "mining_distance_m"], then.loc[near_then, "mining_distance_m"]) == (
        pytest.approx(np.hypot(960, 480)),
        0,
    )
    assert now.loc[near_then, "reason"] == f"in 2023: {TOO_NEAR_OR_FAR}"
    assert now.loc[far_in_both, "eligible"]


def test_windows_beside_the_grid_keep_their_place_in_another_year(tmp_path: Path) -> None:
    now, before = land(), land()
    now[24:72, 24:72] = MINING  # fills the window that lies across four
    before[24:72, 24:48] = MINING
    table, then = both_years(tmp_path, before, now, sliding_px=24, sliding_from=0.7)
    shifted = f"32722_{LEFT // 10 + 24}_{TOP // 10 - 24}_{PX}"
    assert table.loc[shifted, "share"] == 1
    assert then.loc[shifted, "share"] == pytest.approx(0.5, abs=1e-3)


def test_a_window_that_another_year_refuses_makes_no_other_give_way(tmp_path: Path) -> None:
    now, before = land(), land()
    now[24:72, 24:72] = MINING
    before[60:70, 60:70] = NOTHING  # in the shifted window and in one aligned one
    table, _ = both_years(tmp_path, before, now, sliding_px=24, sliding_from=0.7)
    shifted = f"32722_{LEFT // 10 + 24}_{TOP // 10 - 24}_{PX}"
    assert table.loc[shifted, "reason"] == f"in 2023: {TOO_LITTLE_VALID}"
    assert table.loc[window(0, 0), "eligible"], "nothing that can be taken overlaps it"


def test_grids_that_windows_lie_on_hold_each_window_once() -> None:
    placed = pd.DataFrame({"minx": [LEFT, LEFT + 240, LEFT + 240 + 480], "maxy": [TOP, TOP - 480, TOP - 480]})
    found = grids_of(placed, GRID)
    assert [(grid.x0, grid.y1, grid.rows, grid.columns) for grid, _ in found] == [
        (LEFT, TOP, 4, 4),
        (LEFT + 240, TOP, 4, 3),
    ]
    assert [np.argwhere(wanted).tolist() for _, wanted in found] == [[[0, 0]], [[1, 0], [1, 1]]]


def test_a_release_of_one_year_has_the_candidates_of_that_year_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "now.tif", land((0, 0, 12)))
    row = small_row(zero_candidates=100)
    plain, _ = candidates(path, GRID, row, region_id="here", year=2024)
    assert set(plain["year"]) == {2024}
    assert plain["window_id"].is_unique


def reviewed(*rows: tuple[str, int, str]) -> pd.DataFrame:
    """Decisions (window, year, decision)."""
    told = [(name, "here", year, decision, "", "Ana", "hut", "t", "s", n) for n, (name, year, decision) in enumerate(rows)]
    return pd.DataFrame(told, columns=list(REVIEW_TYPES)).astype(REVIEW_TYPES)


def in_both(folder: Path) -> tuple[gpd.GeoDataFrame, Dataset]:
    row = small_row(years=(2023, 2024), release="all-years", zero_candidates=100)
    maps = written(folder / "now.tif", land((0, 0, 12))), written(folder / "before.tif", land())
    return candidates(maps[0], GRID, row, region_id="here", year=2024, other_years={2023: maps[1]})[0], row


def test_a_window_rejected_in_one_year_is_taken_in_none(tmp_path: Path) -> None:
    table, row = in_both(tmp_path)
    told = honoured_in_release(table, reviewed((window(0, 1), 2023, "reject"), (window(0, 2), 2024, "reject")), row, 2024)
    refused = told[~told["eligible"]].set_index("window_id")["reason"].to_dict()
    assert refused == {window(0, 1): f"{REJECTED}, in 2023: hut", window(0, 2): f"{REJECTED}: hut"}
    assert set(told["year"]) == {2024}


def test_an_accepted_window_of_another_year_changes_nothing(tmp_path: Path) -> None:
    table, row = in_both(tmp_path)
    told = honoured_in_release(table, reviewed((window(0, 1), 2023, "accept")), row, 2024)
    assert told["eligible"].all()


def test_a_range_that_cannot_be_told_in_another_year_makes_a_window_ineligible(tmp_path: Path) -> None:
    row = small_row(years=(2023, 2024), release="all-years", zero_candidates=100)
    fine = np.repeat(np.repeat(land((0, 0, 12)), 2, axis=0), 2, axis=1)
    fine[1, 1 + 2 * PX] = MINING  # 5 m of a forest window: mining by area, and none by 10 m pixels
    before = metre_map(tmp_path / "fine.tif", fine, LEFT, TOP, pixel_m=5, epsg=32722)
    now = written(tmp_path / "now.tif", land((0, 0, 12)))
    table, _ = candidates(now, GRID, row, region_id="here", year=2024, other_years={2023: before})
    refused = table[(table["year"] == 2024) & ~table["eligible"]].set_index("window_id")["reason"].to_dict()
    assert refused == {window(0, 1): f"in 2023: {RANGES_DIFFER}"}


def test_the_rows_of_one_release_are_declared_and_the_others_are_yearly() -> None:
    row = DATASETS["sim_smallmines"]
    assert (row.release, row.years, row.releases, row.years_of(2024)) == ("all-years", (2023, 2024), (2024,), (2023, 2024))
    assert [row.release_of(year) for year in (2023, 2024, 2031)] == [2024, 2024, 2031]
    yearly = DATASETS["sim_ranges"]
    assert (yearly.releases, yearly.years_of(2023), yearly.release_of(2023)) == ((2023, 2024), (2023,), 2023)


def test_sites_whose_windows_move_cannot_be_released_over_several_years() -> None:
    with pytest.raises(ValueError, match=r"sim_landsat_sites.*windows of sites move.*not all-years"):
        replace(DATASETS["sim_landsat_sites"], release="all-years")


def test_windows_on_points_have_each_years_share_and_the_points_class(tmp_path: Path) -> None:
    points = write_csv(tmp_path / "p.csv", FOUR)
    row = replace(row_of(points, {"mining": 9, "curated": 9, "grid": 9}), years=(2023, 2024), release="all-years")
    now, before = (np.full((2_000, 2_000), FOREST, np.uint8) for _ in range(2))
    before[476:500, 476:524] = MINING  # the upper half of the window on the mine m1
    before[:, 1_600:] = MINING  # under windows of the grid, too
    maps = [metre_map(tmp_path / f"{name}.tif", each, WEST, NORTH) for name, each in (("now", now), ("before", before))]
    table, facts = point_candidates(row, points_region(), 2024, maps[0], other_years={2023: maps[1]})
    on_mine = table[table["point_id"] == "m1"].set_index("year")
    assert on_mine["share"].to_dict() == pytest.approx({2024: 0, 2023: 0.5}, abs=1e-3)
    assert on_mine["is_mining"].to_dict() == {2024: True, 2023: True}
    assert on_mine["eligible"].all()
    refused = table[(table["year"] == 2024) & ~table["eligible"]]
    assert set(refused["reason"]) == {f"in 2023: {HOLDS_MINING}"}
    assert facts["not_eligible"] == {f"in 2023: {HOLDS_MINING}": len(refused)}


def test_points_without_a_map_stand_in_every_year(tmp_path: Path) -> None:
    row = replace(row_of(write_csv(tmp_path / "p.csv", FOUR)), years=(2023, 2024), release="all-years")
    table, _ = point_candidates(row, points_region(), 2024, None, other_years={2023: None})
    parts = [table[table["year"] == year].drop(columns=["year", "geometry"]).reset_index(drop=True) for year in (2023, 2024)]
    pd.testing.assert_frame_equal(*parts)
    assert parts[0]["eligible"].all()
