"""Which windows of a map become candidates: shares, order, surroundings, filters, sliding windows."""

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine

from mining_platform.candidate_tables import CANDIDATE_COLUMNS, OVERLAPS_EQUAL, OVERLAPS_HIGHER, thinned
from mining_platform.candidates import RANGES_DIFFER, candidates
from mining_platform.footprints import close_pairs, window_footprints
from mining_platform.grids import WindowGrid, project, window_grid
from mining_platform.labels.recipes import RECIPES
from mining_platform.orders import lattice_order, window_order
from mining_platform.proportions import window_shares
from mining_platform.ranges import RANGES, range_of
from mining_platform.region_files import load_regions
from mining_platform.shares.class_rasters import ClassRasterError
from mining_platform.sliding import shifted_grids
from mining_platform.sources.protocol import SourceError
from mining_platform.surroundings import class_table, grid_distances_m
from mining_platform.surveys import POOL_LEAST
from mining_platform.window_filters import TOO_LITTLE_VALID, Territory, WindowFilter
from tests.mining_platform.class_maps import degree_map, grid_around, metre_map, small_row, write_map

MINING = RECIPES["mapbiomas-mining"].mining_codes
ROW_CHANGES = ("window_filter", "zero_candidates", "seed", "sliding_px", "sliding_from", "px", "allow_overlap", "negatives")


def make_candidates(path: Path, grid: WindowGrid, **changes: object) -> tuple[gpd.GeoDataFrame, dict[str, object]]:
    """Candidates of a dataset row with some fields changed; the other words go to `candidates`."""
    row = small_row(**{"px": grid.px, **{name: changes.pop(name) for name in ROW_CHANGES if name in changes}})
    return candidates(path, grid, row, **({"region_id": "here", "year": 2024} | changes))  # type: ignore[arg-type]


def lone_mine(path: Path) -> Path:
    classes = np.full((170, 170), 3, dtype=np.uint8)
    classes[80:90, 80:95] = 30
    return degree_map(path, -55.0, -7.0, classes)


def test_candidates_are_all_windows_with_mining_and_as_many_without_as_asked(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    table, facts = make_candidates(path, grid)
    shares = window_shares(path, grid, MINING)
    assert set(table.loc[table["share"] > 0, "window_id"]) == set(shares.loc[shares["share"] > 0, "window_id"])
    assert (table["range"] == "000").sum() == 10
    assert tuple(table.columns) == CANDIDATE_COLUMNS
    assert table["window_id"].is_monotonic_increasing
    assert facts["windows"] == 64
    assert facts["windows_by_range"] == {name: int((range_of(shares["share"].to_numpy()) == name).sum()) for name in RANGES}
    assert table.crs.to_epsg() == 4326
    assert table.geometry.iloc[0].contains(shapely.Point(table["lon"].iloc[0], table["lat"].iloc[0]))


def test_windows_at_zero_are_drawn_in_hash_order_and_more_are_a_longer_prefix(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    few, many = (make_candidates(path, grid, zero_candidates=n)[0] for n in (5, 12))
    few, many = few[few["range"] == "000"], many[many["range"] == "000"]
    assert set(few["window_id"]) < set(many["window_id"])
    assert few["order"].max() < many.loc[~many["window_id"].isin(few["window_id"]), "order"].min()


def test_the_order_of_a_window_depends_on_the_seed_and_not_on_the_year(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    one, other_year, other_seed = (
        make_candidates(path, grid)[0],
        make_candidates(path, grid, year=2020)[0],
        make_candidates(path, grid, seed=8)[0],
    )
    assert one["order"].tolist() == other_year["order"].tolist()
    assert one["window_id"].tolist() != other_seed["window_id"].tolist()
    assert one["order"].dtype == np.uint64


def test_a_window_with_too_little_valid_area_is_not_eligible_and_says_so(tmp_path: Path) -> None:
    classes = np.full((170, 170), 3, dtype=np.uint8)
    classes[80:90, 80:95], classes[88:92, 80:82] = 30, 27
    table, facts = make_candidates(degree_map(tmp_path / "m.tif", -55.0, -7.0, classes), grid_around(-55.0, -7.0, 32721))
    spoiled = table[table["valid_share"] < 1]
    assert len(spoiled) > 0
    assert not spoiled["eligible"].any()
    assert set(spoiled["reason"]) == {TOO_LITTLE_VALID}
    assert facts["not_eligible"] == {TOO_LITTLE_VALID: len(spoiled)}
    assert (table.loc[table["eligible"], "reason"] == "").all()


def test_a_window_whose_nearest_share_is_in_another_range_is_not_eligible(tmp_path: Path) -> None:
    classes = np.full((20, 20), 3, dtype=np.uint8)
    classes[:2] = 30  # 46 m of 480 m reach into the window: 9.6 %, but the centres of five rows of 10 m: 10.4 %
    path = write_map(tmp_path / "m.tif", classes, Affine(30, 0, 479_980, 0, -30, 9_600_480 + 14), "EPSG:32722")
    table, _ = make_candidates(path, WindowGrid(32722, 48, 480_000, 9_600_480, 1, 1))
    assert table[["share", "share_nn"]].iloc[0].tolist() == pytest.approx([46 / 480, 50 / 480], abs=1e-6)
    assert table["reason"].tolist() == [RANGES_DIFFER]
    assert not table["eligible"].any()


def test_a_share_on_the_edge_of_a_range_is_not_eligible(tmp_path: Path) -> None:
    classes = np.full((48, 48), 3, dtype=np.uint8)
    classes[:24] = 30  # areas on both sides of the middle parallel differ in the tenth digit
    path = write_map(tmp_path / "m.tif", classes, Affine(10, 0, 480_000, 0, -10, 9_600_480), "EPSG:32722")
    table, _ = make_candidates(path, WindowGrid(32722, 48, 480_000, 9_600_480, 1, 1))
    assert table["share"][0] == pytest.approx(0.5, abs=1e-9)
    assert not table["eligible"][0]


def test_windows_outside_the_outline_are_left_out(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    outline = shapely.box(-55.005, -7.2, -54.9, -6.9)
    table, facts = make_candidates(path, grid, outline=outline, zero_candidates=100)
    assert len(table) == facts["windows"] < 64
    assert shapely.covers(outline, table.geometry.to_numpy()).all()


def test_a_grid_without_windows_gives_an_empty_table_with_all_columns(tmp_path: Path) -> None:
    table, facts = make_candidates(lone_mine(tmp_path / "m.tif"), WindowGrid(32721, 48, 720_000, 9_225_600, 0, 0))
    assert len(table) == facts["windows"] == 0
    assert tuple(table.columns) == CANDIDATE_COLUMNS
    assert table["range"].dtype == "str"


def test_candidates_are_the_same_bytes_twice(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    for name in ("a", "b"):
        make_candidates(path, grid)[0].to_parquet(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# the hash order


def test_a_million_windows_are_ordered_in_well_under_a_second_each_at_its_own_place() -> None:
    columns = np.arange(1_000_000)
    order = lattice_order(32722, columns * 128, 960_000, 128, 7)
    assert len(np.unique(order)) == 1_000_000
    assert order.dtype == np.uint64
    shares = np.histogram(order.astype(float) / 2**64, bins=10, range=(0, 1))[0] / 1_000_000
    assert np.abs(shares - 0.1).max() < 0.002


def test_the_order_of_ids_is_that_of_their_numbers_in_any_order_of_rows() -> None:
    ids = ["32722_128_960000_128", "32722_-5_960000_128", "32718_128_960000_48"]
    assert window_order(ids, 7).tolist() == [
        int(lattice_order(*numbers, 7)[0])
        for numbers in ((32722, 128, 960_000, 128), (32722, -5, 960_000, 128), (32718, 128, 960_000, 48))
    ]
    assert window_order(ids[::-1], 7).tolist() == window_order(ids, 7).tolist()[::-1]
    assert len(set(window_order(ids, 7)) & set(window_order(ids, 8))) == 0


def test_a_large_grid_keeps_the_same_windows_as_one_pool_of_all(tmp_path: Path) -> None:
    classes = np.full((400, 400), 3, dtype=np.uint8)
    path = metre_map(tmp_path / "m.tif", classes, 480_000, 9_600_000, pixel_m=160)
    grid = WindowGrid(32722, 16, 480_000, 9_600_000, 400, 400)
    table, facts = make_candidates(path, grid, zero_candidates=50)
    assert facts["windows"] == 160_000 > 4 * POOL_LEAST
    every = window_order(window_shares(path, grid, MINING)["window_id"], 7)
    assert sorted(table["order"]) == sorted(every)[:50]


# surroundings


def test_the_distance_from_mining_is_that_of_footprints(tmp_path: Path) -> None:
    classes = np.full((48 * 5, 48 * 7), 3, dtype=np.uint8)
    classes[48 + 5, 48 + 5] = 30  # in window (1, 1)
    grid = WindowGrid(32722, 48, 480_000, 9_600_000, 7, 5)
    table, _ = make_candidates(metre_map(tmp_path / "m.tif", classes, 480_000, 9_600_000), grid, zero_candidates=100)
    places = zip((table["maxy"] - 9_600_000) // -480, (table["minx"] - 480_000) // 480, strict=True)
    expected = [480 * np.hypot(max(abs(i - 1) - 1, 0), max(abs(j - 1) - 1, 0)) for i, j in places]
    assert len(table) == 35
    assert table["mining_distance_m"].tolist() == pytest.approx(expected)
    mining = np.zeros((5, 7), dtype=bool)
    mining[1, 1] = True
    from_grid = grid_distances_m(mining, 480)
    assert sorted(from_grid.ravel().tolist()) == pytest.approx(sorted(expected))


def test_without_mining_in_the_region_the_distance_is_unknown(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", np.full((96, 96), 3, dtype=np.uint8), 480_000, 9_600_000)
    table, _ = make_candidates(path, WindowGrid(32722, 48, 480_000, 9_600_000, 2, 2))
    assert table["mining_distance_m"].isna().all()
    assert np.isinf(grid_distances_m(np.zeros((2, 2), dtype=bool), 480)).all()


def test_the_dominant_class_leaves_mining_out_in_the_window_and_around_it(tmp_path: Path) -> None:
    classes = np.full((48 * 3, 48 * 3), 3, dtype=np.uint8)
    classes[48:96, 48:96] = 30
    classes[48:60, 48:96] = 33  # a quarter of the middle window is river, the rest mining
    classes[:48] = 15
    classes[96:, :48] = 0  # no class
    path = metre_map(tmp_path / "m.tif", classes, 480_000, 9_600_000)
    ids = pd.DataFrame({"window_id": ["32722_48048_959952_48", "32722_48000_960000_48", "32722_90000_960000_48"]})
    table = class_table(path, ids, MINING)
    assert table["dominant_class"].tolist() == [33, 15, 0]
    assert table["dominant_share"].tolist() == pytest.approx([0.25, 1, 0])
    assert table["share_nn"].tolist() == pytest.approx([0.75, 0, 0])
    # around the middle: 3 windows of pasture, 4 of forest, 1 without a class
    assert table["around_class"].tolist() == [3, 3, 0]
    assert table["around_share"].tolist() == pytest.approx([4 / 7, 1 / 3, 0])


def test_a_window_of_nothing_but_mining_says_mining(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", np.full((144, 144), 30, dtype=np.uint8), 480_000, 9_600_000)
    table = class_table(path, pd.DataFrame({"window_id": ["32722_48048_959952_48"]}), MINING)
    assert table[["dominant_class", "around_class"]].iloc[0].tolist() == [30, 30]


# filters


def territory(path: Path, *boxes: tuple[float, float, float, float]) -> Path:
    shapes = [shapely.geometry.mapping(shapely.box(*box)) for box in boxes]
    features = [{"type": "Feature", "properties": {}, "geometry": shape} for shape in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize("side", ["inside", "outside"])
def test_windows_on_the_wrong_side_of_a_territory_are_refused_with_its_name(tmp_path: Path, side: str) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    box = (-55.0005, -7.2, -54.9, -6.9)
    place = Territory("the reserve", str(territory(tmp_path / "t.geojson", box)), side)  # type: ignore[arg-type]
    window_filter = WindowFilter(min_valid_share=1.0, territories=(place,))
    table, facts = make_candidates(path, grid, window_filter=window_filter, zero_candidates=100)
    within, touched = (check(shapely.box(*box), table.geometry.to_numpy()) for check in (shapely.covers, shapely.intersects))
    good = within if side == "inside" else ~touched
    positive = (table["share"] > 0).to_numpy()
    refused = table["reason"] == f"not {side} the reserve"
    assert (refused[positive] == ~good[positive]).all()
    assert good[~positive].all()
    assert 0 < refused.sum() == facts["not_eligible"][f"not {side} the reserve"]  # type: ignore[index]
    assert facts["refused_zero"][f"not {side} the reserve"] + len(table) == 64  # type: ignore[index]


def test_windows_without_mining_keep_the_distance_that_the_filter_asks_for(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    limits = WindowFilter(min_valid_share=1.0, min_mining_distance_m=400, max_mining_distance_m=900)
    zero = make_candidates(path, grid, window_filter=limits, zero_candidates=100)[0].query("share == 0")
    every = make_candidates(path, grid, zero_candidates=100)[0].query("share == 0")
    assert zero["mining_distance_m"].between(400, 900).all()
    assert len(zero) == every["mining_distance_m"].between(400, 900).sum() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_valid_share": 1.5}, "is no share"),
        ({"min_valid_share": float("nan")}, "is no share"),
        ({"min_valid_share": 1.0, "min_mining_distance_m": 10.0, "max_mining_distance_m": 5.0}, "leave no window"),
        ({"min_valid_share": 1.0, "territories": (Territory("x", "x.geojson", "beside"),)}, "neither side"),  # type: ignore[arg-type]
    ],
)
def test_a_filter_that_cannot_be_kept_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WindowFilter(**changes)  # type: ignore[arg-type]


def test_a_territory_that_is_missing_empty_or_torn_is_refused_with_its_file(tmp_path: Path) -> None:
    path, grid = lone_mine(tmp_path / "m.tif"), grid_around(-55.0, -7.0, 32721)
    (tmp_path / "torn.geojson").write_text("{")
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    for name, geometry in (
        ("bow.geojson", bow_tie),
        ("point.geojson", {"type": "Point", "coordinates": [0, 0]}),
        ("nan.geojson", None),
    ):
        feature = {"type": "Feature", "properties": {}, "geometry": geometry}
        (tmp_path / name).write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    territory(tmp_path / "empty.geojson")
    cases = {"none": "no territory file", "torn": "cannot be read", "empty": "no polygons"}
    for name, message in {**cases, **dict.fromkeys(("bow", "point", "nan"), r"number 0 .*no valid polygons")}.items():
        place = Territory("x", str(tmp_path / f"{name}.geojson"), "inside")
        with pytest.raises(SourceError, match=message):
            make_candidates(path, grid, window_filter=WindowFilter(1.0, territories=(place,)))


# sliding windows


def test_a_mine_across_four_windows_fills_one_that_is_shifted(tmp_path: Path) -> None:
    classes = np.full((96, 96), 3, dtype=np.uint8)
    classes[24:72, 24:72] = 30  # 100 % of the window between the four aligned ones
    path, grid = metre_map(tmp_path / "m.tif", classes, 480_000, 9_600_000), WindowGrid(32722, 48, 480_000, 9_600_000, 2, 2)
    still, _ = make_candidates(path, grid)
    slid, facts = make_candidates(path, grid, sliding_px=24, sliding_from=0.7)
    assert still["share"].tolist() == pytest.approx([0.25] * 4, rel=1e-6)
    best = slid.loc[slid["share"].idxmax()]
    assert (best["window_id"], best["range"], best["eligible"]) == ("32722_48024_959976_48", "090_100", True)
    assert (slid.loc[slid["share"] < 0.5, "reason"] == OVERLAPS_HIGHER).all()
    assert facts["eligible_by_range"] == {name: int(name == "090_100") for name in RANGES}


def test_sliding_misses_no_window_above_the_limit(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    field = np.kron(rng.random((12, 12)), np.ones((20, 20)))
    path = metre_map(tmp_path / "m.tif", np.where(field > 0.45, 30, 3).astype(np.uint8), 480_000, 9_600_000)
    grid = WindowGrid(32722, 48, 480_000, 9_600_000, 5, 5)
    found, _ = make_candidates(path, grid, sliding_px=12, sliding_from=0.7, allow_overlap=True)
    expected = set()
    for down in range(0, 48, 12):
        for right in range(0, 48, 12):
            moved = WindowGrid(32722, 48, 480_000 + right * 10, 9_600_000 - down * 10, 5 - (right > 0), 5 - (down > 0))
            shares = window_shares(path, moved, MINING)
            expected |= set(shares.loc[shares["share"] > (0 if right == down == 0 else 0.7), "window_id"])
    assert set(found.loc[found["share"] > 0, "window_id"]) == expected
    assert len(expected) > 50


def test_a_mine_at_the_outline_whose_aligned_windows_lie_across_it_fills_a_shifted_one_inside(tmp_path: Path) -> None:
    classes = np.full((192, 192), 3, dtype=np.uint8)
    classes[72:120, 72:120] = 30  # the shifted window in the middle, between four aligned ones
    path, grid = metre_map(tmp_path / "m.tif", classes, 480_000, 9_600_000), WindowGrid(32722, 48, 480_000, 9_600_000, 4, 4)
    outline = project(shapely.box(480_700, 9_598_780, 481_220, 9_599_300).segmentize(10), 32722, 4326)
    table, facts = make_candidates(path, grid, sliding_px=24, sliding_from=0.7, outline=outline)
    assert facts["windows"] == 0, "no aligned window is wholly inside"
    assert table["window_id"].tolist() == ["32722_48072_959928_48"]
    assert table["eligible"].all()


def test_only_grids_that_can_hold_such_a_window_are_looked_at() -> None:
    grid = WindowGrid(32722, 48, 480_000, 9_600_000, 4, 4)
    area = np.zeros((4, 4))
    assert list(shifted_grids(grid, area, step_px=24, share_above=0.7, min_valid_share=1.0)) == []
    area[1, 1] = area[1, 2] = 0.4 * 480**2
    looked_at = {(each.x0, each.y1): wanted.sum() for each, wanted in shifted_grids(
        grid, area, step_px=24, share_above=0.7, min_valid_share=1.0)}  # fmt: skip
    assert looked_at == {(480_240, 9_600_000): 1}  # half of each neighbour: 0.8 at most; with a row above, 0.5 at most


def test_thinned_windows_never_overlap_and_every_refused_one_overlaps_one_that_stays(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    field = np.kron(rng.random((12, 12)), np.ones((20, 20)))
    path = metre_map(tmp_path / "m.tif", np.where(field > 0.3, 30, 3).astype(np.uint8), 480_000, 9_600_000)
    table, _ = make_candidates(path, WindowGrid(32722, 48, 480_000, 9_600_000, 5, 5), sliding_px=12, sliding_from=0.6)
    kept, thin = table[table["eligible"]], table[table["reason"].isin([OVERLAPS_HIGHER, OVERLAPS_EQUAL])]
    assert len(close_pairs(window_footprints(kept["window_id"].tolist()), 0)) == 0
    assert {OVERLAPS_HIGHER, OVERLAPS_EQUAL} == set(thin["reason"])
    for row in thin.itertuples():
        near = kept[(abs(kept["minx"] - row.minx) < 480) & (abs(kept["miny"] - row.miny) < 480)]
        first = near[(near["range"] > row.range) | ((near["range"] == row.range) & (near["order"] < row.order))]
        assert len(first) > 0, "a window gives way only to one that comes first"
        assert row.reason == (OVERLAPS_HIGHER if (near["range"] > row.range).any() else OVERLAPS_EQUAL)


def test_thinning_does_not_look_at_the_order_of_rows_nor_at_windows_that_are_not_eligible() -> None:
    ids = [f"32722_{48_000 + 24 * k}_960000_48" for k in range(5)]
    table = gpd.GeoDataFrame(
        {"window_id": ids, "order": np.arange(5, dtype=np.uint64), "eligible": [True, True, False, True, True], "reason": ""},
        geometry=[shapely.Point(0, 0)] * 5,
        crs=4326,
    )
    table.loc[2, "reason"] = "refused before"
    priority = np.array([0, 1, 9, 1, 1])
    expected = [OVERLAPS_HIGHER, "", "refused before", "", OVERLAPS_EQUAL]
    for seed in range(4):
        shuffle = np.random.default_rng(seed).permutation(5)
        found = thinned(table.iloc[shuffle].reset_index(drop=True), priority[shuffle]).sort_values("window_id")
        assert found["reason"].tolist() == expected
        assert found["eligible"].tolist() == [not reason for reason in expected]


# the real map


def test_at_lourenco_only_shifted_windows_reach_above_90_per_cent(lourenco_map: Path) -> None:
    region = load_regions()["lourenco"]
    grid = window_grid(region.geobox, 128)
    row = replace(small_row(), px=128, zero_candidates=400)
    found = {}
    for step in (0, 32):
        _, facts = candidates(
            lourenco_map, grid, replace(row, sliding_px=step, sliding_from=0.7), region_id="lourenco", year=2022, band=38
        )
        found[step] = facts["eligible_by_range"]
    assert list(found[0].values()) == [400, 45, 15, 8, 4, 3, 2, 0, 1, 1, 0]
    assert found[32]["090_100"] == 1


# bad maps


def test_maps_that_shares_cannot_be_computed_on_are_refused(tmp_path: Path) -> None:
    grid, straight = WindowGrid(32722, 48, 480_000, 9_600_000, 1, 1), Affine(10, 0, 480_000, 0, -10, 9_600_000)
    classes = np.full((48, 48), 3, dtype=np.uint8)
    with pytest.raises(ClassRasterError, match="no CRS"):
        make_candidates(write_map(tmp_path / "a.tif", classes, straight, None), grid)
    with pytest.raises(ClassRasterError, match="rotated"):
        make_candidates(write_map(tmp_path / "b.tif", classes, straight * Affine.rotation(5), "EPSG:32722"), grid)


def test_windows_larger_than_the_map_are_not_valid_enough(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", np.full((20, 20), 30, dtype=np.uint8), 480_100, 9_599_900)
    table, facts = make_candidates(path, WindowGrid(32722, 48, 480_000, 9_600_000, 1, 1))
    assert table["reason"].tolist() == [TOO_LITTLE_VALID]
    assert facts["windows_valid"] == 0
