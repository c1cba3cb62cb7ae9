"""Which patches training reads: those of training and validation; the test split is left to evaluation."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from typer.testing import CliRunner

from mining_platform import zarr_arrays
from mining_platform.artifacts import Artifact, ArtifactStore, Ref
from mining_platform.cli import EXPECTED, app
from mining_platform.models.classifier import CARD_FILE, WEIGHTS_FILE, load_model
from mining_platform.patch_datasets import PatchDataset
from mining_platform.patches import STORE_NAME
from mining_platform.pipeline import Platform
from mining_platform.sources import router
from mining_platform.stages import models
from mining_platform.stages.files import MANIFEST_FILE, PREVIEW_FILE
from tests.mining_platform.patch_stores import write_pixels
from tests.mining_platform.test_training import RGB, TINY, pixels

TRAIN, VAL, TEST = 12, 8, 4
SPLITS = ["train"] * TRAIN + ["val"] * VAL + ["test"] * TEST
IDS = [f"p{row:02d}" for row in range(len(SPLITS))]
KEY = "tiny|2024"
PLATFORM = Platform(Path("absent"), {}, ArtifactStore(Path("absent")), router, router)


def write_store(folder: Path) -> Path:
    images, is_mining = pixels(len(IDS))
    labels = np.where(is_mining[:, None, None], images[:, 0] > 1500, 0).astype(np.uint8)
    return write_pixels(folder, images, RGB, IDS, labels)


def poisoned(store: Path) -> None:
    """Other pixels and labels in all test patches, and damaged files where nothing else lies in them."""
    for name, value in (("image", 65_535), ("label", 1)):
        array = zarr_arrays.open_array(store / STORE_NAME / name)
        values = array.read().result()
        values[-TEST:] = value
        shutil.rmtree(store / STORE_NAME / name / "c")
        array.write(values).result()
    last = sorted((store / STORE_NAME / "image" / "c").glob("*"), key=lambda path: int(path.name))[-1]
    for file in last.rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")  # files of images hold four patches, the last one the four of the test split


def manifest() -> gpd.GeoDataFrame:
    table = pd.DataFrame({"patch_id": IDS, "window_id": IDS, "region": "r", "split": SPLITS, "dropped": False})
    table["is_mining"] = np.arange(len(IDS)) % 2 == 1
    return gpd.GeoDataFrame(table, geometry=[shapely.box(0, 0, 1, 1)] * len(IDS), crs=4326)


def inputs(folder: Path, table: gpd.GeoDataFrame) -> dict[Ref, Artifact]:
    """A release of one region."""
    store = write_store(folder / "patches")
    (folder / "manifest").mkdir()
    table.to_parquet(folder / "manifest" / MANIFEST_FILE)
    made = {Ref("sim_ranges/patches", "r|2024"): store, Ref("sim_ranges/manifest", "2024"): folder / "manifest"}
    return {ref: Artifact(ref, "0" * 64, path, {"simulated": True}) for ref, path in made.items()}


@pytest.fixture
def tiny_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(models.EXPERIMENTS, "tiny", replace(TINY, epochs=2))


@pytest.mark.usefixtures("tiny_row")
def test_an_experiment_is_a_row_and_its_training_never_reads_a_test_patch(tmp_path: Path) -> None:
    given = inputs(tmp_path, manifest())
    outs = tmp_path / "first", tmp_path / "second"
    for out in outs:
        out.mkdir()
    facts = models.train_model(PLATFORM, KEY, given, outs[0])
    poisoned(tmp_path / "patches")
    with pytest.raises(zarr_arrays.ArrayError):
        PatchDataset([tmp_path / "patches"], as_reflectance=False)[TRAIN + VAL]
    models.train_model(PLATFORM, KEY, given, outs[1])
    assert facts["train"] == {"patches": TRAIN, "mining": TRAIN // 2}
    for file in (WEIGHTS_FILE, CARD_FILE, PREVIEW_FILE):
        assert (outs[0] / file).read_bytes() == (outs[1] / file).read_bytes()


@pytest.mark.usefixtures("tiny_row")
def test_a_published_model_has_no_checkpoints_and_tells_of_its_split_and_place(tmp_path: Path) -> None:
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    (tmp_path / "out" / "torn.safetensors").write_bytes(b"left by a kill")
    models.train_model(PLATFORM, KEY, inputs(tmp_path, manifest()), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {WEIGHTS_FILE, CARD_FILE, PREVIEW_FILE, "README.md", "stac-model.json"}
    card = json.loads((tmp_path / "out" / CARD_FILE).read_text())
    assert card["split"] == {"method": "block", "train_patches": TRAIN, "validation_patches": VAL}
    assert card["extent"]["bbox"] == [0, 0, 1, 1]
    assert card["simulated"] is True


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["train", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return " ".join((str(done.exception) if expected else done.output).split())


def splits_file(folder: Path, **columns: object) -> Path:
    pd.DataFrame({"patch_id": IDS, "split": SPLITS, **columns}).to_csv(folder / "splits.csv", index=False)
    return folder / "splits.csv"


def test_anyones_stores_train_a_model_that_loads_and_test_patches_are_not_read(tmp_path: Path) -> None:
    store, splits = write_store(tmp_path / "patches"), splits_file(tmp_path)
    poisoned(store)
    options = ("--model", "small-cnn", "--splits", splits, "--epochs", 2, "--rate", "2e-3", "--augmentation", "flips")
    told = json.loads(run(store, *options, "--out", tmp_path / "model", "--json"))
    assert told["train"] == {"patches": TRAIN, "mining": TRAIN // 2}  # whether a patch holds mining is told by its label
    assert told["epochs"] == [2]
    assert load_model(tmp_path / "model").channels == RGB
    assert not (tmp_path / "model" / "checkpoints").exists()
    assert (tmp_path / "model" / "curves.png").is_file()
    assert "optimistic" in run(store, *options, "--out", tmp_path / "again")
    assert (tmp_path / "model" / WEIGHTS_FILE).read_bytes() == (tmp_path / "again" / WEIGHTS_FILE).read_bytes()
    assert "holds no unfinished training" in run(store, *options, "--out", tmp_path / "again", code=2)


def test_a_table_may_say_itself_what_holds_mining(tmp_path: Path) -> None:
    store = write_store(tmp_path / "patches")
    splits = splits_file(tmp_path, is_mining=[str(row % 3 == 0) for row in range(len(IDS))])
    options = ("--model", "small-cnn", "--splits", splits, "--epochs", 1, "--augmentation", "none")
    told = json.loads(run(store, *options, "--out", tmp_path / "model", "--json"))
    assert told["train"] == {"patches": TRAIN, "mining": TRAIN // 3}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"--model": "resnet"}, "--model 'resnet' is none of small-cnn"),
        ({"--schedule": "steps"}, "--schedule 'steps' is none of constant, cosine"),
        ({"--augmentation": "mirror"}, "--augmentation 'mirror' is none of none, flips, document"),
        ({"--out": "absent/model"}, "There is no folder"),
        ({"--splits": "none.csv"}, "none.csv"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(tmp_path: Path, options: dict[str, str], problem: str) -> None:
    store, splits = write_store(tmp_path / "patches"), splits_file(tmp_path)
    given = {"--model": "small-cnn", "--splits": str(splits), "--out": str(tmp_path / "model"), **options}
    given["--out"] = str(tmp_path / given["--out"])
    assert problem in run(store, *(part for pair in given.items() for part in pair), code=2)
    assert not (tmp_path / "model").exists()


def test_tables_that_do_not_fit_the_stores_are_refused_with_the_remedy(tmp_path: Path) -> None:
    store = write_store(tmp_path / "patches")
    good = pd.DataFrame({"patch_id": IDS, "split": SPLITS})
    cases = {
        "has no column split": good.drop(columns="split"),
        "names ['p00'] more than once": pd.concat([good, good.head(1)]),
        "has no patch of the split val; it has test, train": good[good["split"] != "val"],
        "['q'] are in none or in several": pd.concat([good, pd.DataFrame({"patch_id": ["q"], "split": ["train"]})]),
        "is_mining holds ['perhaps']": good.assign(is_mining="perhaps"),
        "training split: 0 mining and 12 other patches": good.assign(is_mining="false"),
    }
    for problem, table in cases.items():
        table.to_csv(tmp_path / "splits.csv", index=False)
        options = ("--model", "small-cnn", "--splits", tmp_path / "splits.csv", "--out", tmp_path / "model")
        assert problem in run(store, *options, code=2)
    assert "holds no patches.zarr" in run(tmp_path, *options, code=2)


def test_a_store_whose_numbers_mean_something_else_is_refused(tmp_path: Path) -> None:
    store, splits = write_store(tmp_path / "patches"), splits_file(tmp_path)
    group = store / STORE_NAME / "zarr.json"
    told = json.loads(group.read_text())
    told["attributes"]["bands"] = [{"id": "B04", "unit": "reflectance", "scale": 0.1}]
    group.write_text(json.dumps(told))
    options = ("--model", "small-cnn", "--splits", splits, "--out", tmp_path / "model")
    assert "training split: B04 has scale 0.1, trained on 0.0001" in run(store, *options, code=2)
