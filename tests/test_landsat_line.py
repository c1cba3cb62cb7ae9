"""Landsat with temperature from simulated products to a package: scenes, mosaic, patches, statistics, in kelvin all the way."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from mining_platform import mosaic_arrays, patches, verdicts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact, produce
from mining_platform.bands import as_values
from mining_platform.clouds.rules import QA_CLOUD_BITS
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.graph import build_steps
from mining_platform.labels.mapbiomas import LABEL_NAME, read_classes
from mining_platform.packages.verification import verify_package
from mining_platform.patch_datasets import PatchDataset
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.profiles import PROFILES
from mining_platform.ranges import RANGES
from mining_platform.regions import LandCover, Scenes
from mining_platform.simulation.land_cover_maps import write_land_cover
from mining_platform.simulation.landsat import write_landsat
from mining_platform.simulation.landscape import FOREST, MINING
from mining_platform.sources import router
from mining_platform.splits.rules import SplitRule
from mining_platform.stages import datasets, imagery, labels, packages
from mining_platform.stages.files import PREVIEW_FILE
from mining_platform.training_patches import channel_statistics
from tests.mining_platform.simulated_places import SEED, made_place, place_region

pytestmark = pytest.mark.slow
YEAR, CHANNELS = 2024, PROFILES["landsat-7"].channels
KEY = f"middle|{YEAR}"
THERMAL = CHANNELS.index("L-thermal")
STAGES: Mapping[str, Any] = MappingProxyType(
    {
        "land_cover": labels.clip_land_cover,
        "scenes": imagery.list_scenes,
        "candidates": datasets.find_candidates,
        "quotas": datasets.share_quotas,
        "sample": datasets.draw_sample,
        "mosaic": imagery.compose_mosaic,
        "label": labels.label_grid,
        "mosaic_quality": imagery.judge_mosaic,
        "patches": datasets.cut_patches,
        "splits": datasets.part_windows,
        "manifest": datasets.list_patches,
        "package": packages.write_release,
    }
)


@dataclass(frozen=True)
class Made:
    """An installation on which the family of a dataset of Landsat was made, and the products that it rests on."""

    platform: Platform
    row: Dataset
    products: tuple[Path, ...]

    def artifact(self, asset: str, key: str = KEY) -> Artifact:
        return open_artifact(self.platform.artifacts, Ref(asset.replace("*", self.row.id), key))

    @property
    def kelvin(self) -> NDArray[np.float32]:
        """Temperature of the mosaic (y, x)."""
        mosaic = mosaic_arrays.open_mosaic(self.artifact("mosaic").path / mosaic_arrays.MOSAIC_NAME)
        image, _ = mosaic_arrays.read_window(mosaic, mosaic.geobox.boundingbox.bbox)
        return as_values("L-thermal", image[THERMAL])


def make_row() -> Dataset:
    split = SplitRule("block", MappingProxyType({"train": 0.6, "val": 0.2, "test": 0.2}), 960, 0.0, 7)
    quotas = MappingProxyType({name: 20 if name == "000" else 3 for name in RANGES})
    told = {"regions": ("middle",), "years": (YEAR,), "px": 48, "quotas": quotas, "split": split}
    return replace(
        DATASETS["sim_ranges"], id="landsat_of_test", title="SIMULATED Landsat", profile="landsat-7", layout="sites", **told
    )


def make_all(platform: Platform, steps: Mapping[str, Step], row: Dataset) -> None:
    for asset, step in steps.items():
        stage = STAGES.get(asset.rpartition("/")[2])
        if stage is None or step.external:
            continue
        compute = partial(stage, row) if "/" in asset else stage
        for key in step.keys:
            produce(
                platform.artifacts,
                Ref(asset, key),
                inputs=inputs_now(platform, step, key),
                code_version=step.version,
                config=step.config(platform, key),
                compute=partial(compute, platform, key),
            )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("landsat-line")
    place = made_place(replace(place_region(), years=(YEAR,)), SEED, years=(YEAR,))
    write_landsat(folder, place)
    write_land_cover(folder / "map.tif", place.years[YEAR].classes, place.canvas, place.region, YEAR)
    cover = LandCover("mapbiomas", "simulated", str(folder / "map.tif"), (YEAR, YEAR), None, True)
    where = {"archive": str(folder / "landsat")}
    scenes = Scenes("archive", "landsat-c2-l2", "planetary-computer", "qa-median", where, True, profile="landsat-7")
    regions = {"middle": replace(place.region, land_cover=cover, scenes=scenes)}
    row = make_row()
    with pytest.MonkeyPatch.context() as patch:
        for name in list(DATASETS):
            patch.delitem(DATASETS, name)
        patch.setitem(DATASETS, row.id, row)
        platform = Platform(folder, regions, ArtifactStore(folder / "artifacts"), router, router)
        make_all(platform, build_steps(regions), row)
        yield Made(platform, row, tuple(sorted((folder / "landsat").iterdir())))


def test_the_mosaic_has_the_median_kelvin_of_the_products_clear_days(made: Made) -> None:
    geobox = made.platform.regions["middle"].geobox
    seen = []
    for folder in made.products:
        with (
            rasterio.open(folder / f"{folder.name}_ST_B10.TIF") as thermal,
            rasterio.open(folder / f"{folder.name}_QA_PIXEL.TIF") as qa,
        ):
            columns = (geobox.affine.c + 10 * np.arange(geobox.shape[1]) + 5 - thermal.transform.c) // 30
            rows = (thermal.transform.f - (geobox.affine.f - 10_000_000 - 10 * np.arange(geobox.shape[0]) - 5)) // 30
            native = np.ix_(rows.astype(int), columns.astype(int))
            clear = (qa.read(1)[native] & sum(1 << bit for bit in QA_CLOUD_BITS)) == 0
            seen.append(np.where(clear, thermal.read(1)[native] * 0.00341802 + 149.0, np.nan))
    expected = np.nanmedian(np.array(seen), axis=0)
    assert np.isnan(made.kelvin).mean() == pytest.approx(np.isnan(expected).mean())
    np.testing.assert_allclose(made.kelvin, expected, atol=0.00341802 / 2 + 1e-4)


def test_bare_mines_are_some_ten_kelvin_warmer_than_forest(made: Made) -> None:
    box = made.platform.regions["middle"].geobox.boundingbox.bbox
    classes = read_classes(made.artifact("label").path / LABEL_NAME, box)
    forest, mining = (np.nanmedian(made.kelvin[classes == code]) for code in (FOREST, MINING))
    assert 294 < forest < 299, "297.5 K, up to 3.5 K cooler in the wet season"
    assert 5 < mining - forest < 14


def test_facts_tell_the_reflecting_channels_apart_and_the_offset_holds(made: Made) -> None:
    mosaic = made.artifact("mosaic")
    assert mosaic.facts["channels"] == list(CHANNELS)
    assert set(mosaic.facts["dark_dn"]) == set(mosaic.facts["floor_share"]) == set(CHANNELS) - {"L-thermal"}
    for verdict in (verdicts.the_offset_is_applied_once, verdicts.few_clouds_are_left):
        assert verdict(made.platform, mosaic).holds
    for asset in ("mosaic", "mosaic_quality"):
        assert (made.artifact(asset).path / PREVIEW_FILE).read_bytes().startswith(b"\x89PNG")


def test_patches_and_their_statistics_are_in_kelvin(made: Made) -> None:
    store = made.artifact("*/patches").path
    rows = np.flatnonzero(~patches.read_index(store)["dropped"].to_numpy())
    numbers = patches.read_images(store, np.arange(len(rows)))
    found = channel_statistics([numbers], CHANNELS)
    kelvin = as_values("L-thermal", numbers[:, THERMAL])
    assert found.mean[THERMAL] == pytest.approx(float(np.nanmean(kelvin, dtype=np.float64)), abs=1e-3)
    assert found.std[THERMAL] == pytest.approx(float(np.nanstd(kelvin, dtype=np.float64)), abs=1e-3)
    assert 294 < found.mean[THERMAL] < 310
    image = PatchDataset([store])[0].image.numpy()
    np.testing.assert_allclose(image[THERMAL], np.nan_to_num(kelvin[0]), rtol=1e-6)
    assert 0 < image[CHANNELS.index("L-red")].mean() < 0.4


def test_the_package_says_kelvin_where_it_is(made: Made) -> None:
    package = made.artifact("*/package", str(YEAR)).path / packages.PACKAGE_DIRECTORY
    assert verify_package(package).problems == ()
    row = gpd.read_parquet(package / "manifest.parquet").iloc[0]
    with rasterio.open(package / row["image_path"]) as raster:
        assert raster.descriptions == CHANNELS
        kelvin = as_values("L-thermal", raster.read(THERMAL + 1))
    assert 285 < np.nanmin(kelvin) < np.nanmax(kelvin) < 320
    items = [json.loads(path.read_text()) for path in package.rglob("*.json") if '"stac_version"' in path.read_text()]
    told = [band for item in items for asset in item.get("assets", {}).values() for band in asset.get("bands", [])]
    thermal = next(band for band in told if "thermal" in json.dumps(band))
    assert "0.00341802" in json.dumps(thermal)
    assert "149" in json.dumps(thermal)
