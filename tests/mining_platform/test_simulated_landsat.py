"""Simulated Landsat: official names read by the archive source, known quality bits, and images of sites with a cloud band."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shapely import MultiPolygon, box

from mining_platform.bands import LANDSAT_KELVIN_OFFSET, LANDSAT_KELVIN_SCALE, LANDSAT_OFFSET, LANDSAT_SCALE, QA_PIXEL
from mining_platform.imports.sites import BASE_SITE
from mining_platform.ingest.cloud_stacks import bands_of, opened_image
from mining_platform.kml_files import read_kml
from mining_platform.labels.image_labels import three_class_label
from mining_platform.labels.polygon_labels import of_site
from mining_platform.labels.recipes import recipe
from mining_platform.labels.site_names import read_aliases
from mining_platform.regions import Region, Scenes
from mining_platform.scenes import Scene, scenes_of
from mining_platform.simulation import landsat_scenes, spectra
from mining_platform.simulation.landsat import file_names, write_landsat
from mining_platform.simulation.landsat_scenes import LandsatScene, plan_landsat, quality_bits, render_landsat
from mining_platform.simulation.landsat_stacks import site_windows
from mining_platform.simulation.landscape import FOREST, MINING, RIVER
from mining_platform.simulation.mine_polygons import finish_polygons, write_polygons
from mining_platform.simulation.mine_sites import MineSite, mine_sites
from mining_platform.sources import archive
from mining_platform.sources.archives.landsat import metadata_groups
from tests.mining_platform.simulated_places import SEED, YEARS, middle_place


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("landsat")
    write_landsat(out, middle_place())
    return out


def over(out: Path) -> Region:
    scenes = Scenes("archive", "landsat-c2-l2", "planetary-computer", "qa-median", {"archive": str(out / "landsat")}, True)
    return replace(middle_place().region, scenes=scenes)


@lru_cache(maxsize=1)
def clear_scene() -> LandsatScene:
    specs = plan_landsat("middle", 2024, longitude=-55.2, latitude=-6.4, seed=SEED)
    spec = replace(min(specs, key=lambda spec: spec.wetness), cover=0.0, haze=0.0, wetness=0.0)
    return render_landsat(spec, middle_place().years[2024].ground, seed=SEED)


def pure(code: int) -> np.ndarray:
    """Pixels of 30 m that have one class only and no shade or veil of cloud."""
    classes = middle_place().years[2024].classes
    blocks = classes.reshape(classes.shape[0] // 3, 3, classes.shape[1] // 3, 3)
    return (blocks == code).all(axis=(1, 3)) & np.isin(clear_scene().quality, (21824, 21952))


def reflectance(role: str) -> np.ndarray:
    return clear_scene().reflectance[role] * LANDSAT_SCALE + LANDSAT_OFFSET


def test_quality_bits_are_those_of_the_product_guide() -> None:
    cloud, shadow, cirrus, water = np.zeros((4, 1, 40), dtype=bool)
    cloud[0, 0], shadow[0, 20], water[0, 30], cirrus[0, 35] = True, True, True, True
    bits = quality_bits(cloud, shadow, cirrus, water)[0]
    assert bits[[0, 1, 10, 20, 30, 35]].tolist() == [22280, 21762, 21824, 23888, 21952, 54596]


def test_the_archive_source_lists_every_product_with_the_shares_of_its_own_quality_layer(out: Path) -> None:
    place = over(out)
    for year in YEARS:
        found = scenes_of(archive.list_scenes(place, year))
        assert len(found) == landsat_scenes.SCENES_A_YEAR
        assert {scene.platform for scene in found} <= {"landsat-8", "landsat-9"}
        assert min(scene.cloud_pct for scene in found) < 12
        assert max(scene.cloud_pct for scene in found) > 25
        for scene in found[:2]:
            quality = archive.open_scene_band(place, scene, QA_PIXEL, place.geobox, nearest=True)
            assert 100 * (quality >> 3 & 1).mean() == pytest.approx(scene.cloud_pct, abs=4)


def test_files_are_whole_for_the_archive_source_and_marked_simulated(out: Path) -> None:
    place = over(out)
    scenes: list[Scene] = scenes_of(archive.list_scenes(place, 2024))
    archive.check_scenes(place, scenes, ["L-red", "L-nir", "L-thermal", QA_PIXEL])
    folder = sorted((out / "landsat").iterdir())[0]
    assert '"SIMULATED": "TRUE"' in (folder / f"{folder.name}_MTL.json").read_text()
    for path in folder.glob("*.TIF"):
        with rasterio.open(path) as source:
            assert (source.crs.to_epsg(), source.dtypes[0], source.res) == (32621, "uint16", (30, 30))
            assert source.nodata == (1 if "QA_PIXEL" in path.name else 0)
            assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")


def test_text_and_json_metadata_say_the_same(out: Path) -> None:
    folder = sorted((out / "landsat").iterdir())[0]
    names = [f"{folder.name}_MTL.{ending}" for ending in ("txt", "json")]
    text, document = (metadata_groups((folder / name).read_bytes(), name) for name in names)
    assert text == document
    assert len(text) == 6


def test_clear_forest_and_water_have_the_reflectance_of_their_spectra() -> None:
    dry = dict(zip((material.id for material in spectra.MATERIALS), spectra.spectra("dry") / 1e4, strict=True))
    red, nir = (spectra.CHANNELS.index(landsat_scenes.SIMILAR_BANDS[role]) for role in ("red", "nir"))
    assert reflectance("red")[pure(FOREST)].mean() == pytest.approx(dry["forest"][red], rel=0.12)
    assert reflectance("nir")[pure(FOREST)].mean() == pytest.approx(dry["forest"][nir], rel=0.08)
    assert reflectance("nir")[pure(RIVER)].mean() < 0.09


def test_forest_has_a_high_ndvi_and_bare_mines_a_low_one() -> None:
    ndvi = (reflectance("nir") - reflectance("red")) / (reflectance("nir") + reflectance("red"))
    assert np.median(ndvi[pure(FOREST)]) > 0.8
    assert np.median(ndvi[pure(MINING)]) < 0.3


def test_water_is_told_by_its_bit_and_mines_are_warmer_than_forest() -> None:
    kelvin = clear_scene().temperature * LANDSAT_KELVIN_SCALE + LANDSAT_KELVIN_OFFSET
    assert kelvin[pure(FOREST)].mean() == pytest.approx(landsat_scenes.SURFACE_K["forest"], abs=1)
    assert kelvin[pure(MINING)].mean() > kelvin[pure(FOREST)].mean() + 5
    assert ((clear_scene().quality[pure(RIVER)] >> 7) & 1).mean() > 0.95
    assert ((clear_scene().quality[pure(FOREST)] >> 7) & 1).mean() < 0.01


def test_clouds_are_bright_and_cold() -> None:
    specs = plan_landsat("middle", 2024, longitude=-55.2, latitude=-6.4, seed=SEED)
    scene = render_landsat(replace(specs[0], cover=0.4), middle_place().years[2024].ground, seed=SEED)
    cloud, clear = (scene.quality >> 3 & 1) == 1, scene.quality == 21824
    assert cloud.mean() == pytest.approx(0.4, abs=0.15)
    assert np.median(scene.reflectance["blue"][cloud]) > 2 * np.median(scene.reflectance["blue"][clear])
    assert np.median(scene.temperature[cloud]) < np.median(scene.temperature[clear])


def test_the_instruments_of_a_year_are_those_that_flew() -> None:
    flown = {
        year: {spec.instrument.sensor for spec in plan_landsat("x", year, longitude=-55, latitude=-6, seed=1)}
        for year in (1988, 2012, 2016, 2024)
    }
    assert flown == {1988: {"LT05"}, 2012: {"LE07"}, 2016: {"LC08"}, 2024: {"LC08", "LC09"}}
    (old, *_), (new, *_) = (plan_landsat("x", year, longitude=-55, latitude=-6, seed=1) for year in (1988, 2024))
    assert {"SR_B3", "SR_B4", "ST_B6"} <= set(file_names(old).values())
    assert (file_names(old)["nir"], file_names(new)["nir"], file_names(new)["thermal"]) == ("SR_B4", "SR_B5", "ST_B10")


def test_images_of_a_site_have_eight_bands_by_role_with_cloud_0_or_1(out: Path) -> None:
    folders = sorted((out / "landsat_sites").iterdir())
    assert {BASE_SITE.sub("", folder.name) for folder in folders} == {site.base for site in mine_sites(middle_place())}
    for folder in folders:
        images = sorted(folder.glob("*.tif"))
        assert len(images) == len(YEARS) * landsat_scenes.SCENES_A_YEAR
        with opened_image(images[0]) as stack:
            found = bands_of(stack, "", None)
            assert found == bands_of(stack, "landsat-4-7", None)
            assert found.cloud == 8
            assert np.isin(stack.source.read(8), (0, 1)).all()
            assert stack.source.tags()["simulated"] == "true"


def test_a_wide_site_is_two_images_side_by_side_with_one_base_name_and_all_lie_on_the_product() -> None:
    wide = MineSite("Sucuri X", "Sucuri X", {2024: MultiPolygon([box(300, 600, 1000, 700)])})
    corner = MineSite("Tracajá X", "Tracajá X", {2024: MultiPolygon([box(0, 0, 60, 60)])})
    first, second, third = site_windows([wide, corner], (400, 400))
    assert [window.name for window in (first, second, third)] == ["SUCURI_X_1", "SUCURI_X_2", "TRACAJA_X_1"]
    assert (first.columns.stop, second.columns.stop) == (second.columns.start, second.columns.start + 128)
    assert first.rows == second.rows == slice(153, 281)
    assert (third.rows, third.columns) == (slice(0, 128), slice(0, 128))


def test_an_image_of_a_site_is_a_cut_of_its_product(out: Path) -> None:
    image = sorted((out / "landsat_sites").rglob("*.tif"))[3]
    with rasterio.open(image) as cut, rasterio.open(out / "landsat" / image.stem / f"{image.stem}_SR_B5.TIF") as whole:
        assert np.array_equal(cut.read(4), whole.read(1, window=whole.window(*cut.bounds)))


def test_images_and_outlines_give_labels_of_all_three_classes(out: Path, tmp_path: Path) -> None:
    finish_polygons(tmp_path, write_polygons(tmp_path, middle_place()))
    polygons, aliases = read_kml(tmp_path / "polygons" / "sites_2024.kml"), read_aliases(tmp_path / "polygons" / "aliases.csv")
    counts = np.zeros(3, dtype=int)
    for image in sorted((out / "landsat_sites").rglob("*_2024*.tif")):
        chosen = of_site(polygons, image.parent.name, aliases, "sites_2024.kml")
        with opened_image(image) as stack:
            label, _ = three_class_label(
                stack, bands_of(stack, "", None), chosen, recipe("three-class"), "sites_2024.kml", scaling=None
            )
        counts += np.bincount(label.ravel(), minlength=3)[:3]
    assert (counts / counts.sum() > 0.03).all()


def test_equal_seeds_give_equal_bytes_and_others_do_not(out: Path, tmp_path: Path) -> None:
    write_landsat(tmp_path, middle_place())
    first, second = ({p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()} for root in (out, tmp_path))
    assert first == second
    (spec, *_) = plan_landsat("middle", 2024, longitude=-55.2, latitude=-6.4, seed=SEED)
    ground = middle_place().years[2024].ground
    assert not np.array_equal(*(render_landsat(spec, ground, seed=seed).temperature for seed in (1, 2)))
