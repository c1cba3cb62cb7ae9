import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from mining_platform.bands import CLOUD_PROBABILITY, QA_PIXEL, SCL
from mining_platform.compositing.recipes import mosaic_recipe
from mining_platform.compositing.results import Composite
from mining_platform.regions import Region
from mining_platform.scenes import Scene, scenes_of
from mining_platform.sources import archive, stac
from mining_platform.sources.archives import landsat, safe
from mining_platform.sources.protocol import SceneSource, SourceError
from tests.conftest import REALDATA
from tests.mining_platform.official_products import (
    L1C,
    L2A,
    OLI,
    TM,
    Landsat,
    Sentinel,
    write_landsat,
    write_sentinel,
)
from tests.synthetic import ALL_BANDS, CLOUD, EPSG, LEFT_M, TOP_M, TinyScene, region, scenes_at, write_catalogue, write_json

CORNER = "GRANULE/L2A_T21MXN_A000001_20240601T140051"


def at(place: Path, collection: str = "sentinel-2-l2a", recipe: str = "scl-median", *, source: str = "archive") -> Region:
    """The tiny region over an archive."""
    return replace(region(years=(1998, 2024)), scenes=scenes_at(place, source=source, collection=collection, recipe=recipe))


def listed(place: Region, year: int = 2024) -> list[Scene]:
    return scenes_of(archive.list_scenes(place, year))


def composed(place: Region, year: int = 2024, *, source: SceneSource = archive) -> Composite:
    assert place.scenes is not None
    recipe = mosaic_recipe(place.scenes.recipe)
    return source.composite(place, scenes_of(source.list_scenes(place, year)), place.scenes.channels, place.geobox, recipe)


# Sentinel-2 products


def test_a_safe_folder_is_listed_with_what_its_name_and_its_metadata_state(tmp_path: Path) -> None:
    write_sentinel(tmp_path / "2024" / "june")
    (scene,) = listed(at(tmp_path))
    assert (scene.scene_id, scene.platform, scene.tile, scene.solar_day) == (L2A, "sentinel-2b", "21MXN", "2024-06-01")
    assert scene.acquired.isoformat() == "2024-06-01T14:00:49+00:00"
    assert (scene.baseline, scene.offset_dn, scene.gain, scene.epsg, scene.cloud_pct) == (5.1, -1000, 1.0, EPSG, 12.5)
    assert (scene.sun_azimuth_deg, scene.sun_elevation_deg, scene.simulated) == (41.25, 59.5, False)
    assert set(scene.hrefs) == {*ALL_BANDS, SCL, CLOUD_PROBABILITY}
    images = f"2024/june/{L2A}.SAFE/{CORNER}"
    assert scene.hrefs["B02"] == f"{images}/IMG_DATA/R10m/T21MXN_20240601T140049_B02_10m.jp2"
    assert scene.hrefs[SCL] == f"{images}/IMG_DATA/R20m/T21MXN_20240601T140049_SCL_20m.jp2"
    assert scene.hrefs[CLOUD_PROBABILITY] == f"{images}/QI_DATA/MSK_CLDPRB_20m.jp2"
    assert scene.sizes["B02"] == (tmp_path / scene.hrefs["B02"]).stat().st_size


def test_a_band_is_read_at_its_native_resolution_and_not_from_a_copy_beside_it(tmp_path: Path) -> None:
    pixels = np.arange(1, 120 * 120 + 1, dtype=np.uint16).reshape(120, 120)
    write_sentinel(tmp_path, Sentinel(values={"B02": pixels}))
    place = at(tmp_path)
    (scene,) = listed(place)
    np.testing.assert_array_equal(archive.open_scene_band(place, scene, "B02", place.geobox, nearest=True), pixels)


def test_the_composite_of_products_is_the_median_of_their_clear_pixels_without_the_offset(tmp_path: Path) -> None:
    cloudy = np.full((60, 60), 4, np.uint8)
    cloudy[:, 30:] = CLOUD
    names = [L2A.replace("20240601T14", f"202406{day}T14") for day in ("01", "11", "21")]
    for name, value, scl in zip(names, (1_500, 1_700, 4_000), (4, 4, cloudy), strict=True):
        write_sentinel(tmp_path, Sentinel(name=name, values=value, scl=scl))
    made = composed(at(tmp_path))
    np.testing.assert_array_equal(made.image[:, :, :40], 700)
    np.testing.assert_array_equal(made.image[:, :, 60:], 600)
    assert (made.clear_count[0, 0], made.clear_count[0, 119], made.observed_count[0, 119]) == (3, 2, 3)


def test_the_same_files_as_cog_without_xml_give_the_same_mosaic(tmp_path: Path) -> None:
    scl = np.full((60, 60), 5, np.uint8)
    scl[:15], scl[15:30, :10], scl[59] = CLOUD, 3, 0
    kept = Sentinel(values={"B04": np.arange(2_000, 2_000 + 120 * 120).reshape(120, 120)}, scl=scl)
    write_sentinel(tmp_path / "safe", kept)
    write_sentinel(tmp_path / "cog", replace(kept, ending="tif", flat=True, xml=False))
    (with_xml,), (without,) = listed(at(tmp_path / "safe")), listed(at(tmp_path / "cog"))
    assert (without.baseline, without.offset_dn, without.epsg) == (5.1, -1000, EPSG)
    assert without.cloud_pct == pytest.approx(100 * 15 * 60 / (59 * 60), abs=1e-4)
    assert (without.sun_azimuth_deg, without.sun_elevation_deg) == (None, None)
    assert {*without.hrefs} == {*with_xml.hrefs}
    one, other = composed(at(tmp_path / "safe")), composed(at(tmp_path / "cog"))
    np.testing.assert_array_equal(one.image, other.image)
    assert one.clear_count.max() == 1
    assert one.image[3, 119, 0] == 0
    assert one.image[3, 100, 0] == 2_000 + 100 * 120 - 1_000


def test_before_baseline_04_nothing_is_taken_off_with_and_without_xml(tmp_path: Path) -> None:
    old = L2A.replace("N0510", "N0301")
    for folder, xml in (("xml", True), ("none", False)):
        write_sentinel(tmp_path / folder, Sentinel(name=old, values=1_500, xml=xml))
        (scene,) = listed(at(tmp_path / folder))
        assert (scene.baseline, scene.offset_dn) == (3.01, 0)
        assert np.unique(composed(at(tmp_path / folder)).image).tolist() == [1_500]


def test_an_l1c_product_has_the_cirrus_band_and_its_radiometric_offset(tmp_path: Path) -> None:
    write_sentinel(tmp_path, Sentinel(name=L1C, values={"B10": 1_013, "B02": 1_900}))
    write_sentinel(tmp_path, Sentinel())
    place = at(tmp_path, "sentinel-2-l1c", "all-median")
    (scene,) = listed(place)
    assert (scene.scene_id, scene.offset_dn, scene.cloud_pct) == (L1C, -1000, 12.5)
    assert set(scene.hrefs) == {*ALL_BANDS, "B10"}
    assert np.unique(composed(place).image[1]).tolist() == [900]
    assert np.unique(archive.open_scene_band(place, scene, "B10", place.geobox, nearest=True)).tolist() == [1_013]


@pytest.mark.parametrize(
    ("product", "message"),
    [
        (Sentinel(baseline="05.09"), r"states baseline 05\.09, its name 05\.10\. Fetch"),
        (Sentinel(uri=L1C), rf"{L2A}: its MTD_MSIL2A\.xml is of {L1C}"),
        (Sentinel(offsets=(-1000,) * 12 + (-900,)), r"MTD_MSIL2A\.xml: offsets of the bands are -1000, -900, not all"),
        (Sentinel(offsets=()), r"MTD_MSIL2A\.xml: baseline 05\.10 contradicts the offsets \(0\)"),
        (Sentinel(name=L2A.replace("N0510", "N0301"), offsets=(-1000,) * 13), r"baseline 03\.01 contradicts the offsets"),
        (Sentinel(quantification=1_000), "reflectance is in 1000 parts, not 10000"),
        (Sentinel(without=("B03", "B11")), rf"scene {L2A} lacks bands B03, B11 at their native resolution; it has B01, B02"),
    ],
)
def test_a_product_that_contradicts_itself_is_refused(tmp_path: Path, product: Sentinel, message: str) -> None:
    write_sentinel(tmp_path, product)
    with pytest.raises(SourceError, match=rf"Region tiny, year 2024, source archive .*{message}"):
        listed(at(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not XML", r"MTD_MSIL2A\.xml is no XML of a product"),
        ("<a/>", r"MTD_MSIL2A\.xml states no PROCESSING_BASELINE"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', r"is no XML of a product \(it declares a document type"),
    ],
)
def test_metadata_that_cannot_be_read_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (write_sentinel(tmp_path) / "MTD_MSIL2A.xml").write_text(content)
    with pytest.raises(SourceError, match=message):
        listed(at(tmp_path))


def test_metadata_files_beyond_any_measure_are_not_read(tmp_path: Path) -> None:
    with (write_sentinel(tmp_path) / "MTD_MSIL2A.xml").open("r+b") as file:
        file.truncate(2**24 + 1)
    with pytest.raises(SourceError, match=r"has more than 16777216 bytes, too many for metadata"):
        listed(at(tmp_path))


def test_a_raster_of_another_tile_and_a_band_that_is_there_twice_are_refused(tmp_path: Path) -> None:
    folder = write_sentinel(tmp_path)
    raster = folder / CORNER / "IMG_DATA" / "R10m" / "T21MXN_20240601T140049_B02_10m.jp2"
    shutil.copy(raster, raster.with_name("T21MXN_20240601T140049_B02_10m.tif"))
    with pytest.raises(SourceError, match=r"B02_10m\.jp2 and .*B02_10m\.tif are the same band B02\. Remove one"):
        listed(at(tmp_path))
    raster.with_name("T21MXN_20240601T140049_B02_10m.tif").rename(raster.with_name("T22MXN_20240601T140049_B02_10m.tif"))
    with pytest.raises(SourceError, match="is of the tile 22MXN, in a product of 21MXN"):
        listed(at(tmp_path))


def test_an_older_processing_of_the_same_acquisition_is_left_out_and_parts_of_one_are_kept(tmp_path: Path) -> None:
    write_sentinel(tmp_path, Sentinel(name=L2A.replace("N0510", "N0400")))
    write_sentinel(tmp_path)
    part = L2A.replace("T180000", "T180007")
    write_sentinel(tmp_path, Sentinel(name=part))
    assert [scene.scene_id for scene in listed(at(tmp_path))] == [L2A, part]
    told = archive.fingerprint_scenes(at(tmp_path), 2024)
    assert (told["items"], told["superseded"]) == (2, 1)


def test_names_are_taken_apart() -> None:
    name = safe.product_name(f"{L2A}.SAFE")
    assert name is not None
    assert (name.id, name.product, name.baseline, name.tile, name.made) == (L2A, "MSIL2A", 5.1, "21MXN", "20240601T180000")
    for other in (f"{L2A}.zip", L2A.replace("_R067", ""), L2A.replace("20240601T14", "20241301T14"), "S2A_OPER_PRD_MSIL1C"):
        assert safe.product_name(other) is None
    landsat_name = landsat.product_name(TM)
    assert landsat_name is not None
    assert (landsat_name.sensor, landsat_name.tile, landsat_name.year, landsat_name.provider) == (
        "LT05",
        "227065",
        1998,
        "landsat-tm",
    )
    for other in (
        OLI.replace("_T1", "_RT"),
        OLI.replace("_02_T1", "_01_T1"),
        OLI.replace("L2SP", "L1TP"),
        OLI.replace("LC", "LE"),
    ):
        assert landsat.product_name(other) is None


# Landsat products


@pytest.mark.parametrize(("name", "platform", "red"), [(OLI, "landsat-9", "SR_B4"), (TM, "landsat-5", "SR_B3")])
def test_a_landsat_product_has_the_bands_of_its_sensor(tmp_path: Path, name: str, platform: str, red: str) -> None:
    write_landsat(tmp_path, Landsat(name=name, values={red: 12_000}))
    place = at(tmp_path, "landsat-c2-l2", "qa-median")
    year = int(name[17:21])
    (scene,) = listed(place, year)
    assert (scene.scene_id, scene.platform, scene.tile, scene.cloud_pct) == (name, platform, "227065", 21.12)
    assert (scene.gain, scene.offset_dn, scene.baseline, scene.epsg) == (0.275, -2000, 0.0, EPSG - 100)
    assert (scene.sun_azimuth_deg, scene.sun_elevation_deg) == (44.5, 50.25)
    assert (scene.acquired.isoformat()[10:], scene.solar_day[:4]) == ("T13:31:02+00:00", str(year))
    assert scene.hrefs["L-red"] == f"{name}/{name}_{red}.TIF"
    assert set(scene.hrefs) == {"L-blue", "L-green", "L-red", "L-nir", "L-swir1", "L-swir2", "L-thermal", QA_PIXEL}
    made = composed(place, year)
    assert np.unique(made.image[2, 5:-5, 5:-5]).tolist() == [1_300]
    assert np.unique(made.image[0, 5:-5, 5:-5]).tolist() == [750]


def test_landsat_pixels_that_quality_calls_cloud_or_fill_are_not_in_the_mosaic(tmp_path: Path) -> None:
    quality = np.full((40, 40), 21_824, np.uint16)
    quality[:20], quality[20:30] = 22_280, 1
    write_landsat(tmp_path, Landsat(quality=quality))
    made = composed(at(tmp_path, "landsat-c2-l2", "qa-median"))
    assert not made.image[:, 5:85].any()
    assert made.image[:, 95:-5, 5:-5].all()
    assert (made.observed_count[10, 60], made.observed_count[75, 60]) == (1, 0)


def test_an_mtl_file_says_the_same_as_text_and_as_json(tmp_path: Path) -> None:
    write_landsat(tmp_path / "text")
    write_landsat(tmp_path / "json", Landsat(as_json=True))
    one, other = (listed(at(tmp_path / kind, "landsat-c2-l2")) for kind in ("text", "json"))
    assert one == other


@pytest.mark.parametrize(
    ("product", "message"),
    [
        (Landsat(scale="2.0000E-05"), r"REFLECTANCE_MULT_BAND_\* are 2\.0000E-05, not 2\.75e-05"),
        (Landsat(product_id=TM), rf"{OLI}_MTL\.txt is of {TM}, not of {OLI}"),
        (Landsat(mtl=False), rf"{OLI} has no {OLI}_MTL\.json or \.txt, which states time, scale and clouds"),
    ],
)
def test_a_landsat_product_of_another_scale_or_name_is_refused(tmp_path: Path, product: Landsat, message: str) -> None:
    write_landsat(tmp_path, product)
    with pytest.raises(SourceError, match=message):
        listed(at(tmp_path, "landsat-c2-l2"))


@pytest.mark.parametrize("content", ["END_GROUP = A", "GROUP = A\n B = 1", "KEY = 1"])
def test_a_damaged_mtl_file_is_refused(tmp_path: Path, content: str) -> None:
    (write_landsat(tmp_path) / f"{OLI}_MTL.txt").write_text(content)
    with pytest.raises(SourceError, match=rf"{OLI}_MTL\.txt is no MTL file of Collection 2"):
        listed(at(tmp_path, "landsat-c2-l2"))


def test_the_newest_processing_of_a_landsat_scene_counts(tmp_path: Path) -> None:
    write_landsat(tmp_path, Landsat(name=OLI.replace("20240605", "20240603")))
    write_landsat(tmp_path)
    assert [scene.scene_id for scene in listed(at(tmp_path, "landsat-c2-l2"))] == [OLI]


def test_real_scenes_of_before_the_collections_are_passed_over_and_the_message_says_what_they_are() -> None:
    folder = REALDATA / "landsat5-para-polygons"
    if not folder.exists():
        pytest.skip(f"the real scene {folder} is absent; set MINING_PLATFORM_REALDATA")
    message = r"the folder holds unreadable Landsat scenes of before the Collections.* \(such as LT52240631988227CUB02_B1\.TIF\)"
    with pytest.raises(SourceError, match=message):
        listed(at(folder, "landsat-c2-l2"), 1988)


# Scenes in Earth Search's layout


TINY = (
    TinyScene("a", cloud_pct=3, values={"B04": np.arange(1_000, 1_000 + 120 * 120).reshape(120, 120)}),
    TinyScene("b", when="2024-07-01T14:00:00Z", baseline="05.10", values=2_300),
    TinyScene("c", when="2024-08-01T14:00:00Z", scl=CLOUD, properties={"simulated": True}),
    TinyScene("d", when="2023-08-01T14:00:00Z"),
)


def test_a_folder_of_items_gives_the_scenes_of_its_static_catalogue_and_an_equal_mosaic(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path / "stac", TINY)
    from_stac, from_archive = at(catalogue, source="stac"), at(tmp_path / "stac")
    scenes = scenes_of(stac.list_scenes(from_stac, 2024))
    assert listed(from_archive) == scenes
    assert [scene.scene_id for scene in scenes] == ["a", "b", "c"]
    one, other = composed(from_stac, source=stac), composed(from_archive)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.clear_count, other.clear_count)
    assert one.image[3, 0, 0] == 1_150
    archive.check_scenes(from_archive, scenes, [*ALL_BANDS, SCL])


def edited(catalogue: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The folder of the item `a`, whose JSON is changed."""
    path = catalogue.parent / "s2" / "a" / "a.json"
    item = json.loads(path.read_text())
    change(item)
    write_json(path, item)
    return path.parent


def test_assets_that_were_fetched_into_the_items_folder_are_found_by_their_name(tmp_path: Path) -> None:
    def change(item: dict[str, Any]) -> None:
        for asset in item["assets"].values():
            asset["href"] = f"https://example.org/scenes/{asset['href'].removeprefix('./')}?token=secret"
        item["assets"]["cloud"] = {"href": "https://example.org/scenes/cloud.tif"}

    edited(write_catalogue(tmp_path, TINY[:1]), change)
    (scene,) = listed(at(tmp_path))
    assert scene.hrefs["B04"] == "s2/a/B04.tif"
    assert CLOUD_PROBABILITY not in scene.hrefs
    assert composed(at(tmp_path)).image.all()


@pytest.mark.parametrize("href", ["../../../outside.tif", "a/../../../../etc/passwd.tif"])
def test_an_item_that_points_out_of_the_archive_is_refused(tmp_path: Path, href: str) -> None:
    edited(write_catalogue(tmp_path / "in", TINY[:1]), lambda item: item["assets"]["red"].update(href=href))
    with pytest.raises(SourceError, match=r"a\.json points to .* outside the archive"):
        listed(at(tmp_path / "in"))


@pytest.mark.parametrize("href", ["/vsicurl/https://example.org/B04x.tif", "/etc/passwd", "s3://bucket/other.tif"])
def test_absolute_places_are_never_opened(tmp_path: Path, href: str) -> None:
    edited(write_catalogue(tmp_path, TINY[:1]), lambda item: item["assets"]["red"].update(href=href))
    with pytest.raises(SourceError, match=r"item a lacks bands B04 \(asset 'red'\)"):
        listed(at(tmp_path))


def test_an_item_of_another_collection_is_passed_over_whatever_it_lacks(tmp_path: Path) -> None:
    write_catalogue(tmp_path, TINY[:1])
    write_json(tmp_path / "dem" / "dem.json", {"type": "Feature", "collection": "cop-dem-glo-30", "properties": {}})
    assert len(listed(at(tmp_path))) == 1
    with pytest.raises(SourceError, match="the folder holds 1 of other collections, 1 of other years"):
        listed(at(tmp_path), 2023)


def test_json_that_is_no_item_is_passed_over_and_what_is_no_json_refused(tmp_path: Path) -> None:
    write_catalogue(tmp_path, TINY[:1])
    write_json(tmp_path / "notes" / "notes.json", {"type": "Collection"})
    assert len(listed(at(tmp_path))) == 1
    (tmp_path / "notes" / "notes.json").write_text("{")
    with pytest.raises(SourceError, match=r"notes/notes\.json is not JSON"):
        listed(at(tmp_path))


# Walking


def test_hidden_and_half_made_folders_are_passed_over(tmp_path: Path) -> None:
    write_sentinel(tmp_path)
    for number, name in enumerate((".hidden", "tmp-1-ab", "unfinished-x", "scenes.part", "old.tmp-77", f"{L2A}.SAFE.tmp-9")):
        write_sentinel(tmp_path / name, Sentinel(name=L2A.replace("T180000", f"T18000{number + 1}"), xml=False, ending="tif"))
    assert [scene.scene_id for scene in listed(at(tmp_path))] == [L2A]


def test_a_link_within_the_archive_adds_nothing_and_one_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    folder = write_sentinel(inside / "real")
    (inside / "again").symlink_to(inside / "real")
    (inside / "loop").symlink_to(inside)
    assert [scene.scene_id for scene in listed(at(inside))] == [L2A]
    raster = folder / CORNER / "IMG_DATA" / "R10m" / "T21MXN_20240601T140049_B04_10m.jp2"
    raster.rename(tmp_path / "moved.jp2")
    raster.symlink_to(tmp_path / "moved.jp2")
    with pytest.raises(SourceError, match=r"B04_10m\.jp2 is a link that leads out of the archive"):
        listed(at(inside))


def test_the_archives_own_folder_may_be_a_link(tmp_path: Path) -> None:
    write_sentinel(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(listed(at(tmp_path / "link"))) == 1


def test_folders_of_other_years_and_collections_are_not_looked_into(tmp_path: Path) -> None:
    write_sentinel(tmp_path)
    for month in range(1, 13):
        (tmp_path / L2A.replace("20240601T14", f"2023{month:02}01T14")).mkdir()
    (tmp_path / f"{L1C}.SAFE").mkdir()
    (tmp_path / OLI).mkdir()
    assert [scene.scene_id for scene in listed(at(tmp_path))] == [L2A]
    with pytest.raises(SourceError, match="holds no raster of a band"):
        listed(at(tmp_path), 2023)


def test_a_scene_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write_sentinel(tmp_path / "a")
    write_sentinel(tmp_path / "b")
    with pytest.raises(SourceError, match=rf"scene {L2A} is there twice, as a/{L2A}\.SAFE and b/{L2A}\.SAFE\. Remove one"):
        listed(at(tmp_path))


def test_without_scenes_the_message_says_what_there_is_instead(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no folder .*nowhere\. Mend href"):
        listed(at(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match=r"the folder holds no scene at all\. Ask for another year"):
        listed(at(tmp_path))
    write_sentinel(tmp_path, Sentinel(left_m=LEFT_M + 60_000))
    write_sentinel(tmp_path, Sentinel(name=L1C))
    write_sentinel(tmp_path, Sentinel(name=L2A.replace("_20240601T14", "_20210601T14")))
    (tmp_path / f"{L2A}.SAFE.zip").touch()
    message = (
        rf"the folder holds 1 elsewhere, 1 of other collections, 1 of other years, unreadable packed products \(such as {L2A}"
    )
    with pytest.raises(SourceError, match=message):
        listed(at(tmp_path))
    with pytest.raises(SourceError, match="an archive is a folder on this machine"):
        listed(replace(region(), scenes=scenes_at("https://example.org/scenes", source="archive")))


# Fingerprints


def test_the_fingerprint_follows_content_and_year_and_not_times_or_places(tmp_path: Path) -> None:
    write_sentinel(tmp_path / "one", Sentinel(ending="tif"))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    first = archive.fingerprint_scenes(at(tmp_path / "one"), 2024)
    assert (first["items"], first["source"], first["year"]) == (1, "archive", 2024)
    assert archive.fingerprint_scenes(at(tmp_path / "two"), 2024)["blake3"] == first["blake3"]
    write_sentinel(tmp_path / "two", Sentinel(name=L2A.replace("_20240601T14", "_20230601T14")))
    assert archive.fingerprint_scenes(at(tmp_path / "two"), 2024)["blake3"] == first["blake3"]
    raster = next((tmp_path / "two").rglob("*B04_10m.tif"))
    content = bytearray(raster.read_bytes())
    content[-1] ^= 1
    raster.write_bytes(content)
    assert archive.fingerprint_scenes(at(tmp_path / "two"), 2024)["blake3"] != first["blake3"]


# Damage


def damaged(tmp_path: Path, damage: Callable[[Path], None], *, ending: str = "tif") -> tuple[Region, Scene]:
    """A product whose raster of B04 is damaged after it was listed."""
    write_sentinel(tmp_path, Sentinel(ending=ending))
    place = at(tmp_path)
    (scene,) = listed(place)
    damage(tmp_path / scene.hrefs["B04"])
    return place, replace(scene, sizes={})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def virtual(path: Path) -> None:
    source = '<SourceFilename relativeToVRT="0">/etc/passwd</SourceFilename>'
    path.write_text(
        f'<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte">{source}</VRTRasterBand></VRTDataset>'
    )


def rewritten(path: Path, **fields: Any) -> None:
    with rasterio.open(path) as source:
        profile, pixels = {**source.profile, "driver": "GTiff", **fields}, source.read(1)
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels.astype(profile["dtype"]), 1)


def without_crs(path: Path) -> None:
    rewritten(path, crs=None)


def of_another_crs(path: Path) -> None:
    rewritten(path, crs=f"EPSG:{EPSG + 1}")


def as_float(path: Path) -> None:
    rewritten(path, dtype="float32")


def huge(path: Path) -> None:
    side, affine = 32_000, Affine(10, 0, LEFT_M, 0, -10, TOP_M)
    shape = {"width": side, "height": side, "count": 1, "dtype": "uint16", "crs": f"EPSG:{EPSG}", "transform": affine}
    with rasterio.open(path, "w", driver="GTiff", tiled=True, SPARSE_OK=True, **shape):
        pass


@pytest.mark.parametrize(
    ("damage", "ending", "problem"),
    [
        (Path.unlink, "tif", "cannot be read"),
        (cut, "tif", "cannot be read"),
        (cut, "jp2", "cannot be read"),
        (virtual, "tif", "cannot be read"),
        (without_crs, "tif", "has no CRS"),
        (as_float, "tif", "holds float32"),
        (huge, "tif", "declares 2048000000 bytes of pixels in a file of"),
    ],
)
def test_a_damaged_raster_stops_the_composite_with_its_scene_and_band(
    tmp_path: Path, damage: Callable[[Path], None], ending: str, problem: str
) -> None:
    place, scene = damaged(tmp_path, damage, ending=ending)
    recipe = mosaic_recipe("scl-median")
    with pytest.raises(SourceError, match=rf"scene {L2A}, band B04: the raster .*{problem}.*Put the scenes' files"):
        archive.composite(place, [scene], ALL_BANDS, place.geobox, recipe)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (Path.unlink, "is absent"),
        (virtual, "cannot be read"),
        (without_crs, "has no CRS with an EPSG code"),
        (of_another_crs, f"is in EPSG:{EPSG + 1} where the scene's metadata say EPSG:{EPSG}"),
    ],
)
def test_the_check_of_listed_scenes_finds_what_a_header_tells(
    tmp_path: Path, damage: Callable[[Path], None], problem: str
) -> None:
    place, scene = damaged(tmp_path, damage)
    archive.check_scenes(place, [scene], ["B02", "B03", SCL])
    with pytest.raises(SourceError, match=rf"scene {L2A}, band B04: the raster .*B04_10m\.tif {problem}"):
        archive.check_scenes(place, [scene], ["B04"])


def test_the_check_finds_another_size_another_checksum_and_a_band_that_was_never_there(tmp_path: Path) -> None:
    write_catalogue(tmp_path, TINY[:1])
    place = at(tmp_path)
    (scene,) = listed(place)
    content = bytearray((tmp_path / scene.hrefs["B04"]).read_bytes())
    content[-1] ^= 1
    (tmp_path / scene.hrefs["B04"]).write_bytes(content)
    (tmp_path / scene.hrefs["B03"]).write_bytes(content + b"x")
    for band_id, problem in (("B04", "another sha2-256"), ("B03", r"has \d+ bytes where \d+ were listed"), ("B10", "not among")):
        with pytest.raises(SourceError, match=rf"scene a, band {band_id}: the raster .*{problem}"):
            archive.check_scenes(place, [scene], [band_id])


def test_a_listed_scene_cannot_name_a_file_outside_the_archive(tmp_path: Path) -> None:
    write_sentinel(tmp_path / "in")
    place = at(tmp_path / "in")
    (scene,) = listed(place)
    for href in ("../secret.tif", "/etc/passwd", "https://example.org/a.tif", ""):
        changed = replace(scene, hrefs={**scene.hrefs, "B04": href})
        with pytest.raises(SourceError, match=rf"scene {L2A}, band B04: the raster .* lies outside the archive"):
            archive.open_scene_band(place, changed, "B04", place.geobox, nearest=True)


def test_a_whole_tile_without_any_cloud_is_not_taken_for_a_bomb(tmp_path: Path) -> None:
    place = at(tmp_path)
    write_sentinel(tmp_path, Sentinel(xml=False))
    (scene,) = listed(place)
    affine = Affine(20, 0, LEFT_M, 0, -20, TOP_M)
    shape = {"width": 5_490, "height": 5_490, "count": 1, "dtype": "uint8", "crs": f"EPSG:{EPSG}", "transform": affine}
    tiles = {"QUALITY": "100", "REVERSIBLE": "YES", "BLOCKXSIZE": "640", "BLOCKYSIZE": "640"}
    with rasterio.open(tmp_path / scene.hrefs[CLOUD_PROBABILITY], "w", driver="JP2OpenJPEG", **shape, **tiles) as out:
        out.write(np.zeros((5_490, 5_490), np.uint8), 1)
    assert not archive.open_scene_band(place, scene, CLOUD_PROBABILITY, place.geobox, nearest=True).any()


def test_files_at_hand_cost_nothing_and_are_composed_in_parallel(tmp_path: Path) -> None:
    place = at(tmp_path)
    assert archive.cost(place, 100, ALL_BANDS, [place.geobox]).requests == 0
    assert 1 <= archive.parallel_composites(place) <= 8
