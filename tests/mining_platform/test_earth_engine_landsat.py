"""Landsat of Earth Engine: five collections as one list, and composites equal to those of an archive of the same products."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mining_platform.bands import as_values, band
from mining_platform.compositing.recipes import RECIPES
from mining_platform.compositing.results import Composite
from mining_platform.grids import lattice_geobox
from mining_platform.profiles import PROFILES
from mining_platform.regions import Region, required_scenes
from mining_platform.scene_collections import COLLECTIONS
from mining_platform.scenes import Scene, harmonised, scenes_of
from mining_platform.sources import archive, earth_engine
from mining_platform.sources.earth_engine_api import requests as earth_engine_requests
from mining_platform.sources.earth_engine_api.expressions import composite_expression, expressible_recipes
from mining_platform.sources.earth_engine_api.listing import list_year
from mining_platform.sources.earth_engine_api.session import ask
from mining_platform.sources.protocol import SceneSource, SourceError
from tests.conftest import ROOT
from tests.earth_engine.archive import FakeBand, FakeImage
from tests.earth_engine.server import Server
from tests.mining_platform.official_products import Landsat, write_landsat
from tests.synthetic import EPSG, LEFT_M, TOP_M
from tests.twin_landsat import archive_of, collection_of, image_of, product, region_of
from tests.twin_scenes import running

YEAR = 2024
SENSORS = ("LE07", "LC08", "LC09", "LC08", "LE07")
DATES = ("20240105", "20240105", "20240601", "20240609", "20240617")  # two satellites on one day
PRODUCTS = [product(sensor, date, seed) for seed, (sensor, date) in enumerate(zip(SENSORS, DATES, strict=True))]
INDICES = sorted(f"{sensor}_227065_{date}" for sensor, date in zip(SENSORS, DATES, strict=True))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch, running(archive_of(*map(image_of, PRODUCTS)), patch) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("landsat")
    for each in PRODUCTS:
        write_landsat(folder, each)
    return folder


def composed(source: SceneSource, place: Region, recipe: str) -> Composite:
    listed, channels = scenes_of(source.list_scenes(place, YEAR)), required_scenes(place).channels
    return source.composite(place, listed, channels, place.geobox, RECIPES[recipe])


@pytest.mark.parametrize("profile", ["landsat-6", "landsat-7"])
@pytest.mark.parametrize("recipe", ["qa-median", "all-median"])
@pytest.mark.usefixtures("server")
def test_a_composite_equals_that_of_the_archive_of_the_same_products(folder: Path, profile: str, recipe: str) -> None:
    theirs = composed(earth_engine, region_of(recipe, profile=profile), recipe)
    ours = composed(archive, region_of(recipe, source="archive", place=str(folder), profile=profile), recipe)
    assert ours.image.shape[0] == len(PROFILES[profile].channels)
    assert 0.3 < (ours.image[0] > 0).mean() < 1
    assert (ours.image == 1).any(), "numbers below a reflectance of 0"
    assert ours.observed_count.max() == 4, "days, of five scenes"
    for name in ("observed_count", "clear_count", "image"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name), err_msg=name)


def everything_from_0_to_65535(monkeypatch: pytest.MonkeyPatch) -> tuple[Composite, Scene]:
    """One scene, whose bands hold every number of 16 bits, composed with temperature."""
    numbers = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    where = ("EPSG:32721", (30.0, 0, LEFT_M, 0, -30.0, TOP_M))
    told = image_of(Landsat(name="LC09_L2SP_227065_20240601_20240605_02_T1"))
    layers = {each.name: np.full_like(numbers, 21_824) if each.name == "QA_PIXEL" else numbers for each in told.bands}
    bands = [FakeBand(name, stored, *where) for name, stored in layers.items()]
    place = region_of(profile="landsat-7")
    with running(archive_of(FakeImage(told.index, tuple(bands), told.footprint, told.properties)), monkeypatch):
        (scene,) = scenes_of(earth_engine.list_scenes(place, YEAR))
        grid = lattice_geobox(LEFT_M, TOP_M - 7_680, LEFT_M + 7_680, TOP_M, EPSG)
        made = earth_engine.composite(place, [scene], ["L-red", "L-thermal"], grid, RECIPES["qa-median"])
    return made, scene


def test_every_number_of_16_bits_becomes_what_the_local_reader_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made, scene = everything_from_0_to_65535(monkeypatch)
    red, thermal = made.image[:, 1::3, 1::3].reshape(2, -1)
    numbers = np.arange(65_536, dtype=np.uint16)
    np.testing.assert_array_equal(red, harmonised(numbers, scene))
    np.testing.assert_array_equal(thermal, numbers)
    assert red[[0, 7273, 10_909, 43_636]].tolist() == [0, 1, 1000, 10_000]
    assert as_values("L-thermal", thermal[[0, 44_177]]) == pytest.approx([np.nan, 300.0], abs=0.01, nan_ok=True)


@pytest.mark.usefixtures("server")
def test_scenes_of_all_satellites_are_one_list_with_what_metadata_say() -> None:
    listed = scenes_of(earth_engine.list_scenes(region_of(), YEAR))
    assert [scene.scene_id for scene in listed] == INDICES
    assert {scene.platform for scene in listed} == {"landsat-7", "landsat-8", "landsat-9"}
    first = listed[0]
    assert (first.tile, first.solar_day, first.epsg, first.simulated) == ("227065", "2024-01-05", 32621, True)
    assert (first.baseline, first.gain, first.offset_dn) == (0.0, pytest.approx(0.275), -2000)
    assert (first.cloud_pct, first.sun_azimuth_deg, first.sun_elevation_deg) == (21.12, 44.5, 50.25)


@pytest.mark.usefixtures("server")
def test_bands_have_the_names_of_their_instrument_by_role() -> None:
    listed = {scene.scene_id[:4]: scene.hrefs for scene in scenes_of(earth_engine.list_scenes(region_of(), YEAR))}
    names = {sensor: {band_id: href.rpartition(":")[2] for band_id, href in hrefs.items()} for sensor, hrefs in listed.items()}
    tm = {"L-blue": "SR_B1", "L-green": "SR_B2", "L-red": "SR_B3", "L-nir": "SR_B4", "L-swir1": "SR_B5", "L-swir2": "SR_B7"}
    oli = {"L-blue": "SR_B2", "L-green": "SR_B3", "L-red": "SR_B4", "L-nir": "SR_B5", "L-swir1": "SR_B6", "L-swir2": "SR_B7"}
    assert names["LE07"] == {**tm, "L-thermal": "ST_B6", "QA": "QA_PIXEL"}
    assert names["LC08"] == names["LC09"] == {**oli, "L-thermal": "ST_B10", "QA": "QA_PIXEL"}
    assert listed["LE07"]["L-red"].startswith(f"{collection_of('LE07')}/LE07_227065_2024")


@pytest.mark.usefixtures("server")
def test_the_fingerprint_names_every_collection_and_the_profile() -> None:
    told = earth_engine.fingerprint_scenes(region_of(profile="landsat-7"), YEAR)
    assert told["earth_engine"] == [collection_of(sensor) for sensor in ("LT04", "LT05", "LE07", "LC08", "LC09")]
    assert (told["items"], told["dropped"], told["profile"]) == (5, [], "landsat-7")
    assert json.loads(json.dumps(told)) == told
    assert "profile" not in earth_engine.fingerprint_scenes(region_of(), YEAR)


@pytest.mark.usefixtures("server")
def test_the_foreseen_cost_is_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(earth_engine_requests, "MAX_REQUEST_BYTES", 9 * 3 * 9_000)
    place = region_of(profile="landsat-7")
    foreseen = earth_engine.cost(place, 5, required_scenes(place).channels, [place.geobox])
    before = len(server.of("computePixels"))
    image = composed(earth_engine, place, "qa-median").image
    assert foreseen.requests == len(server.of("computePixels")[before:]) == 2
    assert foreseen.bytes == image[0].size * 9 * 2
    assert foreseen.eecu_s == pytest.approx(60 * image[0].size * 7 * 5 / 1e9)


def test_scenes_without_temperature_are_left_out_where_it_is_wanted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    night = image_of(PRODUCTS[0], level="L2SR")
    with running(archive_of(night, *map(image_of, PRODUCTS[2:4])), monkeypatch):
        listing = list_year(region_of(profile="landsat-7"), YEAR)
        assert [image["properties"]["PROCESSING_LEVEL"] for image in listing.images] == ["L2SP", "L2SP"]
        assert listing.dropped == [night.index]
        assert len(earth_engine.list_scenes(region_of(), YEAR)) == 3
    with (
        running(archive_of(night), monkeypatch),
        pytest.raises(SourceError, match=r"Region tiny, year 2024.*or none of 1 has L-thermal"),
    ):
        earth_engine.list_scenes(region_of(profile="landsat-7"), YEAR)


def test_a_scene_without_a_band_is_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(archive_of(image_of(PRODUCTS[0], without=["SR_B5"])), monkeypatch),
        pytest.raises(SourceError, match=r"scene LE07_227065_20240105 lacks bands L-swir1 \(SR_B5\); it has QA_PIXEL, SR_B1"),
    ):
        earth_engine.list_scenes(region_of(), YEAR)


def test_a_scene_without_its_quality_layer_is_an_error_and_never_taken_for_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(archive_of(image_of(PRODUCTS[0], without=["QA_PIXEL"])), monkeypatch),
        pytest.raises(SourceError, match="scene LE07_227065_20240105 lacks QA; it has L-blue"),
    ):
        composed(earth_engine, region_of(), "qa-median")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SPACECRAFT_ID": None}, "scene LE07_227065_20240105 lacks the property SPACECRAFT_ID"),
        ({"WRS_ROW": None}, "lacks the property WRS_ROW"),
        ({"CLOUD_COVER": "many"}, r"is described wrongly.*'many'.*Report it"),
    ],
)
def test_a_scene_without_a_property_is_an_error_that_names_both(
    change: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(archive_of(image_of(PRODUCTS[0], **change)), monkeypatch), pytest.raises(SourceError, match=message):
        earth_engine.list_scenes(region_of(), YEAR)


def test_a_cloud_share_that_was_not_calculated_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(archive_of(image_of(PRODUCTS[0], CLOUD_COVER=-1)), monkeypatch):
        assert list(earth_engine.list_scenes(region_of(), YEAR).cloud_pct) == [0.0]


def test_thematic_mappers_of_the_nineties_are_composed_by_role(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Landsat(name="LT05_L2SP_227065_19980601_20200909_02_T1", values={"SR_B3": 10_909, "SR_B4": 43_636, "ST_B6": 44_177})
    place = region_of(profile="landsat-7")
    with running(archive_of(image_of(old)), monkeypatch):
        listed = scenes_of(earth_engine.list_scenes(place, 1998))
        made = earth_engine.composite(place, listed, ["L-red", "L-nir", "L-thermal"], place.geobox, RECIPES["qa-median"])
    assert [np.unique(band).tolist() for band in made.image] == [[1000], [10_000], [44_177]]


def test_a_year_without_scenes_of_any_satellite_is_an_error_after_all_were_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(archive_of(), monkeypatch) as server:
        with pytest.raises(SourceError, match=r"Region tiny, year 2024.*no scene touches the outline in that year\. Ask"):
            earth_engine.list_scenes(region_of(), YEAR)
        assert len(server.of("listAssets")) == 5


def test_the_document_names_every_collection_recipe_and_band_that_is_read_there() -> None:
    text = (ROOT / "docs" / "imagery.md").read_text()
    satellites = [name.split("/")[1] for name in COLLECTIONS["landsat-c2-l2"].earth_engine]
    assert [name for name in satellites if name not in text] == []
    computed = text.split("Earth Engine computes", 1)[1].split(";", 1)[0]
    assert [recipe for recipe in expressible_recipes() if f"`{recipe}`" not in computed] == []
    for row in map(band, PROFILES["landsat-7"].channels):
        names = f"`{row.providers['landsat-tm']}` | `{row.providers['landsat-oli']}`"
        assert f"| `{row.id}` | {row.unit} | {names} |" in text


@pytest.mark.usefixtures("server")
def test_a_year_of_150_scenes_fits_into_a_request() -> None:
    import ee

    one = scenes_of(earth_engine.list_scenes(region_of(profile="landsat-7"), YEAR))[0]
    images = [{name: href.replace("LE07_", f"LE07_{number:03}") for name, href in one.hrefs.items()} for number in range(150)]
    scenes = [replace(one, solar_day=f"day {number // 2}", hrefs=hrefs) for number, hrefs in enumerate(images)]
    made = ask(lambda ee: composite_expression(ee, scenes, PROFILES["landsat-7"].channels, RECIPES["qa-median"], EPSG))
    assert len(json.dumps(ee.serializer.encode(made))) < 1_000_000  # of 10,485,760 bytes
