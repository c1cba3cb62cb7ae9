"""Polygons of sites: which are meant, and which pixels they cover."""

import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine

from mining_platform.labels.detections import confident
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.polygon_labels import fulfilling, of_site, on_day, polygon_mask, read_polygons
from mining_platform.labels.recipes import RECIPES, label_of, recipe
from mining_platform.labels.site_names import matched_site, normalised_site, read_aliases
from tests.conftest import REALDATA
from tests.mining_platform.polygon_files import (
    NORTH_UP,
    SOUTH_UP,
    TURNED,
    grid,
    kml,
    pixels,
    placemark,
    write_geojson,
    write_kmz,
)

PIT = pixels(slice(2, 8), slice(3, 10), hole=(slice(4, 6), slice(5, 7)))
POND = pixels(slice(12, 15), slice(1, 4))


def block(*places: tuple[slice, slice], holes: tuple[tuple[slice, slice], ...] = ()) -> np.ndarray:
    mask = np.zeros((20, 20), bool)
    for place in places:
        mask[place] = True
    for place in holes:
        mask[place] = False
    return mask


PIT_MASK = block((slice(2, 8), slice(3, 10)), holes=((slice(4, 6), slice(5, 7)),))


# Files


def test_multigeometry_and_inner_rings_of_kml_and_kmz_cover_their_pixels(tmp_path: Path) -> None:
    text = kml([placemark("Serra", PIT, POND, points=1)])
    (tmp_path / "a.kml").write_text(text)
    for path in (tmp_path / "a.kml", write_kmz(tmp_path / "a.kmz", text)):
        polygons, notes = read_polygons(path)
        assert (len(polygons), notes) == (1, ())
        mask, _ = polygon_mask(polygons, grid(), path.name, outside="refuse")
        np.testing.assert_array_equal(mask, PIT_MASK | block((slice(12, 15), slice(1, 4))))


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg"])
def test_geojson_and_geopackage_give_the_same_pixels_as_kml(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_geojson(tmp_path / "a.geojson", [({"site": "Serra"}, PIT)])
    if suffix == ".gpkg":
        gpd.read_file(tmp_path / "a.geojson").to_crs(32721).to_file(path, driver="GPKG")
    mask, _ = polygon_mask(read_polygons(path)[0], grid(), path.name, outside="refuse")
    np.testing.assert_array_equal(mask, PIT_MASK)


def test_features_that_are_no_polygons_are_left_out_and_told(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "a.geojson", [({}, PIT), ({}, shapely.Point(-51, -7))])
    polygons, notes = read_polygons(path)
    assert len(polygons) == 1
    assert notes == ("1 features of a.geojson are no polygons and are left out.",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.kml", kml([]), "a.kml cannot be read: it has no placemarks of its own. Mend or replace the file."),
        ("a.kml", kml([placemark("p", points=1)]), "a.kml has 1 features and no polygon among them"),
        ("a.kmz", "no zip", "a.kmz cannot be read: it is no whole KMZ archive"),
        ("a.shp", "", "is no file of polygons"),
        ("a.geojson", "{", "a.geojson cannot be read"),
    ],
)
def test_a_file_without_polygons_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LabelError, match=message):
        read_polygons(tmp_path / name)


def test_an_archive_that_holds_no_document_or_far_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "empty.kmz", "w") as archive:
        archive.writestr("a.txt", "no document")
    with pytest.raises(LabelError, match=r"empty\.kmz cannot be read: it is an archive without a \.kml document"):
        read_polygons(tmp_path / "empty.kmz")
    write_kmz(tmp_path / "bomb.kmz", kml([placemark("Serra", PIT), "<!--", " " * 1_000_000, "-->"]))
    monkeypatch.setattr("mining_platform.kml_files.MAX_BYTES", 10_000)
    monkeypatch.setattr("mining_platform.xml_documents.MAX_BYTES", 10_000)
    with pytest.raises(LabelError, match=r"bomb\.kmz cannot be read: it has 10001 bytes, more than 10000"):
        read_polygons(tmp_path / "bomb.kmz")


def test_a_missing_file_and_an_address_are_refused() -> None:
    with pytest.raises(LabelError, match=r"none\.kml cannot be read: there is no file"):
        read_polygons(Path("none.kml"))
    with pytest.raises(LabelError, match=r"a\.kml cannot be read: .* is no file on disk but an address"):
        read_polygons(Path("https:/example.org/a.kml"))


def test_metres_that_are_said_to_be_degrees_are_refused(tmp_path: Path) -> None:
    path = write_geojson(tmp_path / "a.geojson", [({}, shapely.box(600_000, 9_200_000, 600_300, 9_200_300))])
    with pytest.raises(LabelError, match=r"coordinates that are no degrees, though its CRS is WGS 84. State the CRS"):
        read_polygons(path)


# Grids


@pytest.mark.parametrize("affine", [NORTH_UP, TURNED, SOUTH_UP], ids=["north-up", "turned", "south-up"])
def test_pixels_are_those_of_the_image_s_own_grid_whichever_way_it_lies(affine: Affine) -> None:
    outline = pixels(slice(2, 8), slice(3, 10), affine, hole=(slice(4, 6), slice(5, 7)))
    polygons = gpd.GeoDataFrame(geometry=[outline], crs=4326)
    mask, notes = polygon_mask(polygons, grid(affine), "a.kml", outside="refuse")
    np.testing.assert_array_equal(mask, PIT_MASK)
    assert notes == ()


def test_an_image_in_degrees_or_another_zone_has_its_own_pixels() -> None:
    polygons = gpd.GeoDataFrame(geometry=[shapely.box(-51, -7, -50.99, -6.995)], crs=4326)
    degrees = grid(Affine(0.001, 0, -51.002, 0, -0.001, -6.99), (20, 20), 4326)
    mask, _ = polygon_mask(polygons, degrees, "a.kml", outside="refuse")
    np.testing.assert_array_equal(mask, block((slice(5, 10), slice(2, 12))))


def test_a_pixel_counts_by_its_centre_alone() -> None:
    outline = shapely.box(600_000, 9_199_960, 600_044, 9_200_000)  # 1.47 x 1.33 pixels of 30 m
    mask, _ = polygon_mask(gpd.GeoDataFrame(geometry=[outline], crs=32722), grid(), "a.kml", outside="refuse")
    np.testing.assert_array_equal(mask, block((slice(0, 1), slice(0, 1))))


def test_polygons_over_each_other_count_once_and_one_that_crosses_itself_counts_by_its_parts() -> None:
    bow = shapely.Polygon([(0, 0), (6, 6), (6, 0), (0, 6), (0, 0)])
    both = gpd.GeoDataFrame(geometry=[bow, shapely.box(0, 0, 3, 6)], crs=32722)
    mask, _ = polygon_mask(both, grid(Affine(1, 0, 0, 0, -1, 6), (6, 6)), "a", outside="refuse")
    assert mask[:, :3].all()
    assert mask[1:5, 5].all(), "inside the right triangle"
    assert not mask[[0, 5], 3:5].any(), "above and below it"


def test_a_polygon_outside_the_image_is_a_mistake_or_a_note_by_the_rule() -> None:
    away = pixels(slice(2, 8), slice(103, 110))
    polygons = gpd.GeoDataFrame(geometry=[PIT, away], crs=4326)
    with pytest.raises(LabelError, match=r"1 of 2 polygons of a\.kml lie outside the image \(the first is number 2\)"):
        polygon_mask(polygons, grid(), "a.kml", outside="refuse")
    mask, notes = polygon_mask(polygons, grid(), "a.kml", outside="report")
    np.testing.assert_array_equal(mask, PIT_MASK)
    assert notes == ("1 of 2 polygons of a.kml lie outside the image.",)
    mask, notes = polygon_mask(polygons[1:], grid(), "a.kml", outside="report")
    assert not mask.any()
    assert notes == ("None of 1 polygons of a.kml touches the image.",)


def test_a_polygon_over_the_edge_is_cut_and_one_between_centres_is_told() -> None:
    over = gpd.GeoDataFrame(geometry=[pixels(slice(15, 30), slice(0, 2))], crs=4326)
    mask, notes = polygon_mask(over, grid(), "a.kml", outside="refuse")
    np.testing.assert_array_equal(mask, block((slice(15, 20), slice(0, 2))))
    assert notes == ("1 of 1 polygons of a.kml reach beyond the image and are cut at its edge.",)
    thin = gpd.GeoDataFrame(geometry=[shapely.box(600_001, 9_199_000, 600_009, 9_199_990)], crs=32722)
    assert polygon_mask(thin, grid(shape=(60, 20)), "a.kml", outside="refuse")[1] == (
        "No pixel's centre lies in a polygon of a.kml.",
    )


# Which polygons


@pytest.mark.parametrize(
    "name",
    ["São João", "sao joao", "SAO_JOAO", " São  João ", "São_João_12", "sa\u0303o joa\u0303o_3"],
)
def test_names_that_differ_in_writing_are_one_site(name: str) -> None:
    assert normalised_site(name) == "sao joao"


@pytest.mark.parametrize("name", ["Sao Joao 12", "Sao Joao12", "Sao Jose", "Joao"])
def test_other_names_are_other_sites(name: str) -> None:
    assert normalised_site(name) != "sao joao"


def test_a_site_is_found_exactly_or_by_an_alias_and_never_by_likeness(tmp_path: Path) -> None:
    table = tmp_path / "aliases.csv"
    table.write_text("alias,site\nSerra Velha,São João\n")
    polygons = gpd.GeoDataFrame({"name": ["São João_1", "Outra", "SAO JOAO_2"]}, geometry=[PIT, POND, POND], crs=4326)
    assert of_site(polygons, "sao_joao_7", {}, "a.kml").index.tolist() == [0, 2]
    assert of_site(polygons, "serra velha_4", read_aliases(table), "a.kml").index.tolist() == [0, 2]
    with pytest.raises(
        LabelError, match=r"a\.kml has no site 'Sao Joan'; it has SAO JOAO_2. Mend the name, or give it as an alias"
    ):
        of_site(polygons, "Sao Joan", {}, "a.kml")
    with pytest.raises(LabelError, match=r"has no property 'site_name'; its polygons have name"):
        of_site(polygons, "Outra", {}, "a.kml", field="site_name")


def test_an_alias_that_is_a_site_itself_is_refused() -> None:
    with pytest.raises(LabelError, match=r"'a' is a site of x\.kml and an alias of 'b'"):
        matched_site("a", ["A", "B"], {"a": "b"}, "x.kml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alias,site\nx,a\nX,b\n", "line 3: 'x' stands for 'a' and 'b'"),
        ("alias,place\nx,a\n", "line 2: an alias or site is empty. Write the columns alias and site"),
    ],
)
def test_a_table_of_aliases_that_says_two_things_or_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(LabelError, match=message):
        read_aliases(tmp_path / "a.csv")


def test_the_folder_of_placemarks_can_be_the_site(tmp_path: Path) -> None:
    inner = f"<Folder><name>Norte</name>{placemark('pit', PIT)}</Folder>{placemark('pond', POND)}"
    (tmp_path / "a.kml").write_text(kml([inner]))
    polygons, _ = read_polygons(tmp_path / "a.kml")
    assert of_site(polygons, "norte", {}, "a.kml", field="folder")["name"].tolist() == ["pit"]
    assert of_site(polygons, "SITES", {}, "a.kml", field="folder")["name"].tolist() == ["pond"]


def test_polygons_are_chosen_by_their_properties() -> None:
    rows = gpd.GeoDataFrame({"class": ["mining", "water", "mining"], "year": [2018, 2020.0, 2022]}, geometry=[PIT] * 3, crs=4326)
    assert fulfilling(rows, ["class=mining", "year<=2020"], "a").index.tolist() == [0]
    assert fulfilling(rows, ["year>=2020"], "a").index.tolist() == [1, 2]
    assert fulfilling(rows, ["year=2020"], "a").index.tolist() == [1]
    for condition, message in (
        ("class=pit", "a has no polygon with class=pit; class is mining, water. Mend the condition"),
        ("class<=3", "a, class<=3: not all are numbers. Use = for texts"),
        ("klass=mining", "a has no property 'klass'; its polygons have class, year"),
        ("class", "'class' is no condition. Write PROPERTY=VALUE"),
    ):
        with pytest.raises(LabelError, match=message):
            fulfilling(rows, [condition], "a")


def test_polygons_hold_from_the_first_day_of_their_begin_to_the_last_of_their_end(tmp_path: Path) -> None:
    times = (
        "<TimeSpan><begin>2020-03</begin><end>2021</end></TimeSpan>",
        "<TimeStamp><when>2022-05-31T10:00:00Z</when></TimeStamp>",
        "",
    )
    marks = [placemark(name, PIT, time=time) for name, time in zip("abc", times, strict=True)]
    (tmp_path / "a.kml").write_text(kml(marks))
    polygons, _ = read_polygons(tmp_path / "a.kml")
    on = {
        day: on_day(polygons, date.fromisoformat(day), "a.kml")["name"].tolist()
        for day in ("2020-02-29", "2020-03-01", "2021-12-31", "2022-05-31", "2022-06-01")
    }
    assert on == {
        "2020-02-29": ["c"],
        "2020-03-01": ["a", "c"],
        "2021-12-31": ["a", "c"],
        "2022-05-31": ["b", "c"],
        "2022-06-01": ["c"],
    }
    with pytest.raises(LabelError, match="has no polygon that holds on 2019-01-01"):
        on_day(polygons[:1], date(2019, 1, 1), "a.kml")
    with pytest.raises(LabelError, match="does not say when its polygons hold"):
        on_day(polygons[["name", "geometry"]], date(2019, 1, 1), "a.kml")
    with pytest.raises(LabelError, match=r"'2020-13' is no day. Write it as 2022, 2022-05 or 2022-05-31"):
        on_day(polygons.assign(begin="2020-13"), date(2019, 1, 1), "a.kml")


# Recipes


def test_detections_count_from_their_recipe_s_threshold_on() -> None:
    rows = gpd.GeoDataFrame({"confidence": [0.49, 0.5, "0.9"]}, geometry=[PIT] * 3, crs=4326)
    assert confident(rows, recipe("detections"), "d.geojson").index.tolist() == [1, 2]
    assert confident(rows, replace(recipe("detections"), threshold=0.8), "d.geojson").index.tolist() == [2]
    assert len(confident(rows, recipe("published-detections"), "d.geojson")) == 3
    with pytest.raises(LabelError, match=r"confidence of polygon 2 is no number"):
        confident(rows.assign(confidence=[1, None, 1]), recipe("detections"), "d.geojson")
    with pytest.raises(LabelError, match=r"d\.geojson has no property 'confidence', by which detections tells what counts"):
        confident(rows[["geometry"]], recipe("detections"), "d.geojson")


def test_a_recipe_of_polygons_tells_nothing_of_class_codes() -> None:
    with pytest.raises(ValueError, match="The recipe three-class is made of three-class, not of class codes"):
        label_of(np.array([30], np.uint8), recipe("three-class"))
    assert all(row.version >= 1 and bool(row.mining_codes) == (row.kind == "mapbiomas") for row in RECIPES.values())


# Real files


@pytest.mark.parametrize(
    ("folder", "classes"),
    [
        ("landsat5-para-polygons", {"cleared": 10, "forest": 9, "water": 9, "fallen_dry": 8}),
        ("trombetas-s2-srtm-polygons", {"village": 9, "forest": 8, "water": 4, "dryout": 4}),
    ],
)
def test_real_kml_says_the_same_as_its_geojson(folder: str, classes: dict[str, int]) -> None:
    place = REALDATA / folder
    if not place.exists():
        pytest.skip(f"the real polygons {place} are absent; set MINING_PLATFORM_REALDATA")
    ours, notes = read_polygons(place / "training_polygons.kml")
    theirs, _ = read_polygons(place / "training_polygons_wgs84.geojson")
    assert notes == ()
    assert ours["name"].tolist() == theirs["class"].tolist()
    assert set(ours["folder"]) == {"training_polygons"}
    assert ours["name"].value_counts().to_dict() == classes
    assert ours.geometry.geom_equals_exact(theirs.geometry, 1e-12).all()
