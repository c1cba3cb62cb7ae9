"""Someone else's labelled folder of real Sentinel-2 patches, from import to evaluation by commands alone."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.warp import calculate_default_transform, reproject

from tests.conftest import REALDATA, ROOT, Installation

SCENE = REALDATA / "trombetas-s2-srtm-polygons"
PX, EPSG = 16, 32721
BANDS = "B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B11,B12"
STANDS_FOR_MINING = {"village": True, "dryout": True, "forest": False, "water": False}
"""Nobody drew a mine there: built-up and dried-out ground stand for it, as in the demonstration of the same scene."""


def cut_patches(folder: Path) -> Path:
    """The real scene on a UTM grid in files of 16 x 16 pixels wherever a person drew a polygon, and a table of their classes."""
    with rasterio.open(SCENE / "sen2_12band.tif") as scene:
        bounds = scene.bounds
        affine, width, height = calculate_default_transform(
            scene.crs, f"EPSG:{EPSG}", scene.width, scene.height, *bounds, resolution=10
        )
        pixels = np.zeros((scene.count, height, width), np.float32)
        reproject(rasterio.band(scene, list(range(1, 13))), pixels, dst_transform=affine, dst_crs=f"EPSG:{EPSG}")
    polygons = gpd.read_file(SCENE / "training_polygons_wgs84.geojson").to_crs(EPSG)
    classes = [(place, 1 + STANDS_FOR_MINING[name]) for place, name in zip(polygons.geometry, polygons["class"], strict=True)]
    drawn = rasterize(classes, (height, width), transform=affine)
    rows = []
    for row, column in np.ndindex(height // PX, width // PX):
        inside = np.s_[row * PX : (row + 1) * PX, column * PX : (column + 1) * PX]
        seen = np.unique(drawn[inside][drawn[inside] > 0])
        if len(seen) == 1 and pixels[:, *inside].all():
            name, corner = f"chip_{row:02d}_{column:02d}.tif", affine * (column * PX, row * PX)
            place = rasterio.transform.from_origin(*corner, 10, 10)
            shape = {"driver": "GTiff", "count": 12, "height": PX, "width": PX, "dtype": "float32"}
            (folder / "chips").mkdir(parents=True, exist_ok=True)
            with rasterio.open(folder / "chips" / name, "w", crs=f"EPSG:{EPSG}", transform=place, **shape) as file:
                file.write(pixels[:, *inside])
            rows.append({"filename": f"chips/{name}", "date": "2022-07-01", "class": "mine" if seen[0] > 1 else "background"})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder in which the commands of docs/imports.md have run one after the other, and what each printed as JSON."""
    if not SCENE.exists():
        pytest.skip("the real scene of Trombetas is absent; set MINING_PLATFORM_REALDATA")
    folder = tmp_path_factory.mktemp("wild")
    home = Installation(folder / "home", ROOT / "regions.geojson")

    def run(*arguments: str | Path) -> dict[str, Any]:
        printed = home.run(*map(str, arguments), "--json")
        return json.loads(printed[printed.index("{") : printed.rindex("}") + 1])

    chips = cut_patches(folder / "chips-of-others")
    told = {"import": run("import", chips, "--layout", "labelled-folder", "--region", "trombetas", "--channels", BANDS)}
    paths = {each["ref"].partition("@")[0]: Path(each["path"]) for each in told["import"]["versions"]}
    patches, manifest = paths["imported/patches"], paths["imported/manifest"] / "manifest.parquet"
    splits, model, scores = folder / "splits.parquet", folder / "model", folder / "scores"
    home.run("split", str(manifest), "--method", "block", "--block-m", "320", "--fractions", "60,15,25", "--out", str(splits))
    told["leakage"] = run("leakage", manifest, "--splits", splits, "--store", patches)
    tables = ("--splits", splits, "--table", manifest)
    told["train"] = run("train", patches, "--model", "small-cnn", *tables, "--out", model, "--epochs", "25")
    told["predict"] = run("predict", model, patches, *tables, "--split", "test", "--out", scores)
    threshold = str(told["train"]["threshold"])
    told["evaluate"] = run(
        *("evaluate", scores / "predictions.csv", "--label", "is_mining", "--score", "score"),
        *("--threshold", threshold, "--cluster", "group", "--out", folder / "evaluation"),
    )
    return folder, told


@pytest.mark.slow
def test_a_folder_of_real_patches_goes_from_import_to_evaluation_by_commands(work: tuple[Path, dict[str, Any]]) -> None:
    folder, told = work
    assert told["import"]["patches"] == told["leakage"]["patches"] == 57
    assert told["train"]["validation"]["positives"] >= 2
    table = pd.read_csv(folder / "scores" / "predictions.csv")
    assert set(table["split"]) == {"test"}
    assert table["score"].between(0, 1).all()
    assert told["predict"]["mining"] == told["evaluate"]["positives"] == int(table["is_mining"].sum())


@pytest.mark.slow
def test_the_model_knows_the_ground_of_the_files(work: tuple[Path, dict[str, Any]]) -> None:
    card = json.loads((work[0] / "model" / "model.json").read_text())
    assert card["pixel_m"] == 10
    assert [channel["id"] for channel in card["channels"]] == BANDS.split(",")


@pytest.mark.slow
def test_scores_on_real_patches_come_with_counts_and_intervals(work: tuple[Path, dict[str, Any]]) -> None:
    facts = work[1]["evaluate"]
    assert facts["positives"] + facts["negatives"] == facts["patches"]
    assert facts["roc_auc"] > 0.8  # bare ground and roofs against forest and water
    assert facts["bootstrap"]["by_cluster"]["f1"]["low"] <= facts["f1"] <= facts["bootstrap"]["by_cluster"]["f1"]["high"]
    assert facts["recall_interval"]["low"] < facts["recall_interval"]["high"]
    assert facts["simulated"] is False
