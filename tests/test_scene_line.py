"""A dataset of single scenes through the assets of the demonstration: a sample a site and scene, with clouds as a class."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from rasterio.warp import Resampling, reproject

from mining_platform import patches, verdicts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact, records
from mining_platform.bands import as_values
from mining_platform.packages.verification import verify_package
from mining_platform.patch_conventions import CLOUD
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from mining_platform.sources import router
from mining_platform.stages.files import MANIFEST_FILE, SCENES_FILE
from mining_platform.stages.packages import PACKAGE_DIRECTORY
from tests.conftest import Line

DATASET, YEAR = "sim_landsat_sites", "2024"
REGIONS = ("sim-igarape-landsat", "sim-serra-landsat")
KEY = f"{REGIONS[0]}|{YEAR}"
MINING_CODE = 30


@pytest.fixture(scope="module")
def store(line: Line) -> ArtifactStore:
    return ArtifactStore(line.installation.home / "artifacts")


@pytest.fixture(scope="module")
def manifest(store: ArtifactStore) -> gpd.GeoDataFrame:
    return gpd.read_parquet(open_artifact(store, Ref(f"{DATASET}/manifest", YEAR)).path / MANIFEST_FILE)


def cut(store: ArtifactStore, key: str = KEY) -> Artifact:
    return open_artifact(store, Ref(f"{DATASET}/patches", key))


def test_every_site_has_a_sample_in_every_scene_that_shows_it(store: ArtifactStore, manifest: gpd.GeoDataFrame) -> None:
    for region in REGIONS:
        scenes = gpd.read_parquet(open_artifact(store, Ref("scenes", f"{region}|{YEAR}")).path / SCENES_FILE)
        rows = manifest[manifest["region"] == region]
        assert set(rows.groupby("point_id").size()) == {len(scenes)}
        assert set(rows["scene_ids"]) == set(scenes["scene_id"])
    assert len(manifest) >= 50
    assert (manifest["pixel_m"] == 30).all()
    assert manifest["simulated"].all()


def test_images_are_the_scenes_own_pixels(line: Line, store: ArtifactStore, manifest: gpd.GeoDataFrame) -> None:
    row = manifest[(manifest["region"] == REGIONS[0]) & ~manifest["dropped"]].iloc[0]
    folder = line.installation.home / "archive" / "landsat" / row["scene_ids"]
    image = patches.read_images(cut(store).path, [row["store_row"]], ["L-red", "L-thermal"])[0]
    for number, (name, northing) in enumerate((("SR_B4", 10_000_000), ("ST_B10", 10_000_000))):
        with rasterio.open(folder / f"{row['scene_ids']}_{name}.TIF") as raster:
            column, top = ~raster.transform * (row["x0"], row["y0"] - northing)
            assert (column % 1, top % 1) == (0, 0)
            own = raster.read(1)[int(top) : int(top) + 64, int(column) : int(column) + 64]
        expected = (
            own if name == "ST_B10" else np.clip(np.floor(own * np.float32(0.275) - np.float32(2000) + 0.5), 1, None) * (own > 0)
        )
        np.testing.assert_array_equal(image[number], expected)
    kelvin = as_values("L-thermal", image[1])
    assert np.nanmax(kelvin) < 330


def test_labels_are_the_simulators_mines_without_plants_where_no_cloud_is(line: Line, store: ArtifactStore) -> None:
    artifact = cut(store)
    attributes = patches.read_attributes(artifact.path)
    labels = patches.read_labels(artifact.path, range(artifact.facts["patches"]))
    assert set(np.unique(labels)) <= {0, 1, CLOUD, 255}
    assert 0.2 < (labels == CLOUD).mean() < 0.8
    both = either = 0
    with rasterio.open(line.installation.home / "archive" / "land_cover" / f"sim-igarape_coverage_{YEAR}.tif") as truth:
        for label, affine in zip(labels, attributes["affines"], strict=True):
            codes = np.zeros(label.shape, np.uint8)
            frame = {
                "dst_transform": rasterio.Affine(*affine),
                "dst_crs": attributes["proj:code"],
                "resampling": Resampling.nearest,
            }
            reproject(rasterio.band(truth, 1), codes, **frame)
            seen, mined = label <= 1, codes == MINING_CODE
            both += int((seen & mined & (label == 1)).sum())
            either += int((seen & (mined | (label == 1))).sum())
    assert both / either > 0.7, "drawn outlines, plants in them and nearest pixels take the rest"


def test_a_site_is_on_one_side_in_all_its_scenes_and_years(store: ArtifactStore, manifest: gpd.GeoDataFrame) -> None:
    sites = manifest.assign(site=manifest["point_id"].str.replace(r"_\d+$", "", regex=True))
    assert (sites.groupby("site")["split"].nunique() == 1).all()
    assert set(sites["split"]) == {"train", "val", "test"}
    splits = open_artifact(store, Ref(f"{DATASET}/splits", YEAR))
    platform = Platform(Path(), {}, store, router, router)
    assert verdicts.every_place_keeps_its_side(platform, splits).holds
    assert verdicts.no_ground_is_in_two_splits(platform, splits).holds


def test_the_package_has_clouds_in_its_labels_and_is_whole(store: ArtifactStore, manifest: gpd.GeoDataFrame) -> None:
    package = open_artifact(store, Ref(f"{DATASET}/package", YEAR)).path / PACKAGE_DIRECTORY
    found = verify_package(package)
    assert not found.problems
    assert found.patches == int((~manifest["dropped"]).sum())
    mapping = pd.read_csv(package / "filename_mapping.csv")
    assert len(mapping) == found.patches
    values = {
        int(value)
        for row in mapping.itertuples()
        for value in np.unique(Image.open(package / row.split / "labels" / row.site / row.new.replace(".tif", ".png")))
    }
    assert values == {0, 1, 2}
    licence = (package / "CITATION.cff").read_text()
    assert "CC0-1.0" in licence


def test_lineage_leads_to_the_drawn_sites(line: Line, store: ArtifactStore) -> None:
    record = records(store, Ref(f"{DATASET}/patches", KEY))[-1]
    assert {each.asset for each in record.inputs} == {f"{DATASET}/sample", "scenes"}
    assert set(record.configuration["outside"]) == {f"sites_{YEAR}.kml", "aliases.csv"}
    assert record.configuration["clouds"]["id"] == "qa-pixel"
    assert load_regions(line.installation.regions)[REGIONS[0]].land_cover is None
