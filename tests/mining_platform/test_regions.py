"""Regions: every mistake in a region file is refused with feature, field and remedy."""

import copy
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mining_platform.region_features import parse_regions
from mining_platform.region_files import add_region, load_regions
from mining_platform.region_options import region_of_bounds, with_scenes
from mining_platform.regions import RegionError, expand, region

SQUARE = {"type": "Polygon", "coordinates": [[[-55.2, -6.4], [-55.0, -6.4], [-55.0, -6.2], [-55.2, -6.2], [-55.2, -6.4]]]}
BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


def feature(**changes: Any) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "id": "here",
        "name": "Here",
        "country": "BR",
        "years": [2020, 2021],
        "coverage": "full",
        "land_cover": {"source": "mapbiomas", "collection": "8", "href": "maps/{year}.tif", "years": [1985, 2022]},
        "scenes": {"source": "stac", "href": "stac/catalog.json", "collection": "sentinel-2-l2a", "provider": "earth-search"},
    }
    properties.update(changes)
    return {"type": "Feature", "properties": properties, "geometry": copy.deepcopy(SQUARE)}


def parse(*features: Any) -> dict[str, Any]:
    return parse_regions(list(features), "test.geojson")


def without(field: str) -> dict[str, Any]:
    made = feature()
    del made["properties"][field]
    return made


def with_geometry(geometry: Any) -> dict[str, Any]:
    return {**feature(), "geometry": geometry}


def test_a_region_gets_the_utm_zone_of_its_centroid() -> None:
    assert parse(feature())["here"].epsg == 32721


def test_a_grid_covers_the_outline_on_the_10_m_lattice() -> None:
    here = parse(feature())["here"]
    bounds = here.geobox.boundingbox
    assert all(value % 10 == 0 for value in (bounds.left, bounds.bottom, bounds.right, bounds.top))
    assert here.geobox.geographic_extent.boundingbox.left < -55.2


def test_a_year_is_put_into_the_path_and_the_band() -> None:
    cover = parse(feature())["here"].land_cover
    assert cover.file_of(2020) == "maps/2020.tif"
    many = {"source": "mapbiomas", "collection": "8", "href": "all.tif", "bands": "classification_{year}", "years": [1985, 2022]}
    assert parse(feature(land_cover=many))["here"].land_cover.band_of(2021) == "classification_2021"


def test_variables_of_the_installation_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINING_PLATFORM_HOME", "/somewhere")
    cover = {"source": "mapbiomas", "collection": "8", "href": "${MINING_PLATFORM_HOME}/{year}.tif", "years": [1985, 2022]}
    assert parse(feature(land_cover=cover))["here"].land_cover.file_of(2020) == "/somewhere/2020.tif"


def test_one_word_changes_where_scenes_come_from_and_nothing_else() -> None:
    places = {"stac": "stac/catalog.json", "archive": "scenes"}
    entry = {"source": "stac", "collection": "sentinel-2-l2a", "href": places}
    found = {
        word: parse(feature(scenes={**entry, "source": word}))["here"].scenes for word in ("stac", "archive", "earth_engine")
    }
    assert {word: scenes.href for word, scenes in found.items()} == {**places, "earth_engine": ""}
    assert len({replace(scenes, source="stac").recipe for scenes in found.values()}) == 1
    assert all(replace(scenes, source="stac") == found["stac"] for scenes in found.values())


def test_scenes_without_a_place_come_from_the_sources_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINING_PLATFORM_HOME", "/somewhere")
    stac, archive = (parse(feature(scenes={**SCENES, "source": word}))["here"].scenes for word in ("stac", "archive"))
    assert stac.href == "https://earth-search.aws.element84.com/v1"
    assert expand(archive.href) == "/somewhere/scenes"


def test_a_collection_decides_the_recipe_and_the_channels_unless_the_region_does() -> None:
    landsat = parse(feature(scenes={"source": "archive", "collection": "landsat-c2-l2"}, years=[1990]))["here"].scenes
    assert (landsat.recipe, landsat.channels[0]) == ("qa-median", "L-blue")
    assert parse(feature(scenes={**SCENES, "recipe": "scl-medoid"}))["here"].scenes.recipe == "scl-medoid"


def test_bounds_and_options_make_a_region_of_their_own() -> None:
    made = region_of_bounds((-55.2, -6.4, -55.1, -6.3), 2024, SCENES, None)
    assert (made.epsg, made.years, made.scenes.source) == (32721, (2024,), "stac")
    changed = with_scenes(made, 2024, {"source": "archive", "collection": "sentinel-2-l1c"})
    assert (changed.scenes.source, changed.scenes.recipe) == ("archive", "s2cloudless-median")
    with pytest.raises(RegionError, match="has the years 2024, not 2023"):
        with_scenes(made, 2023, {})


def test_what_lies_beside_the_scenes_is_optional_and_may_be_dated_by_the_year() -> None:
    extract = {"source": "openstreetmap", "href": "osm/{year}.osm.pbf", "date": "{year}-07-01", "simulated": True}
    plain = parse(feature(elevation=None))["here"]
    made = parse(feature(radar={"source": "stac"}, osm_context=extract, elevation=None))["here"]
    assert plain.beside == {}
    assert list(made.beside) == ["radar", "osm_context"]
    assert made.beside["radar"].identity == {"source": "stac", "collection": "sentinel-1-rtc", "simulated": False}
    context = made.beside["osm_context"]
    assert (context.place_of(2020), context.date_of(2020)) == ("osm/2020.osm.pbf", "2020-07-01")
    assert (plain.simulated, made.simulated) == (False, True)


def test_a_radar_may_name_its_recipe_and_orbit() -> None:
    plain = parse(feature(radar={"source": "stac"}))["here"].beside["radar"]
    named = parse(feature(radar={"source": "stac", "recipe": "mean", "orbit": "descending"}))["here"].beside["radar"]
    assert (plain.recipe, plain.orbit) == ("", "")
    assert named.identity == plain.identity | {"recipe": "mean", "orbit": "descending"}


COVER = {"source": "mapbiomas", "collection": "8", "href": "maps/{year}.tif", "years": [1985, 2022]}
SCENES = {"source": "stac", "collection": "sentinel-2-l2a"}
MISTAKES = [
    (feature(id="../x"), r"feature 0.*field 'id'.*'\.\./x' is not an id.*Use 1 to 64"),
    (feature(id="Upper"), "field 'id'.*is not an id"),
    (feature(id="x" * 65), "field 'id'.*is not an id"),
    (feature(id=7), "field 'id'.*expected a text"),
    (without("id"), "field 'id'.*Add 'id'"),
    (with_geometry(None), "field 'geometry': there is none.*Polygon or MultiPolygon"),
    (with_geometry(BOW_TIE), "field 'geometry': Self-intersection.*Mend it"),
    (with_geometry({"type": "Point", "coordinates": [0, 0]}), "field 'geometry': a Point is no outline"),
    (with_geometry({"type": "Polygon", "coordinates": []}), "field 'geometry'"),
    (with_geometry({"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [1, 0], ["a", 0]]]}), "field 'geometry': unreadable"),
    (with_geometry("nonsense"), "field 'geometry': unreadable"),
    (
        with_geometry({"type": "Polygon", "coordinates": [[[0, 0], [200, 0], [200, 1], [0, 0]]]}),
        "field 'geometry': outside UTM's longitudes",
    ),
    (
        feature(land_cover={**COVER, "source": "worldcover"}),
        "land_cover, field 'source': unknown value 'worldcover'.*Use one of: mapbiomas",
    ),
    (feature(land_cover={**COVER, "years": [1985]}), "field 'years': expected the first and the last year"),
    (feature(land_cover={**COVER, "href": "maps/all.tif"}), "field 'href': has no {year}.*Add {year}, or 'bands'"),
    (feature(land_cover={**COVER, "href": "maps/{yaer}.tif"}), "field 'href'.*unknown placeholders"),
    (feature(land_cover={**COVER, "href": "maps/{year.tif"}), "field 'href'.*not a template"),
    (feature(land_cover={**COVER, "href": "maps/{year:02d}.tif"}), "field 'href'.*unknown placeholders.*Only {year}"),
    (feature(land_cover={**COVER, "href": "maps/{year!r}.tif"}), "field 'href'.*unknown placeholders"),
    (feature(land_cover={**COVER, "bands": "cover"}), "field 'bands'.*does not name the year"),
    (feature(land_cover={**COVER, "colection": "9"}), "unknown fields 'colection'.*spelling"),
    (feature(land_cover="mapbiomas"), "field 'land_cover': expected an object"),
    (without("land_cover"), "field 'land_cover': is missing.*null for none"),
    (
        feature(scenes={"source": "ftp", "href": "x", "collection": "sentinel-2-l2a", "provider": "earth-search"}),
        "scenes, field 'source': unknown value",
    ),
    (
        feature(scenes={"source": "stac", "href": "x", "collection": "sentinel-2-l2a", "provider": "mine"}),
        "scenes, field 'provider': unknown value",
    ),
    (feature(scenes={"source": "stac", "collection": "sentinel-3"}), "scenes, field 'collection': unknown value.*sentinel-2-l1c"),
    (feature(scenes={**SCENES, "recipe": "mean"}), "scenes, field 'recipe': unknown value 'mean'.*scl-median"),
    (feature(scenes={**SCENES, "href": 7}), "scenes, field 'href': expected a text, or an object"),
    (feature(scenes={**SCENES, "href": {"stac": "a", "ftp": "b"}}), "scenes, href: unknown fields 'ftp'"),
    (feature(land_cover={**COVER, "source": "polygons"}), "field 'classes': expected class codes by name"),
    (feature(land_cover={**COVER, "source": "polygons", "classes": {"mine": 300}}), "field 'classes': expected class codes"),
    (feature(land_cover={**COVER, "classes": {"mine": 30}}), "field 'classes': is for the source polygons"),
    (feature(land_cover={**COVER, "years": [2022, 1985]}), "field 'years': expected the first and the last year"),
    (feature(coverage="half"), "field 'coverage': unknown value 'half'.*full, sampled"),
    (feature(years=[]), "field 'years': expected distinct years"),
    (feature(years=[2020, 2020]), "field 'years': expected distinct years"),
    (feature(years=["2020"]), "field 'years': expected distinct years"),
    (feature(years=[2020, 2023]), r"field 'years': \[2023\] lie outside mapbiomas collection 8 \(1985 to 2022\).*Remove"),
    (feature(years=[2010]), r"lie before sentinel-2-l2a \(2015\)"),
    (feature(epsg=4326), "field 'epsg': 4326 is not the EPSG code of a projected CRS in metres"),
    (feature(epsg=999999), "field 'epsg'"),
    (feature(colour="red"), "unknown fields 'colour'"),
    (feature(radar={"source": "openstreetmap"}), "radar, field 'source': unknown value.*stac, earth_engine, archive"),
    (feature(radar={"source": "stac", "collection": "sentinel-2-l2a"}), "radar, field 'collection'.*sentinel-1-rtc"),
    (feature(radar={"source": "stac", "recipe": "lee"}), "radar, field 'recipe': unknown value 'lee'.*refined-lee-7"),
    (feature(radar={"source": "stac", "orbit": ""}), "radar, field 'orbit': expected a text"),
    (feature(radar={"source": "stac", "orbit": "polar"}), "radar, field 'orbit': unknown value 'polar'.*ascending, descending"),
    (
        feature(radar={"source": "stac", "recipe": "ascending-lee-7", "orbit": "descending"}),
        "radar, field 'orbit': The recipe ascending-lee-7 is of ascending orbits, not of descending ones.*leave out the orbit",
    ),
    (feature(elevation={"source": "stac", "recipe": "mean"}), "elevation: unknown fields 'recipe'"),
    (feature(elevation={"source": "archive"}), "elevation, field 'href': expected a text"),
    (
        feature(osm_context={"source": "openstreetmap", "href": "x.pbf", "date": "July"}),
        "osm_context, field 'date': 'July' is no day",
    ),
    (feature(osm_context={"source": "openstreetmap", "href": "x.pbf", "tag": "a"}), "osm_context: unknown fields 'tag'"),
    ({"type": "Feature"}, "not a GeoJSON Feature"),
    ("text", "not a GeoJSON Feature"),
]


@pytest.mark.parametrize(("wrong", "message"), MISTAKES)
def test_a_mistake_is_refused_with_its_place_and_remedy(wrong: Any, message: str) -> None:
    with pytest.raises(RegionError, match=message) as refused:
        parse(wrong)
    assert "test.geojson, feature 0" in str(refused.value)


LAND = {"kind": "land", "href": "land.gpkg", "id": "code", "name": "title"}


def territories(layer: Any) -> dict[str, Any]:
    return feature(monitoring={"source": "land-cover", "territories": [layer]})


def test_mining_of_a_region_may_be_added_up_in_territories() -> None:
    (layer,) = parse(territories({**LAND, "licence": "CC0-1.0"}))["here"].monitoring.territories
    assert (layer.kind, layer.href, layer.id, layer.name, layer.licence, layer.simulated) == (*LAND.values(), "CC0-1.0", False)


def test_two_monitored_regions_share_no_ground() -> None:
    monitored = feature(monitoring={"source": "land-cover"})
    twin = copy.deepcopy(monitored)
    twin["properties"]["id"] = "there"
    with pytest.raises(RegionError, match=r"here and there are both monitored and share ground"):
        parse(monitored, twin)


def test_a_region_may_be_monitored_by_a_model_or_by_its_map() -> None:
    by_model = parse(feature(monitoring={"source": "model", "deployed_model": "sim-cnn-48|2020"}))["here"].monitoring
    assert (by_model.source, by_model.rule, by_model.min_area_ha) == ("model", "in-fields", 11.0)
    assert (by_model.deployed_model, by_model.territories) == ("sim-cnn-48|2020", ())
    by_map = parse(feature(monitoring={"source": "land-cover", "min_area_ha": 0}))["here"].monitoring
    assert (by_map.source, by_map.rule, by_map.min_area_ha) == ("land-cover", "", 0.0)
    assert parse(feature())["here"].monitoring is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (feature(monitoring={"source": "model"}), r"monitoring, field 'deployed_model': expected a text"),
        (
            feature(monitoring={"source": "model", "deployed_model": "cnn"}),
            r"no partition of models. Write e.g. sim-cnn-48\|2023",
        ),
        (feature(monitoring={"source": "guess"}), r"unknown value 'guess'. Use one of: model, land-cover"),
        (feature(monitoring={"source": "land-cover", "min_area_ha": -1}), r"expected hectares, found -1"),
        (territories({}), r"monitoring, territories 0, field 'kind': expected a text"),
        (territories({"kind": "Big Park"}), r"territories 0, field 'kind': 'Big Park' is no kind of territory"),
        (territories({**LAND, "colour": "red"}), r"territories 0: unknown fields 'colour'"),
        (territories("land.gpkg"), r"field 'territories': expected a list of objects"),
        (feature(monitoring={"source": "land-cover", "deployed_model": "a|2020"}), r"unknown fields 'deployed_model'"),
        (
            feature(monitoring={"source": "model", "deployed_model": "a|2020", "outlined_by": "unet"}),
            r"field 'outlined_by': 'unet' is no partition of models",
        ),
        (feature(monitoring={"source": "land-cover", "outlined_by": "a|2020"}), r"unknown fields 'outlined_by'"),
        (
            feature(monitoring={"source": "land-cover"}, land_cover=None),
            r"'monitoring': the source land-cover needs a land-cover map",
        ),
        (
            feature(monitoring={"source": "model", "deployed_model": "a|2020"}, coverage="sampled"),
            r"'monitoring': a model maps whole mosaics. Name scenes, and the coverage full",
        ),
    ],
)
def test_a_mistake_about_monitoring_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        parse(wrong)


def test_an_id_used_twice_is_refused() -> None:
    with pytest.raises(RegionError, match="feature 1: id 'here' is used twice"):
        parse(feature(), feature())


def test_an_unknown_region_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RegionError, match="Unknown region 'there'; known: here"):
        region(parse(feature()), "there")


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not JSON"), ("[]", "not a GeoJSON FeatureCollection"), ('{"type": "Feature"}', "FeatureCollection")],
)
def test_a_file_that_is_no_collection_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "regions.geojson"
    path.write_text(content)
    with pytest.raises(RegionError, match=message):
        load_regions(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=r"There is no region file .*none\.geojson.*MINING_PLATFORM_REGIONS"):
        load_regions(tmp_path / "none.geojson")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=r"The region file .* cannot be read \(IsADirectoryError\).*MINING_PLATFORM_REGIONS"):
        load_regions(tmp_path)


def test_the_variable_names_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature()]}))
    monkeypatch.setenv("MINING_PLATFORM_REGIONS", str(path))
    assert list(load_regions()) == ["here"]


def test_adding_a_wrong_feature_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mine.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature()]}))
    before = path.read_bytes()
    with pytest.raises(RegionError, match="used twice"):
        add_region(path, feature())
    assert path.read_bytes() == before
    assert add_region(path, feature(id="there", name="Além")).id == "there"
    assert list(load_regions(path)) == ["here", "there"]
    assert "Além".encode() in path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["mine.geojson"]


def test_the_shipped_file_holds_the_regions_of_the_documents() -> None:
    shipped = load_regions(Path(__file__).parents[2] / "regions.geojson")
    wanted = {
        "lourenco",
        "tapajos",
        "yanomami",
        "kayapo",
        "bolivar",
        "ghana-southwest",
        *(f"legal-amazon-{z}" for z in range(18, 24)),
    }
    assert wanted <= set(shipped)
    assert sum(each.simulated and each.id.startswith("sim-") for each in shipped.values()) >= 2
    assert [shipped[f"legal-amazon-{zone}"].epsg for zone in range(18, 24)] == [32700 + zone for zone in range(18, 24)]
    assert all(each.note for each in shipped.values()), "every region says where its bounds come from"


def test_regions_of_neighbouring_utm_zones_do_not_overlap() -> None:
    shipped = load_regions(Path(__file__).parents[2] / "regions.geojson")
    zones = [shipped[f"legal-amazon-{zone}"].geometry for zone in range(18, 24)]
    assert all(west.intersection(east).area == 0 for west, east in itertools.pairwise(zones))
