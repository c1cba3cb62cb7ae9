import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest

from mining_platform.bands import SCL
from mining_platform.regions import Region
from mining_platform.scenes import SCENE_COLUMNS, scenes_of, scenes_table
from mining_platform.sources.protocol import Cost, SourceError
from mining_platform.sources.stac import check_scenes, cost, fingerprint_scenes, list_scenes, open_scene_band
from tests.stac_api import write_sparse_giant
from tests.synthetic import ALL_BANDS, EPSG, LEFT_M, TinyScene, region, scenes_at, write_catalogue, write_json


def scene_region(tmp_path: Path, *scenes: TinyScene) -> Region:
    return region(catalogue=write_catalogue(tmp_path / "stac", scenes or (TinyScene("S2_A"),)))


def test_scenes_of_the_year_that_touch_the_outline_are_listed_by_id(tmp_path: Path) -> None:
    place = scene_region(
        tmp_path,
        TinyScene("S2_C", when="2024-12-31T23:59:59Z"),
        TinyScene("S2_A", when="2024-01-01T00:00:00Z"),
        TinyScene("S2_OLD", when="2023-12-31T23:59:59Z"),
        TinyScene("S2_FAR", left_m=LEFT_M + 60_000),
    )
    table = list_scenes(place, 2024)
    assert table["scene_id"].tolist() == ["S2_A", "S2_C"]
    assert tuple(table.columns) == SCENE_COLUMNS
    assert table.crs.to_epsg() == 4326


def test_a_scene_says_what_its_item_says(tmp_path: Path) -> None:
    (scene,) = scenes_of(list_scenes(scene_region(tmp_path, TinyScene("S2_A", baseline="05.10", cloud_pct=12.5)), 2024))
    assert (scene.solar_day, scene.cloud_pct, scene.baseline, scene.epsg, scene.tile) == ("2024-06-01", 12.5, 5.1, EPSG, "21MXN")
    assert scene.hrefs["B8A"] == "s2/S2_A/B8A.tif"
    assert set(scene.hrefs) == {*ALL_BANDS, SCL} == set(scene.checksums)


@pytest.mark.parametrize(
    ("baseline", "properties", "offset_dn"),
    [("03.01", {}, 0), ("04.00", {}, -1000), ("05.10", {}, -1000), ("05.10", {"earthsearch:boa_offset_applied": True}, 0)],
)
def test_the_offset_follows_the_baseline_unless_it_was_removed(
    tmp_path: Path, baseline: str, properties: dict, offset_dn: int
) -> None:
    (scene,) = scenes_of(list_scenes(scene_region(tmp_path, TinyScene("S", baseline=baseline, properties=properties)), 2024))
    assert scene.offset_dn == offset_dn


def test_the_projection_may_be_a_code_and_the_mark_comes_from_the_item(tmp_path: Path) -> None:
    properties = {"proj:epsg": None, "proj:code": "EPSG:32721", "simulated": True}
    (scene,) = scenes_of(list_scenes(scene_region(tmp_path, TinyScene("S", properties=properties)), 2024))
    assert (scene.epsg, scene.simulated) == (32721, True)


def test_the_table_survives_parquet(tmp_path: Path) -> None:
    table = list_scenes(scene_region(tmp_path, TinyScene("A"), TinyScene("B")), 2024)
    table.to_parquet(tmp_path / "scenes.parquet")
    assert scenes_of(gpd.read_parquet(tmp_path / "scenes.parquet")) == scenes_of(table)
    again = scenes_table(scenes_of(table), list(table.geometry))
    assert again.equals(table)


def test_a_year_without_scenes_names_region_year_source_and_remedy(tmp_path: Path) -> None:
    message = r"Region tiny, year 2023, source stac collection sentinel-2-l2a of .*no scene touches.*Ask for another year"
    for ask in (list_scenes, fingerprint_scenes):
        with pytest.raises(SourceError, match=message):
            ask(scene_region(tmp_path), 2023)


def test_a_scene_that_lacks_bands_is_refused_by_their_names(tmp_path: Path) -> None:
    place = scene_region(tmp_path, TinyScene("S2_A", without=("rededge1", "swir16")))
    with pytest.raises(
        SourceError, match=r"item S2_A lacks bands B05 \(asset 'rededge1'\), B11 \(asset 'swir16'\); it has blue, "
    ):
        list_scenes(place, 2024)


@pytest.mark.parametrize("name", ["s2:processing_baseline", "eo:cloud_cover", "datetime"])
def test_an_item_without_a_needed_property_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=f"item S2_A lacks the property {name}"):
        list_scenes(scene_region(tmp_path, TinyScene("S2_A", properties={name: None})), 2024)


@pytest.mark.parametrize(
    ("href", "message"),
    [
        ("../../../secret.tif", "outside the catalogue's folder"),
        ("/etc/passwd", "outside the catalogue's folder"),
        ("file:///etc/passwd", "outside the catalogue's folder"),
        ("/vsicurl/https://example.org/B04.tif", "outside the catalogue's folder"),
        ("https://example.org/B04.tif", r"item S2_A may not be read in band B04: .*example\.org is not among the hosts"),
        ("http://169.254.169.254/B04.tif", r"item S2_A may not be read in band B04: .*it is not encrypted"),
        (None, "item S2_A has None as href of band B04"),
        (7, "item S2_A has 7 as href of band B04"),
    ],
)
def test_an_href_that_leaves_the_catalogue_is_refused(tmp_path: Path, href: Any, message: str) -> None:
    place = scene_region(tmp_path)
    path = tmp_path / "stac" / "s2" / "S2_A" / "S2_A.json"
    item = json.loads(path.read_text())
    item["assets"]["red"]["href"] = href
    write_json(path, item)
    with pytest.raises(SourceError, match=message):
        list_scenes(place, 2024)


def test_a_link_that_leaves_the_catalogue_is_refused(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    write_json(tmp_path / "stac" / "catalog.json", {"type": "Catalog", "links": [{"rel": "child", "href": "../other.json"}]})
    with pytest.raises(SourceError, match=r"points to '\.\./other\.json', outside"):
        list_scenes(place, 2024)


def test_a_symlink_out_of_the_catalogue_is_refused(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    (tmp_path / "secret.tif").write_bytes(b"secret")
    band = tmp_path / "stac" / "s2" / "S2_A" / "B04.tif"
    band.unlink()
    band.symlink_to(tmp_path / "secret.tif")
    with pytest.raises(SourceError, match="outside the catalogue's folder"):
        list_scenes(place, 2024)


def test_a_catalogue_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    path = tmp_path / "stac" / "catalog.json"
    node = json.loads(path.read_text())
    node["links"] += [{"rel": "child", "href": "./catalog.json"}, {"rel": "self", "href": "https://example.org/catalog.json"}]
    write_json(path, node)
    assert len(list_scenes(place, 2024)) == 1


@pytest.mark.parametrize("href", ["s3://bucket/catalog.json", "file:///etc/catalog.json", "/vsicurl/https://example.org/c.json"])
def test_a_place_that_is_neither_an_api_nor_a_file_is_refused(tmp_path: Path, href: str) -> None:
    place = replace(scene_region(tmp_path), scenes=scenes_at(href))
    with pytest.raises(SourceError, match=r"the place is neither a STAC API nor a file\. Name the https address"):
        list_scenes(place, 2024)


def test_an_absent_or_broken_catalogue_is_refused(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    (tmp_path / "stac" / "catalog.json").write_text("{")
    with pytest.raises(SourceError, match=r"catalog\.json is not JSON"):
        list_scenes(place, 2024)
    (tmp_path / "stac" / "catalog.json").unlink()
    with pytest.raises(SourceError, match=r"there is no file .*catalog\.json"):
        list_scenes(place, 2024)


def test_the_fingerprint_of_scenes_follows_their_items(tmp_path: Path) -> None:
    before = fingerprint_scenes(scene_region(tmp_path / "a"), 2024)
    assert fingerprint_scenes(scene_region(tmp_path / "b"), 2024)["blake3"] == before["blake3"]
    assert before["items"] == 1
    assert fingerprint_scenes(scene_region(tmp_path / "c", TinyScene("S2_A", cloud_pct=11)), 2024)["blake3"] != before["blake3"]
    older = TinyScene("S2_OLD", when="2023-06-01T14:00:00Z")
    assert fingerprint_scenes(scene_region(tmp_path / "d", TinyScene("S2_A"), older), 2024)["blake3"] == before["blake3"]


def test_a_band_is_read_on_the_grid_and_is_0_beyond_the_scene(tmp_path: Path) -> None:
    place = scene_region(tmp_path, TinyScene("S", values={"B04": 500, "B11": 700, "B01": 900}, width_px=60))
    (scene,) = scenes_of(list_scenes(place, 2024))
    for band_id, value in (("B04", 500), ("B11", 700), ("B01", 900), (SCL, 4)):
        pixels = open_scene_band(place, scene, band_id, place.geobox, nearest=True)
        assert (pixels.shape, pixels.dtype) == ((120, 120), np.uint8 if band_id == SCL else np.uint16)
        assert (pixels[:, :60] == value).all()
        assert not pixels[:, 60:].any()


def test_an_unreadable_band_is_refused_by_scene_and_band(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    (scene,) = scenes_of(list_scenes(place, 2024))
    raster = tmp_path / "stac" / "s2" / "S2_A" / "B04.tif"
    raster.write_bytes(raster.read_bytes()[: raster.stat().st_size // 2])
    with pytest.raises(SourceError, match="scene S2_A, band B04: the raster cannot be read"):
        open_scene_band(place, scene, "B04", place.geobox, nearest=True)
    raster.unlink()
    with pytest.raises(SourceError, match=r"scene S2_A, band B04: the raster .* is absent"):
        check_scenes(place, [scene], ["B04"])
    with pytest.raises(SourceError, match="band B10: the raster is not among those of the scene: B01, B02"):
        check_scenes(place, [scene], ["B10"])


def test_a_missing_layer_is_an_error_only_where_it_is_asked_for(tmp_path: Path) -> None:
    place = scene_region(tmp_path, TinyScene("S2_A", without=("scl",)))
    (scene,) = scenes_of(list_scenes(place, 2024))
    check_scenes(place, [scene], ALL_BANDS)
    with pytest.raises(SourceError, match="scene S2_A, band SCL: the raster is not among those of the scene"):
        check_scenes(place, [scene], [SCL])


@pytest.mark.parametrize(
    ("size", "checksum", "message"),
    [(1, None, "has .* bytes where 1 were listed"), (None, "1220" + "0" * 64, "has another sha2-256 than was listed")],
)
def test_a_raster_other_than_the_listed_one_is_refused(
    tmp_path: Path, size: int | None, checksum: str | None, message: str
) -> None:
    place = scene_region(tmp_path)
    (scene,) = scenes_of(list_scenes(place, 2024))
    stated = {"sizes": {**scene.sizes, "B04": size}} if size else {"checksums": {**scene.checksums, "B04": checksum}}
    with pytest.raises(SourceError, match=f"scene S2_A, band B04: the raster .*B04.tif {message}"):
        check_scenes(place, [replace(scene, **stated)], ["B04"])
    check_scenes(place, [scene], ["B04"])


def test_a_vrt_that_calls_itself_tif_is_refused(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    (scene,) = scenes_of(list_scenes(place, 2024))
    raster = tmp_path / "stac" / "s2" / "S2_A" / "B04.tif"
    raster.rename(raster.with_name("real.tif"))
    raster.write_text(
        '<VRTDataset rasterXSize="120" rasterYSize="120"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">real.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    )
    with pytest.raises(SourceError, match=r"scene S2_A, band B04: the raster cannot be read \(.*not recognized as.*"):
        open_scene_band(place, scene, "B04", place.geobox, nearest=True)


def test_a_raster_that_declares_gigabytes_in_a_small_file_is_refused(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    (scene,) = scenes_of(list_scenes(place, 2024))
    write_sparse_giant(tmp_path / "stac" / "s2" / "S2_A" / "B04.tif")
    with pytest.raises(SourceError, match=r"scene S2_A, band B04: the raster declares \d{9,} bytes of pixels in a file of"):
        open_scene_band(place, scene, "B04", place.geobox, nearest=True)


def test_older_products_of_an_acquisition_are_left_out_and_counted(tmp_path: Path) -> None:
    taken = {"s2:datatake_id": "GS2A_20240601T140000_046141_N{}", "s2:datastrip_id": "S2A_OPER_MSI_L2A_DS_X_S{}_N02.12"}

    def product(scene_id: str, baseline: str, sensed: str = "20240601T140000") -> TinyScene:
        ids = {name: text.format(baseline if "take" in name else sensed) for name, text in taken.items()}
        return TinyScene(scene_id, baseline=baseline, properties=ids)

    scenes = (product("OLD", "02.12"), product("NEW", "05.00"), product("OTHER_STRIP", "02.12", sensed="20240601T140012"))
    place = scene_region(tmp_path, *scenes)
    assert list_scenes(place, 2024)["scene_id"].tolist() == ["NEW", "OTHER_STRIP"]
    found = fingerprint_scenes(place, 2024)
    assert (found["items"], found["superseded"]) == (2, 1)


def test_files_at_hand_cost_nothing(tmp_path: Path) -> None:
    place = scene_region(tmp_path)
    assert cost(place, 100, ALL_BANDS, [place.geobox]) == Cost()


@pytest.mark.parametrize("nearest", [True, False])
def test_a_scene_in_another_utm_zone_is_warped_onto_the_grid(tmp_path: Path, nearest: bool) -> None:
    place = scene_region(tmp_path, TinyScene("S", values=1234))
    (scene,) = scenes_of(list_scenes(place, 2024))
    neighbour = replace(place, epsg=32720)
    pixels = open_scene_band(neighbour, scene, "B11", neighbour.geobox, nearest=nearest)
    assert set(np.unique(pixels)) == {0, 1234}
