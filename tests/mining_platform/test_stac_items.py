import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from mining_platform.profiles import PROFILES
from mining_platform.regions import Region, Scenes
from mining_platform.scenes import Scene, harmonised
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import checked_url
from mining_platform.sources.stac_metadata.items import listed, newest_products, scene_of_item, touches
from tests.conftest import REALDATA

ITEMS = REALDATA / "stac-items"
EARTH_SEARCH, PLANETARY, LANDSAT = "item-collection.json", "two-sentinel-2-items.json", "landsat-c2-l2-pc.json"
S2_BANDS = {*PROFILES["s2-12"].channels, "SCL"}


def real_items(name: str) -> list[dict[str, Any]]:
    path = ITEMS / name
    if not path.exists():
        pytest.skip(f"the real items {path} are absent; set MINING_PLATFORM_REALDATA")
    content = json.loads(path.read_text())
    return content if isinstance(content, list) else content["features"]


def place_of(collection: str, provider: str = "earth-search") -> Region:
    """Boulder, Colorado, in the tile of the real Sentinel-2 items."""
    scenes = Scenes("stac", collection, provider, "scl-median", {}, False)
    return Region("boulder", "Boulder", "US", (2024,), 32613, "full", None, scenes, box(-105.2, 39.9, -105.0, 40.1))


def scene_of(item: Mapping[str, Any], collection: str, provider: str = "earth-search") -> Scene:
    return scene_of_item(place_of(collection, provider), item, checked_url, provider, 2024)


def test_a_real_item_of_earth_search_says_what_its_file_says() -> None:
    item = real_items(EARTH_SEARCH)[0]
    scene = scene_of(item, "sentinel-2-c1-l2a")
    assert (scene.scene_id, scene.platform, scene.tile) == ("S2A_T13TDE_20240422T174753_L2A", "sentinel-2a", "13TDE")
    assert scene.acquired == datetime(2024, 4, 22, 17, 53, 2, 36000, UTC)
    assert (scene.solar_day, scene.cloud_pct, scene.epsg) == ("2024-04-22", 81.344962, 32613)
    assert (scene.baseline, scene.offset_dn, scene.gain, scene.simulated) == (5.1, -1000, 1.0, False)
    assert (scene.sun_azimuth_deg, scene.sun_elevation_deg) == (147.022486789901, 58.6500999367225)
    files = {band_id: href.rpartition("/")[2] for band_id, href in scene.hrefs.items()}
    assert files == {band_id: f"{band_id}.tif" for band_id in S2_BANDS} | {"CLP": "CLD_20m.tif"}
    folder = "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/sentinel-2-c1-l2a/13/T/DE/2024/4"
    assert scene.hrefs["B8A"] == f"{folder}/S2A_T13TDE_20240422T174753_L2A/B8A.tif"
    assert scene.sizes["B04"] == 50_135_369
    assert scene.checksums["B04"] == "12200e483d24491874006d1e3d34a1f0b98acd6b11e409b0c8855268ef4206b5d13f"


def test_all_real_items_of_earth_search_have_their_days_platforms_and_offsets() -> None:
    scenes = [scene_of(item, "sentinel-2-c1-l2a") for item in real_items(EARTH_SEARCH)]
    days = ["0422", "0420", "0417", "0415", "0412", "0410", "0407", "0405", "0402", "0331"]
    assert [scene.solar_day.replace("-", "") for scene in scenes] == [f"2024{day}" for day in days]
    assert "".join(scene.platform[-1] for scene in scenes) == "abbaabbaab"
    assert {(scene.baseline, scene.offset_dn, scene.tile) for scene in scenes} == {(5.1, -1000, "13TDE")}


def test_real_items_of_the_planetary_computer_keep_the_offset_in_and_state_none() -> None:
    first, second = (scene_of(item, "sentinel-2-l2a", "planetary-computer") for item in real_items(PLANETARY))
    assert (first.platform, second.platform) == ("sentinel-2b", "sentinel-2a")
    assert first.acquired == datetime(2024, 8, 25, 17, 39, 9, 24000, UTC)
    assert (first.baseline, first.offset_dn, first.tile, first.epsg) == (5.11, -1000, "13TDE", 32613)
    assert (first.cloud_pct, second.cloud_pct) == (48.747352, 66.843867)
    assert (first.sun_azimuth_deg, first.sun_elevation_deg) == (147.243556565213, pytest.approx(56.3384725603657))
    assert set(first.hrefs) == S2_BANDS
    assert first.hrefs["B8A"].endswith("R20m/T13TDE_20240825T173909_B8A_20m.tif")
    assert first.hrefs["SCL"].startswith("https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/13/T/DE/2024/08/25/")


def test_real_landsat_items_have_gain_offset_path_and_row() -> None:
    scenes = [scene_of(item, "landsat-c2-l2", "planetary-computer") for item in real_items(LANDSAT)]
    assert [scene.tile for scene in scenes] == ["089090", "089089", "089088", "089087"]
    assert [scene.epsg for scene in scenes] == [32655, 32655, 32655, 32656]
    first = scenes[0]
    assert (first.platform, first.cloud_pct, first.baseline) == ("landsat-9", 97.54, 0.0)
    assert (first.gain, first.offset_dn) == (pytest.approx(0.275), -2000)
    assert (first.sun_azimuth_deg, first.sun_elevation_deg) == (38.82027909, 27.39594529)
    assert (first.acquired, first.solar_day) == (datetime(2024, 4, 17, 23, 46, 20, 477296, UTC), "2024-04-18")
    ends = {"L-blue": "SR_B2", "L-green": "SR_B3", "L-red": "SR_B4", "L-nir": "SR_B5", "L-swir1": "SR_B6", "L-swir2": "SR_B7"}
    ends |= {"L-thermal": "ST_B10", "QA": "QA_PIXEL"}
    assert {band_id: href.removesuffix(".TIF").rpartition("_T1_")[2] for band_id, href in first.hrefs.items()} == ends


def test_the_digital_numbers_of_landsat_become_reflectance_by_ten_thousand() -> None:
    scene = scene_of(real_items(LANDSAT)[0], "landsat-c2-l2", "planetary-computer")
    numbers = np.array([0, 7273, 10_909, 43_636, 65_535], np.uint16)  # 0.0000275 DN - 0.2: no data, 0.0000, 0.1, 1.0, 1.602
    np.testing.assert_array_equal(harmonised(numbers, scene), [0, 1, 1000, 10_000, 16_022])


def test_provisional_landsat_scenes_are_left_out_as_they_are_in_an_archive() -> None:
    item = real_items(LANDSAT)[0]
    place = replace(place_of("landsat-c2-l2", "planetary-computer"), geometry=box(*item["bbox"]))
    assert touches(place, item, 2024)
    assert not touches(place, {**item, "properties": {**item["properties"], "landsat:collection_category": "RT"}}, 2024)


@pytest.mark.parametrize("collection", ["sentinel-1-rtc", "cop-dem-glo-30"])
def test_real_items_of_another_kind_are_refused_by_their_collection(collection: str) -> None:
    message = f"item .* belongs to the collection {collection}, not sentinel-2-l2a. Name that collection in the region file"
    with pytest.raises(SourceError, match=message):
        scene_of(real_items(f"{collection}-pc.json")[0], "sentinel-2-l2a", "planetary-computer")


def test_a_provider_that_does_not_serve_the_collection_is_refused() -> None:
    message = "the provider earth-search does not serve landsat-c2-l2. Name one of: planetary-computer"
    with pytest.raises(SourceError, match=message):
        scene_of({"id": "L"}, "landsat-c2-l2")


def item_of(
    baseline: str, *, properties: Mapping[str, Any] | None = None, stated: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """An item of `sentinel-2-l2a` at Earth Search, whose red asset states what is given."""
    names = ("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22")
    folder = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/x"
    assets = {name: {"href": f"{folder}/{name}.tif"} for name in names}
    assets["red"] |= stated or {}
    told = {"datetime": "2024-06-01T17:00:00Z", "platform": "Sentinel-2C", "eo:cloud_cover": 1, "proj:code": "EPSG:32613"}
    told |= {"grid:code": "MGRS-13TDE", "s2:processing_baseline": baseline, **(properties or {})}
    footprint = {"type": "Polygon", "coordinates": [[[-106, 39], [-104, 39], [-104, 41], [-106, 41], [-106, 39]]]}
    return {
        "type": "Feature",
        "id": "I",
        "collection": "sentinel-2-l2a",
        "geometry": footprint,
        "properties": told,
        "assets": assets,
    }


IN, OUT = [{"scale": 0.0001, "offset": -0.1}], [{"scale": 0.0001, "offset": 0}]
REMOVED = {"earthsearch:boa_offset_applied": True}


@pytest.mark.parametrize(
    ("baseline", "properties", "stated", "offset_dn"),
    [
        ("02.14", {}, {"raster:bands": OUT}, 0),
        ("03.01", {"earthsearch:boa_offset_applied": False}, {"raster:bands": [{"scale": 0.0001}]}, 0),
        ("04.00", {}, {"raster:bands": IN}, -1000),
        ("05.11", {}, {"bands": [{"raster:scale": 0.0001, "raster:offset": -0.1}]}, -1000),
        ("05.11", {}, {"raster:scale": 0.0001, "raster:offset": -0.1}, -1000),
        ("05.11", REMOVED, {"raster:bands": OUT}, 0),
        ("05.11", REMOVED, {"raster:bands": IN}, 0),
        ("05.11", {}, {"raster:bands": [{"nodata": 0}]}, -1000),
    ],
)
def test_the_offset_is_applied_once_whatever_states_it(
    baseline: str, properties: dict[str, Any], stated: dict[str, Any], offset_dn: int
) -> None:
    assert scene_of(item_of(baseline, properties=properties, stated=stated), "sentinel-2-l2a").offset_dn == offset_dn


@pytest.mark.parametrize(
    ("baseline", "properties", "stated", "message"),
    [
        ("05.11", {}, OUT, "states scale 0.0001 and offset 0 for band B04, where its baseline 05.11 means 0.0001 and -0.1"),
        ("03.01", {}, IN, "states scale 0.0001 and offset -0.1 for band B04, where its baseline 03.01 means 0.0001 and 0"),
        ("03.01", REMOVED, IN, "offset -0.1 for band B04, where its baseline 03.01 means 0.0001 and 0"),
        ("05.11", REMOVED, [{"scale": 0.0002, "offset": 0}], "scale 0.0002 .* means 0.0001 and -0.1 or 0.0001 and 0"),
    ],
)
def test_assets_that_contradict_the_baseline_are_refused(
    baseline: str, properties: dict[str, Any], stated: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(SourceError, match=rf"item I .*{message}. Mend the item: .* off by 0\.1"):
        scene_of(item_of(baseline, properties=properties, stated={"raster:bands": stated}), "sentinel-2-l2a")


def test_a_landsat_item_of_another_scale_is_refused() -> None:
    item = copy.deepcopy(real_items(LANDSAT)[0])
    item["assets"]["red"]["raster:bands"][0]["scale"] = 0.0001
    with pytest.raises(SourceError, match=r"for band L-red, where Landsat Collection 2 has 2\.75e-05 and -0\.2"):
        scene_of(item, "landsat-c2-l2", "planetary-computer")


def test_a_span_stands_for_a_null_datetime_and_its_start_tells_the_year() -> None:
    span = {"datetime": None, "start_datetime": "2023-12-31T23:00:00-02:00", "end_datetime": "2024-02-01T00:00:00Z"}
    item = item_of("05.11", properties=span)
    assert scene_of(item, "sentinel-2-l2a").acquired == datetime(2024, 1, 1, 1, tzinfo=UTC)
    assert touches(place_of("sentinel-2-l2a"), item, 2024)
    assert not touches(place_of("sentinel-2-l2a"), item, 2023)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"s2:processing_baseline": "late"}, "item I has 'late' as s2:processing_baseline, not a number"),
        ({"s2:processing_baseline": "nan"}, "item I has 'nan' as s2:processing_baseline, not a number"),
        ({"eo:cloud_cover": float("nan")}, "item I has nan as eo:cloud_cover, not a number"),
        ({"proj:epsg": float("inf")}, "item I has inf as proj:epsg or proj:code, not a number"),
        ({"proj:code": "IAU:1"}, "item I has 'IAU:1' as proj:epsg or proj:code, not a number"),
        ({"datetime": "yesterday"}, "item I has the datetime 'yesterday'. Write it as RFC 3339"),
        ({"platform": None}, "item I lacks the property platform"),
    ],
)
def test_a_wrong_property_is_refused_by_item_and_name(properties: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=f"Region boulder, year 2024, source stac collection sentinel-2-l2a of .*{message}"):
        scene_of(item_of("05.11", properties=properties), "sentinel-2-l2a")


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("s3://sentinel-s2-l1c/tiles/B04.jp2", "S3 addresses need an account"),
        ("file:///etc/passwd", "it names a file of this machine"),
        ("../../B04.tif", "it is not an https address"),
        ("http://169.254.169.254/latest/meta-data/B04.tif", "it is not encrypted"),
        ("https://169.254.169.254/B04.tif", "169.254.169.254 is not among the hosts"),
        ("/vsicurl/https://sentinel-cogs.s3.us-west-2.amazonaws.com/B04.tif", "GDAL's virtual file systems"),
    ],
)
def test_an_asset_that_may_not_be_read_is_refused_by_item_band_and_reason(href: str, reason: str) -> None:
    with pytest.raises(SourceError, match=f"item I may not be read in band B04: .*{reason}"):
        scene_of(item_of("05.11", stated={"href": href}), "sentinel-2-l2a")


def test_a_footprint_whose_outline_crosses_itself_keeps_both_its_parts() -> None:
    bow = [[-106, 39], [-104, 41], [-104, 39], [-106, 41], [-106, 39]]
    item = item_of("05.11") | {"geometry": {"type": "Polygon", "coordinates": [bow]}}
    for west in (-105.9, -104.2):
        place = replace(place_of("sentinel-2-l2a"), geometry=box(west, 39.9, west + 0.1, 40.1))
        assert touches(place, item, 2024)


@pytest.mark.parametrize("geometry", [None, {"type": "Polygon", "coordinates": []}, {"type": "Polygon"}, "POLYGON EMPTY"])
def test_an_item_without_a_footprint_is_refused_rather_than_passed_over(geometry: Any) -> None:
    with pytest.raises(SourceError, match=r"item I has no usable geometry \(.+\)\. Add the footprint"):
        touches(place_of("sentinel-2-l2a"), item_of("05.11") | {"geometry": geometry}, 2024)


def test_errors_hold_no_query_of_the_regions_place() -> None:
    scenes = Scenes("stac", "sentinel-2-l2a", "earth-search", "scl-median", {"stac": "https://example.org/v1?key=secret"}, False)
    with pytest.raises(SourceError, match=r"of https://example\.org/v1: item I") as caught:
        touches(replace(place_of("sentinel-2-l2a"), scenes=scenes), {"id": "I"}, 2024)
    assert "secret" not in str(caught.value)


def test_of_products_of_one_acquisition_the_newest_stays_and_two_strips_of_a_tile_both_stay() -> None:
    place = place_of("sentinel-2-l2a")

    def product(scene_id: str, baseline: str, made: str, strip: str = "20240601T170000") -> Any:
        ids = {"s2:datatake_id": f"GS2C_20240601T165900_000001_N{baseline}", "s2:datastrip_id": f"S2C_DS_X_S{strip}_N{baseline}"}
        item = item_of(baseline, properties={**ids, "s2:generation_time": made}) | {"id": scene_id}
        return listed(place, item, checked_url, b"", 2024)

    found = [
        product("older-baseline", "04.00", "2024-09-01T00:00:00Z"),
        product("first-made", "05.11", "2024-06-01T20:00:00Z"),
        product("last-made", "05.11", "2024-06-02T20:00:00Z"),
        product("last-made", "05.11", "2024-06-02T20:00:00Z"),
        product("other-strip", "05.11", "2024-06-01T20:00:00Z", strip="20240601T170012"),
    ]
    for order in (found, found[::-1]):
        assert [row.scene.scene_id for row in newest_products(order)] == ["last-made", "other-strip"]
