"""Windows centred on people's points, with and without a land-cover map, and the errors of bad files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Transformer

from mining_platform.candidate_tables import CANDIDATE_COLUMNS
from mining_platform.dataset_rows import Dataset
from mining_platform.footprints import close_pairs, window_footprints
from mining_platform.grids import project
from mining_platform.point_files import PointsFile
from mining_platform.point_windows import HOLDS_MINING, OVERLAPS_LIKE, OVERLAPS_MINING_OR_POINT, point_candidates
from mining_platform.points import points_fingerprint, read_points
from mining_platform.regions import Region
from mining_platform.sources.protocol import SourceError
from mining_platform.window_filters import TOO_LITTLE_VALID, TOO_NEAR_OR_FAR, WindowFilter
from tests.mining_platform.class_maps import metre_map, small_row

EPSG, LEFT, TOP = 32722, 480_000, 9_600_000


def file_of(path: Path, **changes: Any) -> PointsFile:
    return PointsFile(**{"href": str(path), "class_column": "kind", "mining": ("mine",), "other": ("farm", "river"), **changes})


def row_of(path: Path, quotas: dict[str, int] | None = None, **changes: Any) -> Dataset:
    wanted = quotas or {"mining": 5, "curated": 5, "grid": 25}
    return small_row(points=file_of(path, id_column="id"), quotas=wanted, negatives={}, **changes)


def region(size_m: int = 20_000) -> Region:
    """A square region without a map."""
    shape = project(shapely.box(LEFT, TOP - size_m, LEFT + size_m, TOP), EPSG, 4326)
    return Region("here", "Here", "VE", (2024,), EPSG, "sampled", None, None, shape)


def degrees(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Longitude and latitude of metres east and south of the region's corner."""
    transformer = Transformer.from_crs(EPSG, 4326, always_xy=True)
    return [transformer.transform(LEFT + east, TOP - south) for east, south in places]


def write_csv(path: Path, rows: list[tuple[str, float, float, str]], **more: list[Any]) -> Path:
    """Points (id, metres east, metres south, kind) as CSV."""
    lon, lat = zip(*degrees([(east, south) for _, east, south, _ in rows]), strict=True)
    table = pd.DataFrame({"id": [r[0] for r in rows], "lon": lon, "lat": lat, "kind": [r[3] for r in rows], **more})
    table.to_csv(path, index=False)
    return path


FOUR = [
    ("m1", 5_003, 5_004, "mine"),
    ("m2", 12_000, 5_000, "mine"),
    ("f1", 5_000, 15_000, "farm"),
    ("r1", 15_000, 15_000, "river"),
]


def test_windows_are_centred_on_points_and_snapped_to_the_lattice(tmp_path: Path) -> None:
    table, facts = point_candidates(row_of(write_csv(tmp_path / "p.csv", FOUR)), region(), 2024, None)
    assert tuple(table.columns) == CANDIDATE_COLUMNS
    first = table.set_index("point_id").loc["m1"]
    assert (first["minx"], first["maxy"]) == (LEFT + 5_000 - 240, TOP - 5_000 + 240)
    assert (table["maxx"] - table["minx"] == 480).all()
    assert (table[["minx", "miny"]] % 10 == 0).all(axis=None)
    assert facts["points"] == 4
    assert facts["eligible_by_kind"] == {"curated": 2, "grid": 10, "mining": 2}


def test_without_a_map_shares_are_unknown_and_the_class_is_the_points(tmp_path: Path) -> None:
    table, _ = point_candidates(row_of(write_csv(tmp_path / "p.csv", FOUR)), region(), 2024, None)
    on_point = table[table["point_id"] != ""].set_index("point_id")
    assert on_point["is_mining"].to_dict() == {"m1": True, "m2": True, "f1": False, "r1": False}
    assert on_point["negative"].to_dict() == {"m1": "", "m2": "", "f1": "curated", "r1": "curated"}
    assert table[["share", "share_nn", "valid_share", "dominant_share"]].isna().all(axis=None)
    assert (table["range"] == "").all()
    assert table["eligible"].all()
    assert table.loc[table["is_mining"], "mining_distance_m"].tolist() == [0, 0]


def test_five_grid_windows_a_positive_stand_on_cells_far_from_mining_and_clear_of_points(tmp_path: Path) -> None:
    table, _ = point_candidates(row_of(write_csv(tmp_path / "p.csv", FOUR)), region(), 2024, None)
    grid, points = table[table["negative"] == "grid"], table[table["point_id"] != ""]
    assert len(grid) == 10
    for low, high in (("minx", "maxx"), ("miny", "maxy")):
        assert (((grid[low] + grid[high]) / 2) % 2_560 == 1_280).all()
    assert (grid["mining_distance_m"] >= 2_560).all()
    assert not grid["is_mining"].any()
    together = [*grid["window_id"], *points["window_id"]]
    assert len(close_pairs(window_footprints(together), 0)) == 0
    assert shapely.covers(region().geometry, table.geometry.to_numpy()).all()


def test_with_a_map_shares_come_from_it_and_the_class_still_from_the_point(tmp_path: Path) -> None:
    classes = np.full((2_000, 2_000), 3, dtype=np.uint8)
    classes[1_489:1_513, 476:524] = 30  # mining by the map at the farm f1: an expert knows better
    classes[:, 1_600:] = 30
    path = metre_map(tmp_path / "m.tif", classes, LEFT, TOP)
    quotas = {"mining": 9, "curated": 9, "grid": 9}
    table, _ = point_candidates(row_of(write_csv(tmp_path / "p.csv", FOUR), quotas), region(), 2024, path)
    by_point = table[table["point_id"] != ""].set_index("point_id")
    assert by_point["share"].to_dict() == pytest.approx({"m1": 0, "m2": 0, "f1": 0.5, "r1": 0}, abs=1e-3)
    assert by_point["is_mining"].to_dict() == {"m1": True, "m2": True, "f1": False, "r1": False}
    assert by_point["range"]["m1"] == "000"
    assert by_point["eligible"].all()
    on_map = table[(table["negative"] == "grid") & (table["share"] > 0)]
    assert len(on_map) > 0
    assert (on_map["reason"] == HOLDS_MINING).all()


def test_windows_on_points_keep_the_filter_too(tmp_path: Path) -> None:
    classes = np.full((2_000, 2_000), 3, dtype=np.uint8)
    classes[1_480:1_520, 470:500] = 27  # no class at the farm f1
    path = metre_map(tmp_path / "m.tif", classes, LEFT, TOP)
    limits = WindowFilter(min_valid_share=0.9, max_mining_distance_m=9_000)
    row = row_of(write_csv(tmp_path / "p.csv", FOUR), {"mining": 5, "curated": 5}, window_filter=limits)
    reasons = point_candidates(row, region(), 2024, path)[0].set_index("point_id")["reason"].to_dict()
    assert reasons == {"m1": "", "m2": "", "f1": TOO_LITTLE_VALID, "r1": TOO_NEAR_OR_FAR}
    without_map = point_candidates(row, region(), 2024, None)[0].set_index("point_id")["reason"].to_dict()
    assert without_map == {"m1": "", "m2": "", "f1": TOO_NEAR_OR_FAR, "r1": TOO_NEAR_OR_FAR}


def test_points_that_share_ground_give_way_mining_first_and_points_beyond_the_outline_are_counted(tmp_path: Path) -> None:
    rows = [
        *FOUR,
        ("m3", 5_203, 5_004, "mine"),  # overlaps m1
        ("f2", 12_100, 5_000, "farm"),  # overlaps m2
        ("r2", 15_001, 15_001, "river"),  # the same window as r1
        ("m4", 10, 10, "mine"),  # its window reaches beyond the outline
        ("m5", -90_000, 10, "mine"),
    ]
    table, facts = point_candidates(row_of(write_csv(tmp_path / "p.csv", rows)), region(), 2024, None)
    assert (facts["points"], facts["points_outside"], facts["points_sharing_a_window"]) == (9, 2, 1)
    reasons = table[table["point_id"] != ""].set_index("point_id")["reason"].to_dict()
    assert reasons["f2"] == OVERLAPS_MINING_OR_POINT
    assert sorted([reasons["m1"], reasons["m3"]]) == ["", OVERLAPS_LIKE]
    assert set(reasons) == {"m1", "m2", "m3", "f1", "f2", "r1"}
    kept = table.loc[table["eligible"], "window_id"].tolist()
    assert len(close_pairs(window_footprints(kept), 0)) == 0


def test_one_window_that_is_mining_by_one_point_and_not_by_another_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [*FOUR, ("f9", 5_002, 5_003, "farm")])
    with pytest.raises(SourceError, match=r"points \['f9', 'm1'\] share a window"):
        point_candidates(row_of(path), region(), 2024, None)


def test_the_order_of_the_files_rows_changes_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [(f"p{k}", *rng.uniform(300, 19_000, 2).tolist(), ("mine", "farm")[k % 2]) for k in range(60)]
    expected, facts = point_candidates(row_of(write_csv(tmp_path / "p.csv", rows)), region(), 2024, None)
    for seed in range(3):
        shuffled = [rows[k] for k in np.random.default_rng(seed).permutation(60)]
        found, again = point_candidates(row_of(write_csv(tmp_path / "q.csv", shuffled)), region(), 2024, None)
        pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(expected))
        assert again == facts


def test_a_dataset_that_wants_no_curated_negatives_takes_none(tmp_path: Path) -> None:
    table, _ = point_candidates(row_of(write_csv(tmp_path / "p.csv", FOUR), {"mining": 5}), region(), 2024, None)
    assert table["point_id"].tolist() == ["m1", "m2"]


def test_a_region_without_points_gives_an_empty_table_with_all_columns(tmp_path: Path) -> None:
    far = [("m1", 900_000, 10, "mine")]
    table, facts = point_candidates(row_of(write_csv(tmp_path / "p.csv", far), {"mining": 5}), region(), 2024, None)
    assert len(table) == 0
    assert tuple(table.columns) == CANDIDATE_COLUMNS
    assert facts["points_outside"] == 1


def test_geojson_wkt_and_csv_say_the_same(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "p.csv", FOUR)
    table = pd.read_csv(csv, dtype={"id": str})
    places = gpd.GeoDataFrame(table[["id", "kind"]], geometry=gpd.points_from_xy(table["lon"], table["lat"]), crs=4326)
    places.to_file(tmp_path / "p.geojson", driver="GeoJSON", COORDINATE_PRECISION=15)
    pd.DataFrame(table).assign(geometry=places.geometry.to_wkt(rounding_precision=-1)).drop(columns=["lon", "lat"]).to_csv(
        tmp_path / "w.csv", index=False
    )
    found = [read_points(file_of(tmp_path / name, id_column="id"), 2024) for name in ("p.csv", "p.geojson", "w.csv")]
    for other in found[1:]:
        assert other["point_id"].tolist() == found[0]["point_id"].tolist()
        assert other["is_mining"].tolist() == found[0]["is_mining"].tolist()
        assert shapely.distance(other.geometry.to_numpy(), found[0].geometry.to_numpy()).max() < 1e-9


def test_points_hold_for_their_year_and_those_without_for_every_year(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "p.csv", [*FOUR, ("m1", 9_000, 9_000, "mine")], date=["2024", "2023-05-01", "", "2024-12-31", "2023"]
    )
    row = file_of(path, id_column="id", year_column="date")
    assert read_points(row, 2024)["point_id"].tolist() == ["f1", "m1", "r1"]
    assert read_points(row, 2023)["point_id"].tolist() == ["f1", "m1", "m2"]


def test_a_point_without_an_id_is_named_by_its_place_and_counts_once(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [*FOUR, FOUR[0]])
    found = read_points(file_of(path), 2024)
    assert len(found) == 4
    assert found["point_id"].str.fullmatch(r"-?\d+\.\d{6},-?\d+\.\d{6}").all()


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", FOUR)
    before = points_fingerprint(file_of(path))
    write_csv(path, FOUR[:3])
    assert points_fingerprint(file_of(path)) != before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.assign(lon=[float("nan"), 1, 2, 3]), r"1 points have no place: .*row 1"),
        (lambda table: table.assign(lat=["x", "1", "2", "3"]), r"1 points have no place"),
        (lambda table: table.assign(lon=[400.0, 1, 2, 3]), r"are no points in degrees: row 1"),
        (lambda table: table.assign(kind=["mine", "swamp", "farm", "river"]), r"have a class beside mine, farm, river: m2"),
        (lambda table: table.assign(id=["m1", "m1", "f1", "r1"]), r"2 points have an id used twice: m1, m1"),
        (lambda table: table.assign(id=["m1", "", "f1", "r1"]), r"1 points have no id"),
        (lambda table: table.drop(columns="kind"), r"has no column \['kind'\]; it has \['id', 'lon', 'lat'\]"),
        (lambda table: table.drop(columns="lon"), r"neither lon and lat nor geometry"),
        (lambda table: table.iloc[:0], r"holds no points"),
    ],
)
def test_a_bad_table_is_refused_with_its_rows(tmp_path: Path, spoil: Any, message: str) -> None:
    table = pd.read_csv(write_csv(tmp_path / "p.csv", FOUR), dtype={"id": str})
    spoil(table).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(SourceError, match=message):
        read_points(file_of(tmp_path / "p.csv", id_column="id"), 2024)


def test_bad_dates_geometries_and_files_are_refused(tmp_path: Path) -> None:
    dated = write_csv(tmp_path / "d.csv", FOUR, date=["2024", "spring", "", "2024"])
    with pytest.raises(SourceError, match=r"1 points have neither a year nor a date .*m2"):
        read_points(file_of(dated, id_column="id", year_column="date"), 2024)
    square = {"type": "Feature", "properties": {"kind": "mine"}, "geometry": shapely.geometry.mapping(shapely.box(0, 0, 1, 1))}
    bare = {"type": "Feature", "properties": {"kind": "mine"}, "geometry": None}
    for name, feature in (("square", square), ("bare", bare)):
        (tmp_path / f"{name}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
        with pytest.raises(SourceError, match="are no points in degrees: row 1"):
            read_points(file_of(tmp_path / f"{name}.geojson"), 2024)
    (tmp_path / "torn.geojson").write_text("{")
    (tmp_path / "p.xlsx").write_text("")
    for name, message in (("torn.geojson", "cannot be read"), ("none.csv", "There is no file of points"), ("p.xlsx", "neither")):
        with pytest.raises(SourceError, match=message):
            read_points(file_of(tmp_path / name), 2024)


def test_a_dataset_without_points_is_no_dataset_of_points() -> None:
    with pytest.raises(ValueError, match="names no file of points"):
        point_candidates(replace(small_row(), id="plain"), region(), 2024, None)
