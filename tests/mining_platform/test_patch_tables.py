"""Anyone's tables of patches: ids, places, years and ground from CSV, GeoJSON and GeoParquet, and what is refused."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from mining_platform.footprints import window_footprints
from mining_platform.patch_tables import PatchTable, TableError, read_patch_table, window_table
from tests.conftest import REALDATA

SQUARE = [[[-55.0, -6.0], [-54.99, -6.0], [-54.99, -5.99], [-55.0, -5.99], [-55.0, -6.0]]]
BOW = [[[-55.0, -6.0], [-54.99, -5.99], [-54.99, -6.0], [-55.0, -5.99], [-55.0, -6.0]]]


def csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def geojson(folder: Path, *features: tuple[dict[str, Any], str, Any], name: str = "table.geojson") -> Path:
    """Features of (properties, geometry type, coordinates); type "" stands for no geometry."""
    listed = [
        {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates} if kind else None}
        for properties, kind, coordinates in features
    ]
    return csv(folder, json.dumps({"type": "FeatureCollection", "features": listed}), name)


def bounds(table: PatchTable) -> list[list[float]]:
    assert table.footprints is not None
    return shapely.bounds(table.footprints.geometry).tolist()


def test_ids_that_look_like_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    table = read_patch_table([csv(tmp_path, "id,year,site\n0001,2016,a_1\n1,2022,b\n")])
    assert table.rows.to_dict("list") == {"patch_id": ["0001", "1"], "year": [2016, 2022], "site": ["a_1", "b"]}
    assert table.rows["year"].dtype == np.int64
    assert table.footprints is None
    assert "no window ids, geometries" in table.missing["footprints"]
    assert set(table.missing) == {"footprints", "place", "split", "region", "range", "scene_ids"}


def test_whole_numbers_of_a_column_with_gaps_are_written_without_a_point(tmp_path: Path) -> None:
    path = geojson(tmp_path, ({"id": 7, "split": "a"}, "Polygon", SQUARE), ({"id": 8, "split": None}, "Polygon", SQUARE))
    assert read_patch_table([path]).rows[["patch_id", "split"]].to_numpy().tolist() == [["7", "a"], ["8", ""]]
    pd.DataFrame({"id": [1.0, 2.0], "site": ["x", None]}).to_parquet(tmp_path / "table.parquet")
    assert read_patch_table([tmp_path / "table.parquet"]).rows["patch_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize("text", ["patch_id;lon;lat\r\np;-55;-6\r\n", "\ufeffpatch_id\tlon\tlat\np\t-55\t-6\n"])
def test_semicolons_tabs_and_byte_order_marks_are_read(tmp_path: Path, text: str) -> None:
    table = read_patch_table([csv(tmp_path, text)], size_m=480)
    assert table.rows["patch_id"].tolist() == ["p"]


def test_points_in_degrees_become_squares_around_them_in_their_utm_zones(tmp_path: Path) -> None:
    table = read_patch_table([csv(tmp_path, "patch_id,lon,lat\nwest,-54.1,-6\neast,-53.9,6\n")], size_m=2_560)
    assert table.footprints is not None
    assert table.footprints.epsg.tolist() == [32721, 32622]
    assert shapely.area(table.footprints.geometry) == pytest.approx(2_560**2)
    middle = gpd.GeoSeries(shapely.centroid(table.footprints.geometry[:1]), crs=32721).to_crs(4326)
    assert (middle.x[0], middle.y[0]) == (pytest.approx(-54.1, abs=1e-9), pytest.approx(-6, abs=1e-9))


def test_a_crs_that_is_named_holds_points_of_all_zones(tmp_path: Path) -> None:
    path = csv(tmp_path, "patch_id,lon,lat\nwest,-54.1,-6\neast,-53.9,-6\n")
    footprints = read_patch_table([path], size_m=480, crs="EPSG:32721").footprints
    assert footprints is not None
    assert footprints.epsg.tolist() == [32721, 32721]


def test_the_three_formats_give_the_same_ground(tmp_path: Path) -> None:
    points = {"a": (-55.5, -6.5), "b": (-55.4, -6.4)}
    frame = gpd.GeoDataFrame(
        {"patch_id": list(points)}, geometry=gpd.points_from_xy(*zip(*points.values(), strict=True)), crs=4326
    )
    frame.to_parquet(tmp_path / "degrees.parquet")
    frame.to_crs(32721).to_parquet(tmp_path / "metres.geoparquet")
    text = "patch_id,longitude,latitude\n" + "".join(f"{name},{x},{y}\n" for name, (x, y) in points.items())
    paths = [
        csv(tmp_path, text),
        geojson(tmp_path, *(({"patch_id": name}, "Point", list(place)) for name, place in points.items())),
        tmp_path / "degrees.parquet",
        tmp_path / "metres.geoparquet",
    ]
    first, *others = (np.array(bounds(read_patch_table([path], size_m=480))) for path in paths)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)


def test_window_ids_give_exact_footprints_whatever_else_is_there(tmp_path: Path) -> None:
    expected = [list(shape.bounds) for shape in window_footprints(["32722_16640_943360_128"]).geometry]
    for text in ("window_id,lon,lat\n32722_16640_943360_128,0,0\n", "patch_id\n32722_16640_943360_128\n"):
        table = read_patch_table([csv(tmp_path, text)])
        assert bounds(table) == expected
    table = read_patch_table([csv(tmp_path, "patch_id,window_id,year\np1,32722_16640_943360_128,2020\n")])
    assert bounds(table) == expected
    assert table.rows.to_dict("records") == [{"patch_id": "p1", "place": "32722_16640_943360_128", "year": 2020}]


def test_bounds_stand_in_the_crs_of_their_row(tmp_path: Path) -> None:
    text = "window_id,minx,miny,maxx,maxy,crs\nx,100,200,400,500,EPSG:32722\ny,100,200,400,500,32721\n"
    footprints = read_patch_table([csv(tmp_path, text)]).footprints
    assert footprints is not None
    assert footprints.epsg.tolist() == [32722, 32721]
    assert shapely.bounds(footprints.geometry).tolist() == [[100, 200, 400, 500]] * 2


def test_outlines_in_degrees_are_projected_with_their_edges(tmp_path: Path) -> None:
    wide = [[[-56, -6], [-54.5, -6], [-54.5, -5], [-56, -5], [-56, -6]]]
    parts = [SQUARE, [[[x + 0.1, y] for x, y in SQUARE[0]]]]
    path = geojson(tmp_path, ({"id": "wide"}, "Polygon", wide), ({"id": "two"}, "MultiPolygon", parts))
    table = read_patch_table([path])
    assert table.footprints is not None
    middle_of_edge = gpd.GeoSeries([shapely.Point(-55.25, -6)], crs=4326).to_crs(32721)[0]
    assert table.footprints.geometry[0].boundary.distance(middle_of_edge) < 0.2
    assert len(table.footprints.geometry[1].geoms) == 2


def test_equal_outlines_are_one_place_where_no_column_says_so(tmp_path: Path) -> None:
    turned = [SQUARE[0][2:] + SQUARE[0][1:3]]
    rows = [({"id": name, "year": year}, "Polygon", ring) for name, year, ring in (("a", 2016, SQUARE), ("b", 2022, turned))]
    other = ({"id": "c", "year": 2022}, "Polygon", [[[x + 0.001, y] for x, y in SQUARE[0]]])
    places = read_patch_table([geojson(tmp_path, *rows, other)]).rows["place"]
    assert places[0] == places[1] != places[2]


def test_rows_without_an_id_column_are_called_by_their_centre_and_year(tmp_path: Path) -> None:
    rows = [({"year": year}, "Point", [-55.25, -6.125]) for year in (2016, 2022)]
    ids = read_patch_table([geojson(tmp_path, *rows)], size_m=480).rows["patch_id"].tolist()
    assert ids == ["-55.250000_-6.125000_2016", "-55.250000_-6.125000_2022"]


def test_rows_without_ids_on_one_ground_are_told_apart_whatever_their_order_and_file(tmp_path: Path) -> None:
    rows = [({"split": side}, "Point", [-55.25, -6.125]) for side in ("train", "test", "train")]
    one = read_patch_table([geojson(tmp_path, *rows)], size_m=480).rows
    two = [geojson(tmp_path, *part, name=name) for name, part in (("a.geojson", rows[:1]), ("b.geojson", rows[:0:-1]))]
    known = [sorted(zip(each["patch_id"], each["split"], strict=True)) for each in (one, read_patch_table(two, size_m=480).rows)]
    name = "-55.250000_-6.125000"
    assert known[0] == known[1] == [(name, "test"), (f"{name}#1", "train"), (f"{name}#2", "train")]


def test_windows_of_several_years_are_called_as_our_patches_where_no_other_id_is_there(tmp_path: Path) -> None:
    text = "window_id,year\n32722_0_128_128,2016\n32722_0_128_128,2022\n32722_0_256_128,2016\n"
    table = read_patch_table([csv(tmp_path, text)])
    assert table.rows["patch_id"].tolist() == ["32722_0_128_128_2016", "32722_0_128_128_2022", "32722_0_256_128_2016"]
    assert table.rows["place"].tolist() == ["32722_0_128_128", "32722_0_128_128", "32722_0_256_128"]
    with pytest.raises(TableError, match="ids stand on more than one row"):
        read_patch_table([csv(tmp_path, text)], id_column="window_id")


def test_a_sentinel_2_tile_is_no_place_and_another_tile_is_one(tmp_path: Path) -> None:
    for tiles, places in ((("22NBH", "T22NBH"), 2), (("0007", "0007"), 1)):
        text = f"id,lon,lat,tile\na,-51.5,2,{tiles[0]}\nb,-51,2,{tiles[1]}\n"
        assert read_patch_table([csv(tmp_path, text)], size_m=480).rows["place"].nunique() == places
    assert set(read_patch_table([csv(tmp_path, "id,tile\na,22NBH\n")], place_column="tile").rows["place"]) == {"22NBH"}


def test_words_for_nothing_in_a_column_of_splits_are_no_side(tmp_path: Path) -> None:
    table = read_patch_table([csv(tmp_path, "id,split\na,NA\nb,nan\nc,None\nd, train \ne,\n")])
    assert table.rows["split"].tolist() == ["", "", "", "train", ""]


def test_blanks_after_commas_are_no_part_of_names_and_numbers(tmp_path: Path) -> None:
    table = read_patch_table([csv(tmp_path, "id, lon, lat, split\na, -51, 2, train\n")], size_m=480)
    assert table.rows[["patch_id", "split"]].to_numpy().tolist() == [["a", "train"]]
    assert table.footprints is not None


@pytest.mark.parametrize("with_ground", [False, True])
def test_ids_in_the_index_of_a_parquet_file_are_read(tmp_path: Path, with_ground: bool) -> None:
    frame: Any = pd.DataFrame({"patch_id": ["b", "a"], "lon": [-51.0, -52.0], "lat": [2.0, 2.0]}).set_index("patch_id")
    if with_ground:
        frame = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["lon"], frame["lat"]), crs=4326)
    frame.to_parquet(tmp_path / "table.parquet")
    assert read_patch_table([tmp_path / "table.parquet"], size_m=480).rows["patch_id"].tolist() == ["b", "a"]


def test_an_outline_over_the_date_line_stands_in_the_zone_there_whether_it_is_cut_or_not(tmp_path: Path) -> None:
    east, west = (
        [[[low, -17], [high, -17], [high, -16.98], [low, -16.98], [low, -17]]] for low, high in ((179.99, 180), (-180, -179.98))
    )
    whole = [[[179.99, -17], [-179.98, -17], [-179.98, -16.98], [179.99, -16.98], [179.99, -17]]]
    path = geojson(tmp_path, ({"id": "cut"}, "MultiPolygon", [east, west]), ({"id": "whole"}, "Polygon", whole))
    ground = read_patch_table([path]).footprints
    assert ground is not None
    assert ground.epsg.tolist() == [32701, 32701]
    assert shapely.area(ground.geometry) == pytest.approx([7.083e6] * 2, rel=1e-3)  # 0.03 by 0.02 degrees at 17 degrees south


def test_an_old_crs_member_says_what_coordinates_are_in_and_one_without_a_name_is_refused(tmp_path: Path) -> None:
    content = json.loads(geojson(tmp_path, ({"id": "a"}, "Point", [500_000, 9_300_000])).read_text())
    named = content | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32722"}}}
    table = read_patch_table([csv(tmp_path, json.dumps(named), "named.geojson")], size_m=480)
    assert bounds(table) == [[499_760, 9_299_760, 500_240, 9_300_240]]
    for member in ("EPSG:32722", {"type": "name", "properties": None}, {"type": "name", "properties": {"name": "x"}}):
        with pytest.raises(TableError, match=r"crs member .* names no CRS"):
            read_patch_table([csv(tmp_path, json.dumps(content | {"crs": member}), "odd.geojson")], size_m=480)


def test_a_property_called_geometry_is_a_column_like_others(tmp_path: Path) -> None:
    assert bounds(read_patch_table([geojson(tmp_path, ({"id": "a", "geometry": "square"}, "Polygon", SQUARE))]))


def test_ids_that_only_look_like_windows_give_no_ground(tmp_path: Path) -> None:
    assert read_patch_table([csv(tmp_path, "id\n4326_1_1_10\n")]).footprints is None


def test_names_tell_places_and_years(tmp_path: Path) -> None:
    heads = "patch_name,class_percentage,bin,split\n"
    paths = [
        csv(tmp_path, f"{heads}IMG_GH_0001_{year}.tif,3.5,1,train\nIMG_0002_{year}.tif,0,0,test\n", f"{year}.csv")
        for year in (2016, 2022)
    ]
    table = read_patch_table(paths, id_pattern=r"(?P<place>\d{4})_(?P<year>\d{4})", range_column="bin")
    assert table.rows[["place", "year", "split", "range"]].to_numpy().tolist() == [
        ["0001", 2016, "train", "1"],
        ["0002", 2016, "test", "0"],
        ["0001", 2022, "train", "1"],
        ["0002", 2022, "test", "0"],
    ]


def test_what_only_one_of_two_tables_has_is_not_known(tmp_path: Path) -> None:
    first = csv(tmp_path, "patch_id,site,lon,lat\na,x,-55,-6\n", "first.csv")
    table = read_patch_table([first, csv(tmp_path, "patch_id,place\nb,y\n", "second.csv")], size_m=480)
    assert table.rows["patch_id"].tolist() == ["a", "b"]
    assert "site" not in table.rows
    assert table.missing["site"] == "second.csv has no column site"
    assert table.footprints is None


def test_lists_of_scenes_are_kept(tmp_path: Path) -> None:
    pd.DataFrame({"patch_id": ["a", "b"], "scene_ids": [["s1", "s2"], ["s3"]]}).to_parquet(tmp_path / "t.parquet")
    scenes = read_patch_table([tmp_path / "t.parquet"]).rows["scene_ids"]
    assert [list(each) for each in scenes] == [["s1", "s2"], ["s3"]]


def test_windows_of_several_years_are_one_row_with_their_highest_range() -> None:
    windows = pd.DataFrame(
        {"window_id": ["32722_128_256_128", "32722_0_256_128", "32722_128_256_128"], "range": ["000", "000", "010_020"]}
    )
    table = window_table(windows)
    assert table.rows[["patch_id", "range"]].to_numpy().tolist() == [["32722_0_256_128", "000"], ["32722_128_256_128", "010_020"]]
    assert bounds(table)[0] == [0, 1_280, 1_280, 2_560]


def test_windows_of_unknown_share_are_mining_where_their_points_are() -> None:
    ids = ["32722_0_256_128", "32722_128_256_128", "32722_256_256_128"]
    windows = pd.DataFrame({"window_id": ids, "range": ["", "", "010_020"], "is_mining": [True, False, True]})
    assert window_table(windows).rows["range"].tolist() == ["mining", "", "010_020"]


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("patch_id,lon,lat\na,1,1\n", {}, "say how large .* --size-m"),
        ("patch_id,lon,lat\na,1,1\n", {"size_m": -5.0}, "no size of a patch"),
        ("patch_id,lon,lat\na,1,1\n", {"size_m": float("inf")}, "no size of a patch"),
        ("patch_id,lon,lat\na,,1\nb,1,1\n", {"size_m": 10.0}, r"1 rows have no number in lon, lat: \['a'\]"),
        ("patch_id,lon,lat\na,nan,1\n", {"size_m": 10.0}, "have no number in lon, lat"),
        ("patch_id,lon,lat\na,500000,9000000\n", {"size_m": 10.0}, r"no longitudes and latitudes .*\['a'\]"),
        ("patch_id,x,y\na,5,5\n", {"size_m": 10.0}, "no column crs or epsg; .*--crs"),
        ("patch_id,x,y\na,5,5\n", {"size_m": 10.0, "crs": "EPSG:4326"}, "not a projected CRS in metres"),
        ("patch_id,x,y\na,5,5\n", {"size_m": 10.0, "crs": "EPSG:2229"}, "not a projected CRS in metres"),
        ("patch_id,x,y\na,5,5\n", {"size_m": 10.0, "crs": "mercator?"}, "'mercator\\?' is no CRS"),
        ("patch_id,minx,miny,maxx,maxy,crs\na,5,5,4,9,EPSG:32722\n", {}, r"minx, miny not below maxx, maxy: \['a'\]"),
        ("patch_id,minx,miny,maxx,maxy,crs\na,5,5,9,9,\n", {}, "column crs: '' is no CRS"),
        ("window_id\n32722_0_128_128\nx\n", {}, r"\['x'\] in column window_id are no window ids"),
        ("window_id\n4326_0_128_128\n", {}, r"window ids begin with \[4326\], which are no EPSG codes of projected CRS"),
        ("window_id\n99999_0_128_128\n", {}, r"window ids begin with \[99999\]"),
        ("name,lon\na,1\n", {}, "none of the id columns .* name one of name, lon"),
        ("patch_id,site\na,1\n", {"site_column": "place"}, "no column 'place'; it has patch_id, site"),
        ("patch_id,site\na,1\na,2\nb,1\n", {}, r"1 ids stand on more than one row, such as \['a'\]"),
        ("patch_id,site\na,1\n ,2\n", {}, "1 rows have an empty patch_id"),
        ("patch_id,year\na,20x6\n", {}, r"column year holds \['20x6'\], which are no years"),
        ("patch_id,year\na,\n", {}, "which are no years"),
        ("patch_id,site\n", {}, "no rows"),
        ("", {}, "cannot be read"),
        ("patch_id,site\na,b,c\n", {}, "cannot be read"),
        ("patch_id\nIMG_1\n", {"id_pattern": r"(?P<year>\d{4})"}, r"ids \['IMG_1'\] do not match"),
        ("patch_id\nIMG_1\n", {"id_pattern": "("}, "is no regular expression"),
        ("patch_id\nIMG_1\n", {"id_pattern": r"\d"}, "names no group"),
    ],
)
def test_a_text_table_that_cannot_be_used_is_refused_with_names(
    tmp_path: Path, text: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(TableError, match=told):
        read_patch_table([csv(tmp_path, text)], **options)


@pytest.mark.parametrize(
    ("kind", "coordinates", "told"),
    [
        ("", None, r"1 rows have no geometry: \['bad'\]"),
        ("Polygon", [], r"have no geometry: \['bad'\]"),
        ("Point", [float("nan"), 1], r"have (no geometry|coordinates that are no numbers): \['bad'\]"),
        ("Polygon", BOW, r"have invalid outlines .*\['bad'\]"),
        ("LineString", SQUARE[0], r"are neither points nor polygons: \['bad'\]"),
    ],
)
def test_a_geometry_that_is_no_ground_is_refused_by_the_id_of_its_row(
    tmp_path: Path, kind: str, coordinates: Any, told: str
) -> None:
    path = geojson(tmp_path, ({"id": "good"}, "Polygon", SQUARE), ({"id": "bad"}, kind, coordinates))
    with pytest.raises(TableError, match=told):
        read_patch_table([path], size_m=480)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    for path, told in (
        (tmp_path / "absent.csv", "There is no file"),
        (csv(tmp_path, "{", "torn.geojson"), "cannot be read"),
        (csv(tmp_path, '{"type": "Point"}', "point.geojson"), "no FeatureCollection"),
        (csv(tmp_path, '{"features": [null]}', "null.geojson"), "no FeatureCollection"),
        (csv(tmp_path, '{"features": []}', "none.geojson"), "no rows"),
        (csv(tmp_path, "PAR1", "torn.parquet"), "cannot be read"),
        (csv(tmp_path, "x", "table.xlsx"), "no table of patches; give one of .geojson"),
    ):
        with pytest.raises(TableError, match=told):
            read_patch_table([path])


def test_a_parquet_of_geometries_without_a_crs_needs_one(tmp_path: Path) -> None:
    gpd.GeoDataFrame({"id": ["a"]}, geometry=[shapely.box(0, 0, 480, 480)]).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"has no CRS; .*--crs"):
        read_patch_table([tmp_path / "t.parquet"])
    assert bounds(read_patch_table([tmp_path / "t.parquet"], crs="EPSG:32722")) == [[0, 0, 480, 480]]


def test_the_real_runways_are_patches_of_the_size_that_is_asked_for() -> None:
    path = REALDATA / "labels-amazon-mining-watch" / "osm_runway_points.geojson"
    if not path.exists():
        pytest.skip(f"the real {path} is absent; set MINING_PLATFORM_REALDATA")
    table = read_patch_table([path], size_m=2_560)
    assert table.footprints is not None
    assert len(table.rows) == 2_409
    assert shapely.area(table.footprints.geometry) == pytest.approx(2_560**2)
    assert set(np.unique(table.footprints.epsg)) <= {*range(32_617, 32_624), *range(32_717, 32_724)}
