"""Real pixels: the golden L1C scenes through ingest, masks and mosaic, and the same scenes through the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform

from mining_platform.clouds.sun import sun_position
from mining_platform.clouds.whole_scenes import write_cloud_probability
from mining_platform.compositing.recipes import RECIPES
from mining_platform.ingest.stacks import ingest_stack
from mining_platform.mosaic_arrays import read_window
from mining_platform.mosaic_quality import evidence
from mining_platform.mosaics import compose
from mining_platform.region_options import region_of_bounds
from mining_platform.regions import Region
from mining_platform.sources import archive
from mining_platform.sources.protocol import SourceError
from tests.conftest import REALDATA

GOLDEN = REALDATA / "s2-l1c-cloud-golden"
pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason="the golden L1C scenes are absent; set MINING_PLATFORM_REALDATA")

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
DATES = (2, 1, 4, 3, 0)
"""Of the 68 dates, those of the five scenes, in their order."""
LEFT_M, TOP_M, EPSG = 465_180, 5_080_260, 32633  # the published bounds, on the 10 m lattice


def times() -> list[datetime]:
    told = json.loads((GOLDEN / "timestamps.json").read_text())
    return [datetime.fromisoformat(told[date]).replace(tzinfo=UTC) for date in DATES]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the five scenes, made of stacks of reflectance."""
    root = tmp_path_factory.mktemp("golden")
    (longitude,), (latitude,) = transform(f"EPSG:{EPSG}", "EPSG:4326", [LEFT_M + 500], [TOP_M - 500])
    for number, (pixels, when) in enumerate(zip(np.load(GOLDEN / "REFERENCE_SCENES.npy"), times(), strict=True)):
        stack = root / f"stack{number}.tif"
        shape = {"count": len(BANDS), "height": pixels.shape[0], "width": pixels.shape[1], "dtype": "float32"}
        place = {"crs": f"EPSG:{EPSG}", "transform": Affine(10, 0, LEFT_M, 0, -10, TOP_M)}
        with rasterio.open(stack, "w", driver="GTiff", **shape, **place) as raster:
            raster.write(np.moveaxis(pixels, -1, 0))
        ingest_stack(
            stack,
            root / "archive",
            scene_id=f"golden-{number}",
            band_ids=BANDS,
            collection="sentinel-2-l1c",
            acquired=when,
            platform="sentinel-2a",
            baseline="02.04",
            sun=sun_position(when, longitude, latitude),
            description="Real Sentinel-2 L1C reflectance published with eo-learn (MIT)",
        )
    return root / "archive"


def place_of(scenes: Path) -> Region:
    west, north = (value[0] for value in transform(f"EPSG:{EPSG}", "EPSG:4326", [LEFT_M + 25], [TOP_M - 25]))
    east, south = (value[0] for value in transform(f"EPSG:{EPSG}", "EPSG:4326", [LEFT_M + 975], [TOP_M - 985]))
    told = {"source": "archive", "collection": "sentinel-2-l1c", "href": str(scenes)}
    return region_of_bounds((west, south, east, north), 2015, told, EPSG)


@pytest.mark.parametrize("number", range(5))
def test_the_command_s_probabilities_and_masks_are_the_published_ones(scenes: Path, tmp_path: Path, number: int) -> None:
    facts = write_cloud_probability(scenes / f"golden-{number}", tmp_path / "p.tif", tmp_path / "m.tif")
    with rasterio.open(tmp_path / "p.tif") as probability, rasterio.open(tmp_path / "m.tif") as mask:
        found, cloud = probability.read(1), mask.read(1)
        assert (probability.crs.to_epsg(), probability.transform.c, probability.transform.f) == (EPSG, LEFT_M, TOP_M)
    expected = np.load(GOLDEN / "CLP_S2C.npy")[DATES[number]].squeeze()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(cloud, np.load(GOLDEN / "CLM_S2C.npy")[DATES[number]].squeeze().astype(np.uint8))
    assert facts["mean_probability"] == pytest.approx(float(expected.mean()), abs=1e-6)


def test_a_mask_in_the_place_of_the_probability_is_refused(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot hold both the probability and the mask. Name another file"):
        write_cloud_probability(scenes / "golden-0", tmp_path / "p.tif", tmp_path / "." / "p.tif")


@pytest.mark.parametrize("block_px", [16, 37])
def test_blocks_of_any_size_give_the_bytes_of_the_whole(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_px: int
) -> None:
    found = []
    for size in (2048, block_px):
        monkeypatch.setattr("mining_platform.clouds.whole_scenes.BLOCK_PX", size)
        write_cloud_probability(scenes / "golden-1", tmp_path / "p.tif", tmp_path / "m.tif")
        with rasterio.open(tmp_path / "p.tif") as probability, rasterio.open(tmp_path / "m.tif") as mask:
            found.append((probability.read(1), mask.read(1)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.fixture(scope="module")
def mosaics(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Mosaics of the golden scenes by recipe: (image, clear days, facts, evidence)."""
    place, made = place_of(scenes), {}
    for recipe in ("s2cloudless-median", "all-median"):
        out = tmp_path_factory.mktemp(recipe)
        table = archive.list_scenes(place, 2015)
        channels = ("B04", "B03", "B02", "B08", "B11")
        facts = compose(place, table, channels, out, recipe=RECIPES[recipe], blocks=None)
        image, count = read_window(out / "mosaic.zarr", place.geobox.boundingbox)
        made[recipe] = (image, count, facts, evidence(out / "mosaic.zarr"))
    return made


def test_the_golden_mosaic_has_the_clouds_out_and_says_what_it_rests_on(mosaics: dict[str, Any]) -> None:
    image, count, facts, found = mosaics["s2cloudless-median"]
    assert facts["scene_count"] == 5
    assert [scene["date"] for scene in facts["scenes"]] == [when.date().isoformat() for when in times()]
    assert facts["gap_share"] == 0
    assert 2 <= count.min() <= count.max() <= 5
    assert found["remnant_score"] < 0.001
    assert (image > 0).all()


def test_without_a_mask_the_two_cloudy_scenes_brighten_the_median(mosaics: dict[str, Any]) -> None:
    masked, unmasked = (mosaics[recipe][0].astype(np.int64) for recipe in ("s2cloudless-median", "all-median"))
    blue = 2  # of five values with two clouds, the middle one is the brightest of the clear ones
    assert unmasked[blue].mean() > masked[blue].mean() + 10
    assert (unmasked[blue] >= masked[blue]).mean() > 0.95
