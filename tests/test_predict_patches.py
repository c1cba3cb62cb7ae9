"""The command `predict` on anyone's patches and rasters, and `evaluate` on the tables that it writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from tests.mining_platform.import_folders import ground, stack, write_tif
from tests.mining_platform.patch_stores import write_pixels
from tests.mining_platform.scored_mosaics import (
    RGB,
    drawn_classifier,
    known_classifier,
    known_score,
    write_model,
    write_mosaic,
)
from tests.synthetic import EPSG, LEFT_M, TOP_M

PX = 48
REDS = (0.05, 0.11, 0.14, 0.3)
IDS = ("a", "b", "c", "d")
MINING_PX = (3, 9, 0, 300)


def run(command: str, *arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, [command, *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return " ".join((str(done.exception) if expected else done.output).split())


def told(command: str, *arguments: object) -> dict[str, Any]:
    return json.loads(run(command, *arguments, "--json"))


def image(red: float, px: int = PX) -> np.ndarray:
    values = np.full((3, px, px), 900, np.uint16)
    values[0] = round(red * 10_000)
    return values


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A model of the red channel, and a store of four patches, of which the label calls the last two mining."""
    write_model(tmp_path / "model", known_classifier())
    labels = np.zeros((4, PX, PX), np.uint8)
    labels[2:, 0, 0] = 1
    write_pixels(tmp_path / "store", np.stack([image(red) for red in REDS]), RGB, IDS, labels)
    return tmp_path


def test_patches_of_a_store_get_the_scores_that_a_mosaic_of_them_would(files: Path) -> None:
    facts = told("predict", files / "model", files / "store", "--out", files / "out")
    assert (facts["patches"], facts["mining"], facts["unlabelled"], facts["task"]) == (4, 2, 0, "classification")
    table = pd.read_csv(files / "out" / "predictions.csv")
    assert table["patch_id"].tolist() == list(IDS)
    assert table["score"].tolist() == pytest.approx([known_score(red) for red in REDS], abs=1e-6)
    assert table["called_mining"].tolist() == [known_score(red) >= 0.5 for red in REDS]
    pd.testing.assert_frame_equal(pd.read_parquet(files / "out" / "predictions.parquet"), table, check_dtype=False)


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.parquet"])
def test_evaluate_takes_the_table_as_it_is(files: Path, name: str) -> None:
    told("predict", files / "model", files / "store", "--out", files / "out")
    facts = told("evaluate", files / "out" / name, "--label", "is_mining", "--score", "score", "--threshold", "0.5")
    assert (facts["patches"], facts["positives"], facts["roc_auc"]) == (4, 2, 1)


def test_a_table_says_which_patches_count_and_what_is_known_of_them(files: Path) -> None:
    rows = {
        "patch_id": ["d", "a", "b"],
        "split": ["test", "test", "train"],
        "is_mining": ["no", "yes", "no"],
        "site": ["x", "y", "y"],
    }
    pd.DataFrame(rows).to_csv(files / "splits.csv", index=False)
    chosen = ("--table", files / "splits.csv", "--split", "test")
    told("predict", files / "model", files / "store", "--out", files / "out", *chosen)
    table = pd.read_csv(files / "out" / "predictions.csv")
    assert table[["patch_id", "split", "site", "is_mining"]].to_numpy().tolist() == [
        ["a", "test", "y", True],
        ["d", "test", "x", False],
    ]
    message = run("predict", files / "model", files / "store", "--out", files / "x", *chosen[:2], "--split", "val", code=2)
    assert "has no patch of the split val; it has test, train" in message


def test_folders_of_others_are_read_as_an_import_reads_them(files: Path) -> None:
    for number, (name, red) in enumerate(zip(("mining/one", "mining/two", "other/three"), REDS, strict=False)):
        write_tif(files / "wild" / f"{name}.tif", image(red), place=ground(number))
    options = ("--layout", "class-folders", "--year", "2022", "--channels", "B04,B03,B02", "--out", files / "out")
    assert told("predict", files / "model", files / "wild", *options)["mining"] == 2
    table = pd.read_csv(files / "out" / "predictions.csv").set_index("patch_id")
    assert table["is_mining"].to_dict() == {"one": True, "three": False, "two": True}
    assert table["score"].to_dict() == pytest.approx(
        {"one": known_score(0.05), "two": known_score(0.11), "three": known_score(0.14)}
    )
    assert "region" not in table


def test_patches_without_a_class_have_scores_alone(files: Path) -> None:
    write_tif(files / "bare" / "one.tif", image(0.3), place=ground(0), names=RGB)
    options = ("--layout", "class-folders", "--year", "2022", "--out", files / "out")
    assert told("predict", files / "model", files / "bare", *options)["unlabelled"] == 1
    assert "is_mining" not in pd.read_csv(files / "out" / "predictions.csv")


def test_what_the_model_was_not_trained_on_is_refused_by_name(files: Path) -> None:
    write_model(files / "nir", known_classifier(channels=("B04", "B08")))
    assert "Channels ['B08'] are not among" in run("predict", files / "nir", files / "store", "--out", files / "out", code=2)
    write_model(files / "large", known_classifier(px=64))
    assert "patches of shape (n, 3, 64, 64)" in run("predict", files / "large", files / "store", "--out", files / "out", code=2)
    coarse = Affine(30, 0, 600_000, 0, -30, 700_000)
    write_tif(files / "landsat" / "one.tif", image(0.3), place=coarse, names=RGB)
    options = ("--layout", "class-folders", "--year", "2022", "--out", files / "out")
    message = run("predict", files / "model", files / "landsat", *options, code=2)
    assert "trained on pixels of 10 m, the patches have 30 m" in message
    write_tif(files / "placeless" / "one.tif", image(0.3), names=RGB)
    assert "Import them again with --pixel-m" in run("predict", files / "model", files / "placeless", *options, code=2)
    assert told("predict", files / "model", files / "placeless", *options, "--pixel-m", "10")["patches"] == 1
    assert "Name the --layout" in run("predict", files / "model", files / "landsat", "--out", files / "out", code=2)
    assert "one mosaic or GeoTIFF at a time" in run(
        "predict", files / "model", files / "a.tif", files / "store", "--out", "x", code=2
    )


def write_stack(
    path: Path, values: np.ndarray, *, names: tuple[str, ...] = RGB, side_m: float = 10, crs: str = f"EPSG:{EPSG}"
) -> Path:
    height, width = values.shape[1:]
    shape = {"driver": "GTiff", "count": len(values), "height": height, "width": width, "dtype": values.dtype.name, "nodata": 0}
    with rasterio.open(path, "w", crs=crs, transform=Affine(side_m, 0, LEFT_M, 0, -side_m, TOP_M), **shape) as raster:
        raster.write(values)
        raster.descriptions = names
    return path


@pytest.mark.parametrize("as_reflectance", [False, True])
def test_a_geotiff_of_all_channels_gives_the_map_of_a_mosaic_of_it(files: Path, as_reflectance: bool) -> None:
    pixels = np.random.default_rng(0).integers(500, 3000, (3, 100, 150), dtype=np.uint16)
    pixels[:, :60, :70] = 0
    write_mosaic(files / "mosaic.zarr", pixels)
    written = (pixels / 10_000).astype(np.float32) if as_reflectance else pixels
    write_stack(files / "stack.tif", written[::-1], names=RGB[::-1])
    facts = [
        told("predict", files / "model", files / name, "--out", files / Path(name).stem) for name in ("mosaic.zarr", "stack.tif")
    ]
    assert facts[1].pop("unit") == ("0 to 1" if as_reflectance else "0 to 10,000")
    assert facts[0] == {**facts[1], "out": facts[0]["out"]}
    assert (files / "mosaic" / "probability.tif").read_bytes() == (files / "stack" / "probability.tif").read_bytes()
    assert (files / "mosaic" / "detections.parquet").read_bytes() == (files / "stack" / "detections.parquet").read_bytes()


def test_a_geotiff_that_the_model_cannot_read_is_refused_and_nothing_is_written(files: Path) -> None:
    pixels = np.full((3, 100, 100), 2000, np.uint16)
    out = ("--out", files / "out")
    raster = write_stack(files / "nameless.tif", pixels, names=("1", "2", "3"))
    assert "has 3 bands, and nothing says which" in run("predict", files / "model", raster, *out, code=2)
    raster = write_stack(files / "coarse.tif", pixels, side_m=20)
    assert "coarse.tif has pixels of 20 m" in run("predict", files / "model", raster, *out, code=2)
    raster = write_stack(files / "degrees.tif", pixels, side_m=1e-4, crs="EPSG:4326")
    assert "degrees" in run("predict", files / "model", raster, *out, code=2)
    raster = write_stack(files / "dark.tif", (pixels // 20).astype(np.uint8))
    assert "Say how reflectance is made of the values" in run("predict", files / "model", raster, *out, code=2)
    raster = write_stack(files / "green.tif", pixels, names=("B08", "B03", "B02"))
    assert "Channels ['B04'] are not among" in run("predict", files / "model", raster, *out, code=2)
    assert not (files / "out").exists()
    assert sorted(path.name for path in files.iterdir() if path.name.startswith("tmp-")) == []


def test_a_geotiff_may_hold_what_lies_in_a_layer_beside_a_mosaic(files: Path) -> None:
    write_model(files / "high", known_classifier(channels=("DEM", "B04")))
    pixels = np.stack([np.full((96, 96), 0.2, np.float32), np.full((96, 96), 143.4, np.float32)])
    stack_file = write_stack(files / "high.tif", pixels, names=("B04", "DEM"))
    assert told("predict", files / "high", stack_file, "--out", files / "out")["channels"] == ["DEM", "B04"]


@pytest.fixture
def segmented(tmp_path: Path) -> Path:
    """A U-Net with random weights has segmented SmallMines patches; the folder of tables."""
    for tile, mining in enumerate(MINING_PX):
        place, mask = ground(tile), np.zeros(32 * 32, np.uint8)
        mask[:mining], mask[-1] = 1, 255
        write_tif(
            tmp_path / "mines" / "2016" / "IMAGE" / f"IMG_GH_{tile:04d}_2016.tif", np.tile(stack(tile), (1, 4, 4)), place=place
        )
        write_tif(tmp_path / "mines" / "2016" / "MASK" / f"MASK_GH_{tile:04d}_2016.tif", mask.reshape(32, 32), place=place)
    write_model(tmp_path / "unet", drawn_classifier("unet", 32, ("B02", "B03", "B04", "B08", "B11")))
    facts = told("predict", tmp_path / "unet", tmp_path / "mines", "--layout", "smallmines", "--out", tmp_path / "out")
    assert (facts["patches"], facts["mining"], facts["task"]) == (4, 3, "segmentation")
    return tmp_path


def test_segmentation_writes_maps_on_the_ground_of_the_patches_and_counts_of_pixels(segmented: Path) -> None:
    table = pd.read_csv(segmented / "out" / "predictions.csv")
    counts = table[[f"px_{true}_as_{called}" for true in ("background", "mining") for called in ("background", "mining")]]
    assert counts.sum(axis=1).tolist() == [32 * 32 - 1] * 4  # one pixel has no class
    assert table["px_mining_as_mining"].add(table["px_mining_as_background"]).tolist() == list(MINING_PX)
    for row in table.itertuples():
        with rasterio.open(segmented / "out" / row.class_map) as raster:
            assert raster.crs is not None
            assert bool((raster.read(1) == 1).any()) == row.called_mining  # the score is the greatest of the pixels
    assert (segmented / "out" / "patches.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_tells_iou_by_class_of_a_table_of_segmentation(segmented: Path) -> None:
    options = ("--label", "is_mining", "--score", "score", "--threshold", "0.5", "--out", segmented / "evaluation")
    facts = told("evaluate", segmented / "out" / "predictions.csv", *options)["pixels"]
    table = pd.read_csv(segmented / "out" / "predictions.csv")
    hits, wrong = (
        table["px_mining_as_mining"].sum(),
        table["px_mining_as_background"].sum() + table["px_background_as_mining"].sum(),
    )
    assert facts["classes"]["mining"]["iou"] == pytest.approx(hits / (hits + wrong))
    assert facts["pixels"] == 4 * (32 * 32 - 1)
    names = {path.name for path in (segmented / "evaluation").iterdir()}
    assert {"iou.png", "confusion.png", "classes.png", "by_class.csv"} <= names
    assert pd.read_csv(segmented / "evaluation" / "by_class.csv")["class"].tolist() == ["background", "mining"]


def test_what_the_splits_do_not_tell_comes_from_a_table_of_the_same_patches(files: Path) -> None:
    pd.DataFrame({"patch_id": IDS, "split": ["train", "test", "test", "val"]}).to_parquet(files / "splits.parquet", index=False)
    known = {"patch_id": IDS, "split": "train", "is_mining": ["", "true", "false", ""], "site": ["x", "y", "z", "x"]}
    pd.DataFrame(known).to_csv(files / "known.csv", index=False)
    options = ("--splits", files / "splits.parquet", "--table", files / "known.csv", "--split", "test", "--out", files / "out")
    told("predict", files / "model", files / "store", *options)
    table = pd.read_csv(files / "out" / "predictions.csv")
    assert table[["patch_id", "is_mining", "site"]].to_numpy().tolist() == [["b", True, "y"], ["c", False, "z"]]
    pd.DataFrame(known).iloc[:2].to_csv(files / "known.csv", index=False)
    message = run("predict", files / "model", files / "store", *options, code=2)
    assert "has no row of 2 patches of" in message


def test_patches_without_any_class_are_not_trained_on_as_if_they_were_no_mine(files: Path) -> None:
    no_class = np.full((4, PX, PX), 255, np.uint8)
    write_pixels(files / "bare", np.stack([image(red) for red in REDS]), RGB, IDS, no_class)
    pd.DataFrame({"patch_id": IDS, "split": ["train", "train", "val", "val"]}).to_csv(files / "splits.csv", index=False)
    options = ("--model", "small-cnn", "--splits", files / "splits.csv", "--out", files / "trained")
    message = run("train", files / "bare", *options, code=2)
    assert "2 patches of the split train have no class, such as ['a', 'b']" in message
    assert "Name the table that does by --table" in message


def test_predictions_of_simulated_patches_are_marked_without_being_asked(files: Path) -> None:
    told("predict", files / "model", files / "store", "--out", files / "out")
    table = files / "out" / "predictions.csv"
    options = ("--label", "is_mining", "--score", "score")
    assert told("evaluate", table, *options)["simulated"] is False
    pd.read_csv(table).assign(simulated=True).to_csv(table, index=False)
    assert told("evaluate", table, *options)["simulated"] is True
