"""The part `toa` of a simulated archive: its items, read by both sources of files, down to a mosaic of thirteen bands."""

from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from numpy.typing import NDArray

from mining_platform.bands import BANDS
from mining_platform.clouds.whole_scenes import write_cloud_probability
from mining_platform.compositing.recipes import RECIPES
from mining_platform.mosaic_arrays import read_window
from mining_platform.mosaics import compose
from mining_platform.profiles import PROFILES
from mining_platform.region_options import region_of_bounds
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import scenes_of
from mining_platform.simulation.archive import write_archive
from mining_platform.simulation.toa import CLEAR_DATES, CLOUDY_DATES
from mining_platform.sources import archive, stac
from tests.mining_platform.simulated_places import SEED, place_region

YEAR, DATES = 2024, 8
CHANNELS = PROFILES["s2-13"].channels
Composed = tuple[NDArray[np.uint16], NDArray[np.uint16], dict[str, object]]
SMALL = place_region(0.03, region_id="small", name="Small")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toa") / "archive"
    assert write_archive(folder, [SMALL], [YEAR], seed=SEED, dates_per_year=DATES, also=["toa"])["also"] == {"toa": 6}
    return folder


@pytest.fixture(scope="module")
def items(out: Path) -> list[pystac.Item]:
    found = pystac.Catalog.from_file(str(out / "toa" / "catalog.json")).get_items(recursive=True)
    return sorted(found, key=lambda item: item.id)


def region_at(out: Path, source: str) -> Region:
    """The ground within the archive's margin, its scenes from the part through a source."""
    place = {"stac": out / "toa" / "catalog.json", "archive": out / "toa"}[source]
    told = {"source": source, "collection": "sentinel-2-l1c", "profile": "s2-13", "href": str(place), "simulated": True}
    return region_of_bounds(SMALL.geometry.bounds, YEAR, told, SMALL.epsg)


@pytest.fixture(scope="module")
def mosaic(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Composed:
    """Pixels (13, y, x), clear days and facts of the year, by the collection's own recipe."""
    place, made = region_at(out, "archive"), tmp_path_factory.mktemp("mosaic")
    recipe = RECIPES[required_scenes(place).recipe]
    facts = compose(place, archive.list_scenes(place, YEAR), CHANNELS, made, recipe=recipe, blocks=None)
    return *read_window(made / "mosaic.zarr", place.geobox.boundingbox), facts


def test_items_are_of_earth_searchs_collection_with_thirteen_bands_and_no_masks(items: list[pystac.Item]) -> None:
    assert len(items) == CLEAR_DATES + CLOUDY_DATES
    for item in items:
        assert (item.collection_id, item.properties["s2:product_type"]) == ("sentinel-2-l1c", "S2MSI1C")
        assert set(item.assets) == {BANDS[name].providers["earth-search"] for name in CHANNELS}
        assert item.properties["simulated"] is True
        assert item.properties["title"].startswith("SIMULATED")
        late = float(item.properties["s2:processing_baseline"]) >= 4
        assert item.assets["cirrus"].extra_fields["raster:bands"][0]["offset"] == (-0.1 if late else 0)


def test_every_date_is_that_of_an_l2a_scene_of_the_archive(out: Path, items: list[pystac.Item]) -> None:
    level_2 = pystac.Catalog.from_file(str(out / "stac" / "catalog.json")).get_items(recursive=True)
    told = {(item.id.removesuffix("_L2A"), item.datetime, item.properties["view:sun_elevation"]) for item in level_2}
    assert {(item.id.removesuffix("_L1C"), item.datetime, item.properties["view:sun_elevation"]) for item in items} < told


def test_the_offset_of_the_baseline_is_in_the_files(items: list[pystac.Item]) -> None:
    for item in items:
        with rasterio.open(item.assets["cirrus"].get_absolute_href()) as source:
            numbers = source.read(1)
            assert source.res == (60, 60)
        added_dn = 1_000 if float(item.properties["s2:processing_baseline"]) >= 4 else 0
        assert 0 < np.median(numbers[numbers > 0]) - added_dn < 40


def test_both_sources_of_files_list_the_same_scenes(out: Path) -> None:
    listed = [
        {scene.scene_id: (scene.offset_dn, scene.cloud_pct, tuple(scene.hrefs)) for scene in scenes_of(table)}
        for table in (module.list_scenes(region_at(out, name), YEAR) for name, module in (("archive", archive), ("stac", stac)))
    ]
    assert listed[0] == listed[1]
    assert len(listed[0]) == CLEAR_DATES + CLOUDY_DATES
    assert all(set(CHANNELS) <= set(bands) for _, _, bands in listed[0].values())


def test_the_recipe_of_the_collection_is_s2cloudless_and_leaves_a_mosaic_without_gaps(mosaic: Composed) -> None:
    image, count, facts = mosaic
    assert (facts["channels"], facts["gap_share"], facts["simulated"]) == (list(CHANNELS), 0, True)
    assert image.shape[0] == 13
    assert 1 <= count.min() <= np.median(count) <= CLEAR_DATES + CLOUDY_DATES


def test_channels_of_the_mosaic_lie_in_the_order_of_the_profile(mosaic: Composed) -> None:
    dark = dict(zip(CHANNELS, np.percentile(mosaic[0], 20, axis=(1, 2)), strict=True))
    assert dark["B04"] < dark["B03"] < dark["B02"] < dark["B01"] < 1_500, "the air brightens short waves"
    assert dark["B09"] < dark["B8A"] / 3, "vapour darkens B09"
    assert np.median(mosaic[0][CHANNELS.index("B10")]) < 15


def test_the_command_for_l1c_scenes_finds_the_cloud_that_an_item_tells_and_its_rims(
    items: list[pystac.Item], tmp_path: Path
) -> None:
    for item in items:
        folder = Path(item.get_self_href() or "").parent
        facts = write_cloud_probability(folder, tmp_path / f"{item.id}.tif", tmp_path / f"{item.id}-mask.tif")
        told = item.properties["eo:cloud_cover"] / 100
        assert told - 0.02 < facts["cloud_share"] < told + 0.2
